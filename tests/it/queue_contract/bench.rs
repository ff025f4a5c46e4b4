//! A queue with its DLQ to hold to the contract: in memory, the same while it is watched, or on LocalStack.

use std::time::Duration;

use user_events::queue::memory::MemoryQueue;
use user_events::queue::sqs::SqsQueue;
use user_events::queue::{Attributes, Queue};
use user_events::telemetry::WatchedQueue;

use super::seconds;
use crate::world::watched::watch;
use crate::world::{TestQueue, World};

/// A queue and its DLQ, both to be received from.
pub trait Bench: Sized {
    type Queue: Queue;
    async fn open(visibility: Duration, max_receive_count: u32) -> Self;
    async fn open_fifo(visibility: Duration, max_receive_count: u32) -> Self;
    fn queue(&self) -> &Self::Queue;
    fn dlq(&self) -> &Self::Queue;
    async fn send(&self, body: &str, attributes: Attributes);
    /// From now on the DLQ takes no larger message.
    async fn shrink_dlq(&self, most: usize);
    async fn send_delayed(&self, body: &str, delay: Duration);
    async fn send_in_group(&self, body: &str, group: &str, deduplication_id: &str);
}

pub struct InMemory {
    queue: MemoryQueue,
    dlq: MemoryQueue,
}

impl Bench for InMemory {
    type Queue = MemoryQueue;

    async fn open(visibility: Duration, max_receive_count: u32) -> Self {
        let dlq = MemoryQueue::new("contract-dlq", visibility);
        Self { queue: MemoryQueue::with_dlq("contract", visibility, &dlq, max_receive_count), dlq }
    }

    async fn open_fifo(visibility: Duration, max_receive_count: u32) -> Self {
        let dlq = MemoryQueue::new("contract-dlq.fifo", visibility);
        Self { queue: MemoryQueue::with_dlq("contract.fifo", visibility, &dlq, max_receive_count), dlq }
    }

    fn queue(&self) -> &MemoryQueue {
        &self.queue
    }

    fn dlq(&self) -> &MemoryQueue {
        &self.dlq
    }

    async fn shrink_dlq(&self, most: usize) {
        self.dlq.set_max_bytes(most);
    }

    async fn send(&self, body: &str, attributes: Attributes) {
        self.queue.send(body, attributes).expect("it fits");
    }

    async fn send_delayed(&self, body: &str, delay: Duration) {
        self.queue.send_delayed(body, Attributes::new(), delay).expect("it fits");
    }

    async fn send_in_group(&self, body: &str, group: &str, deduplication_id: &str) {
        self.queue.send_in_group(body, Attributes::new(), group, deduplication_id).expect("it fits");
    }
}

pub struct Watched {
    memory: InMemory,
    queue: WatchedQueue<MemoryQueue>,
    dlq: WatchedQueue<MemoryQueue>,
}

impl Watched {
    fn of(memory: InMemory) -> Self {
        let (queue, dlq) = (watch().queue(memory.queue.clone()), watch().queue(memory.dlq.clone()));
        Self { memory, queue, dlq }
    }
}

impl Bench for Watched {
    type Queue = WatchedQueue<MemoryQueue>;

    async fn open(visibility: Duration, max_receive_count: u32) -> Self {
        Self::of(InMemory::open(visibility, max_receive_count).await)
    }

    async fn open_fifo(visibility: Duration, max_receive_count: u32) -> Self {
        Self::of(InMemory::open_fifo(visibility, max_receive_count).await)
    }

    fn queue(&self) -> &Self::Queue {
        &self.queue
    }

    fn dlq(&self) -> &Self::Queue {
        &self.dlq
    }

    async fn shrink_dlq(&self, most: usize) {
        self.memory.shrink_dlq(most).await;
    }

    async fn send(&self, body: &str, attributes: Attributes) {
        self.memory.send(body, attributes).await;
    }

    async fn send_delayed(&self, body: &str, delay: Duration) {
        self.memory.send_delayed(body, delay).await;
    }

    async fn send_in_group(&self, body: &str, group: &str, deduplication_id: &str) {
        self.memory.send_in_group(body, group, deduplication_id).await;
    }
}

pub struct OnLocalStack {
    world: World,
    urls: TestQueue,
    queue: SqsQueue,
    dlq: SqsQueue,
}

impl Bench for OnLocalStack {
    type Queue = SqsQueue;

    async fn open(visibility: Duration, max_receive_count: u32) -> Self {
        let world = World::start().await;
        let urls = world.queue_with("contract", visibility, max_receive_count).await;
        Self::at(world, urls).await
    }

    async fn open_fifo(visibility: Duration, max_receive_count: u32) -> Self {
        let world = World::start().await;
        let urls = world.fifo_queue("contract", visibility, max_receive_count).await;
        Self::at(world, urls).await
    }

    fn queue(&self) -> &SqsQueue {
        &self.queue
    }

    fn dlq(&self) -> &SqsQueue {
        &self.dlq
    }

    async fn shrink_dlq(&self, most: usize) {
        use aws_sdk_sqs::types::QueueAttributeName::MaximumMessageSize;
        let call = self.world.sqs.set_queue_attributes().queue_url(&self.urls.dlq_url);
        call.attributes(MaximumMessageSize, most.to_string()).send().await.expect("LocalStack takes it");
    }

    async fn send(&self, body: &str, attributes: Attributes) {
        use aws_sdk_sqs::types::MessageAttributeValue;
        let call = self.world.sqs.send_message().queue_url(&self.urls.url).message_body(body);
        let call = attributes.into_iter().fold(call, |call, (name, a)| {
            let value = MessageAttributeValue::builder().data_type(a.data_type).string_value(a.value);
            call.message_attributes(name, value.build().expect("a type"))
        });
        call.send().await.expect("LocalStack takes it");
    }

    async fn send_delayed(&self, body: &str, delay: Duration) {
        let call = self.world.sqs.send_message().queue_url(&self.urls.url).message_body(body);
        call.delay_seconds(delay.as_secs().try_into().expect("small")).send().await.expect("LocalStack takes it");
    }

    async fn send_in_group(&self, body: &str, group: &str, deduplication_id: &str) {
        let call = self.world.sqs.send_message().queue_url(&self.urls.url).message_body(body);
        let call = call.message_group_id(group).message_deduplication_id(deduplication_id);
        call.send().await.expect("LocalStack takes it");
    }
}

impl OnLocalStack {
    async fn at(world: World, urls: TestQueue) -> Self {
        let open = async |url: &String| SqsQueue::open(&world.aws, url.clone(), None, seconds(20)).await;
        let (queue, dlq) = (open(&urls.url).await.expect("there"), open(&urls.dlq_url).await.expect("there"));
        Self { world, urls, queue, dlq }
    }
}
