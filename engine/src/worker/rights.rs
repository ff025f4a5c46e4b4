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

/// A right that every held message needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Delete,
    /// Also an extension: it needs the same right.
    Hide,
}

/// One worker's rights at its queue.
#[derive(Debug)]
pub(super) struct Rights {
    /// The server that keeps the queue.
    server: &'static str,
    state: Mutex<RightsState>,
}

#[derive(Debug, Default)]
struct RightsState {
    missing: Option<MissingRight>,
    pauses: u64,
}

/// The right that is missing.
#[derive(Debug)]
struct MissingRight {
    right: Right,
    error: QueueError,
    since: Timestamp,
}

impl Rights {
    /// All rights are there until one is denied.
    pub(super) fn at(server: &'static str) -> Self {
        Self { server, state: Mutex::default() }
    }

    /// Takes the error of a call that needs this right.
    pub(super) fn heard(&self, right: Right, error: &QueueError) {
        let mut state = self.lock();
        if !matches!(error, QueueError::Denied { .. }) || state.missing.is_some() {
            return;
        }
        tracing::error!(dependency = self.server, %error, "paused: nothing is received until we have the right");
        state.pauses += 1;
        state.missing = Some(MissingRight { right, error: error.clone(), since: Timestamp::now() });
    }

    /// Are all rights there?
    pub(super) fn are_whole(&self) -> bool {
        self.lock().missing.is_none()
    }

    /// Which right is missing, and since when; `None`: none.
    pub(super) fn missing(&self) -> Option<String> {
        let state = self.lock();
        let MissingRight { error, since, .. } = state.missing.as_ref()?;
        Some(format!("waiting for {} ({error}) since {since}", self.server))
    }

    /// How often the worker paused because a right was missing.
    pub(super) fn pauses(&self) -> u64 {
        self.lock().pauses
    }

    /// Waits until no right is missing.
    pub(super) async fn granted(&self, queue: &impl Queue) {
        for asked in 1.. {
            let Some(right) = self.lock().missing.as_ref().map(|missing| missing.right) else { return };
            sleep(Backoff::POLL.delay(asked)).await;
            if !is_denied(queue, right).await {
                tracing::info!(dependency = self.server, "resumed");
                self.lock().missing = None;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, RightsState> {
        // Every change leaves a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks with a receipt of no message. With the right, the error is about the receipt, and nothing changes.
async fn is_denied(queue: &impl Queue, right: Right) -> bool {
    let none = ReceiptHandle::new("none".to_owned());
    let error = match right {
        Right::Delete => queue.delete(vec![none]).await.pop().map(|unsettled| unsettled.error),
        Right::Hide => queue.extend(&[none.hold()], Duration::ZERO).await.pop().map(|(_, error)| error),
    };
    // A call without an answer proves nothing: it counts as denied, and is made again.
    error.is_some_and(|error| matches!(error, QueueError::Denied { .. }) || error.is_passing())
}

impl Right {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Hide => "hide",
        }
    }
}
