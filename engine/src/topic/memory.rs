//! A topic in this process: wraps each message as SNS does and fans it out to queues in memory.
//!
//! Enters: entries. Leaves: the bodies that an SQS queue would get from an SNS subscription, wrapped or raw. For
//! programs that run without AWS (such as the demo) and for tests. Knows no event.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::{Entry, MessageId, RefusalCode, SendError, Topic};
use crate::queue::memory::MemoryQueue;
use crate::queue::{Attribute, Attributes};
use crate::timestamp::Timestamp;

const ARN: &str = "arn:aws:sns:local:000000000000:user-events";

/// A topic with its subscriptions. A clone sends to the same queues, but has a list of subscriptions of its own.
#[derive(Debug, Clone, Default)]
pub struct MemoryTopic {
    subscriptions: Vec<(Arc<MemoryQueue>, Wrapping)>,
}

/// How a subscription delivers messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrapping {
    Wrapped,
    Raw,
}

impl MemoryTopic {
    /// Subscribes a queue. Each body that it gets is an SNS envelope with the message inside.
    #[must_use]
    pub fn subscribe(self, queue: &MemoryQueue) -> Self {
        self.with(queue, Wrapping::Wrapped)
    }

    /// Subscribes a queue with raw message delivery: each body is the message, its attributes become SQS attributes.
    #[must_use]
    pub fn subscribe_raw(self, queue: &MemoryQueue) -> Self {
        self.with(queue, Wrapping::Raw)
    }

    fn with(mut self, queue: &MemoryQueue, wrapping: Wrapping) -> Self {
        self.subscriptions.push((Arc::new(queue.clone()), wrapping));
        self
    }
}

impl Topic for MemoryTopic {
    async fn send(&self, batch: &[&Entry]) -> Vec<Result<MessageId, SendError>> {
        let publish = |entry: &&Entry| {
            let id = uuid::Uuid::new_v4().to_string();
            for (queue, wrapping) in &self.subscriptions {
                let sent = match wrapping {
                    Wrapping::Wrapped => queue.send(&wrap(&id, entry), Attributes::new()),
                    Wrapping::Raw => queue.send(&entry.message, raw_attributes(entry)),
                };
                sent.map_err(|error| SendError::Refused(RefusalCode::Other(error.to_string())))?;
            }
            Ok(MessageId(id))
        };
        batch.iter().map(publish).collect()
    }
}

fn wrap(message_id: &str, entry: &Entry) -> String {
    let attribute = |(name, value): (&String, &String)| (name.clone(), json!({ "Type": "String", "Value": value }));
    json!({
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": ARN,
        "Message": entry.message,
        "Timestamp": Timestamp::now().to_string(),
        "MessageAttributes": entry.attributes.iter().map(attribute).collect::<BTreeMap<_, _>>(),
    })
    .to_string()
}

fn raw_attributes(entry: &Entry) -> Attributes {
    entry.attributes.iter().map(|(name, value)| (name.clone(), Attribute::string(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Queue;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_raw_subscription_brings_the_message_alone_and_its_attributes_beside_it() {
        let minute = Duration::from_secs(60);
        let (wrapped, raw) = (MemoryQueue::new("wrapped", minute), MemoryQueue::new("raw", minute));
        let topic = MemoryTopic::default().subscribe(&wrapped).subscribe_raw(&raw);
        let attributes = BTreeMap::from([("eventType".to_owned(), "order.paid".to_owned())]);
        let entry = Entry { message: r#"{"type":"order.paid"}"#.to_owned(), attributes };
        assert!(topic.send(&[&entry]).await.iter().all(Result::is_ok));
        let mut bodies = Vec::new();
        for queue in [&wrapped, &raw] {
            let [delivery] = &queue.receive(10, Duration::ZERO).await.unwrap()[..] else { panic!("one message") };
            bodies.push((delivery.body.as_str() == entry.message, delivery.attributes.get("eventType").cloned()));
        }
        assert_eq!(bodies, [(false, None), (true, Some(Attribute::string("order.paid")))]);
    }
}
