//! Stop 7: what happened, and the one table of what to do about it.
//!
//! Enters: an [`Outcome`] and the [`Tries`] so far. Leaves: a [`Verdict`]. Pure: does nothing itself.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::envelope::Refusal;
use crate::idempotency::Setbacks;
use crate::queue::{Attempt, Facts, Failure, Verdict};

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
    /// Whoever took it died of it, again and again.
    KillsItsWorker,
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

/// How often a message was tried, and how much is borne.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tries {
    /// What the ledger has counted. A deploy, a lost lease, a busy effect and an outage count nothing.
    pub setbacks: Setbacks,
    /// What the queue has counted: every receive.
    pub receives: Attempt,
    /// How much is borne.
    pub limits: Limits,
}

/// How much is borne before a message that goes on failing is quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Failures of its own.
    pub attempts: u32,
    /// Receives, after which the queue itself moves the message to the DLQ, and without a reason.
    pub receives: Option<u32>,
}

/// Tries where neither the setting nor a redrive policy limits them.
const MAX_ATTEMPTS: u32 = 4;

impl Limits {
    /// The limits by the setting and the queue's redrive policy. Unset: one less than the policy's receives.
    /// Without a DLQ there are none: there is nowhere to put what is given up.
    #[must_use]
    pub fn new(max_attempts: Option<u32>, facts: &Facts) -> Self {
        if !facts.has_dlq {
            return Self { attempts: u32::MAX, receives: None };
        }
        let below = facts.max_receive_count.map(|most| most.saturating_sub(1).max(1));
        Self { attempts: max_attempts.or(below).unwrap_or(MAX_ATTEMPTS), receives: facts.max_receive_count }
    }
}

impl Tries {
    /// Is this failure the last that is borne? On the last receive too: else the queue would move the
    /// message, and nobody could say why.
    fn are_exhausted(&self) -> bool {
        self.setbacks.failures >= self.limits.attempts
            || self.limits.receives.is_some_and(|most| self.receives.get() >= most)
    }

    /// The number that the backoff grows by.
    fn count(&self) -> u32 {
        if self.setbacks.failures > 0 { self.setbacks.failures } else { self.receives.get() }
    }
}

impl Outcome {
    /// Is it a failure of this message, rather than of its surroundings?
    #[must_use]
    pub fn is_own_failure(&self) -> bool {
        matches!(self, Self::Transient | Self::Panicked | Self::TimedOut | Self::Permanent(_))
    }

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
            Self::KillsItsWorker => "kills_its_worker",
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
    pub fn verdict(&self, tries: &Tries, backoff: &Backoff, handler: &'static str) -> Verdict {
        let quarantine =
            |reason| Verdict::Quarantine(Failure { reason, handler, history: tries.setbacks.history.clone() });
        match self {
            // Unrecorded too: the effect is certain, and keeping the message would make its copy so.
            Self::Done | Self::DoneUnrecorded | Self::Duplicate | Self::Stale | Self::Ignored => Verdict::Delete,
            Self::Busy(left) => Verdict::RetryIn(*left + spread(1.0, 3.0)),
            Self::Transient | Self::Panicked | Self::TimedOut if tries.are_exhausted() => {
                quarantine("attempts_exhausted")
            }
            Self::Transient | Self::Panicked | Self::TimedOut => Verdict::RetryIn(backoff.delay(tries.count())),
            // Short: the worker pauses, and takes nothing until the dependency is back.
            Self::Unavailable(_) => Verdict::RetryIn(spread(1.0, 5.0)),
            Self::UnknownType => quarantine("unknown_type"),
            Self::Conflict => quarantine("conflict"),
            Self::Parked => quarantine("outcome_unknown"),
            Self::KillsItsWorker => quarantine("kills_its_worker"),
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

    fn tries(failures: u32, receives: u32) -> Tries {
        let setbacks = Setbacks { failures, history: "transient@1".to_owned(), ..Setbacks::default() };
        Tries { setbacks, receives: Attempt::new(receives), limits: Limits { attempts: 4, receives: Some(9) } }
    }

    fn verdict(outcome: &Outcome) -> Verdict {
        outcome.verdict(&tries(1, 1), &Backoff::HANDLER, "h")
    }

    #[test]
    fn attempts_are_exhausted_by_failures_of_its_own_or_on_the_last_receive_that_the_queue_allows() {
        for (failures, receives, exhausted) in [(1, 1, false), (3, 8, false), (4, 4, true), (1, 9, true), (0, 9, true)]
        {
            for outcome in [Outcome::Transient, Outcome::Panicked, Outcome::TimedOut] {
                match outcome.verdict(&tries(failures, receives), &Backoff::HANDLER, "h") {
                    Verdict::Quarantine(failure) => {
                        assert!(exhausted, "{failures} failures in {receives} receives");
                        assert_eq!((failure.reason, failure.history.as_str()), ("attempts_exhausted", "transient@1"));
                    }
                    other => assert!(!exhausted, "{failures} failures in {receives} receives: {other:?}"),
                }
            }
        }
        let outage = Outcome::Unavailable("x").verdict(&tries(3, 9), &Backoff::HANDLER, "h");
        assert!(matches!(outage, Verdict::RetryIn(_)), "an outage is not the message's fault");
    }

    #[test]
    fn the_limit_is_kept_below_the_receives_that_the_queue_allows() {
        let facts = |most| Facts { visibility: Duration::ZERO, max_receive_count: most, has_dlq: true };
        let attempts = |set, most| Limits::new(set, &facts(most)).attempts;
        assert_eq!([attempts(None, Some(5)), attempts(Some(3), Some(5)), attempts(None, None)], [4, 3, 4]);
        assert_eq!(attempts(None, Some(1)), 1, "a queue that allows one receive");
        let without_dlq = Facts { has_dlq: false, ..facts(None) };
        assert_eq!(Limits::new(Some(3), &without_dlq), Limits { attempts: u32::MAX, receives: None });
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
            (KillsItsWorker, false),
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
        assert_eq!(reason(Outcome::KillsItsWorker), "kills_its_worker");
        assert_eq!(reason(Outcome::UnknownType), "unknown_type");
    }

    #[test]
    fn a_busy_effect_is_looked_at_again_only_after_its_lease() {
        let left = Duration::from_secs(30);
        let Verdict::RetryIn(delay) = verdict(&Outcome::Busy(left)) else { panic!("not retried") };
        assert!((1..=3).contains(&(delay - left).as_secs()), "{delay:?}");
    }
}
