//! The ledger of a handler that needs none: its effect and its mark are one atomic step.
//!
//! Enters: the port's calls. Leaves: always "go on". Right only if the whole handler may be repeated without any
//! change, as with a profile that only a newer event changes. Any other handler would be unprotected.

use super::{Begin, Claim, Lease, Ledger, LedgerError, Release, Request, Setbacks, Terms};

/// Grants everything and keeps nothing. Only [`Reaction::atomic`](crate::worker::Reaction::atomic) makes one.
#[derive(Debug, Clone, Copy)]
pub struct AtomicEffect(pub(crate) ());

impl Ledger for AtomicEffect {
    const SERVER: &'static str = "none";

    async fn claim(&self, request: &Request, token: &str, _terms: &Terms) -> Result<Claim, LedgerError> {
        Ok(Claim::Acquired(Lease::new(request, token, 1)))
    }

    async fn begin(&self, _lease: &Lease, _terms: &Terms) -> Result<Begin, LedgerError> {
        Ok(Begin::Go)
    }

    async fn renew(&self, _lease: &Lease, _terms: &Terms) -> Result<bool, LedgerError> {
        Ok(true)
    }

    async fn commit(&self, _lease: &Lease, _receipt: &str, _terms: &Terms) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn release(&self, _lease: &Lease, _why: Release<'_>) -> Result<Setbacks, LedgerError> {
        Ok(Setbacks::default())
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}
