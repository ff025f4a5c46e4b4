//! A ledger of another team's, as from outside the engine: what a lease holds goes over a wire and comes back, and the
//! contract is kept.

use ::engine::testing::ledger::Case;
use user_events::idempotency::memory::MemoryLedger;
use user_events::idempotency::{Begin, Claim, Lease, Ledger, LedgerError, Release, Request, Setbacks, Terms};

/// The records are kept elsewhere: by the ledger in memory.
#[derive(Default)]
struct Remote(MemoryLedger);

/// The same lease, made anew of its parts.
fn sent(lease: &Lease) -> Lease {
    let request = Request::new(lease.key().clone(), lease.fingerprint().clone());
    Lease::new(&request, lease.token(), lease.generation())
}

impl Ledger for Remote {
    const SERVER: &'static str = "elsewhere";

    async fn claim(&self, request: &Request, token: &str, terms: &Terms) -> Result<Claim, LedgerError> {
        Ok(match self.0.claim(request, token, terms).await? {
            Claim::Acquired(lease) => Claim::Acquired(Lease::new(request, token, lease.generation())),
            Claim::Ambiguous(lease) => Claim::Ambiguous(Lease::new(request, token, lease.generation())),
            other => other,
        })
    }

    async fn begin(&self, lease: &Lease, terms: &Terms) -> Result<Begin, LedgerError> {
        self.0.begin(&sent(lease), terms).await
    }

    async fn renew(&self, lease: &Lease, terms: &Terms) -> Result<bool, LedgerError> {
        self.0.renew(&sent(lease), terms).await
    }

    async fn commit(&self, lease: &Lease, receipt: &str, terms: &Terms) -> Result<(), LedgerError> {
        self.0.commit(&sent(lease), receipt, terms).await
    }

    async fn release(&self, lease: &Lease, why: Release<'_>) -> Result<Setbacks, LedgerError> {
        self.0.release(&sent(lease), why).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        self.0.ping().await
    }
}

::engine::ledger_contract! { #[tokio::test(start_paused = true)] Case::on(Remote::default()) }
