//! The fence before the point of no return, as a value that cannot be forged or forgotten.
//!
//! Enters: a lease and its ledger. Leaves: a [`Crossing`], once, if the lease still holds. Whatever
//! cannot be taken back asks for a `&Crossing`, and only [`Fence::cross`] makes one. Knows no handler.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Begin, Lease, Ledger, LedgerError, Terms};
use crate::failpoint::{self, Step};

/// Stands between a handler and its effect.
pub struct Fence<'a> {
    gate: Box<dyn Gate + 'a>,
    crossed: &'a AtomicBool,
}

/// Proof that the point of no return was passed while the lease held.
#[derive(Debug)]
pub struct Crossing(());

/// Why the fence did not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fenced {
    /// Someone else has done it meanwhile: there is nothing left to do.
    #[error("the effect has happened meanwhile")]
    Done,
    /// The lease was lost: someone else is at it.
    #[error("the lease was lost")]
    Lost,
    /// The ledger did not answer: nothing may be sent.
    #[error(transparent)]
    Unavailable(#[from] LedgerError),
}

impl<'a> Fence<'a> {
    /// The fence of one lease; `crossed` tells the caller afterwards whether it was passed.
    pub(crate) fn new<L: Ledger>(ledger: &'a L, lease: &'a Lease, terms: &'a Terms, crossed: &'a AtomicBool) -> Self {
        Self { gate: Box::new(LedgerGate { ledger, lease, terms }), crossed }
    }

    /// Waits for what is no event's fault, such as a connection. The time it takes does not count against the
    /// handler's own.
    pub async fn uncounted<T>(&self, waiting: impl Future<Output = T>) -> T {
        waiting.await
    }

    /// Passes the point of no return. Call it as late as possible: everything that can fail harmlessly
    /// (connecting, composing) comes before.
    ///
    /// # Errors
    /// [`Fenced`]: do not send.
    pub async fn cross(&self) -> Result<Crossing, Fenced> {
        failpoint::reach(Step::Prepared);
        // Set before asking: if the answer is lost, the ledger may have let us pass.
        self.crossed.store(true, Ordering::Release);
        let begin = self.gate.begin().await;
        if begin != Ok(Begin::Go) {
            self.crossed.store(false, Ordering::Release);
        }
        match begin? {
            Begin::Go => {
                failpoint::reach(Step::Begun);
                Ok(Crossing(()))
            }
            Begin::Done => Err(Fenced::Done),
            Begin::Lost => Err(Fenced::Lost),
        }
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Begin, LedgerError>> + Send + 'a>>;

/// Hides which ledger it is, so that a handler is generic over nothing.
trait Gate: Send + Sync {
    fn begin(&self) -> Answer<'_>;
}

struct LedgerGate<'a, L> {
    ledger: &'a L,
    lease: &'a Lease,
    terms: &'a Terms,
}

impl<L: Ledger> Gate for LedgerGate<'_, L> {
    fn begin(&self) -> Answer<'_> {
        Box::pin(self.ledger.begin(self.lease, self.terms))
    }
}
