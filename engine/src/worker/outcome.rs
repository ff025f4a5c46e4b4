//! Stop 7: what happened, and the one table of what to do about it.
//!
//! Enters: an [`Outcome`] and the [`Tries`] so far. Leaves: a [`Verdict`]. Pure: does nothing itself.

use std::time::Duration;

use super::patience::{self, Deferred, Patience};
use super::witness::EVERYBODY;
use crate::backoff::{Backoff, Outage};
use crate::envelope::Refusal;
use crate::idempotency::Setbacks;
use crate::queue::{Attempt, Delivery, Facts, Failure, Verdict};

/// What came of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The effect happened and is on record.
    Done,
    /// The effect happened and could not be recorded.
    DoneUnrecorded,
    /// The effect had happened before.
    Duplicate,
    /// A newer event was applied before.
    Stale,
    /// Another team's event, and we ignore those.
    Ignored,
    /// Another team's event, to be quarantined. Ours are these types.
    UnknownType(&'static [&'static str]),
    /// Another delivery holds the claim for this much longer.
    Busy(Duration),
    /// The same effect was asked for before, with other content.
    Conflict,
    /// It is unknown whether the effect happened, and no send is left.
    Parked,
    /// Its record cannot be read: it breaks this rule.
    RecordBroken(&'static str),
    /// The body is no event.
    Refused(Refusal),
    /// Five claims of this message ran out without a release: it seems to kill its worker.
    KillsItsWorker,
    /// This event will never succeed, for this reason.
    Permanent(&'static str),
    /// It was refused, and the cause may concern all events.
    Doubted {
        /// The reason, if it is this event's own fault.
        reason: &'static str,
        /// Different events refused since one was last accepted, this one included.
        in_a_row: usize,
    },
    /// The receiver said "not now".
    Deferred {
        /// Different events deferred since one was last accepted, this one included.
        in_a_row: usize,
        /// The time that it named. Zero: none.
        at_least: Duration,
    },
    /// This event failed now, and may succeed later.
    Transient,
    /// The handler panicked.
    Panicked,
    /// The handler took too long, surely without effect.
    TimedOut,
    /// Something that every event needs is down.
    Unavailable(Missing),
    /// The point of no return was passed and no answer came.
    OutcomeUnknown,
    /// The claim or the hold was lost: another delivery may have taken over.
    LeaseLost,
    /// It was received and not begun: its worker was told to stop, or an earlier one of its group stayed on the queue.
    NotBegun,
}

/// The outcome of an event, its setbacks so far, and what the handler said, for the log and the dead letter.
#[derive(Debug, Clone)]
pub(crate) struct Reacted {
    pub(crate) outcome: Outcome,
    pub(crate) setbacks: Setbacks,
    pub(crate) said: String,
}

impl From<Outcome> for Reacted {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, setbacks: Setbacks::default(), said: String::new() }
    }
}

impl Reacted {
    /// What to do about it.
    pub(super) fn verdict(
        &self,
        delivery: &Delivery,
        limits: Limits,
        backoff: &Backoff,
        handler: &'static str,
    ) -> Verdict {
        let (setbacks, receives) = (self.setbacks.clone(), delivery.attempt);
        let tries = Tries { setbacks, receives, age: delivery.age(), limits };
        self.outcome.verdict(&tries, backoff, handler, &self.detail())
    }

    /// For the log and the dead letter.
    pub(super) fn detail(&self) -> String {
        self.outcome.detail(&self.said)
    }
}

/// A dependency of all events that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub dependency: &'static str,
    /// What was seen of it; for the log and for `/readyz`.
    pub detail: String,
    /// Decides how soon it is asked again.
    pub outage: Outage,
}

/// What to do with an event of a type that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownEvents {
    /// Delete it: the topic may carry events that this reaction does not need.
    Ignore,
    /// Quarantine it: nothing else should be on this queue.
    Quarantine,
}

/// How often a message was tried, and when to give up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tries {
    /// Failures and deferrals, as the ledger counts them. A deploy, a lost lease, a busy effect and an outage do not
    /// count.
    pub setbacks: Setbacks,
    /// Receives, as the queue counts them: every one.
    pub receives: Attempt,
    /// How long ago the queue took it.
    pub age: Duration,
    /// When to give up.
    pub limits: Limits,
}

