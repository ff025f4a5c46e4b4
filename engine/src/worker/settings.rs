//! How a worker works: its settings, with the defaults of the README's table.
//!
//! Enters: what an operator has set. Leaves: a value that every part of the worker reads. Knows no environment.

use std::time::Duration;

use super::outcome::UnknownEvents;
use crate::backoff::Backoff;
use crate::queue::is_fifo;

/// How a worker works. The defaults are those of the README's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Messages handled at once.
    pub concurrency: usize,
    /// How long a receive waits for a message, 0 to 20 s.
    pub wait: Duration,
    /// The delay before a failed message is tried again.
    pub backoff: Backoff,
    /// What to do with other teams' events.
    pub unknown_events: UnknownEvents,
    /// A message is quarantined after this many failures of its own. `None`: the redrive policy's receives − 1, at
    /// least 1 and at most 8; without a policy 8. A failure that is not the message's fault does not count.
    pub max_attempts: Option<u32>,
    /// How long a deferred message ("not now") is tried again. `None`: 24 h; on a FIFO queue 15 min, because a
    /// deferred message there blocks its group.
    pub retry_for: Option<Duration>,
    /// How long stopping may take. What still runs then is abandoned, and comes again.
    pub shutdown: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 10,
            wait: Duration::from_secs(20),
            backoff: Backoff::HANDLER,
            unknown_events: UnknownEvents::Ignore,
            max_attempts: None,
            retry_for: None,
            // ECS on Fargate kills 120 s after its stop signal, at most: 120 s − 110 s leaves 10 s.
            shutdown: Duration::from_secs(110),
        }
    }
}

impl Settings {
    /// Changes [`Settings::concurrency`].
    #[must_use]
    pub fn with_concurrency(self, concurrency: usize) -> Self {
        Self { concurrency, ..self }
    }

    /// Changes [`Settings::wait`].
    #[must_use]
    pub fn with_wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Changes [`Settings::backoff`].
    #[must_use]
    pub fn with_backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Changes [`Settings::unknown_events`].
    #[must_use]
    pub fn with_unknown_events(self, unknown_events: UnknownEvents) -> Self {
        Self { unknown_events, ..self }
    }

    /// Changes [`Settings::max_attempts`].
    #[must_use]
    pub fn with_max_attempts(self, max_attempts: Option<u32>) -> Self {
        Self { max_attempts, ..self }
    }

    /// Changes [`Settings::retry_for`].
    #[must_use]
    pub fn with_retry_for(self, retry_for: Option<Duration>) -> Self {
        Self { retry_for, ..self }
    }

    /// Changes [`Settings::shutdown`].
    #[must_use]
    pub fn with_shutdown(self, shutdown: Duration) -> Self {
        Self { shutdown, ..self }
    }

    /// How long a deferred message of this queue is tried again.
    pub(super) fn retry_for_on(&self, queue: &str) -> Duration {
        let usual = if is_fifo(queue) { Duration::from_secs(900) } else { Duration::from_secs(24 * 3600) };
        self.retry_for.unwrap_or(usual)
    }
}
