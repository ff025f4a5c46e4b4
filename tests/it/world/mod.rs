//! The environment of a test: its own queues and topics on LocalStack, and workers as processes.
//!
//! Enters: the servers that `tests/run` started, from `TEST_ENV_FILE`. Leaves: names that no other test has.
//! Promises: if a server is missing, the test fails and says how to start it; what a test started ends with it.

pub mod aws_faults;
pub mod browser;
pub mod collector;
pub mod console;
pub mod http;
pub mod patience;
pub mod postfix;
pub mod processes;
pub mod proxy;
pub mod receiver;
pub mod recorder;
pub mod redis_cluster;
pub mod redis_node;
pub mod redis_server;
pub mod smtp;
pub mod tty;
pub mod watched;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use tokio::time::{Instant, MissedTickBehavior, interval};
use user_events::redis_link::RedisLink;

use self::patience::patience;

/// The servers, and a test's own names on them.
pub struct World {
    pub id: String,
    pub aws: SdkConfig,
    pub sqs: aws_sdk_sqs::Client,
    pub sns: aws_sdk_sns::Client,
    pub env: BTreeMap<String, String>,
}

/// A queue with its DLQ.
#[derive(Debug, Clone)]
pub struct TestQueue {
    pub url: String,
    pub arn: String,
    pub dlq_url: String,
}

/// The messages of a queue, visible and in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    pub visible: u32,
    pub in_flight: u32,
}

pub const EMPTY: Depth = Depth { visible: 0, in_flight: 0 };

/// The servers' settings, as `tests/run` wrote them.
pub fn servers() -> BTreeMap<String, String> {
    let path = std::env::var("TEST_ENV_FILE")
        .expect("no servers: run the tests by `make test`, or `tests/run FILTER`, which starts and stops them");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}: are the servers gone?"));
    text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// A link to the test's Redis.
pub fn redis() -> RedisLink {
    RedisLink::new(&servers()["REDIS_URL"].clone().into()).expect("a Redis URL")
}

/// Eight letters that no other test has.
pub fn unique() -> String {
    std::iter::repeat_with(fastrand::lowercase).take(8).collect()
}

/// Looks ten times a second until `look` finds something. Panics with `what` after `within`, scaled by [`patience`].
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, within: Duration, look: impl Fn() -> F) -> T {
    let within = patience(within);
    let deadline = Instant::now() + within;
    let mut ticks = interval(Duration::from_millis(100));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
    }
}

impl World {
    pub async fn start() -> Self {
        Self::with(servers()).await
    }

    /// A world in an AWS account that no other test has, so that its names may be the real ones.
    pub async fn in_an_account_of_its_own() -> Self {
        let mut env = servers();
        let account = fastrand::u64(100_000_000_000..1_000_000_000_000).to_string();
        env.insert("AWS_ACCESS_KEY_ID".to_owned(), account); // LocalStack takes twelve digits for the account
        Self::with(env).await
    }

