//! Stops 5 and 6: claim the effect, run the handler. `record` puts on record what came of it.
//!
//! Enters: an event. Leaves: an [`Outcome`]. Promises: the handler runs only with a claim; its panic or its timeout
//! is an outcome like any other; if nobody knows whether the effect happened, the record says so. Knows no queue and
//! no message, so the in-process bus uses it as it is.

use std::borrow::Cow;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, timeout};

use super::breaker::Needs;
use super::listening::Listening;
use super::outcome::{Missing, Outcome};
use super::witness::Witness;
use crate::backoff::Outage;
use crate::event::{Event, Once};
use crate::failpoint::{self, Step};
use crate::handler::{Handled, Handler, HandlerError, Row};
use crate::idempotency::{
    AtomicEffect, Claim, Fence, Key, Lease, Ledger, LedgerError, OnAmbiguous, Release, Request, RunClock, Terms,
};

/// A handler, and the ledger that prevents a second effect.
#[derive(Debug)]
pub struct Reaction<L, H> {
    pub(super) ledger: Listening<L>,
    pub(super) handler: H,
    row: Row,
    pub(super) terms: Terms,
    timeout: Duration,
    claimants: Claimants,
    pub(super) witness: Witness,
}

/// Tokens for claims: one random prefix a reaction, then a number. A random one for each claim would ask the kernel
/// each time.
#[derive(Debug)]
struct Claimants {
    reaction: String,
    so_far: AtomicU64,
}

/// The result of a handler's run.
pub(crate) struct Ran {
    pub(super) result: Result<Handled, Cut>,
    /// Was the point of no return passed?
    pub(super) crossed: bool,
}

/// Why a run did not succeed.
pub(super) enum Cut {
    Said(HandlerError),
    Panicked,
    TimedOut,
    LeaseLost,
}

/// Tells a running handler when to renew its claim.
pub(crate) trait Beats: Send {
    /// Waits for the next beat; `false`: the lease is lost.
    fn next(&mut self) -> impl Future<Output = bool> + Send;
}

impl Beats for tokio::time::Interval {
    async fn next(&mut self) -> bool {
        self.tick().await;
        true
    }
}

impl Claimants {
    fn next(&self) -> String {
        format!("{}{}", self.reaction, self.so_far.fetch_add(1, Ordering::Relaxed))
    }
}

impl<L: Ledger, H: Handler> Reaction<L, H> {
    /// Runs `handler`, whose effect comes after its fence; `ledger` prevents a second effect, on these `terms`. A run
    /// is cut if it takes longer than `timeout` up to the fence, or longer than [`Handler::limit_behind_the_fence`]
    /// after it.
    #[must_use]
    pub fn recorded(handler: H, ledger: L, terms: Terms, timeout: Duration) -> Self {
        let claimants =
            Claimants { reaction: format!("{}.", uuid::Uuid::new_v4().simple()), so_far: AtomicU64::new(0) };
        let row = Row::of::<H>();
        Self { ledger: Listening::to(ledger), handler, row, terms, timeout, claimants, witness: Witness::default() }
    }

    /// Changes its name, its types of event, or how often its effect happens.
    #[must_use]
    pub fn with_row(mut self, row: Row) -> Self {
        self.row = row;
        if self.repeats_what_is_unknown() {
            // Failures are counted, and end it.
            self.terms.on_ambiguous = OnAmbiguous::ResendUpTo(u32::MAX);
        }
        self
    }

    /// Is an outcome that nobody knows a failure like any other? See [`Row::is_recognised`].
    pub(super) fn repeats_what_is_unknown(&self) -> bool {
        self.row.is_recognised && self.terms.on_ambiguous.max_sends() > 1
    }

    /// What it is called, and what it takes.
    #[must_use]
    pub fn row(&self) -> Row {
        self.row
    }

    /// Whom or what the event is about, for this reaction.
    pub(super) fn subject<'e>(&'e self, event: &'e H::Event) -> Result<Cow<'e, str>, Outcome> {
        self.handler.subject(event).map_err(|error| Outcome::Refused(error.into()))
    }

    fn key(&self, event: &H::Event) -> Result<Key, Outcome> {
        let subject = self.subject(event)?;
        Ok(match self.row.once {
            Once::Subject if self.row.is_by_type => Key::of_type(self.row.name, &subject, &event.head().kind),
            Once::Subject => Key::new(self.row.name, &subject),
            Once::Event => Key::of_event(self.row.name, &subject, event.head().id.as_str()),
        })
    }

    /// Claims the effect for this delivery alone; `message_id` is empty if the event did not come in a message.
    pub(crate) async fn claim(&self, event: &H::Event, message_id: &str) -> Result<Lease, Outcome> {
        let request = Request {
            key: self.key(event)?,
            fingerprint: self.handler.fingerprint(event),
            message_id: message_id.to_owned(),
            ledger_failed_ago: self.ledger.quiet_for(),
        };
        let token = self.claimants.next();
        match self.ledger.claim(&request, &token, &self.terms).await {
            Ok(Claim::Acquired(lease)) => Ok(lease),
            Ok(Claim::Ambiguous(lease)) => {
                tracing::warn!("an earlier delivery ended between fence and record: doing it again may be a duplicate");
                Ok(lease)
            }
            Ok(Claim::Done) => Err(Outcome::Duplicate),
            Ok(Claim::Busy(left)) => Err(Outcome::Busy(left)),
            Ok(Claim::Conflict) => Err(Outcome::Conflict),
            Ok(Claim::Parked) => Err(Outcome::Parked),
            Ok(Claim::KillsItsWorker) => Err(Outcome::KillsItsWorker),
            Err(error) => Err(without_record::<L>(&error)),
        }
    }