/// When a message that goes on failing is quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// After this many failures of its own.
    pub attempts: u32,
    /// After this many receives the queue itself moves the message to the DLQ, without a reason. `None`: it never does.
    pub receives: Option<u32>,
    /// How long deferrals may go on.
    pub patience: Patience,
}

/// The most failures if `max_attempts` is not set. The redrive policy may allow fewer.
const MAX_ATTEMPTS: u32 = 8;

impl Limits {
    /// The limits by the settings and the queue's redrive policy. If `max_attempts` is `None`: the policy's receives
    /// − 1, at least 1 and at most 8. Without a DLQ nothing is limited: there is nowhere to put a message that is
    /// given up.
    #[must_use]
    pub fn new(max_attempts: Option<u32>, retry_for: Duration, facts: &Facts) -> Self {
        if !facts.has_dlq {
            let patience = Patience { retry_for: Duration::MAX, retention: None };
            return Self { attempts: u32::MAX, receives: None, patience };
        }
        let below = facts.max_receive_count.map_or(MAX_ATTEMPTS, |most| most.saturating_sub(1).clamp(1, MAX_ATTEMPTS));
        let patience = Patience { retry_for, retention: facts.retention };
        Self { attempts: max_attempts.unwrap_or(below), receives: facts.max_receive_count, patience }
    }
}

impl Limits {
    /// Is this receive the last? If the message were given back, the queue itself would move it to the DLQ without a
    /// reason.
    #[must_use]
    pub(crate) fn are_used_up(&self, receives: Attempt) -> bool {
        receives.is_last_of(self.receives)
    }
}

impl Tries {
    /// Is this failure the last one allowed?
    fn are_exhausted(&self) -> bool {
        self.setbacks.failures >= self.limits.attempts || self.limits.are_used_up(self.receives)
    }

    /// Receives that the queue still allows; `None`: any number.
    fn receives_left(&self) -> Option<u32> {
        self.limits.receives.map(|most| most.saturating_sub(self.receives.get()))
    }

    /// The number of failures that the backoff grows by; without a record, the number of receives.
    fn count(&self) -> u32 {
        if self.setbacks.failures > 0 { self.setbacks.failures } else { self.receives.get() }
    }

    /// How long to wait after a deferral; `None`: the message was deferred for too long, or no receive is left.
    fn wait(&self, first: Duration, at_least: Duration) -> Option<Duration> {
        // Without a record no deferrals are counted: then receives and age are used.
        let (times, lasting) = match self.setbacks.deferrals {
            0 => (self.receives.get(), self.age),
            counted => (counted, self.setbacks.deferred_for),
        };
        let deferred = Deferred { times, lasting, age: self.age, receives_left: self.receives_left(), at_least };
        self.limits.patience.wait(first, deferred)
    }
}

impl Outcome {
    /// Is it a failure of this message, rather than of its surroundings?
    #[must_use]
    pub(crate) fn is_own_failure(&self) -> bool {
        matches!(self, Self::Transient | Self::Panicked | Self::TimedOut | Self::Permanent(_))
    }

