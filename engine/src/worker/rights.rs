//! The worker's rights at its queue, to delete and to hide. While one is missing, nothing more is received.
//!
//! Enters: the queue's errors to hides, extensions and deletes. Leaves: for the gate, when to go on; for whoever
//! asks, which right is missing and since when. Promises: what is in hand is finished, and no further message spends
//! a receive. A missing right is asked for without a message, every 30 s or more often, so its return is noticed
//! without a restart.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::event::Timestamp;
use crate::queue::{Queue, QueueError, ReceiptHandle};

/// What is done to messages in batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Delete,
    /// Also an extension: it needs the same right.
    Hide,
}

/// One worker's rights at its queue.
#[derive(Debug)]
pub(super) struct Rights {
    /// The server that keeps the queue.
    server: &'static str,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    lack: Option<Lack>,
    pauses: u64,
}

/// A right that is missing.
#[derive(Debug)]
struct Lack {
    change: Change,
    error: QueueError,
    since: Timestamp,
}

impl Rights {
    /// All rights are there until one is denied.
    pub(super) fn at(server: &'static str) -> Self {
        Self { server, inside: Mutex::default() }
    }

    /// Takes the error of a change.
    pub(super) fn heard(&self, change: Change, error: &QueueError) {
        let mut inside = self.lock();
        if !matches!(error, QueueError::Denied { .. }) || inside.lack.is_some() {
            return;
        }
        tracing::error!(dependency = self.server, %error, "paused: nothing is received until we have the right");
        inside.pauses += 1;
        inside.lack = Some(Lack { change, error: error.clone(), since: Timestamp::now() });
    }

    /// Are all rights there?
    pub(super) fn are_whole(&self) -> bool {
        self.lock().lack.is_none()
    }

    /// Which right is missing, and since when; `None`: none.
    pub(super) fn missing(&self) -> Option<String> {
        let inside = self.lock();
        let Lack { error, since, .. } = inside.lack.as_ref()?;
        Some(format!("waiting for {} ({error}) since {since}", self.server))
    }

    /// How often the worker paused because a right was missing.
    pub(super) fn pauses(&self) -> u64 {
        self.lock().pauses
    }

    /// Waits until no right is missing.
    pub(super) async fn granted(&self, queue: &impl Queue) {
        for asked in 1.. {
            let Some(change) = self.lock().lack.as_ref().map(|lack| lack.change) else { return };
            sleep(Backoff::POLL.delay(asked)).await;
            if !is_denied(queue, change).await {
                tracing::info!(dependency = self.server, "resumed");
                self.lock().lack = None;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Every change leaves a whole state.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks with a receipt of no message. With the right, the error is about the receipt, and nothing changes.
async fn is_denied(queue: &impl Queue, change: Change) -> bool {
    let none = ReceiptHandle::new("none".to_owned());
    let error = match change {
        Change::Delete => queue.delete(vec![none]).await.pop().map(|unsettled| unsettled.error),
        Change::Hide => queue.extend(&[none.hold()], Duration::ZERO).await.pop().map(|(_, error)| error),
    };
    // A call without an answer proves nothing: it counts as denied, and is made again.
    error.is_some_and(|error| matches!(error, QueueError::Denied { .. }) || error.is_passing())
}

impl Change {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Hide => "hide",
        }
    }
}
