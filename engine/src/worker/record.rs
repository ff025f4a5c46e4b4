//! Puts on record what is known after a run: the effect happened, it surely did not, or nobody knows.
//!
//! Enters: the result of a handler's run, and its lease. Leaves: an [`Outcome`]. Promises: if the effect happened,
//! the commit is tried until the ledger takes it. It ends as `DoneUnrecorded` only if the process must let go of the
//! message, or if nobody can read the record. If the effect surely did not happen, the lease is released. If nobody
//! knows, the record stays as it is.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::breaker::Breaker;
use super::outcome::{Missing, Outcome, Reacted};
use super::reaction::{Cut, Ran, Reaction, no_ledger, without_record};
use super::witness::Belief;
use crate::backoff::{Backoff, Outage};
use crate::failpoint::{self, Step};
use crate::handler::{Handled, Handler, HandlerError};
use crate::idempotency::{Fenced, Key, Lease, Ledger, LedgerError, Release, Setbacks};

/// For how long a commit is tried that the ledger does not take, and who is told of that.
pub(crate) struct CommitRetry<'a> {
    lasts: Duration,
    worker: Option<(&'a CancellationToken, &'a Breaker)>,
}

impl<'a> CommitRetry<'a> {
    /// For this long after the first failed try.
    pub(crate) fn lasting(lasts: Duration) -> Self {
        Self { lasts, worker: None }
    }

    /// Ends also when `closing` is cancelled, shortly before the shutdown deadline; tells `breaker` that the ledger
    /// is away.
    pub(super) fn or_until(self, closing: &'a CancellationToken, breaker: &'a Breaker) -> Self {
        Self { worker: Some((closing, breaker)), ..self }
    }

    fn heard(&self, missing: Missing) {
        if let Some((_, breaker)) = self.worker {
            breaker.noticed(missing);
        }
    }

    /// Waits before the next try; `false`: there is no time for one.
    async fn waits(&self, delay: Duration, until: Instant) -> bool {
        let wait = timeout_at(until, sleep(delay));
        match self.worker {
            Some((closing, _)) => matches!(closing.run_until_cancelled(wait).await, Some(Ok(()))),
            None => wait.await.is_ok(),
        }
    }
}

impl<L: Ledger, H: Handler> Reaction<L, H> {
    /// Puts on record what is known, and returns the outcome.
    pub(crate) async fn record(&self, lease: Lease, ran: Ran, message_id: &str, retry: &CommitRetry<'_>) -> Reacted {
        let handled = match ran.result {
            Ok(handled) => handled,
            Err(cut) => return self.give_up(&lease, cut, ran.crossed, message_id).await,
        };
        self.witness.accepted();
        let (receipt, outcome) = match handled {
            Handled::Done { receipt, .. } => (receipt, Outcome::Done),
            Handled::Applied => (String::new(), Outcome::Done),
            Handled::AlreadyApplied => (String::new(), Outcome::Duplicate),
            Handled::Superseded => (String::new(), Outcome::Stale),
        };
        failpoint::reach(Step::Sent);
        let is_on_record = self.commit(&lease, &receipt, retry).await;
        if !is_on_record {
            tracing::error!("the effect happened and is not on record");
            return Outcome::DoneUnrecorded.into();
        }
        failpoint::reach(Step::Recorded);
        outcome.into()
    }

    /// The outcome of a run that did not succeed. The lease is released, unless the effect may have happened and its
    /// receiver would not recognise a repeat. A lost lease is released too: perhaps only the hold was lost, and a claim
    /// that runs out without a release counts against its message.
    async fn give_up(&self, lease: &Lease, cut: Cut, crossed: bool, message_id: &str) -> Reacted {
        let said = cut.said();
        let outcome = self.outcome_of(cut, crossed, &lease.key);
        let why = match &outcome {
            Outcome::OutcomeUnknown if self.repeats_what_is_unknown() => {
                Release::Unknown { message_id, outcome: outcome.name() }
            }
            Outcome::OutcomeUnknown | Outcome::Duplicate => return Reacted { said, ..outcome.into() },
            Outcome::Deferred { .. } | Outcome::Doubted { .. } => Release::Deferred { message_id },
            own if own.is_own_failure() => Release::Failed { message_id, outcome: own.name() },
            _ => Release::Uncounted,
        };
        let setbacks = self.release(lease, why).await;
        Reacted { outcome, setbacks, said }
    }

