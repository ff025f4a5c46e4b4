//! A ledger that remembers when it last failed.
//!
//! Enters: the port's calls. Leaves: the same answers, unchanged. A claim that ran out while the ledger was away says
//! nothing about its message: so whoever claims next tells the ledger how long ago it failed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use crate::idempotency::{Begin, Claim, Lease, Ledger, LedgerError, Release, Request, Setbacks, Terms};

/// A ledger whose failures are remembered.
#[derive(Debug)]
pub(super) struct Listening<L> {
    ledger: L,
    failed_at: Mutex<Option<Instant>>,
}

impl<L> Listening<L> {
    pub(super) fn to(ledger: L) -> Self {
        Self { ledger, failed_at: Mutex::new(None) }
    }

    /// How long ago the ledger last failed; `None`: never, as far as this process knows.
    pub(super) fn quiet_for(&self) -> Option<Duration> {
        self.failed_at.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }

    /// Wraps the call instead of awaiting it: an `async fn` would keep place for it twice, in every delivery's future.
    fn heard<T>(
        &self,
        call: impl Future<Output = Result<T, LedgerError>>,
    ) -> impl Future<Output = Result<T, LedgerError>> {
        call.inspect(|answer| {
            if let Err(LedgerError::Away(_)) = answer {
                *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
        })
    }
}

impl<L: Ledger> Ledger for Listening<L> {
    const SERVER: &'static str = L::SERVER;

    async fn claim(&self, request: &Request, token: &str, terms: &Terms) -> Result<Claim, LedgerError> {
        self.heard(self.ledger.claim(request, token, terms)).await
    }

    async fn begin(&self, lease: &Lease, terms: &Terms) -> Result<Begin, LedgerError> {
        self.heard(self.ledger.begin(lease, terms)).await
    }

    async fn renew(&self, lease: &Lease, terms: &Terms) -> Result<bool, LedgerError> {
        self.heard(self.ledger.renew(lease, terms)).await
    }

    async fn commit(&self, lease: &Lease, receipt: &str, terms: &Terms) -> Result<(), LedgerError> {
        self.heard(self.ledger.commit(lease, receipt, terms)).await
    }

    async fn release(&self, lease: &Lease, why: Release<'_>) -> Result<Setbacks, LedgerError> {
        self.heard(self.ledger.release(lease, why)).await
    }

    /// Its failures count too: during a pause nothing else calls the ledger.
    async fn ping(&self) -> Result<(), LedgerError> {
        self.heard(self.ledger.ping()).await
    }
}
