//! The contract of the topic's port, which `engine::testing` holds, kept by the topic in memory and by SNS on
//! LocalStack.

use std::time::Duration;

use engine::testing::topic::{Arrived, TopicBench, notified};
use user_events::queue::sqs::SqsQueue;
use user_events::topic::sns::SnsTopic;

use crate::world::World;

/// A topic with one queue subscribed to it.
struct OnLocalStack {
    topic: SnsTopic,
    queue: SqsQueue,
}

impl TopicBench for OnLocalStack {
    type Topic = SnsTopic;

    async fn open() -> Self {
        let world = World::start().await;
        let urls = world.queue("contract", Duration::from_secs(60)).await;
        let arn = world.topic(&[&urls]).await;
        let queue = SqsQueue::open(&world.aws, urls.url.clone(), None, Duration::from_secs(20)).await;
        Self { topic: SnsTopic::new(&world.aws, arn), queue: queue.expect("there") }
    }

    fn topic(&self) -> &SnsTopic {
        &self.topic
    }

    async fn unreachable() -> SnsTopic {
        // Nobody listens on port 1.
        let aws = World::start().await.aws.into_builder().endpoint_url("http://127.0.0.1:1").build();
        SnsTopic::new(&aws, "arn:aws:sns:us-east-1:000000000000:nowhere".to_owned())
    }

    async fn arrived(&self, count: usize) -> Vec<Arrived> {
        notified(&self.queue, count).await
    }
}

mod memory {
    ::engine::topic_contract! { #[tokio::test(start_paused = true)] ::engine::testing::topic::InMemoryTopic }
}
mod localstack {
    ::engine::topic_contract! { #[tokio::test] super::OnLocalStack }
}
