//! Does the loop turn? Liveness is the age of the last turn, never the state of a dependency.
//!
//! A health check that fails because Redis is down kills healthy tasks, and starting new ones does not bring Redis
//! back. A loop that no longer turns, however, is repaired by a restart.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, interval};

use crate::queue::QueueError;

/// The loop's last turn, and the result of its last receive. Clones share both.
#[derive(Debug, Clone)]
pub struct Pulse {
    last: Arc<Mutex<Instant>>,
    failure: Arc<Mutex<Option<QueueError>>>,
    stale_after: Duration,
}

impl Pulse {
    /// Stale after two long polls and 20 s without a turn: one long poll may be slow, two in a row are not.
    pub(super) fn new(wait: Duration) -> Self {
        let stale_after = 2 * wait + Duration::from_secs(20);
        Self { last: Arc::new(Mutex::new(Instant::now())), failure: Arc::default(), stale_after }
    }

    /// Waits, and beats meanwhile: a loop that waits for a slot or for its next try is alive.
    pub(super) async fn beating<T>(&self, waiting: impl Future<Output = T>) -> T {
        let mut waiting = pin!(waiting);
        let mut beats = interval(self.stale_after / 4);
        loop {
            tokio::select! {
                biased;
                waited = &mut waiting => return waited,
                _ = beats.tick() => self.beat(),
            }
        }
    }

    /// A receive has ended: that is a turn, and tells whether receiving works.
    pub(super) fn received(&self, failure: Option<&QueueError>) {
        self.beat();
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure.cloned();
    }

    pub(super) fn beat(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Has the loop turned lately?
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.age() <= self.stale_after
    }

    /// How long ago the loop last turned.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// The error of the last receive; `None`: it succeeded.
    #[must_use]
    pub fn failure(&self) -> Option<QueueError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
