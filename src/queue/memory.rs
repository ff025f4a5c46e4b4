//! SQS in this process: visibility, receive counts, redrive and batches, on tokio's clock.
//!
//! Enters: the port's calls, and [`MemoryQueue::send`]. Leaves: what SQS would answer. Promises: the
//! port's contract, held by the same test as the real adapter; under a paused clock hours of it run in
//! milliseconds. Knows no topic and no worker. For the embedded default and for tests: nothing is
//! stored, a process that ends loses it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::dead_letter::attributes_size;
use super::{
    Attempt, Attributes, Body, DeadLetter, Delivery, Facts, Hide, Hold, MAX_BATCH, MAX_MESSAGE_BYTES, Queue,
    QueueError, ReceiptHandle, Unsettled,
};
use crate::event::Timestamp;

/// A queue in memory. Clones share the messages.
#[derive(Debug, Clone)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    visibility: Duration,
    redrive: Option<(MemoryQueue, u32)>,
    messages: Mutex<VecDeque<Stored>>,
    arrived: Notify,
}

#[derive(Debug, Clone)]
struct Stored {
    id: String,
    body: String,
    attributes: Attributes,
    sent_at_millis: i64,
    received: u32,
    visible_at: Instant,
    /// Counts receives and names the latest: an older receipt is stale.
    receipt: Option<String>,
}

/// How many messages are where, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Waiting to be received.
    pub visible: usize,
    /// Received and not settled.
    pub in_flight: usize,
}

impl MemoryQueue {
    /// A queue that hides what it hands out for `visibility`.
    #[must_use]
    pub fn new(name: &str, visibility: Duration) -> Self {
        Self::build(name, visibility, None)
    }

    /// The same, with a redrive policy: after `max_receive_count` receives a message moves to `dlq`.
    #[must_use]
    pub fn with_dlq(name: &str, visibility: Duration, dlq: &Self, max_receive_count: u32) -> Self {
        Self::build(name, visibility, Some((dlq.clone(), max_receive_count)))
    }

    fn build(name: &str, visibility: Duration, redrive: Option<(Self, u32)>) -> Self {
        let (messages, arrived) = (Mutex::default(), Notify::new());
        Self { shared: Arc::new(Shared { name: name.to_owned(), visibility, redrive, messages, arrived }) }
    }

    /// Puts a message on the queue. Answers its message id.
    ///
    /// # Errors
    /// [`QueueError::TooLarge`] over 1 MiB, attributes counted in.
    pub fn send(&self, body: &str, attributes: Attributes) -> Result<String, QueueError> {
        if body.len() + attributes_size(&attributes) > MAX_MESSAGE_BYTES {
            return Err(QueueError::TooLarge);
        }
        let id = uuid::Uuid::new_v4().to_string();
        self.put(Stored {
            id: id.clone(),
            body: body.to_owned(),
            attributes,
            sent_at_millis: Timestamp::now().unix_millis(),
            received: 0,
            visible_at: Instant::now(),
            receipt: None,
        });
        Ok(id)
    }

    /// How many messages wait, and how many are in flight.
    #[must_use]
    pub fn depth(&self) -> Depth {
        let (now, messages) = (Instant::now(), self.lock());
        let visible = messages.iter().filter(|m| m.visible_at <= now).count();
        Depth { visible, in_flight: messages.len() - visible }
    }

