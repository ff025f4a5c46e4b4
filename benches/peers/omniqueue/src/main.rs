//! A consumer on omniqueue: tasks that each receive ten, and acknowledge one by one, since it has no other way.
//!
//! Enters: QUEUE_URL, REDIS_URL, HANDLER (`noop`, or `redis`: unwrap, claim, mark), POLLERS. Runs until it is killed.

use std::time::Duration;

use omniqueue::backends::SqsBackend;
use omniqueue::{Delivery, QueueError};
use redis::aio::ConnectionManager;

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

async fn handle(body: &[u8], redis: &mut ConnectionManager) -> redis::RedisResult<()> {
    let envelope: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    let event: serde_json::Value = serde_json::from_str(envelope["Message"].as_str().expect("text")).expect("JSON");
    let key = format!("idem:{}", event["eventId"].as_str().expect("an id"));
    let claim: Option<String> =
        redis::cmd("SET").arg(&key).arg("claimed").arg("NX").arg("EX").arg(30).query_async(redis).await?;
    if claim.is_some() {
        redis::cmd("SET").arg(&key).arg("done").arg("EX").arg(86_400).query_async::<()>(redis).await?;
    }
    Ok(())
}

async fn one(delivery: Delivery, redis: &mut Option<ConnectionManager>) {
    if let Some(redis) = redis {
        handle(delivery.borrow_payload().unwrap_or_default(), redis).await.expect("Redis answers");
    }
    delivery.ack().await.map_err(|(error, _)| error).expect("deleted");
}

async fn poll(url: String, mut redis: Option<ConnectionManager>) -> Result<(), QueueError> {
    let consumer = SqsBackend::builder(url).build_consumer().await?;
    loop {
        let Ok(deliveries) = consumer.receive_all(10, Duration::from_secs(20)).await else { continue };
        for delivery in deliveries {
            one(delivery, &mut redis).await;
        }
    }
}

#[tokio::main]
async fn main() {
    let redis = if variable("HANDLER", "noop") == "redis" {
        let client = redis::Client::open(variable("REDIS_URL", "redis://127.0.0.1:6379/0")).expect("a URL");
        Some(ConnectionManager::new(client).await.expect("Redis is there"))
    } else {
        None
    };
    let pollers: usize = variable("POLLERS", "8").parse().expect("a number");
    let url = variable("QUEUE_URL", "");
    let all = (0..pollers).map(|_| tokio::spawn(poll(url.clone(), redis.clone()))).collect::<Vec<_>>();
    for poller in all {
        poller.await.expect("a poller never ends").expect("a queue");
    }
}
