//! What came of one message, as a word about what all of them need.
//!
//! Enters: an [`Outcome`] and its detail. Leaves: a [`Word`]. Pure: the table by which the breaker judges.

use super::outcome::{Missing, Outcome};
use super::witness::EVERYBODY;
use crate::backoff::Outage;

/// What a message's end says of the dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// It works: an effect happened.
    Works,
    /// It is there: it said something of this event alone.
    Answers,
    /// It refuses, and that may be this event's fault or everybody's.
    Doubts,
    /// It was tried, and did not come to an end.
    Vain,
    /// It fails everybody.
    Fails(Missing),
    /// Nothing was asked of it.
    Nothing,
}

impl Word {
    /// The table.
    pub(super) fn of(outcome: &Outcome, detail: &str, handler: &'static str) -> Self {
        let everybody = |what: &str, outage| {
            Self::Fails(Missing { dependency: handler, detail: format!("every event is {what}: {detail}"), outage })
        };
        match outcome {
            Outcome::Done | Outcome::DoneUnrecorded => Self::Works,
            Outcome::Unavailable(missing) => Self::Fails(missing.clone()),
            Outcome::Doubted { in_a_row, .. } if *in_a_row >= EVERYBODY => everybody("refused", Outage::Refusing),
            Outcome::Deferred { in_a_row } if *in_a_row >= EVERYBODY => everybody("deferred", Outage::Busy),
            Outcome::Doubted { .. } => Self::Doubts,
            Outcome::Deferred { .. } | Outcome::Transient | Outcome::Panicked | Outcome::Permanent(_) => Self::Answers,
            Outcome::OutcomeUnknown | Outcome::TimedOut => Self::Vain,
            Outcome::Duplicate
            | Outcome::Stale
            | Outcome::Ignored
            | Outcome::UnknownType
            | Outcome::Busy(_)
            | Outcome::Conflict
            | Outcome::Parked
            | Outcome::KillsItsWorker
            | Outcome::Refused(_)
            | Outcome::LeaseLost => Self::Nothing,
        }
    }
}
