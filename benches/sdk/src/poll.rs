//! The loop that both mains run: receive ten, open them if there is a Redis to mark them in, delete ten.
//!
//! Enters: a client; QUEUE_URL, REDIS_URL, HANDLER (`noop`, or `redis`: unwrap and one SET NX), POLLERS. Runs until it is killed.

use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use redis::aio::ConnectionManager;

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

async fn handle(body: &str, redis: &mut ConnectionManager) -> redis::RedisResult<()> {
    let envelope: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let event: serde_json::Value = serde_json::from_str(envelope["Message"].as_str().expect("text")).expect("JSON");
    let key = format!("idem:{}", event["eventId"].as_str().expect("an id"));
    redis::cmd("SET").arg(key).arg(1).arg("NX").arg("EX").arg(86_400).query_async(redis).await
}

async fn poll(client: aws_sdk_sqs::Client, url: String, mut redis: Option<ConnectionManager>) {
    loop {
        let receive = client.receive_message().queue_url(&url).max_number_of_messages(10).wait_time_seconds(20);
        let Ok(answer) = receive.send().await else { continue };
        let mut entries = Vec::new();
        for (n, message) in answer.messages().iter().enumerate() {
            if let Some(redis) = &mut redis {
                handle(message.body().unwrap_or_default(), redis).await.expect("Redis answers");
            }
            let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
            entries.push(entry.receipt_handle(message.receipt_handle().unwrap_or_default()).build().expect("whole"));
        }
        if !entries.is_empty() {
            client.delete_message_batch().queue_url(&url).set_entries(Some(entries)).send().await.expect("deleted");
        }
    }
}

pub async fn run(client: aws_sdk_sqs::Client) {
    let redis = if variable("HANDLER", "noop") == "redis" {
        let client = redis::Client::open(variable("REDIS_URL", "redis://127.0.0.1:6379/0")).expect("a URL");
        Some(ConnectionManager::new(client).await.expect("Redis is there"))
    } else {
        None
    };
    let pollers: usize = variable("POLLERS", "1").parse().expect("a number");
    let url = variable("QUEUE_URL", "");
    let all = (0..pollers).map(|_| tokio::spawn(poll(client.clone(), url.clone(), redis.clone()))).collect::<Vec<_>>();
    for poller in all {
        poller.await.expect("a poller never ends");
    }
}
