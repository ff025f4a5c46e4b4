//! Queues with their DLQs to hold to the contract: in memory while they are watched, and on LocalStack.

use std::time::Duration;

use engine::testing::queue::{Bench, FifoBench, InMemory};
use user_events::queue::Attributes;
use user_events::queue::memory::MemoryQueue;
use user_events::queue::sqs::SqsQueue;
use user_events::telemetry::WatchedQueue;

use crate::world::patience::slowness;
use crate::world::watched::watch;
use crate::world::{TestQueue, World};

pub struct Watched {
    memory: InMemory,
    queue: WatchedQueue<MemoryQueue>,
    dlq: WatchedQueue<MemoryQueue>,
}

impl Watched {
    fn of(memory: InMemory) -> Self {
        let (queue, dlq) = (watch().queue(memory.queue().clone()), watch().queue(memory.dlq().clone()));
        Self { memory, queue, dlq }
    }
}

impl Bench for Watched {
    type Queue = WatchedQueue<MemoryQueue>;

    async fn open(visibility: Duration, max_receive_count: u32) -> Self {
        Self::of(InMemory::open(visibility, max_receive_count).await)
    }

    fn queue(&self) -> &Self::Queue {
        &self.queue
    }

    fn dlq(&self) -> &Self::Queue {
        &self.dlq
    }

    async fn send(&self, body: &str, attributes: Attributes) {
        self.memory.send(body, attributes).await;
    }

    async fn send_delayed(&self, body: &str, delay: Duration) {
        self.memory.send_delayed(body, delay).await;
    }

    async fn shrink_dlq(&self, most: usize) {
        self.memory.shrink_dlq(most).await;
    }
}

impl FifoBench for Watched {
    async fn open_fifo(visibility: Duration, max_receive_count: u32) -> Self {
        Self::of(InMemory::open_fifo(visibility, max_receive_count).await)
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

    // `differences` shows what LocalStack does instead.
    const EXCUSED: &'static [&'static str] =
        &["a_receipt_that_a_later_receive_overtook_settles_nothing", "a_hidden_head_holds_up_its_group"];

    fn slowness() -> u32 {
        slowness()
    }

    async fn open(visibility: Duration, max_receive_count: u32) -> Self {
        let world = World::start().await;
        let urls = world.queue_with("contract", visibility, max_receive_count).await;
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
}

impl FifoBench for OnLocalStack {
    async fn open_fifo(visibility: Duration, max_receive_count: u32) -> Self {
        let world = World::start().await;
        let urls = world.fifo_queue("contract", visibility, max_receive_count).await;
        Self::at(world, urls).await
    }

    async fn send_in_group(&self, body: &str, group: &str, deduplication_id: &str) {
        let call = self.world.sqs.send_message().queue_url(&self.urls.url).message_body(body);
        let call = call.message_group_id(group).message_deduplication_id(deduplication_id);
        call.send().await.expect("LocalStack takes it");
    }
}

impl OnLocalStack {
    async fn at(world: World, urls: TestQueue) -> Self {
        let open = async |url: &String| SqsQueue::open(&world.aws, url.clone(), None, Duration::from_secs(20)).await;
        let (queue, dlq) = (open(&urls.url).await.expect("there"), open(&urls.dlq_url).await.expect("there"));
        Self { world, urls, queue, dlq }
    }
}