    /// Reads what the record tells of an event whose hold is lost. Does not wait: a busy record tells nothing.
    pub(crate) async fn look_up(&self, event: &H::Event, message_id: &str) -> Outcome {
        match self.claim(event, message_id).await {
            Ok(lease) => {
                self.release(&lease, Release::Uncounted).await;
                Outcome::LeaseLost
            }
            Err(Outcome::Busy(_) | Outcome::Unavailable(_)) => Outcome::LeaseLost,
            Err(outcome) => outcome,
        }
    }

    /// Runs the handler. Cuts it when its time is up or its claim is lost, and catches its panic.
    pub(crate) async fn handle(&self, event: &H::Event, lease: &Lease, beats: impl Beats) -> Ran {
        failpoint::reach(Step::Claimed);
        let behind = self.handler.limit_behind_the_fence().unwrap_or(self.timeout);
        let clock = RunClock::new(self.timeout, behind);
        let fence = Fence::new(&self.ledger, lease, &self.terms, &clock);
        // Pinned here, because `select!` would keep a second place for it.
        let mut run = pin!(AssertUnwindSafe(self.handler.handle(event, &fence)).catch_unwind());
        let result = tokio::select! {
            biased;
            ended = &mut run => match ended {
                Ok(answer) => answer.map_err(Cut::Said),
                Err(_panic) => Err(Cut::Panicked),
            },
            () = clock.ends() => Err(Cut::TimedOut),
            () = self.lost_before_the_fence(lease, beats, &clock) => Err(Cut::LeaseLost),
        };
        Ran { result, crossed: clock.is_behind() }
    }

    /// Renews the claim during the run. Returns only if the run must be cut: its claim or its hold was lost before
    /// the fence. Behind the fence a run is never cut for that: its effect may have happened, and only the run can
    /// still tell. There the claim is renewed even without beats of the hold: another worker may receive the message,
    /// and must not act on it.
    async fn lost_before_the_fence(&self, lease: &Lease, mut beats: impl Beats, clock: &RunClock) {
        let mut is_hidden = true;
        loop {
            let beat = async { if is_hidden { beats.next().await } else { pending().await } };
            // Two thirds of a lease: longer than the time between two beats, and shorter than the claim lasts.
            let beat = timeout(self.terms.lease * 2 / 3, beat).await;
            is_hidden &= beat != Ok(false);
            let is_behind = clock.is_behind();
            if !is_hidden && !is_behind {
                return;
            }
            // At each beat the hold was extended first, and the claim is renewed after it: so before the fence a
            // claim never outlives its hold.
            // Boxed: most runs end before their first beat, and this future is larger than the rest of a run's.
            if (beat == Ok(true) || is_behind) && !Box::pin(self.renewed(lease)).await {
                break;
            }
        }
        if clock.is_behind() {
            pending::<()>().await;
        }
    }

    /// Renews the claim. `false`: it is lost. If the ledger does not answer, the claim counts as ours.
    async fn renewed(&self, lease: &Lease) -> bool {
        self.ledger.renew(lease, &self.terms).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the claim was not renewed; tried again");
            true
        })
    }

    /// A beat every third of a lease, for an event without a hold.
    pub(crate) fn own_beats(&self) -> impl Beats + use<L, H> {
        tokio::time::interval_at(Instant::now() + self.terms.lease / 3, self.terms.lease / 3)
    }

    /// No event will follow.
    pub(super) async fn close(&self) {
        self.handler.close().await;
    }
}

impl<H: Handler> Reaction<AtomicEffect, H> {
    /// Runs `handler`, whose effect and mark are one atomic step: it needs no ledger, because a repeat changes nothing.
    /// A run is cut if it takes longer than `timeout`.
    #[must_use]
    pub fn atomic(handler: H, timeout: Duration) -> Self {
        // Nothing is claimed, so nothing runs out.
        Self::recorded(handler, AtomicEffect(()), Terms::new(Duration::from_secs(60), Duration::ZERO), timeout)
    }
}

impl<L: Ledger, H: Handler> Needs for Reaction<L, H> {
    async fn look(&self) -> Result<(), Missing> {
        self.ledger.ping().await.map_err(|error| no_ledger::<L>(&error))?;
        self.handler.probe().await.map_err(|error| match error {
            HandlerError::Unavailable { dependency, detail, outage } => Missing { dependency, detail, outage },
            other => Missing { dependency: self.row.name, detail: other.to_string(), outage: Outage::Down },
        })
    }
}

pub(super) fn no_ledger<L: Ledger>(error: &LedgerError) -> Missing {
    Missing { dependency: L::SERVER, detail: error.detail().to_owned(), outage: Outage::Down }
}

/// The outcome of an event whose record could not be read or written.
pub(super) fn without_record<L: Ledger>(error: &LedgerError) -> Outcome {
    match error {
        LedgerError::Away(_) => Outcome::Unavailable(no_ledger::<L>(error)),
        LedgerError::Broken(rule) => Outcome::RecordBroken(rule),
    }
}
