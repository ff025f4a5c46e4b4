//! How often to receive: one receive at a time while the queue holds little, more at once while receives come back
//! full, none for a while after an error.
//!
//! Enters: what each receive brought. Leaves: how many receives may be under way at once, how long the next one waits
//! for more free slots, and the earliest moment to send it. Calls no queue; reads the clock and logs failures.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::queue::{Delivery, MAX_BATCH, QueueError};

/// The least time between two receives of an empty queue that answers at once (`RECEIVE_WAIT=0s`).
const EMPTY: Duration = Duration::from_millis(200);
/// During a backlog, a receive waits at most this long until a full batch of 10 slots is free. Without the wait, each
/// freed slot would cause a receive of its own: 10 calls for 10 messages instead of 1.
const FULL_BATCH_WAIT: Duration = Duration::from_millis(50);

/// One worker's pace.
#[derive(Debug)]
pub(super) struct Pace {
    most: usize,
    /// Full receives in a row, at most `most`; 0: no backlog.
    pollers: usize,
    failures: u32,
    /// The server that keeps the queue, for the log.
    server: &'static str,
    not_before: Instant,
}

/// One receive: when it was sent, and the most messages that it asked for.
pub(super) struct Asked {
    pub(super) at: Instant,
    pub(super) at_most: usize,
}

impl Pace {
    /// Allows at most one receive at once for each 10 slots, rounded up: 3 for 25 slots.
    pub(super) fn new(concurrency: usize, server: &'static str) -> Self {
        let most = concurrency.div_ceil(MAX_BATCH);
        Self { most, pollers: 0, failures: 0, server, not_before: Instant::now() }
    }

    /// How many receives may be under way at once.
    pub(super) fn pollers(&self) -> usize {
        self.pollers.max(1)
    }

    /// How long to wait for a full batch of slots, once one slot is free.
    pub(super) fn full_batch_wait(&self) -> Duration {
        if self.pollers > 0 { FULL_BATCH_WAIT } else { Duration::ZERO }
    }

    /// The earliest moment of the next receive.
    pub(super) fn not_before(&self) -> Instant {
        self.not_before
    }

    /// Takes the result of a receive, and returns its deliveries; none after an error.
    pub(super) fn heard(&mut self, asked: &Asked, result: Result<Vec<Delivery>, QueueError>) -> Vec<Delivery> {
        match &result {
            Ok(deliveries) => self.received(asked, deliveries.len()),
            Err(error) => self.failed(error),
        }
        result.unwrap_or_default()
    }

    fn received(&mut self, asked: &Asked, brought: usize) {
        self.failures = 0;
        let is_full = brought >= asked.at_most;
        self.pollers = if is_full { (self.pollers + 1).min(self.most) } else { 0 };
        if brought == 0 {
            self.not_before = asked.at + EMPTY;
        }
    }

    fn failed(&mut self, error: &QueueError) {
        self.failures += 1;
        self.pollers = 0;
        self.not_before = Instant::now() + Backoff::POLL.delay(self.failures);
        // Only the first failure in a row and every tenth are logged: an outage must not flood the log.
        if self.failures == 1 || self.failures.is_multiple_of(10) {
            let dependency = self.server;
            tracing::warn!(dependency, %error, failures = self.failures, "receiving failed; trying again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pace: &mut Pace, brought: &[usize]) -> Vec<usize> {
        let asked = || Asked { at: Instant::now(), at_most: 10 };
        let pollers = |brought: &usize| {
            pace.received(&asked(), *brought);
            pace.pollers()
        };
        brought.iter().map(pollers).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn pollers_grow_to_a_tenth_of_the_slots_while_receives_are_full_and_fall_back_to_one() {
        let mut pace = Pace::new(25, "sqs");
        assert_eq!(after(&mut pace, &[10, 10, 10, 10, 10]), [1, 2, 3, 3, 3]);
        assert_eq!(after(&mut pace, &[9, 10, 10, 0]), [1, 1, 2, 1]);
        assert_eq!(after(&mut Pace::new(10, "sqs"), &[10, 10, 10]), [1, 1, 1], "ten slots need one");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_pauses_and_leaves_one_poller() {
        let mut pace = Pace::new(100, "sqs");
        after(&mut pace, &[10, 10, 10]);
        pace.failed(&QueueError::Unavailable("test".to_owned()));
        assert_eq!(pace.pollers(), 1);
        assert!(pace.not_before() >= Instant::now() + Duration::from_millis(500));
        after(&mut pace, &[0]);
        assert_eq!(pace.not_before(), Instant::now() + EMPTY);
    }
}