    fn put(&self, message: Stored) {
        self.lock().push_back(message);
        self.shared.arrived.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Stored>> {
        // A panic elsewhere cannot leave the list half changed: every change is one push or one field.
        self.shared.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is visible; else says when the next hidden message will be.
    fn take(&self, at_most: usize) -> (Vec<Delivery>, Option<Instant>) {
        let now = Instant::now();
        let mut messages = self.lock();
        let mut taken = Vec::new();
        let mut exhausted = Vec::new();
        let mut index = 0;
        while let Some(message) = messages.get_mut(index).filter(|_| taken.len() < at_most) {
            if message.visible_at > now {
                index += 1;
            } else if self.shared.redrive.as_ref().is_some_and(|(_, most)| message.received >= *most) {
                exhausted.extend(messages.remove(index));
            } else {
                taken.push(message.hand_out(now + self.shared.visibility));
                index += 1;
            }
        }
        let next = messages.iter().map(|m| m.visible_at).min();
        drop(messages);
        if let Some((dlq, _)) = &self.shared.redrive {
            exhausted.into_iter().for_each(|m| dlq.put(Stored { visible_at: now, receipt: None, ..m }));
        }
        (taken, next)
    }

    /// Runs `change` on the message that `handle` is the latest receipt of, while it is in flight.
    fn in_flight(&self, handle: &str, change: impl FnOnce(&mut VecDeque<Stored>, usize)) -> Result<(), QueueError> {
        let (now, mut messages) = (Instant::now(), self.lock());
        let ours = |m: &Stored| m.receipt.as_deref() == Some(handle) && m.visible_at > now;
        let index = messages.iter().position(ours).ok_or(QueueError::NotInFlight)?;
        change(&mut messages, index);
        Ok(())
    }
}

impl Stored {
    fn hand_out(&mut self, visible_at: Instant) -> Delivery {
        self.received += 1;
        self.visible_at = visible_at;
        let receipt = format!("{}#{}", self.id, self.received);
        self.receipt = Some(receipt.clone());
        Delivery {
            message_id: self.id.clone(),
            body: Body::new(self.body.clone()),
            attributes: self.attributes.clone(),
            attempt: Attempt::new(self.received),
            sent_at_millis: self.sent_at_millis,
            receipt: ReceiptHandle::new(receipt),
        }
    }
}

impl Queue for MemoryQueue {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn facts(&self) -> Facts {
        let redrive = self.shared.redrive.as_ref();
        Facts {
            visibility: self.shared.visibility,
            max_receive_count: redrive.map(|(_, most)| *most),
            has_dlq: redrive.is_some(),
        }
    }

    async fn receive(&self, at_most: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let deadline = Instant::now() + wait;
        loop {
            // Registered before looking, so that an arrival between look and wait is not missed.
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            let (taken, next) = self.take(at_most.clamp(1, MAX_BATCH));
            if !taken.is_empty() || Instant::now() >= deadline {
                return Ok(taken);
            }
            let _ = timeout_at(next.map_or(deadline, |at| at.min(deadline)), arrived).await;
        }
    }

    async fn delete(&self, spent: Vec<ReceiptHandle>) -> Vec<Unsettled> {
        let delete = |receipt: ReceiptHandle| {
            let deleted = self.in_flight(receipt.as_str(), |messages, index| drop(messages.remove(index)));
            deleted.err().map(|error| Unsettled { receipt, error })
        };
        spent.into_iter().filter_map(delete).collect()
    }

    async fn hide(&self, entries: Vec<Hide>) -> Vec<Unsettled> {
        let hide = |Hide { receipt, delay }: Hide| {
            let hidden = self.in_flight(receipt.as_str(), |m, index| m[index].visible_at = Instant::now() + delay);
            hidden.err().map(|error| Unsettled { receipt, error })
        };
        let unsettled = entries.into_iter().filter_map(hide).collect();
        self.shared.arrived.notify_waiters();
        unsettled
    }

    async fn extend(&self, holds: &[Hold], visibility: Duration) -> Vec<(usize, QueueError)> {
        let extend = |(n, hold): (usize, &Hold)| {
            let extended = self.in_flight(hold.as_str(), |m, index| m[index].visible_at = Instant::now() + visibility);
            Some((n, extended.err()?))
        };
        let failed = holds.iter().enumerate().filter_map(extend).collect();
        self.shared.arrived.notify_waiters();
        failed
    }

    async fn send_to_dlq(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let (dlq, _) = self.shared.redrive.as_ref().ok_or(QueueError::NoDeadLetterQueue)?;
        dlq.send(&letter.body, letter.attributes.clone()).map(drop)
    }
}
