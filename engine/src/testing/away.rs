//! A ledger that a test can take away.
//!
//! Enters: the port's calls. Leaves: the ledger's own answers, or [`LedgerError::Away`] while it is away. Promises:
//! what is asked meanwhile does not reach it. Knows no handler.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::idempotency::{Begin, Claim, Lease, Ledger, LedgerError, Release, Request, Setbacks, Terms};

/// A ledger that can go away. Clones go and come together, and share the ledger if its clones do.
#[derive(Debug, Clone, Default)]
pub struct Away<L> {
    /// The ledger itself: it answers whoever asks past this.
    pub ledger: L,
    until: Arc<Mutex<Option<Instant>>>,
}

impl<L> Away<L> {
    /// The ledger, and it is there.
    #[must_use]
    pub fn new(ledger: L) -> Self {
        Self { ledger, until: Arc::default() }
    }

    /// It is away from now on, and back after `lasting`.
    pub fn goes_away(&self, lasting: Duration) {
        self.set(Some(Instant::now() + lasting));
    }

    /// It is back.
    pub fn comes_back(&self) {
        self.set(None);
    }

    fn set(&self, until: Option<Instant>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    async fn ask<T>(&self, call: impl Future<Output = Result<T, LedgerError>>) -> Result<T, LedgerError> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.is_some_and(|until| Instant::now() < until) { Err(LedgerError::away("away")) } else { call.await }
    }
}

impl<L: Ledger> Ledger for Away<L> {
    const SERVER: &'static str = L::SERVER;

    async fn claim(&self, request: &Request, token: &str, terms: &Terms) -> Result<Claim, LedgerError> {
        self.ask(self.ledger.claim(request, token, terms)).await
    }

    async fn begin(&self, lease: &Lease, terms: &Terms) -> Result<Begin, LedgerError> {
        self.ask(self.ledger.begin(lease, terms)).await
    }

    async fn renew(&self, lease: &Lease, terms: &Terms) -> Result<bool, LedgerError> {
        self.ask(self.ledger.renew(lease, terms)).await
    }

    async fn commit(&self, lease: &Lease, receipt: &str, terms: &Terms) -> Result<(), LedgerError> {
        self.ask(self.ledger.commit(lease, receipt, terms)).await
    }

    async fn release(&self, lease: &Lease, why: Release<'_>) -> Result<Setbacks, LedgerError> {
        self.ask(self.ledger.release(lease, why)).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        self.ask(self.ledger.ping()).await
    }
}
