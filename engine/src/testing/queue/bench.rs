//! What a test of the queue's contract needs beside the adapter: queues of its own, and a way to send to them.
//!
//! Enters: a visibility, and after how many receives a message moves to the DLQ. Leaves: a queue with its DLQ that no
//! other test has. [`InMemory`] is the bench of the queue in memory.

use std::time::Duration;

use crate::queue::memory::MemoryQueue;
use crate::queue::{Attributes, Queue};

/// A queue and its DLQ, both to be received from.
///
/// A bench that cannot do what a method asks panics there, and is [excused](Bench::EXCUSED) from the clause that asks.
pub trait Bench: Sized + 'static {
    /// The adapter under test.
    type Queue: Queue;

    /// Clauses that this adapter, or its server, does not keep: each of them must fail.
    const EXCUSED: &'static [&'static str] = &[];

    /// How long a new queue keeps a message that nobody handles: [`Facts::retention`](crate::queue::Facts). SQS's own
    /// figure, 4 days, unless told.
    const RETENTION: Option<Duration> = Some(Duration::from_secs(4 * 24 * 3600));

    /// How many times longer the same work takes here than on an idle machine: deadlines and visibilities that the
    /// clock really runs for are so much longer. 1 unless told.
    #[must_use]
    fn slowness() -> u32 {
        1
    }

    /// Makes a queue whose name begins with `contract`, and its DLQ, which has no DLQ itself.
    fn open(visibility: Duration, max_receive_count: u32) -> impl Future<Output = Self>;

    /// The queue.
    fn queue(&self) -> &Self::Queue;

    /// Its DLQ.
    fn dlq(&self) -> &Self::Queue;

    /// Puts a message on the queue, as another service does.
    fn send(&self, body: &str, attributes: Attributes) -> impl Future<Output = ()>;

    /// The same, hidden for `delay` at first.
    fn send_delayed(&self, body: &str, delay: Duration) -> impl Future<Output = ()>;

    /// From now on the DLQ takes no message of more than `most` bytes.
    fn shrink_dlq(&self, most: usize) -> impl Future<Output = ()>;
}

/// A bench that has FIFO queues too.
pub trait FifoBench: Bench {
    /// Makes a FIFO queue, and its DLQ, which is one too.
    fn open_fifo(visibility: Duration, max_receive_count: u32) -> impl Future<Output = Self>;

    /// Puts a message in a group. One whose `deduplication_id` was sent in the last five minutes is dropped.
    fn send_in_group(&self, body: &str, group: &str, deduplication_id: &str) -> impl Future<Output = ()>;
}

/// The queue in memory.
#[derive(Debug)]
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

    fn queue(&self) -> &MemoryQueue {
        &self.queue
    }

    fn dlq(&self) -> &MemoryQueue {
        &self.dlq
    }

    async fn send(&self, body: &str, attributes: Attributes) {
        self.queue.send(body, attributes).expect("it fits");
    }

    async fn send_delayed(&self, body: &str, delay: Duration) {
        self.queue.send_delayed(body, Attributes::new(), delay).expect("it fits");
    }

    async fn shrink_dlq(&self, most: usize) {
        self.dlq.set_max_bytes(most);
    }
}

impl FifoBench for InMemory {
    async fn open_fifo(visibility: Duration, max_receive_count: u32) -> Self {
        let dlq = MemoryQueue::new("contract-dlq.fifo", visibility);
        Self { queue: MemoryQueue::with_dlq("contract.fifo", visibility, &dlq, max_receive_count), dlq }
    }

    async fn send_in_group(&self, body: &str, group: &str, deduplication_id: &str) {
        self.queue.send_in_group(body, Attributes::new(), group, deduplication_id).expect("it fits");
    }
}
