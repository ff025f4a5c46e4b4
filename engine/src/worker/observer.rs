//! Who listens to a worker: told when a delivery begins and when it has ended.
//!
//! Enters: deliveries and what came of them. Leaves: a span, if the delivery is to be followed beyond this
//! process. Promises: nothing is asked of a listener but to be quick; without one nothing is allocated.
//! What can be read at any time is not told here but kept in [`super::Vitals`]. Knows no listener.

use std::fmt;
use std::time::Duration;

use tracing::Span;

use super::outcome::Outcome;
use crate::queue::{Attempt, Delivery};

/// Listens to one worker. Every method does nothing unless it is written.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Work on a delivery begins. What is recorded in `log`, the span that its log lines stand in, is in each
    /// of them; the span answered is entered while the work lasts.
    fn begins(&self, delivery: &Delivery, log: &Span) -> Span {
        let _ = (delivery, log);
        Span::none()
    }

    /// It has ended. `span`: the one that `begins` answered. `is_gone`: the queue has confirmed that it will
    /// not come again.
    fn ends(&self, span: &Span, ended: &Ended, is_gone: bool) {
        let _ = (span, ended, is_gone);
    }
}

/// What came of a delivery.
#[derive(Debug)]
pub struct Ended {
    /// What happened.
    pub outcome: Outcome,
    /// What was done about it: [`crate::queue::Verdict::name`].
    pub verdict: &'static str,
    /// Which receive of its message it was.
    pub attempt: Attempt,
    /// When the queue first took it, in milliseconds since 1970.
    pub sent_at_millis: i64,
    /// How long it took to open, claim, handle and record it.
    pub handling: Duration,
}

/// Nobody listens.
#[derive(Debug)]
pub(super) struct Nobody;

impl Observer for Nobody {}
