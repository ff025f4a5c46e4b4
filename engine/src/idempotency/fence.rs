//! The fence before the point of no return, as a value that cannot be forged or forgotten.
//!
//! Enters: a lease and its ledger. Leaves: a [`Crossing`], once, if the lease still holds. Code that does what cannot
//! be taken back asks for a `&Crossing`, and only [`Fence::cross`] makes one. Knows no handler.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::{Begin, Lease, Ledger, LedgerError, Terms};
use crate::failpoint::{self, Step};

/// Stands between a handler and its effect.
pub struct Fence<'a> {
    ledger: Box<dyn ErasedLedger + 'a>,
    clock: &'a RunClock,
}

/// The clock of one run of a handler: was the fence crossed, and until when may it go on?
#[derive(Debug)]
pub(crate) struct RunClock {
    crossed: AtomicBool,
    /// `None`: the time limit is suspended.
    until: Mutex<Option<Instant>>,
    changed: Notify,
    behind: Duration,
}

impl RunClock {
    /// A run that may take as long as `before` up to the fence, and then as long as `behind`.
    pub(crate) fn new(before: Duration, behind: Duration) -> Self {
        let until = Mutex::new(Some(Instant::now() + before));
        Self { crossed: AtomicBool::new(false), until, changed: Notify::new(), behind }
    }

    /// Was the point of no return passed?
    pub(crate) fn is_behind(&self) -> bool {
        self.crossed.load(Ordering::Acquire)
    }

    /// Waits until the time is up.
    pub(crate) async fn ends(&self) {
        loop {
            let until = *self.until();
            let changed = self.changed.notified();
            match until {
                Some(until) => tokio::select! {
                    () = sleep_until(until) => return,
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }

    async fn uncounted<T>(&self, waiting: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let until = self.set(None);
        let waited = waiting.await;
        self.set(until.map(|until| until + begun.elapsed()));
        waited
    }

    /// Returns the previous limit.
    fn set(&self, until: Option<Instant>) -> Option<Instant> {
        let before = std::mem::replace(&mut *self.until(), until);
        // If nobody listens yet, this is kept: whoever listens next reads `until` anew.
        self.changed.notify_one();
        before
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        // Every change is one assignment.
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Proof that the point of no return was passed while the lease held.
#[derive(Debug)]
pub struct Crossing(());

/// Why the fence did not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fenced {
    /// Another delivery has done it meanwhile: there is nothing left to do.
    #[error("the effect has happened meanwhile")]
    Done,
    /// The lease was lost to another delivery.
    #[error("the lease was lost")]
    Lost,
    /// The ledger did not answer: nothing may be sent.
    #[error(transparent)]
    Unavailable(#[from] LedgerError),
}

impl<'a> Fence<'a> {
    /// The fence of one lease. `clock` tells the caller how far the run has come.
    pub(crate) fn new<L: Ledger>(ledger: &'a L, lease: &'a Lease, terms: &'a Terms, clock: &'a RunClock) -> Self {
        Self { ledger: Box::new(LeasedLedger { ledger, lease, terms }), clock }
    }

    /// Waits for something that is no event's fault, such as a connection. This time does not count against the
    /// handler's limit.
    pub async fn uncounted<T>(&self, waiting: impl Future<Output = T>) -> T {
        self.clock.uncounted(waiting).await
    }

    /// Passes the point of no return. Call it as late as possible: do all that can fail harmlessly (connecting,
    /// composing) before.
    ///
    /// # Errors
    /// [`Fenced`]: do not send.
    pub async fn cross(&self) -> Result<Crossing, Fenced> {
        failpoint::reach(Step::Prepared);
        // Set before asking: even if the answer is lost, the ledger may have let us pass.
        self.clock.crossed.store(true, Ordering::Release);
        let begin = self.ledger.begin().await;
        if begin != Ok(Begin::Go) {
            self.clock.crossed.store(false, Ordering::Release);
        }
        match begin? {
            Begin::Go => {
                self.clock.set(Some(Instant::now() + self.clock.behind));
                failpoint::reach(Step::Begun);
                Ok(Crossing(()))
            }
            Begin::Done => Err(Fenced::Done),
            Begin::Lost => Err(Fenced::Lost),
        }
    }
}

type BeginFuture<'a> = Pin<Box<dyn Future<Output = Result<Begin, LedgerError>> + Send + 'a>>;

/// Hides which ledger it is, so that a handler is generic over nothing.
trait ErasedLedger: Send + Sync {
    fn begin(&self) -> BeginFuture<'_>;
}

struct LeasedLedger<'a, L> {
    ledger: &'a L,
    lease: &'a Lease,
    terms: &'a Terms,
}

impl<L: Ledger> ErasedLedger for LeasedLedger<'_, L> {
    fn begin(&self) -> BeginFuture<'_> {
        Box::pin(self.ledger.begin(self.lease, self.terms))
    }
}
