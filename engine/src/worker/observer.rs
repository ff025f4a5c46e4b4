//! An observer is told when a delivery begins and when it has ended.
//!
//! Enters: deliveries and their outcomes. Leaves: a span, if the delivery is followed beyond this process. Promises:
//! an observer has to do nothing but to return quickly; without one nothing is allocated. What can be read at any
//! time is in [`super::Vitals`], not here. Knows no observer.

use std::fmt;
use std::time::Duration;

use tracing::Span;

use super::outcome::Outcome;
use crate::queue::{Attempt, Delivery, Verdict};

/// Listens to one worker. By default every method does nothing.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Work on a delivery begins. `log` is the span of its log lines: a field that is recorded in it stands in each
    /// of them. The returned span is entered while the work lasts.
    fn begins(&self, delivery: &Delivery, log: &Span) -> Span {
        let _ = (delivery, log);
        Span::none()
    }

    /// Work on it has ended. `span`: what `begins` returned. `is_gone`: the queue has confirmed that it will not come
    /// again.
    fn ends(&self, span: &Span, ended: &Ended, is_gone: bool) {
        let _ = (span, ended, is_gone);
    }
}

/// The end of a delivery.
#[derive(Debug)]
pub struct Ended {
    /// What happened.
    pub outcome: Outcome,
    /// Its verdict: [`crate::queue::Verdict::name`].
    pub verdict: &'static str,
    /// Which receive of its message it was.
    pub attempt: Attempt,
    /// When the queue first took it, in milliseconds since 1970.
    pub sent_at_millis: i64,
    /// How long it took to open, claim, handle and record it.
    pub handling: Duration,
}

impl Ended {
    pub(super) fn new(outcome: Outcome, verdict: &Verdict, delivery: &Delivery, handling: Duration) -> Self {
        let &Delivery { attempt, sent_at_millis, .. } = delivery;
        Self { outcome, verdict: verdict.name(), attempt, sent_at_millis, handling }
    }
}

/// Nobody listens.
#[derive(Debug)]
pub(super) struct Nobody;

impl Observer for Nobody {}
