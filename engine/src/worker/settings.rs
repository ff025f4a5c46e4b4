//! How a worker works: its settings, with the defaults of the table in docs/configuration.md.
//!
//! Enters: what an operator has set. Leaves: a value that every part of the worker reads. Knows no environment.

use std::time::Duration;

use super::outcome::UnknownEvents;
use crate::backoff::Backoff;
use crate::queue::is_fifo;

/// How a worker works. The defaults are those of the table in docs/configuration.md.
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

macro_rules! setters {
    ($($name:ident sets $field:ident: $type:ty),+ $(,)?) => {
        impl Settings {
            $(
                #[doc = concat!("Changes [`Settings::", stringify!($field), "`].")]
                #[must_use]
                pub fn $name(self, $field: $type) -> Self {
                    Self { $field, ..self }
                }
            )+
        }
    };
}

setters! {
    with_concurrency sets concurrency: usize,
    with_wait sets wait: Duration,
    with_backoff sets backoff: Backoff,
    with_unknown_events sets unknown_events: UnknownEvents,
    with_max_attempts sets max_attempts: Option<u32>,
    with_retry_for sets retry_for: Option<Duration>,
    with_shutdown sets shutdown: Duration,
}

impl Settings {
    /// How long a deferred message of this queue is tried again.
    pub(super) fn retry_for_on(&self, queue: &str) -> Duration {
        let usual = if is_fifo(queue) { Duration::from_secs(900) } else { Duration::from_secs(24 * 3600) };
        self.retry_for.unwrap_or(usual)
    }
}