    /// Does it concern all events, surely without effect, and may it end soon? Then the same delivery can try again.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            // Where a time was named, the delivery itself does not wait for its turn: it comes again after that time.
            Self::Deferred { in_a_row, at_least } => *in_a_row >= EVERYBODY && at_least.is_zero(),
            _ => false,
        }
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
            Self::UnknownType(_) => "unknown_type",
            Self::Busy(_) => "busy",
            Self::Conflict => "conflict",
            Self::Parked => "outcome_unknown_parked",
            Self::RecordBroken(_) => "record_broken",
            Self::Refused(_) => "refused",
            Self::KillsItsWorker => "kills_its_worker",
            Self::Permanent(_) => "permanent",
            Self::Doubted { .. } => "doubted",
            Self::Deferred { .. } => "deferred",
            Self::Transient => "transient",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed_out",
            Self::Unavailable(_) => "unavailable",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::LeaseLost => "lease_lost",
            Self::NotBegun => "not_begun",
        }
    }

    /// The verdict on this outcome. Only a message with nothing left to do is deleted. Any other comes again, or goes
    /// to the DLQ with its reason: on its last receive, always. `detail`: what the dead letter says beside its reason.
    #[must_use]
    pub fn verdict(&self, tries: &Tries, backoff: &Backoff, handler: &'static str, detail: &str) -> Verdict {
        let is_last = tries.limits.are_used_up(tries.receives);
        let reason = match self.next(tries, backoff) {
            Next::Over => return Verdict::Delete,
            Next::In(delay) if !is_last => return Verdict::RetryIn(delay),
            Next::ByItself if !is_last => return Verdict::Leave,
            Next::Never(reason) => reason,
            Next::In(_) | Next::ByItself => self.reason_on_the_last_receive(),
        };
        let (history, detail) = (tries.setbacks.history.clone(), detail.to_owned());
        Verdict::Quarantine(Failure { reason, handler, history, detail })
    }

    /// The table: what becomes of a message after each outcome.
    fn next(&self, tries: &Tries, backoff: &Backoff) -> Next {
        let wait_or = |first, at_least, reason| tries.wait(first, at_least).map_or(Next::Never(reason), Next::In);
        match self {
            // `DoneUnrecorded` too: the effect has happened, and would happen again if the message stayed.
            Self::Done | Self::DoneUnrecorded | Self::Duplicate | Self::Stale | Self::Ignored => Next::Over,
            // Until the other claim is over. If that claim is renewed again and again, its holder is slow: the wait
            // doubles with each receive, up to 8 times as long, so that it costs few receives.
            Self::Busy(left) => Next::In(*left * (1 << (tries.receives.get() - 1).min(3)) + spread(1.0, 3.0)),
            Self::Transient | Self::Panicked | Self::TimedOut if tries.are_exhausted() => {
                Next::Never("attempts_exhausted")
            }
            Self::Transient | Self::Panicked | Self::TimedOut => Next::In(backoff.delay(tries.count())),
            Self::Deferred { at_least, .. } => match wait_or(patience::FIRST, *at_least, "deferred_too_long") {
                // All events are deferred, so the worker pauses: as in any other pause, the message is due soon after
                // the end.
                Next::In(_) if self.may_pass() => Next::In(spread(1.0, 45.0)),
                next => next,
            },
            Self::Doubted { reason, .. } => wait_or(patience::DOUBTED, Duration::ZERO, reason),
            // Short, because the worker pauses and receives nothing until the dependency is back. If only a message
            // can show that it is back, the wait is spread over 45 s, so that another message than this one tries.
            Self::Unavailable(Missing { outage, .. }) if outage.is_down() => Next::In(spread(1.0, 5.0)),
            Self::Unavailable(_) => Next::In(spread(1.0, 45.0)),
            Self::NotBegun => Next::In(Duration::ZERO),
            Self::UnknownType(_) => Next::Never("unknown_type"),
            Self::Conflict => Next::Never("conflict"),
            Self::Parked => Next::Never("outcome_unknown"),
            Self::KillsItsWorker => Next::Never("kills_its_worker"),
            Self::RecordBroken(_) => Next::Never("record_broken"),
            Self::Refused(refusal) => Next::Never(refusal.code()),
            Self::Permanent(reason) => Next::Never(reason),
            // It was counted as a failure and its claim was given back: its receiver recognises a repeat.
            Self::OutcomeUnknown if tries.setbacks.failures > 0 && tries.are_exhausted() => {
                Next::Never("outcome_unknown")
            }
            Self::OutcomeUnknown if tries.setbacks.failures > 0 => Next::In(backoff.delay(tries.count())),
            // Its claim must run out first: the lease is shorter than the visibility timeout.
            Self::OutcomeUnknown | Self::LeaseLost => Next::ByItself,
        }
    }

    /// The reason in a dead letter that is written only because no receive is left.
    fn reason_on_the_last_receive(&self) -> &'static str {
        match self {
            Self::Busy(_) => "busy_too_long",
            other => other.name(),
        }
    }
}

/// What becomes of a message, if it has receives left.
enum Next {
    /// There is nothing left to do.
    Over,
    /// It comes again after this.
    In(Duration),
    /// It comes again when its visibility runs out.
    ByItself,
    /// It goes to the DLQ, for this reason.
    Never(&'static str),
}

fn spread(from: f64, to: f64) -> Duration {
    Duration::from_secs_f64(from + fastrand::f64() * (to - from))
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
