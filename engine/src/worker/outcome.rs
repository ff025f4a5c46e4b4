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
    /// Another team's event, and we want to hear of those. Ours are these.
    UnknownType(&'static [&'static str]),
    /// Another delivery is at it for this much longer.
    Busy(Duration),
    /// Ordered before with other content.
    Conflict,
    /// Unknown whether it happened, and no send is left.
    Parked,
    /// Nobody can read its record, by this rule.
    RecordBroken(&'static str),
    /// The body is no event.
    Refused(Refusal),
    /// Whoever took it died of it, again and again.
    KillsItsWorker,
    /// This event will never succeed, for this reason.
    Permanent(&'static str),
    /// It was refused, and that may be everybody's fault: so many different events in a row were, this one included.
    Doubted {
        /// Why it will never succeed, if it is its own fault.
        reason: &'static str,
        /// Different events refused since one was last accepted.
        in_a_row: usize,
    },
    /// "Not now", it was told; as were so many different events in a row, this one included.
    Deferred {
        /// Different events deferred since one was last accepted.
        in_a_row: usize,
    },
    /// This event failed now.
    Transient,
    /// The handler panicked.
    Panicked,
    /// The handler took too long, surely without effect.
    TimedOut,
    /// Something that every event needs is down.
    Unavailable(Missing),
    /// The point of no return was passed and no answer came.
    OutcomeUnknown,
    /// Another delivery took over.
    LeaseLost,
    /// It was received and not begun: its worker was told to stop, or an earlier one of its group stays.
    NotBegun,
}

/// What came of an event, what it has met so far, and what was said of it for the log and the letter.
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

    /// For the log and the letter.
    pub(super) fn detail(&self) -> String {
        self.outcome.detail(&self.said)
    }
}

/// What every event needs, and is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What.
    pub dependency: &'static str,
    /// How that shows; for the log and for `/readyz`.
    pub detail: String,
    /// How soon it is asked again.
    pub outage: Outage,
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
    /// Since the queue took it.
    pub age: Duration,
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
    /// Deferrals.
    pub patience: Patience,
}

/// Tries where the setting does not limit them: fewer, if the redrive policy allows fewer receives.
const MAX_ATTEMPTS: u32 = 8;

impl Limits {
    /// The limits by the settings and the queue's redrive policy. `max_attempts` unset: one less than the policy's
    /// receives, and eight at most. Without a DLQ there are none: there is nowhere to put what is given up.
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
    /// Is this receive the last? Given back after it, the message would be moved by the queue, and nobody could say why.
    #[must_use]
    pub fn are_used_up(&self, receives: Attempt) -> bool {
        receives.is_last_of(self.receives)
    }
}

impl Tries {
    /// Is this failure the last that is borne?
    fn are_exhausted(&self) -> bool {
        self.setbacks.failures >= self.limits.attempts || self.limits.are_used_up(self.receives)
    }

    /// Receives that the queue still allows; `None`: any number.
    fn receives_left(&self) -> Option<u32> {
        self.limits.receives.map(|most| most.saturating_sub(self.receives.get()))
    }

    /// The number that the backoff grows by.
    fn count(&self) -> u32 {
        if self.setbacks.failures > 0 { self.setbacks.failures } else { self.receives.get() }
    }

    /// How long to wait after a deferral; `None`: it was deferred for too long.
    fn wait(&self, first: Duration) -> Option<Duration> {
        // Without a record nobody counts deferrals: then receives and age stand in.
        let (times, lasting) = match self.setbacks.deferrals {
            0 => (self.receives.get(), self.age),
            counted => (counted, self.setbacks.deferred_for),
        };
        let deferred = Deferred { times, lasting, age: self.age, receives_left: self.receives_left() };
        self.limits.patience.wait(first, deferred)
    }
}

impl Outcome {
    /// Is it a failure of this message, rather than of its surroundings?
    #[must_use]
    pub fn is_own_failure(&self) -> bool {
        matches!(self, Self::Transient | Self::Panicked | Self::TimedOut | Self::Permanent(_))
    }

    /// Is it everybody's, surely without effect, and may it pass soon? Then the same delivery can try again.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Deferred { in_a_row } => *in_a_row >= EVERYBODY,
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

    /// The table, and what follows from it. Whatever is not surely finished comes again, or goes to the DLQ with its reason, on
    /// its last receive too; nothing is deleted that was not done. `detail`: what the letter says beside its reason.
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

    /// The table.
    fn next(&self, tries: &Tries, backoff: &Backoff) -> Next {
        let wait_or = |first, reason| tries.wait(first).map_or(Next::Never(reason), Next::In);
        match self {
            // Unrecorded too: the effect has happened. If the message stayed, it would happen again.
            Self::Done | Self::DoneUnrecorded | Self::Duplicate | Self::Stale | Self::Ignored => Next::Over,
            // Until its holder's claim is over. Who renews it time and again is slow: then ever longer, and it costs few receives.
            Self::Busy(left) => Next::In(*left * (1 << (tries.receives.get() - 1).min(3)) + spread(1.0, 3.0)),
            Self::Transient | Self::Panicked | Self::TimedOut if tries.are_exhausted() => {
                Next::Never("attempts_exhausted")
            }
            Self::Transient | Self::Panicked | Self::TimedOut => Next::In(backoff.delay(tries.count())),
            Self::Deferred { .. } => match wait_or(patience::FIRST, "deferred_too_long") {
                // As in any other pause: due soon after its end.
                Next::In(_) if self.may_pass() => Next::In(spread(1.0, 45.0)),
                next => next,
            },
            Self::Doubted { reason, .. } => wait_or(patience::DOUBTED, reason),
            // Short: the worker pauses, and takes nothing until the dependency is back. Where a message must try whether
            // it is, another than this one does.
            Self::Unavailable(Missing { outage: Outage::Down, .. }) => Next::In(spread(1.0, 5.0)),
            Self::Unavailable(_) => Next::In(spread(1.0, 45.0)),
            Self::NotBegun => Next::In(Duration::ZERO),
            Self::UnknownType(_) => Next::Never("unknown_type"),
            Self::Conflict => Next::Never("conflict"),
            Self::Parked => Next::Never("outcome_unknown"),
            Self::KillsItsWorker => Next::Never("kills_its_worker"),
            Self::RecordBroken(_) => Next::Never("record_broken"),
            Self::Refused(refusal) => Next::Never(refusal.code()),
            Self::Permanent(reason) => Next::Never(reason),
            // Its lease must run out first; the visibility timeout is longer than the lease.
            Self::OutcomeUnknown | Self::LeaseLost => Next::ByItself,
        }
    }

    /// Why a letter is written although another receive would have been due.
    fn reason_on_the_last_receive(&self) -> &'static str {
        match self {
            Self::Busy(_) => "busy_too_long",
            other => other.name(),
        }
    }
}

/// What is to become of a message, as far as its receives allow.
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
