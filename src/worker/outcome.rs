//! Stop 7: what happened, and the one table of what to do about it.
//!
//! Enters: an [`Outcome`] and which attempt it was. Leaves: a [`Verdict`]. Pure: does nothing itself.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::envelope::Refusal;
use crate::queue::{Attempt, Failure, Verdict};

/// What came of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The effect happened and is on record.
    Done,
    /// The effect happened and could not be recorded.
    DoneUnrecorded,
    /// The effect had happened before.
    Duplicate,
    /// Newer events had overtaken it.
    Stale,
    /// Another team's event, and we ignore those.
    Ignored,
    /// Another team's event, and we want to hear of those.
    UnknownType,
    /// Another delivery is at it for this much longer.
    Busy(Duration),
    /// Ordered before with other content.
    Conflict,
    /// Unknown whether it happened, and no send is left.
    Parked,
    /// The body is no event.
    Refused(Refusal),
    /// This event will never succeed, for this reason.
    Permanent(&'static str),
    /// This event failed now.
    Transient,
    /// The handler panicked.
    Panicked,
    /// The handler took too long, surely without effect.
    TimedOut,
    /// Something that every event needs is down.
    Unavailable(&'static str),
    /// The point of no return was passed and no answer came.
    OutcomeUnknown,
    /// Another delivery took over.
    LeaseLost,
}

/// What to do with an event of a type that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownEvents {
    /// Delete it: the topic may carry what this reaction does not care for.
    Ignore,
    /// Quarantine it: nothing else should be on this queue.
    Quarantine,
}

impl Outcome {
    /// The outcome's name in logs and counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::DoneUnrecorded => "done_unrecorded",
            Self::Duplicate => "duplicate",
            Self::Stale => "stale",
            Self::Ignored => "ignored",
            Self::UnknownType => "unknown_type",
            Self::Busy(_) => "busy",
            Self::Conflict => "conflict",
            Self::Parked => "outcome_unknown_parked",
            Self::Refused(_) => "refused",
            Self::Permanent(_) => "permanent",
            Self::Transient => "transient",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed_out",
            Self::Unavailable(_) => "unavailable",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::LeaseLost => "lease_lost",
        }
    }

    /// The table. Whatever is not surely finished comes again, or goes to the DLQ with its reason;
    /// nothing is deleted that was not done.
    #[must_use]
    pub fn verdict(&self, attempt: Attempt, backoff: &Backoff, handler: &'static str) -> Verdict {
        let quarantine = |reason| Verdict::Quarantine(Failure { reason, handler });
        match self {
            // Unrecorded too: the effect is certain, and keeping the message would make its copy so.
            Self::Done | Self::DoneUnrecorded | Self::Duplicate | Self::Stale | Self::Ignored => Verdict::Delete,
            Self::Busy(left) => Verdict::RetryIn(*left + spread(1.0, 3.0)),
            Self::Transient | Self::Panicked | Self::TimedOut => Verdict::RetryIn(backoff.delay(attempt.get())),
            // Short: the worker pauses, and takes nothing until the dependency is back.
            Self::Unavailable(_) => Verdict::RetryIn(spread(1.0, 5.0)),
            Self::UnknownType => quarantine("unknown_type"),
            Self::Conflict => quarantine("conflict"),
            Self::Parked => quarantine("outcome_unknown"),
            Self::Refused(refusal) => quarantine(refusal.code()),
            Self::Permanent(reason) => quarantine(reason),
            // Its lease must run out first; the visibility timeout is longer than the lease.
            Self::OutcomeUnknown | Self::LeaseLost => Verdict::Leave,
        }
    }
}

fn spread(from: f64, to: f64) -> Duration {
    Duration::from_secs_f64(from + fastrand::f64() * (to - from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(outcome: &Outcome) -> Verdict {
        outcome.verdict(Attempt::new(1), &Backoff::HANDLER, "h")
    }

    #[test]
    fn only_what_is_done_or_needs_nothing_is_deleted() {
        use Outcome::*;
        let all = [
            (Done, true),
            (DoneUnrecorded, true),
            (Duplicate, true),
            (Stale, true),
            (Ignored, true),
            (UnknownType, false),
            (Busy(Duration::ZERO), false),
            (Conflict, false),
            (Parked, false),
            (Refused(Refusal::NotJson), false),
            (Permanent("x"), false),
            (Transient, false),
            (Panicked, false),
            (TimedOut, false),
            (Unavailable("smtp"), false),
            (OutcomeUnknown, false),
            (LeaseLost, false),
        ];
        for (outcome, deleted) in all {
            assert_eq!(verdict(&outcome) == Verdict::Delete, deleted, "{outcome:?}");
        }
    }

    #[test]
    fn what_will_never_succeed_is_quarantined_with_its_reason() {
        let reason = |outcome: Outcome| match verdict(&outcome) {
            Verdict::Quarantine(failure) => failure.reason,
            other => panic!("{outcome:?} gave {other:?}"),
        };
        assert_eq!(reason(Outcome::Refused(Refusal::TooDeep)), "too_deep");
        assert_eq!(reason(Outcome::Permanent("mail_refused")), "mail_refused");
        assert_eq!(reason(Outcome::Conflict), "conflict");
        assert_eq!(reason(Outcome::Parked), "outcome_unknown");
        assert_eq!(reason(Outcome::UnknownType), "unknown_type");
    }

    #[test]
    fn a_busy_effect_is_looked_at_again_only_after_its_lease() {
        let left = Duration::from_secs(30);
        let Verdict::RetryIn(delay) = verdict(&Outcome::Busy(left)) else { panic!("not retried") };
        assert!((1..=3).contains(&(delay - left).as_secs()), "{delay:?}");
    }
}
