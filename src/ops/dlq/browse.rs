//! Looking through a queue so that each message is seen once, and all of them are there afterwards.
//!
//! Enters: a queue. Leaves: its deliveries, a few at a time; each is given back by [`Browser::keep`] or
//! deleted. Promises: what was given back stays hidden while the look goes on, however long, and is shown
//! again by [`Browser::finish`]; a look that is killed shows it after [`HIDDEN`]. SQS counts each look as
//! a receive. Knows no letter.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use engine::queue::{Delivery, Hide, Hold, MAX_BATCH, Queue, QueueError, ReceiptHandle, Unsettled};

/// How long a message is hidden at a time: short, for a look may be killed.
pub(super) const HIDDEN: Duration = Duration::from_secs(120);
/// A wait above zero makes SQS ask all of its servers; without it an empty answer may be wrong.
const WAIT: Duration = Duration::from_secs(1);
/// Calls at once when many messages are hidden longer or shown again.
const CALLS: usize = 8;

/// A look through one queue.
pub(super) struct Browser<Q> {
    queue: Q,
    held: Vec<ReceiptHandle>,
    seen: HashSet<String>,
    extend_at: Instant,
}

impl<Q: Queue> Browser<Q> {
    /// `queue` must hide for [`HIDDEN`] what it hands out.
    pub(super) fn new(queue: Q) -> Self {
        Self { queue, held: Vec::new(), seen: HashSet::new(), extend_at: Instant::now() + HIDDEN / 3 }
    }

    /// The next few; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Delivery>>, QueueError> {
        self.keep_hidden().await;
        let received = self.queue.receive(MAX_BATCH, WAIT).await?;
        if received.is_empty() {
            return Ok(None);
        }
        let mut fresh = Vec::new();
        for delivery in received {
            // A copy, or one that no call kept hidden in time.
            if self.seen.insert(delivery.message_id.clone()) {
                fresh.push(delivery);
            } else {
                self.held.push(delivery.receipt);
            }
        }
        Ok(Some(fresh))
    }

    /// Gives one back: hidden until the end, then shown.
    pub(super) fn keep(&mut self, receipt: ReceiptHandle) {
        self.held.push(receipt);
    }

    /// Deletes; what could not be deleted is kept, and the answer says how many that were.
    pub(super) async fn delete(&mut self, receipts: Vec<ReceiptHandle>) -> usize {
        let unsettled: Vec<Unsettled> = self.queue.delete(receipts).await;
        let count = unsettled.len();
        self.held.extend(unsettled.into_iter().map(|unsettled| unsettled.receipt));
        count
    }

    /// Shows all that was given back; what cannot be shown now is so after [`HIDDEN`].
    pub(super) async fn finish(self) {
        let mut held = self.held.into_iter();
        let batches = std::iter::from_fn(|| {
            let batch: Vec<_> = held.by_ref().take(MAX_BATCH).collect();
            (!batch.is_empty()).then_some(batch)
        });
        let show = |batch: Vec<ReceiptHandle>| {
            let entries = batch.into_iter().map(|receipt| Hide { receipt, delay: Duration::ZERO });
            self.queue.hide(entries.collect())
        };
        stream::iter(batches.map(show)).buffer_unordered(CALLS).for_each(async |_| ()).await;
    }

    async fn keep_hidden(&mut self) {
        if Instant::now() < self.extend_at {
            return;
        }
        let holds: Vec<Hold> = self.held.iter().map(ReceiptHandle::hold).collect();
        let calls = holds.chunks(MAX_BATCH).map(|batch| self.queue.extend(batch, HIDDEN));
        stream::iter(calls).buffer_unordered(CALLS).for_each(async |_| ()).await;
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
            // In all far longer than one hiding lasts.
            tokio::time::sleep(HIDDEN / 2).await;
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!((seen.len(), queue.depth().visible), (45, 0));
        browser.finish().await;
        assert_eq!((queue.depth().visible, queue.depth().in_flight), (45, 0));
    }
}
