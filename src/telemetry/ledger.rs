//! A ledger that is watched: the same port, each step measured.
//!
//! Enters: the port's calls, and what the ledger inside answers. Leaves: the same answers, unchanged, what they
//! took, and how often one said that an effect may have happened before.

use std::time::Instant;

use opentelemetry::KeyValue;

use super::watch::{ERROR, Watch};
use crate::idempotency::{Begin, Claim, Failed, Failures, Lease, Ledger, LedgerError, Request, Terms};

/// A ledger with its watch.
#[derive(Debug)]
pub struct WatchedLedger<L> {
    ledger: L,
    watch: Watch,
}

impl Watch {
    /// Measures each step of `ledger`.
    #[must_use]
    pub fn ledger<L: Ledger>(&self, ledger: L) -> WatchedLedger<L> {
        WatchedLedger { ledger, watch: self.clone() }
    }
}

impl<L: Ledger> Ledger for WatchedLedger<L> {
    async fn claim(&self, request: &Request, token: &str, terms: &Terms) -> Result<Claim, LedgerError> {
        let claim = self.timed("claim", self.ledger.claim(request, token, terms)).await;
        if let Ok(Claim::Ambiguous(_)) = &claim {
            let watch = &*self.watch.inside;
            watch.instruments.possible_duplicates.add(1, std::slice::from_ref(&watch.reaction));
        }
        claim
    }

    async fn begin(&self, lease: &Lease, terms: &Terms) -> Result<Begin, LedgerError> {
        self.timed("begin", self.ledger.begin(lease, terms)).await
    }

    async fn renew(&self, lease: &Lease, terms: &Terms) -> Result<bool, LedgerError> {
        self.timed("renew", self.ledger.renew(lease, terms)).await
    }

    async fn commit(&self, lease: &Lease, receipt: &str, terms: &Terms) -> Result<(), LedgerError> {
        self.timed("commit", self.ledger.commit(lease, receipt, terms)).await
    }

    async fn release(&self, lease: &Lease, failed: Option<Failed<'_>>) -> Result<Failures, LedgerError> {
        self.timed("release", self.ledger.release(lease, failed)).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        self.ledger.ping().await
    }
}

impl<L: Ledger> WatchedLedger<L> {
    async fn timed<T>(
        &self,
        operation: &'static str,
        step: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, LedgerError> {
        let started = Instant::now();
        let result = step.await;
        let watch = &*self.watch.inside;
        let labels =
            [watch.reaction.clone(), KeyValue::new("operation", operation), KeyValue::new(ERROR, "unavailable")];
        let labels = if result.is_ok() { &labels[..2] } else { &labels[..] };
        watch.instruments.ledger.record(started.elapsed().as_secs_f64(), labels);
        result
    }
}
