//! SQS in this process: visibility, receive counts, redrive, batches and FIFO groups, on tokio's clock.
//!
//! Enters: the port's calls, and [`MemoryQueue::send`]. Leaves: what SQS would answer, or a fault that a test has set.
//! Promises: the port's contract, checked by the same test as the real adapter; with a paused clock, hours of it run
//! in milliseconds. Knows no topic and no worker. For the embedded default and for tests: nothing is stored, so the
//! messages are lost when the process ends.

#[cfg_attr(not(feature = "testing"), expect(dead_code, reason = "without `testing` nobody can set a fault"))]
pub(crate) mod faults;
mod store;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use self::faults::{Call, Fault, Faults};
use self::store::{Store, StoredMessage};
use super::{
    Attributes, Breach, DeadLetter, Delivery, Facts, Hide, Hold, MAX_BATCH, MAX_MESSAGE_BYTES, Queue, QueueError,
    ReceiptHandle, Unsettled, is_fifo, rules,
};

/// SQS's default: 4 days. Here no message is dropped after it.
const RETENTION: Duration = Duration::from_secs(4 * 24 * 3600);

/// A queue in memory. Clones share the messages.
#[derive(Debug, Clone)]
pub struct MemoryQueue {
    shared: Arc<SharedQueue>,
}

#[derive(Debug)]
struct SharedQueue {
    name: String,
    visibility: Duration,
    redrive: Option<(MemoryQueue, u32)>,
    max_bytes: AtomicUsize,
    store: Mutex<Store>,
    faults: Mutex<Faults>,
    arrived: Notify,
}

/// How many messages are where, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Waiting to be received.
    pub visible: usize,
    /// Received and not settled, or hidden until a delay is over.
    pub in_flight: usize,
}

impl MemoryQueue {
    /// A queue that hides what it hands out for `visibility`. FIFO if its name ends in `.fifo`.
    #[must_use]
    pub fn new(name: &str, visibility: Duration) -> Self {
        Self::build(name, visibility, None)
    }

    /// The same, with a redrive policy: a message that was received `max_receive_count` times moves to `dlq`, not to
    /// a receiver.
    #[must_use]
    pub fn with_dlq(name: &str, visibility: Duration, dlq: &Self, max_receive_count: u32) -> Self {
        Self::build(name, visibility, Some((dlq.clone(), max_receive_count)))
    }

    fn build(name: &str, visibility: Duration, redrive: Option<(Self, u32)>) -> Self {
        let store = Mutex::new(Store::new(is_fifo(name)));
        let (faults, arrived) = (Mutex::default(), Notify::new());
        let (name, max_bytes) = (name.to_owned(), AtomicUsize::new(MAX_MESSAGE_BYTES));
        Self { shared: Arc::new(SharedQueue { name, visibility, redrive, max_bytes, store, faults, arrived }) }
    }

    /// Puts a message on the queue. Answers its message id.
    ///
    /// # Errors
    /// [`QueueError::Unfit`] where it breaks one of SQS's rules, or this queue's own limit.
    pub fn send(&self, body: &str, attributes: Attributes) -> Result<String, QueueError> {
        self.send_delayed(body, attributes, Duration::ZERO)
    }

    /// The same, hidden for `delay` at first.
    ///
    /// # Errors
    /// [`QueueError::Unfit`] where it breaks one of SQS's rules, or this queue's own limit.
    pub fn send_delayed(&self, body: &str, attributes: Attributes, delay: Duration) -> Result<String, QueueError> {
        self.check(body, &attributes)?;
        Ok(self.put(StoredMessage::new(body, attributes, None, Instant::now() + delay)))
    }

    /// The same without a delay, in the fairness group `whose` of a standard queue.
    ///
    /// # Errors
    /// [`QueueError::Unfit`] where it breaks one of SQS's rules, or this queue's own limit.
    pub fn send_fairly(&self, body: &str, attributes: Attributes, whose: Option<String>) -> Result<String, QueueError> {
        self.check(body, &attributes)?;
        Ok(self.put(StoredMessage::new(body, attributes, whose, Instant::now())))
    }

    /// Puts a message in a group of a FIFO queue. A second message with the same `deduplication_id` within five
    /// minutes is dropped. Answers the message id of the first one.
    ///
    /// # Errors
    /// [`QueueError::Unfit`] where it breaks one of SQS's rules, or this queue's own limit.
    pub fn send_in_group(
        &self,
        body: &str,
        attributes: Attributes,
        group: &str,
        deduplication_id: &str,
    ) -> Result<String, QueueError> {
        self.check(body, &attributes)?;
        let message = StoredMessage::new(body, attributes, Some(group.to_owned()), Instant::now());
        let first = self.store().first_of(deduplication_id, &message.id);
        Ok(first.unwrap_or_else(|| self.put(message)))
    }

    /// How many messages wait, and how many are in flight.
    #[must_use]
    pub fn depth(&self) -> Depth {
        let store = self.store();
        let visible = store.visible();
        Depth { visible, in_flight: store.len() - visible }
    }

    /// From now on `faults` decides what goes wrong, before each call and for each entry of a batch.
    #[cfg(feature = "testing")]
    pub fn set_faults(&self, faults: impl FnMut(Call) -> Option<Fault> + Send + 'static) {
        self.faults().set(faults);
    }

    /// From now on it takes no message of more than `most` bytes. At first that is 1 MiB.
    pub fn set_max_bytes(&self, most: usize) {
        self.shared.max_bytes.store(most, Ordering::Relaxed);
    }

    fn check(&self, body: &str, attributes: &Attributes) -> Result<(), Breach> {
        rules::check_within(self.shared.max_bytes.load(Ordering::Relaxed), body, attributes)
    }

