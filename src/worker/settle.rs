//! Stop 8: a verdict is carried out. The one place that deletes.
//!
//! Enters: a delivery and its verdict. Leaves: nothing; when [`Settler::settle`] returns, the queue has
//! confirmed, or the message will come again. Promises: deletes go out in batches of up to ten, waiting
//! at most 50 ms for company; an entry that failed is tried again by itself; a dead letter's original is
//! deleted only after the letter is confirmed. Knows no event and no handler.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{error, warn};

use super::lease::Held;
use crate::backoff::Backoff;
use crate::queue::{
    DeadLetter, Delivery, Failure, Hide, MAX_BATCH, MAX_VISIBILITY, Queue, QueueError, ReceiptHandle, Verdict,
};

/// How long the first delete of a batch waits for others: far below what a poll costs.
const LINGER: Duration = Duration::from_millis(50);
/// The first try and three more.
const TRIES: u32 = 4;

/// Carries verdicts to one queue.
#[derive(Debug)]
pub(super) struct Settler<Q> {
    queue: Arc<Q>,
    deletes: mpsc::Sender<Delete>,
}

#[derive(Debug)]
struct Delete {
    receipt: ReceiptHandle,
    /// Told when the delete is confirmed; dropped when it is given up.
    confirmed: oneshot::Sender<()>,
}

impl<Q: Queue> Settler<Q> {
    /// Starts the batching. It ends by itself once the settler is dropped and all is flushed.
    pub(super) fn start(queue: Arc<Q>) -> Self {
        let (deletes, batches) = mpsc::channel(4 * MAX_BATCH);
        tokio::spawn(delete_in_batches(queue.clone(), batches));
        Self { queue, deletes }
    }

    /// Carries out a verdict. The lease goes on until a delete is confirmed, and ends before a backoff.
    pub(super) async fn settle(&self, delivery: Delivery, verdict: Verdict, held: Held) {
        match verdict {
            Verdict::Delete => self.delete(delivery.receipt).await,
            Verdict::RetryIn(delay) => {
                held.freeze().await;
                self.hide(delivery.receipt, delay).await;
            }
            Verdict::Quarantine(failure) => self.quarantine(delivery, &failure, held).await,
            Verdict::Leave => held.freeze().await,
        }
    }

    /// Gives a delivery back unworked: visible again at once.
    pub(super) async fn give_back(&self, delivery: Delivery) {
        self.hide(delivery.receipt, Duration::ZERO).await;
    }

    async fn delete(&self, receipt: ReceiptHandle) {
        let (confirmed, confirmation) = oneshot::channel();
        if self.deletes.send(Delete { receipt, confirmed }).await.is_err() || confirmation.await.is_err() {
            warn!("the delete was not confirmed; the message may come again, and will be a duplicate");
        }
    }

    async fn hide(&self, mut receipt: ReceiptHandle, delay: Duration) {
        let delay = delay.min(MAX_VISIBILITY);
        for attempt in 1..=TRIES {
            let mut unsettled = self.queue.hide(vec![Hide { receipt, delay }]).await;
            let Some(entry) = unsettled.pop() else { return };
            if !entry.error.is_passing() || attempt == TRIES {
                return warn!(error = %entry.error, "the message keeps its visibility timeout");
            }
            receipt = entry.receipt;
            sleep(Backoff::ENTRY.delay(attempt)).await;
        }
    }

    async fn quarantine(&self, delivery: Delivery, failure: &Failure, held: Held) {
        let Some(letter) = DeadLetter::new(&delivery, self.queue.name(), failure) else {
            return error!("too large to be sent on with its reason: left to the queue's own redrive");
        };
        match self.queue.send_to_dlq(&letter).await {
            Ok(()) => self.delete(delivery.receipt).await,
            Err(QueueError::NoDeadLetterQueue) => warn!("no DLQ to quarantine into: left to the queue"),
            Err(error) => {
                warn!(%error, "the dead letter was not sent; the original stays and is tried again");
                held.freeze().await;
                self.hide(delivery.receipt, Backoff::HANDLER.delay(delivery.attempt.get())).await;
            }
        }
    }
}

async fn delete_in_batches<Q: Queue>(queue: Arc<Q>, mut deletes: mpsc::Receiver<Delete>) {
    while let Some(first) = deletes.recv().await {
        let mut batch = vec![first];
        let deadline = Instant::now() + LINGER;
        while batch.len() < MAX_BATCH {
            match timeout_at(deadline, deletes.recv()).await {
                Ok(Some(delete)) => batch.push(delete),
                Ok(None) | Err(_) => break,
            }
        }
        // On its own, so that a slow call does not hold up the next batch.
        tokio::spawn(delete_batch(queue.clone(), batch));
    }
}

async fn delete_batch<Q: Queue>(queue: Arc<Q>, batch: Vec<Delete>) {
    let mut waiting = HashMap::new();
    let mut open = Vec::new();
    for Delete { receipt, confirmed } in batch {
        waiting.insert(receipt.as_str().to_owned(), confirmed);
        open.push(receipt);
    }
    for attempt in 1..=TRIES {
        let mut again = Vec::new();
        let mut given_up = Vec::new();
        for entry in queue.delete(open).await {
            if entry.error.is_passing() && attempt < TRIES {
                again.push(entry.receipt);
            } else {
                warn!(error = %entry.error, "a delete failed");
                given_up.extend(waiting.remove(entry.receipt.as_str()));
            }
        }
        let is_open = |receipt: &str| again.iter().any(|r: &ReceiptHandle| r.as_str() == receipt);
        let (left, done): (HashMap<_, _>, _) = waiting.into_iter().partition(|(receipt, _)| is_open(receipt));
        for (_, confirmed) in done {
            // Nobody waits any more when the worker was told to hurry; the delete has happened.
            let _ = confirmed.send(());
        }
        if again.is_empty() {
            return;
        }
        (waiting, open) = (left, again);
        sleep(Backoff::ENTRY.delay(attempt)).await;
    }
}
