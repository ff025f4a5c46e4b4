//! Does the loop turn? Liveness is the age of the last turn, never the state of a dependency.
//!
//! A health check that fails because Redis is down kills good tasks, and starting others does not bring
//! Redis back. A loop that no longer turns, though, is mended by a restart.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, interval};

use crate::queue::QueueError;

/// The loop's last turn, and what its last receive came to. Clones share both.
#[derive(Debug, Clone)]
pub struct Pulse {
    last: Arc<Mutex<Instant>>,
    failure: Arc<Mutex<Option<QueueError>>>,
    stale_after: Duration,
}

impl Pulse {
    /// Stale when no turn ended for two long polls and 20 s: one may be slow, two are not.
    pub(super) fn new(wait: Duration) -> Self {
        let stale_after = 2 * wait + Duration::from_secs(20);
        Self { last: Arc::new(Mutex::new(Instant::now())), failure: Arc::default(), stale_after }
    }

    /// Waits, and beats meanwhile: a loop that waits for a slot or for its next try is a loop that turns.
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

    /// What the last receive failed by; `None`: it did not.
    #[must_use]
    pub fn failure(&self) -> Option<QueueError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