    fn put(&self, message: StoredMessage) -> String {
        let id = message.id.clone();
        self.store().put(message);
        self.shared.arrived.notify_waiters();
        id
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        // A panic elsewhere cannot leave it half changed: every change is one push or one field.
        self.shared.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes wrong with this call. Waits first if the fault is slowness.
    async fn fault(&self, call: Call) -> Option<Fault> {
        let fault = self.faults().ask(call);
        match fault {
            Some(Fault::Slow(delay)) => {
                sleep(delay).await;
                None
            }
            other => other,
        }
    }

    /// Takes visible messages, and moves those that were received too often to the DLQ. Also says when the next may
    /// be visible.
    fn take(&self, at_most: usize, fault: Option<Fault>) -> (Vec<Delivery>, Option<Instant>) {
        let most = self.shared.redrive.as_ref().map(|(_, most)| *most);
        let mut store = self.store();
        let taken = store.take(at_most, most, self.shared.visibility, fault);
        let next = store.next_visible();
        drop(store);
        if let Some((dlq, _)) = &self.shared.redrive {
            taken.exhausted.into_iter().for_each(|message| drop(dlq.put(message.moved())));
        }
        (taken.deliveries, next)
    }

    /// Does one batch, entry by entry. Returns the positions of those that failed.
    async fn batch<E>(
        &self,
        call: Call,
        entries: &[E],
        mut each: impl FnMut(&mut Store, &E) -> Result<(), QueueError> + Send,
    ) -> Vec<(usize, QueueError)>
    where
        E: Sync,
    {
        let failed = |error: QueueError| (0..entries.len()).map(|n| (n, error.clone())).collect::<Vec<_>>();
        let fault = self.fault(call).await;
        match fault {
            Some(Fault::Throttled) => return failed(throttled()),
            Some(Fault::Denied) if call == Call::Delete => {
                return failed(QueueError::Denied { right: "sqs:DeleteMessage" });
            }
            Some(Fault::Denied) => return failed(QueueError::Denied { right: "sqs:ChangeMessageVisibility" }),
            _ => {}
        }
        let mut results = Vec::new();
        for (n, entry) in entries.iter().enumerate() {
            let result = match self.faults().ask(Call::Entry) {
                Some(_) => Err(QueueError::Unavailable("InternalError".to_owned())),
                None => each(&mut self.store(), entry),
            };
            results.extend(result.err().map(|error| (n, error)));
        }
        self.shared.arrived.notify_waiters();
        if fault == Some(Fault::LostReply) { failed(lost()) } else { results }
    }
}

impl Queue for MemoryQueue {
    const SERVER: &'static str = "memory";

    fn name(&self) -> &str {
        &self.shared.name
    }

    fn facts(&self) -> Facts {
        let redrive = self.shared.redrive.as_ref();
        Facts {
            visibility: self.shared.visibility,
            max_receive_count: redrive.map(|(_, most)| *most),
            has_dlq: redrive.is_some(),
            retention: Some(RETENTION),
        }
    }

    async fn receive(&self, at_most: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let deadline = Instant::now() + wait;
        let fault = self.fault(Call::Receive).await;
        if fault == Some(Fault::Throttled) {
            return Err(throttled());
        }
        loop {
            // Registered before looking, so that an arrival between look and wait is not missed.
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            let (taken, next) = self.take(at_most.clamp(1, MAX_BATCH), fault);
            if !taken.is_empty() || Instant::now() >= deadline {
                return if fault == Some(Fault::LostReply) { Err(lost()) } else { Ok(taken) };
            }
            let _ = timeout_at(next.map_or(deadline, |at| at.min(deadline)), arrived).await;
        }
    }

    async fn delete(&self, spent: Vec<ReceiptHandle>) -> Vec<Unsettled> {
        let failed = self.batch(Call::Delete, &spent, |store, receipt| store.delete(receipt.as_str())).await;
        unsettled(spent, failed)
    }

    async fn hide(&self, entries: Vec<Hide>) -> Vec<Unsettled> {
        let hide = |store: &mut Store, hide: &Hide| store.hide(hide.receipt.as_str(), hide.delay);
        let failed = self.batch(Call::Hide, &entries, hide).await;
        unsettled(entries.into_iter().map(|hide| hide.receipt).collect(), failed)
    }

    async fn extend(&self, holds: &[Hold], visibility: Duration) -> Vec<(usize, QueueError)> {
        self.batch(Call::Extend, holds, |store, hold| store.hide(hold.as_str(), visibility)).await
    }

    async fn send_to_dlq(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let (dlq, _) = self.shared.redrive.as_ref().ok_or(QueueError::NoDeadLetterQueue)?;
        let fault = self.fault(Call::SendToDlq).await;
        if fault == Some(Fault::Throttled) {
            return Err(throttled());
        }
        match &letter.group {
            Some(group) => dlq.send_in_group(&letter.body, letter.attributes.clone(), group, &letter.message_id)?,
            None => dlq.send_fairly(&letter.body, letter.attributes.clone(), letter.fairness.clone())?,
        };
        if fault == Some(Fault::LostReply) { Err(lost()) } else { Ok(()) }
    }
}

fn throttled() -> QueueError {
    QueueError::Unavailable("ThrottlingException".to_owned())
}

fn lost() -> QueueError {
    QueueError::Unavailable("the answer was lost".to_owned())
}

fn unsettled(receipts: Vec<ReceiptHandle>, failed: Vec<(usize, QueueError)>) -> Vec<Unsettled> {
    let mut receipts: Vec<Option<ReceiptHandle>> = receipts.into_iter().map(Some).collect();
    let take = |(n, error): (usize, QueueError)| Some(Unsettled { receipt: receipts.get_mut(n)?.take()?, error });
    failed.into_iter().filter_map(take).collect()
}
