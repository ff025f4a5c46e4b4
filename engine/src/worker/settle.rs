//! Stop 8: a verdict is carried out. The one place that deletes.
//!
//! Enters: a delivery and its verdict. Leaves: [`Settled`]; when [`Settler::settle`] returns, the queue has
//! confirmed, or the message will come again. Promises: deletes and hides go out in batches of up to 10, and wait at
//! most 50 ms for more; an entry that failed is tried again by itself; a dead letter's original is deleted only after
//! the letter is confirmed, in the first of its forms that the DLQ takes. Knows no event and no handler.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{error, warn};

use super::holds::Held;
use super::rights::{Right, Rights};
use crate::backoff::Backoff;
use crate::queue::dead_letter::Form;
use crate::queue::{
    Attempt, Breach, DeadLetter, Delivery, Failure, Hide, Hold, MAX_BATCH, MAX_MESSAGE_BYTES, MAX_VISIBILITY, Queue,
    QueueError, ReceiptHandle, Unsettled, Verdict,
};

/// How long the first entry of a batch waits for others: little beside the time of a receive.
const LINGER: Duration = Duration::from_millis(50);
/// The first try and three more.
const TRIES: u32 = 4;

/// Where a settled message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// Deleted, and the queue has confirmed it.
    Gone,
    /// It comes again.
    Remains,
}

/// Carries verdicts to one queue.
#[derive(Debug)]
pub(super) struct Settler<Q> {
    queue: Arc<Q>,
    deletes: mpsc::Sender<ToSettle>,
    hides: mpsc::Sender<ToSettle>,
}

#[derive(Debug)]
struct ToSettle {
    receipt: ReceiptHandle,
    /// Only for a hide.
    delay: Duration,
    /// Notified when the entry is confirmed; dropped when it is given up.
    confirmed: oneshot::Sender<()>,
}

/// An entry whose receipt is in a call to the queue.
#[derive(Debug)]
struct InCall {
    hold: Hold,
    delay: Duration,
    confirmed: oneshot::Sender<()>,
}

impl<Q: Queue> Settler<Q> {
    /// Starts the batching. It ends by itself once the settler is dropped and all is flushed.
    pub(super) fn start(queue: Arc<Q>, rights: &Arc<Rights>) -> Self {
        let start = |right| {
            let (entries, batches) = mpsc::channel(4 * MAX_BATCH);
            tokio::spawn(in_batches(queue.clone(), rights.clone(), right, batches));
            entries
        };
        Self { deletes: start(Right::Delete), hides: start(Right::Hide), queue }
    }

    /// Carries out a verdict. The hold goes on until a delete is confirmed; a backoff ends it first.
    pub(super) async fn settle(&self, delivery: Delivery, verdict: Verdict, held: Held) -> Settled {
        match verdict {
            Verdict::Delete => self.delete(delivery.receipt).await,
            Verdict::RetryIn(delay) => self.hide(delivery.receipt, delay, held).await,
            Verdict::Quarantine(failure) => self.quarantine(delivery, &failure, held).await,
            Verdict::Leave => {
                held.freeze().await;
                Settled::Remains
            }
        }
    }

    async fn delete(&self, receipt: ReceiptHandle) -> Settled {
        if confirmed(&self.deletes, receipt, Duration::ZERO).await {
            return Settled::Gone;
        }
        warn!("the delete was not confirmed; the message may come again, and will be a duplicate");
        Settled::Remains
    }

    async fn hide(&self, receipt: ReceiptHandle, delay: Duration, held: Held) -> Settled {
        held.freeze().await;
        if !confirmed(&self.hides, receipt, delay.min(MAX_VISIBILITY)).await {
            warn!("the delay was not set: the message comes again when its visibility timeout is over");
        }
        Settled::Remains
    }

    /// Tries the forms of the dead letter in order, until the DLQ takes one.
    async fn quarantine(&self, delivery: Delivery, failure: &Failure, held: Held) -> Settled {
        let (mut most, mut limit) = (MAX_MESSAGE_BYTES, None);
        for form in Form::ALL {
            let sent = match DeadLetter::of_form(form, most, &delivery, self.queue.name(), failure) {
                Ok(letter) => self.send(&letter, delivery.attempt, &held).await,
                Err(breach) => Err(breach.into()),
            };
            match sent {
                Ok(()) => {
                    if let (Form::Bare, Some(limit)) = (form, &limit) {
                        warn!(%limit, "quarantined without its reason, which does not fit beside it");
                    }
                    return self.delete(delivery.receipt).await;
                }
                // The DLQ's own limit is lower than SQS's: it is the one to log.
                Err(QueueError::Unfit(breach @ Breach::TooLarge { most: own })) if own < most => {
                    (most, limit) = (own, Some(breach));
                }
                // Keeps an earlier breach: why it did not fit with its reason says more than why it did not without.
                Err(QueueError::Unfit(breach)) => limit = limit.or(Some(breach)),
                Err(QueueError::NoDeadLetterQueue) => {
                    warn!("no DLQ to quarantine into: left to the queue");
                    return Settled::Remains;
                }
                Err(error) => {
                    warn!(%error, "the dead letter was not sent; the original stays and is tried again");
                    return self.hide(delivery.receipt, Backoff::HANDLER.delay(delivery.attempt.get()), held).await;
                }
            }
        }
        let limit = limit.map(|breach| breach.to_string());
        error!(limit, "the DLQ takes this dead letter in no form: left to the queue's own redrive");
        Settled::Remains
    }

