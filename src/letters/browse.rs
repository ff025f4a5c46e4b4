//! Looks through a queue: each message is seen once, and all of them are there afterwards.
//!
//! Enters: a queue. Leaves: its deliveries, a few at a time; the caller gives each back by [`Browser::keep`] or deletes
//! it. Promises: a message that was given back stays hidden while the look goes on, however long that takes.
//! [`Browser::finish`] makes it visible again; if the look is killed, it becomes visible after [`HIDDEN`]. SQS counts
//! each look as a receive. Knows no letter.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use engine::queue::{Delivery, Hide, Hold, MAX_BATCH, Queue, QueueError, ReceiptHandle, Unsettled};

/// How long a message is hidden at a time. Short, because a look may be killed.
pub(crate) const HIDDEN: Duration = Duration::from_secs(120);
/// A wait above zero makes SQS ask all of its servers; without it an empty answer may be wrong.
const WAIT: Duration = Duration::from_secs(1);
/// How many calls run at once when many messages are hidden longer or made visible again.
const CALLS: usize = 8;

/// A look through one queue.
pub(crate) struct Browser<Q> {
    queue: Q,
    held: Vec<ReceiptHandle>,
    seen: HashSet<String>,
    extend_at: Instant,
}

impl<Q: Queue> Browser<Q> {
    /// `queue` must have the visibility timeout [`HIDDEN`].
    pub(crate) fn new(queue: Q) -> Self {
        Self { queue, held: Vec::new(), seen: HashSet::new(), extend_at: Instant::now() + HIDDEN / 3 }
    }

    /// The next messages, 10 at most. `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Delivery>>, QueueError> {
        self.keep_hidden().await;
        let received = self.queue.receive(MAX_BATCH, WAIT).await?;
        if received.is_empty() {
            return Ok(None);
        }
        let mut fresh = Vec::new();
        for delivery in received {
            // Seen before: a copy, or a message that became visible before it was extended.
            if self.seen.insert(delivery.message_id.clone()) {
                fresh.push(delivery);
            } else {
                self.held.push(delivery.receipt);
            }
        }
        Ok(Some(fresh))
    }

    /// Gives a message back: it stays hidden until the end of the look.
    pub(crate) fn keep(&mut self, receipt: ReceiptHandle) {
        self.held.push(receipt);
    }

    /// Deletes messages. Keeps those that could not be deleted, and answers their number.
    pub(crate) async fn delete(&mut self, receipts: Vec<ReceiptHandle>) -> usize {
        let unsettled: Vec<Unsettled> = self.queue.delete(receipts).await;
        let count = unsettled.len();
        self.held.extend(unsettled.into_iter().map(|unsettled| unsettled.receipt));
        count
    }

    /// Makes all messages that were given back visible again. If a call fails, its messages become visible after
    /// [`HIDDEN`].
    pub(crate) async fn finish(self) {
        let mut held = self.held.into_iter().peekable();
        let mut calls = FuturesUnordered::new();
        while held.peek().is_some() {
            let batch = held.by_ref().take(MAX_BATCH).map(|receipt| Hide { receipt, delay: Duration::ZERO });
            calls.push(self.queue.hide(batch.collect()));
            if calls.len() == CALLS {
                calls.next().await;
            }
        }
        while calls.next().await.is_some() {}
    }

    async fn keep_hidden(&mut self) {
        if Instant::now() < self.extend_at {
            return;
        }
        let holds: Vec<Hold> = self.held.iter().map(ReceiptHandle::hold).collect();
        let mut calls = FuturesUnordered::new();
        for batch in holds.chunks(MAX_BATCH) {
            calls.push(self.queue.extend(batch, HIDDEN));
            if calls.len() == CALLS {
                calls.next().await;
            }
        }
        while calls.next().await.is_some() {}
        drop(calls);
        self.extend_at = Instant::now() + HIDDEN / 3;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::queue::Attributes;
    use engine::queue::memory::MemoryQueue;

    #[tokio::test(start_paused = true)]
    async fn a_long_look_sees_each_message_once_and_leaves_all_of_them() {
        let queue = MemoryQueue::new("q", HIDDEN);
        for n in 0..45 {
            queue.send(&n.to_string(), Attributes::new()).expect("taken");
        }
        let mut browser = Browser::new(queue.clone());
        let mut seen = Vec::new();
        while let Some(batch) = browser.next().await.expect("in memory") {
            for delivery in batch {
                seen.push(delivery.body.as_str().to_owned());
                browser.keep(delivery.receipt);
            }
            // The whole look takes far longer than HIDDEN.
            tokio::time::sleep(HIDDEN / 2).await;
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!((seen.len(), queue.depth().visible), (45, 0));
        browser.finish().await;
        assert_eq!((queue.depth().visible, queue.depth().in_flight), (45, 0));
    }
}