    async fn with(env: BTreeMap<String, String>) -> Self {
        let credentials = aws_sdk_sqs::config::Credentials::new(
            &env["AWS_ACCESS_KEY_ID"],
            &env["AWS_SECRET_ACCESS_KEY"],
            None,
            None,
            "test",
        );
        let aws = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&env["AWS_ENDPOINT_URL"])
            .region(Region::new(env["AWS_REGION"].clone()))
            .credentials_provider(credentials)
            .load()
            .await;
        let (sqs, sns) = (aws_sdk_sqs::Client::new(&aws), aws_sdk_sns::Client::new(&aws));
        Self { id: unique(), aws, sqs, sns, env }
    }

    /// A queue whose DLQ gets a message after five receives.
    pub async fn queue(&self, name: &str, visibility: Duration) -> TestQueue {
        self.queue_with(name, visibility, 5).await
    }

    /// The two queues of the shipped reactions.
    pub async fn email_and_profile(&self, visibility: Duration) -> (TestQueue, TestQueue) {
        tokio::join!(self.queue("email", visibility), self.queue("profile", visibility))
    }

    pub async fn queue_with(&self, name: &str, visibility: Duration, max_receive_count: u32) -> TestQueue {
        self.queue_of_kind(name, "", visibility, max_receive_count).await
    }

    pub async fn fifo_queue(&self, name: &str, visibility: Duration, max_receive_count: u32) -> TestQueue {
        self.queue_of_kind(name, ".fifo", visibility, max_receive_count).await
    }

    async fn queue_of_kind(&self, name: &str, end: &str, visibility: Duration, max_receive_count: u32) -> TestQueue {
        let fifo = (end == ".fifo").then(|| (QueueAttributeName::FifoQueue, "true".to_owned()));
        let dlq_url = self.create(&format!("{name}-{}-dlq{end}", self.id), fifo.clone()).await;
        let policy = format!(
            r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":"{max_receive_count}"}}"#,
            self.arn(&dlq_url).await
        );
        let visibility = visibility.as_secs().to_string();
        let attributes =
            [(QueueAttributeName::RedrivePolicy, policy), (QueueAttributeName::VisibilityTimeout, visibility)];
        let url = self.create(&format!("{name}-{}{end}", self.id), attributes.into_iter().chain(fifo)).await;
        TestQueue { arn: self.arn(&url).await, url, dlq_url }
    }

    async fn create(&self, name: &str, attributes: impl IntoIterator<Item = (QueueAttributeName, String)>) -> String {
        let call = self.sqs.create_queue().queue_name(name);
        let call = attributes.into_iter().fold(call, |call, (name, value)| call.attributes(name, value));
        call.send().await.expect("LocalStack creates a queue").queue_url.expect("a URL")
    }

    async fn arn(&self, url: &str) -> String {
        let answer = self.sqs.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::QueueArn);
        let answer = answer.send().await.expect("LocalStack knows the queue");
        answer.attributes().expect("attributes")[&QueueAttributeName::QueueArn].clone()
    }

    /// A topic that fans out to these queues, in SNS's envelope (no raw delivery).
    pub async fn topic(&self, queues: &[&TestQueue]) -> String {
        let topic = self.sns.create_topic().name(format!("user-events-{}", self.id)).send().await;
        let arn = topic.expect("LocalStack creates a topic").topic_arn.expect("an ARN");
        for queue in queues {
            let subscribe = self.sns.subscribe().topic_arn(&arn).protocol("sqs").endpoint(&queue.arn);
            subscribe.send().await.expect("LocalStack subscribes");
        }
        arn
    }

    /// Sends a message to a queue.
    pub async fn send(&self, queue: &TestQueue, body: &str) {
        self.sqs.send_message().queue_url(&queue.url).message_body(body).send().await.expect("LocalStack takes it");
    }

    /// Sends many messages to a queue, ten a call.
    pub async fn send_all(&self, queue: &TestQueue, bodies: &[String]) {
        for chunk in bodies.chunks(10) {
            let entry = |(n, body): (usize, &String)| {
                let entry = aws_sdk_sqs::types::SendMessageBatchRequestEntry::builder();
                entry.id(n.to_string()).message_body(body).build().expect("an entry")
            };
            let entries = chunk.iter().enumerate().map(entry).collect();
            let call = self.sqs.send_message_batch().queue_url(&queue.url).set_entries(Some(entries));
            assert!(call.send().await.expect("LocalStack takes them").failed.is_empty());
        }
    }

    pub async fn depth(&self, url: &str) -> Depth {
        // LocalStack counts visible messages first and hidden ones after that. A message that changes in between is in
        // neither count. So a queue is empty only if it looks empty three times in a row.
        for _ in 0..2 {
            let seen = self.counted(url).await;
            if seen != EMPTY {
                return seen;
            }
        }
        self.counted(url).await
    }

    async fn counted(&self, url: &str) -> Depth {
        let visible = QueueAttributeName::ApproximateNumberOfMessages;
        let hidden = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let call = self.sqs.get_queue_attributes().queue_url(url);
        let call = call.attribute_names(visible.clone()).attribute_names(hidden.clone());
        let answer = call.send().await.expect("LocalStack counts");
        let count = |name| answer.attributes().expect("attributes")[name].parse().expect("a number");
        Depth { visible: count(&visible), in_flight: count(&hidden) }
    }

    /// Waits until nothing is visible or in flight.
    pub async fn drained(&self, queue: &TestQueue, within: Duration) {
        let empty = || async { (self.depth(&queue.url).await == EMPTY).then_some(()) };
        eventually(&format!("{} is empty", queue.url), within, empty).await;
    }

    /// Receives every dead letter: its body, and its attributes by name.
    pub async fn dead_letters(&self, queue: &TestQueue) -> Vec<(String, BTreeMap<String, String>)> {
        let mut letters = Vec::new();
        loop {
            let call = self.sqs.receive_message().queue_url(&queue.dlq_url).max_number_of_messages(10);
            let call = call.message_attribute_names("All").wait_time_seconds(0);
            let call = call.message_system_attribute_names(MessageSystemAttributeName::All);
            let messages = call.send().await.expect("LocalStack answers").messages.unwrap_or_default();
            if messages.is_empty() {
                return letters;
            }
            for message in messages {
                let attributes = message.message_attributes.unwrap_or_default();
                let text = |(name, value): (String, aws_sdk_sqs::types::MessageAttributeValue)| {
                    (name, value.string_value.unwrap_or_default())
                };
                letters.push((message.body.unwrap_or_default(), attributes.into_iter().map(text).collect()));
            }
        }
    }
}

/// A version 2 event as JSON text; the address is `<user>@example.com`.
pub fn event(user: &str) -> String {
    serde_json::json!({
        "type": "user.signed_up", "version": "2", "userId": user, "email": address(user), "plan": "pro",
        "eventId": format!("event-{user}"), "timestamp": "2026-01-02T03:04:05.678Z",
    })
    .to_string()
}

pub fn address(user: &str) -> String {
    format!("{user}@example.com")
}