    /// Sends the letter. An error that may pass is tried 4 times in all. On the last receive every error is tried
    /// again, for as long as the message is held: there is no later try.
    async fn send(&self, letter: &DeadLetter, receives: Attempt, held: &Held) -> Result<(), QueueError> {
        let is_last = receives.is_last_of(self.queue.facts().max_receive_count);
        let mut tries = 1;
        loop {
            let answer = self.queue.send_to_dlq(letter).await;
            let goes_on = match &answer {
                Ok(()) | Err(QueueError::Unfit(_) | QueueError::NoDeadLetterQueue) => false,
                // A missing right may be granted meanwhile.
                Err(error) => (error.is_passing() && tries < TRIES) || (is_last && held.is_ours()),
            };
            if !goes_on {
                return answer;
            }
            sleep(Backoff::ENTRY.delay(tries)).await;
            tries += 1;
        }
    }
}

/// Hands an entry to its batch, and waits until the queue has confirmed it; `false`: it was given up.
async fn confirmed(entries: &mpsc::Sender<ToSettle>, receipt: ReceiptHandle, delay: Duration) -> bool {
    let (confirmed, confirmation) = oneshot::channel();
    entries.send(ToSettle { receipt, delay, confirmed }).await.is_ok() && confirmation.await.is_ok()
}

async fn in_batches<Q: Queue>(queue: Arc<Q>, rights: Arc<Rights>, right: Right, mut entries: mpsc::Receiver<ToSettle>) {
    while let Some(first) = entries.recv().await {
        let mut batch = vec![first];
        let deadline = Instant::now() + LINGER;
        while batch.len() < MAX_BATCH {
            match timeout_at(deadline, entries.recv()).await {
                Ok(Some(entry)) => batch.push(entry),
                Ok(None) | Err(_) => break,
            }
        }
        // In a task of its own, so that a slow call does not hold up the next batch.
        tokio::spawn(carry_out(queue.clone(), rights.clone(), right, batch));
    }
}

async fn carry_out<Q: Queue>(queue: Arc<Q>, rights: Arc<Rights>, right: Right, batch: Vec<ToSettle>) {
    let (mut open, mut waiting) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
    for ToSettle { receipt, delay, confirmed } in batch {
        waiting.push(InCall { hold: receipt.hold(), delay, confirmed });
        // Two entries with the same receipt are one in the call, and both are confirmed.
        if !open.contains(&receipt) {
            open.push(receipt);
        }
    }
    for attempt in 1..=TRIES {
        let (mut again, mut unconfirmed) = (Vec::new(), Vec::new());
        for Unsettled { receipt, error } in ask(&*queue, right, open, &waiting).await {
            rights.heard(right, &error);
            let own: Vec<InCall> = waiting.extract_if(.., |entry| entry.hold.is_of(&receipt)).collect();
            if error.is_passing() && attempt < TRIES {
                unconfirmed.extend(own);
                again.push(receipt);
            } else {
                warn!(%error, "a {} failed", right.name());
            }
        }
        for entry in waiting {
            // After an abandoned shutdown nobody waits for this; that is no error.
            let _ = entry.confirmed.send(());
        }
        if again.is_empty() {
            return;
        }
        (waiting, open) = (unconfirmed, again);
        sleep(Backoff::ENTRY.delay(attempt)).await;
    }
}

/// One call.
async fn ask<Q: Queue>(queue: &Q, right: Right, receipts: Vec<ReceiptHandle>, waiting: &[InCall]) -> Vec<Unsettled> {
    match right {
        Right::Delete => queue.delete(receipts).await,
        Right::Hide => {
            let delays = |receipt: &ReceiptHandle| {
                waiting.iter().filter(|entry| entry.hold.is_of(receipt)).map(|entry| entry.delay).max()
            };
            let hide = |receipt| Hide { delay: delays(&receipt).unwrap_or_default(), receipt };
            queue.hide(receipts.into_iter().map(hide).collect()).await
        }
    }
}