    fn outcome_of(&self, cut: Cut, crossed: bool, who: &Key) -> Outcome {
        match cut {
            Cut::Said(error) => self.outcome_of_error(error, who),
            Cut::Panicked | Cut::TimedOut if crossed => Outcome::OutcomeUnknown,
            Cut::LeaseLost => Outcome::LeaseLost,
            Cut::Panicked => Outcome::Panicked,
            Cut::TimedOut => Outcome::TimedOut,
        }
    }

    fn outcome_of_error(&self, error: HandlerError, who: &Key) -> Outcome {
        if error.is_answer() {
            self.witness.answered();
        }
        match error {
            HandlerError::Transient(_) => Outcome::Transient,
            HandlerError::Faltering(detail) if self.witness.faltered(who) => {
                let detail = format!("every event meets {detail}");
                Outcome::Unavailable(Missing { dependency: self.row().receiver, detail, outage: Outage::DownElsewhere })
            }
            HandlerError::Faltering(_) => Outcome::Transient,
            HandlerError::Deferred { at_least, .. } => {
                Outcome::Deferred { in_a_row: self.witness.deferred(who), at_least }
            }
            HandlerError::Permanent { reason, .. } => Outcome::Permanent(reason),
            HandlerError::Suspect { reason, .. } => match self.witness.refused(who) {
                Belief::Believed => Outcome::Permanent(reason),
                Belief::Doubted(in_a_row) => Outcome::Doubted { reason, in_a_row },
            },
            HandlerError::Unavailable { outage, .. } if !outage.is_down() && self.witness.stopped(who) => {
                Outcome::Deferred { in_a_row: self.witness.deferred(who), at_least: Duration::ZERO }
            }
            HandlerError::Unavailable { dependency, detail, outage } => {
                Outcome::Unavailable(Missing { dependency, detail, outage })
            }
            HandlerError::OutcomeUnknown(_) => Outcome::OutcomeUnknown,
            HandlerError::Fenced(Fenced::Done) => Outcome::Duplicate,
            HandlerError::Fenced(Fenced::Lost) => Outcome::LeaseLost,
            HandlerError::Fenced(Fenced::Unavailable(error)) => without_record::<L>(&error),
        }
    }

    /// Tries until the ledger has it; `false`: it does not in time, or nobody can read the record. Anybody may record
    /// what happened, so a lost lease does not end this. A try is never cut: a call that nobody awaits may not be sent.
    async fn commit(&self, lease: &Lease, receipt: &str, retry: &CommitRetry<'_>) -> bool {
        let (mut tries, mut until) = (1, None);
        while let Err(error) = self.ledger.commit(lease, receipt, &self.terms).await {
            if let LedgerError::Broken(rule) = error {
                tracing::warn!(rule, "the effect happened, and its record is broken");
                return false;
            }
            if tries == 1 {
                tracing::warn!(%error, "the effect happened, and its record waits for the ledger");
            }
            retry.heard(no_ledger::<L>(&error));
            let until = *until.get_or_insert_with(|| Instant::now() + retry.lasts);
            if !retry.waits(Backoff::RECORD.delay(tries), until).await {
                return false;
            }
            tries += 1;
        }
        if tries > 1 {
            tracing::info!(tries, "on record");
        }
        true
    }

    /// If this fails, the next delivery waits for the rest of the lease, and a failure or deferral is not counted; no
    /// more.
    pub(super) async fn release(&self, lease: &Lease, why: Release<'_>) -> Setbacks {
        self.ledger.release(lease, why).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the lease was not released; it will run out");
            Setbacks::default()
        })
    }
}

impl HandlerError {
    /// Did the receiver itself speak, and not a proxy for one that is down?
    fn is_answer(&self) -> bool {
        matches!(self, Self::Transient(_) | Self::Permanent { .. } | Self::Deferred { .. } | Self::Suspect { .. })
    }
}

impl Cut {
    /// What the handler said, for the log and the dead letter.
    fn said(&self) -> String {
        let Self::Said(error) = self else { return String::new() };
        error.to_string()
    }
}
