//! A ledger decorator: the same port, with each step measured.
//!
//! Enters: the port's calls, and the answers of the ledger inside. Leaves: the same answers, unchanged; the time of
//! each step; and how often a claim said that an effect may have happened before.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use opentelemetry::KeyValue;
use opentelemetry::metrics::BoundHistogram;

use super::labels::ERROR;
use super::watch::Watch;
use engine::idempotency::{Begin, Claim, Lease, Ledger, LedgerError, Release, Request, Setbacks, Terms};

/// A ledger with its watch.
#[derive(Debug)]
pub struct WatchedLedger<L> {
    ledger: L,
    watch: Watch,
    steps: StepTimers,
}

/// The histogram of each step, its labels looked up once.
#[derive(Debug)]
struct StepTimers {
    claim: StepTimer,
    begin: StepTimer,
    renew: StepTimer,
    commit: StepTimer,
    release: StepTimer,
}

#[derive(Debug)]
struct StepTimer {
    operation: KeyValue,
    answered: BoundHistogram<f64>,
}

impl Watch {
    /// Measures each step of `ledger`.
    #[must_use]
    pub fn ledger<L: Ledger>(&self, ledger: L) -> WatchedLedger<L> {
        let step = |name| {
            let operation = KeyValue::new("operation", name);
            let labels = [self.inner.reaction.clone(), operation.clone()];
            StepTimer { operation, answered: self.inner.instruments.ledger.bind(&labels) }
        };
        let (claim, begin, renew) = (step("claim"), step("begin"), step("renew"));
        let steps = StepTimers { claim, begin, renew, commit: step("commit"), release: step("release") };
        WatchedLedger { ledger, watch: self.clone(), steps }
    }
}

impl<L: Ledger> Ledger for WatchedLedger<L> {
    const SERVER: &'static str = L::SERVER;

    async fn claim(&self, request: &Request, token: &str, terms: &Terms) -> Result<Claim, LedgerError> {
        let claim = self.timed(&self.steps.claim, self.ledger.claim(request, token, terms)).await;
        if let Ok(Claim::Ambiguous(_)) = &claim {
            let watch = &*self.watch.inner;
            watch.instruments.possible_duplicates.add(1, std::slice::from_ref(&watch.reaction));
        }
        claim
    }

    async fn begin(&self, lease: &Lease, terms: &Terms) -> Result<Begin, LedgerError> {
        self.timed(&self.steps.begin, self.ledger.begin(lease, terms)).await
    }

    async fn renew(&self, lease: &Lease, terms: &Terms) -> Result<bool, LedgerError> {
        self.timed(&self.steps.renew, self.ledger.renew(lease, terms)).await
    }

    async fn commit(&self, lease: &Lease, receipt: &str, terms: &Terms) -> Result<(), LedgerError> {
        self.timed(&self.steps.commit, self.ledger.commit(lease, receipt, terms)).await
    }

    async fn release(&self, lease: &Lease, why: Release<'_>) -> Result<Setbacks, LedgerError> {
        self.timed(&self.steps.release, self.ledger.release(lease, why)).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        self.ledger.ping().await
    }
}

impl<L: Ledger> WatchedLedger<L> {
    /// Wraps the call instead of awaiting it: an `async fn` would keep place for it twice, in every delivery's future.
    fn timed<T>(
        &self,
        step: &StepTimer,
        call: impl Future<Output = Result<T, LedgerError>>,
    ) -> impl Future<Output = Result<T, LedgerError>> {
        let started = Instant::now();
        call.inspect(move |result| self.took(step, started.elapsed(), result.as_ref().err()))
    }

    fn took(&self, step: &StepTimer, time: Duration, error: Option<&LedgerError>) {
        let error = match error {
            None => return step.answered.record(time.as_secs_f64()),
            Some(LedgerError::Away(_)) => "unavailable",
            Some(LedgerError::Broken(_)) => "record_broken",
        };
        let watch = &*self.watch.inner;
        let labels = [watch.reaction.clone(), step.operation.clone(), KeyValue::new(ERROR, error)];
        watch.instruments.ledger.record(time.as_secs_f64(), &labels);
    }
}
