//! The evidence: what the outcome of one message says about the dependency that all messages need.
//!
//! Enters: an [`Outcome`] and its detail. Leaves: [`Evidence`]. Pure: the table by which the breaker judges.

use super::outcome::{Missing, Outcome};
use super::witness::EVERYBODY;
use crate::backoff::Outage;

/// What a message's outcome says about the dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Evidence {
    /// It works: an effect happened.
    Works,
    /// It is there: its answer was about this event alone.
    Answers,
    /// It refuses, and that may concern this event alone or all events.
    Doubts,
    /// It was tried, and gave no result.
    NoResult,
    /// It fails for all events.
    Fails(Missing),
    /// Nothing was asked of it.
    Nothing,
}

impl Evidence {
    /// The table.
    pub(super) fn of(outcome: &Outcome, detail: &str, receiver: &'static str) -> Self {
        let everybody = |what: &str, outage| {
            Self::Fails(Missing { dependency: receiver, detail: format!("every event is {what}: {detail}"), outage })
        };
        match outcome {
            Outcome::Done | Outcome::DoneUnrecorded => Self::Works,
            Outcome::Unavailable(missing) => Self::Fails(missing.clone()),
            Outcome::Doubted { in_a_row, .. } if *in_a_row >= EVERYBODY => everybody("refused", Outage::Refusing),
            Outcome::Deferred { in_a_row, .. } if *in_a_row >= EVERYBODY => everybody("deferred", Outage::Busy),
            Outcome::Doubted { .. } => Self::Doubts,
            Outcome::Deferred { .. } | Outcome::Transient | Outcome::Panicked | Outcome::Permanent(_) => Self::Answers,
            Outcome::OutcomeUnknown | Outcome::TimedOut => Self::NoResult,
            Outcome::Duplicate
            | Outcome::Stale
            | Outcome::Ignored
            | Outcome::UnknownType(_)
            | Outcome::Busy(_)
            | Outcome::Conflict
            | Outcome::Parked
            | Outcome::KillsItsWorker
            | Outcome::RecordBroken(_)
            | Outcome::Refused(_)
            | Outcome::LeaseLost
            | Outcome::NotBegun => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_event_in_a_row_that_is_refused_or_deferred_is_everybodys() {
        let evidence = |outcome: &Outcome| Evidence::of(outcome, "554 5.7.1 at dot", "smtp");
        let doubted = |in_a_row| Outcome::Doubted { reason: "mail_refused", in_a_row };
        let deferred = |in_a_row| Outcome::Deferred { in_a_row, at_least: std::time::Duration::ZERO };
        assert_eq!((evidence(&doubted(3)), evidence(&doubted(5))), (Evidence::Doubts, Evidence::Doubts));
        let Evidence::Fails(missing) = evidence(&doubted(EVERYBODY)) else { panic!("not everybody's") };
        assert_eq!((missing.dependency, missing.outage), ("smtp", Outage::Refusing));
        assert_eq!(missing.detail, "every event is refused: 554 5.7.1 at dot");
        assert_eq!(evidence(&deferred(5)), Evidence::Answers);
        let deferred = evidence(&deferred(EVERYBODY));
        assert!(matches!(deferred, Evidence::Fails(Missing { outage: Outage::Busy, .. })), "{deferred:?}");
    }

    #[test]
    fn only_an_effect_that_happened_proves_that_all_is_well() {
        for outcome in [Outcome::Done, Outcome::DoneUnrecorded] {
            assert_eq!(Evidence::of(&outcome, "", "smtp"), Evidence::Works);
        }
        // A duplicate needed no receiver; a refusal of one recipient shows that somebody is there, and no more.
        for outcome in [Outcome::Duplicate, Outcome::Busy(std::time::Duration::ZERO), Outcome::LeaseLost] {
            assert_eq!(Evidence::of(&outcome, "", "smtp"), Evidence::Nothing);
        }
        assert_eq!(Evidence::of(&Outcome::Permanent("mail_refused"), "", "smtp"), Evidence::Answers);
        assert_eq!(Evidence::of(&Outcome::OutcomeUnknown, "", "smtp"), Evidence::NoResult);
    }
}
