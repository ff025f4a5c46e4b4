//! No effect twice: the ledger's port, and the limits of its promise.
//!
//! For each handler and subject, or each event about it, the ledger keeps one record of how far the effect has come:
//!
//! ```text
//! (none) --claim--> P   leased, surely nothing sent            an expired P may be taken over: a clean retry
//! P --begin--> S        the point of no return                 an expired S taken over is AMBIGUOUS
//! S --commit--> D       the effect was seen to happen; final, never overwritten
//! P|S --release--> P    known not to have happened
//! S, sends used up --claim--> X    parked: a person must look
//! P|S, five claims of one message ran out --claim by it--> unchanged; KILLS
//! ```
//!
//! Promises: at any time at most one delivery holds the lease. A delivery that lost it learns so from
//! [`Ledger::begin`], before the point of no return. An effect happens at most once, unless a kill, a lost answer or a
//! pause longer than the lease falls between `begin` and `commit`: then at most [`OnAmbiguous::max_sends`] times. This
//! window cannot be closed from this side (RFC 1047), so the sends are counted.
//!
//! Beside the effect, the record counts what happened to the *message* that asked, by its id in the queue: its
//! failures, its deferrals, and how often a claim of it ran out without a release. A redriven message has a new id and
//! starts from 0; the commit deletes these counts.
//!
//! Two adapters pass one contract test (`testing::ledger`): [`redis`] (one script a step) and [`memory`].
//! [`records`] is what a person may do to a record; [`neighbours`] tells which other queues work under a reaction's
//! name. This file knows none of them, no event and no queue; times come from the ledger's own clock.

mod atomic;
mod fence;
mod key;
pub mod memory;
#[cfg(feature = "redis")]
pub mod neighbours;
#[cfg(feature = "redis")]
pub mod records;
#[cfg(feature = "redis")]
pub mod redis;
mod state;
pub mod weight;

pub use atomic::AtomicEffect;
pub(crate) use fence::RunClock;
pub use fence::{Crossing, Fence, Fenced};
pub use key::{Fingerprint, Key, key_part};
pub use state::State;

use std::future::Future;
use std::time::Duration;

/// What a delivery asks the ledger for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The effect's record.
    pub key: Key,
    /// What the effect is made from.
    pub fingerprint: Fingerprint,
    /// The queue's id of the message that asks. Empty if there is none, as on the bus: then nothing is counted.
    pub message_id: String,
    /// How long ago this process last saw the ledger fail; `None`: never. A claim that ran out while the ledger was
    /// away could not renew itself, and does not count against its message.
    pub ledger_failed_ago: Option<Duration>,
}

/// After this many claims of one message that ran out without a release, a further one is refused: the message seems to
/// kill its worker, and would go on.
pub const MAX_EXPIRED_CLAIMS: u32 = 5;

/// For how long a delivery behind the fence retries its commit at most, while the ledger is away. 15 min, as long as a
/// message is held.
///
/// A delivery that saw the ledger fail, and claims less than a lease later, is told that the effect is busy: the commit
/// must get there first.
pub const COMMIT_RETRY_FOR: Duration = Duration::from_secs(900);

/// What to do when nobody knows whether an effect has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnAmbiguous {
    /// Never send again: park it for a person to look at.
    Park,
    /// Send again until this many sends may have happened; then park it. 1 is [`OnAmbiguous::Park`].
    ResendUpTo(u32),
}

/// How long things last and how often they may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// How long a claim holds without being renewed.
    pub lease: Duration,
    /// How long a record is kept. Must be longer than any copy of the event can still arrive.
    pub retention: Duration,
    /// What to do when an earlier delivery may have sent.
    pub on_ambiguous: OnAmbiguous,
}

/// The right to go on, held by one delivery. A commit or a release ends it; else it runs out.
#[derive(Debug)]
pub struct Lease {
    pub(crate) key: Key,
    pub(crate) fingerprint: Fingerprint,
    /// The owner: a fresh token for each delivery, so that two deliveries in one process are two owners.
    pub(crate) token: String,
    /// Grows with each takeover and is never reset, so that an earlier owner is not taken for the new one.
    pub(crate) generation: u64,
}

/// The answer to a claim.
#[derive(Debug)]
#[non_exhaustive]
pub enum Claim {
    /// Granted. Surely nothing was sent before.
    Acquired(Lease),
    /// Granted. An earlier holder may have sent: sending again is a possible duplicate.
    Ambiguous(Lease),
    /// Another delivery holds it for this much longer.
    Busy(Duration),
    /// The effect has happened.
    Done,
    /// The same effect was asked for before, with other content; not just in another spelling.
    Conflict,
    /// The outcome is unknown and no send is left.
    Parked,
    /// [`MAX_EXPIRED_CLAIMS`] claims of this message ran out without a release: it seems to kill its worker.
    KillsItsWorker,
}

/// Why a claim is given back, for the record's counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release<'a> {
    /// An outage or a deploy, no fault of the message's. Nothing is counted, and no count is returned.
    Uncounted,
    /// The handler truly failed.
    Failed {
        /// The queue's id of the message.
        message_id: &'a str,
        /// The outcome's name.
        outcome: &'a str,
    },
    /// Nobody knows whether it happened, and its receiver recognises a repeat: a failure, and the send stays on record.
    Unknown {
        /// The queue's id of the message.
        message_id: &'a str,
        /// The outcome's name.
        outcome: &'a str,
    },
    /// "Not now": no failure. Counts how often, and since when.
    Deferred {
        /// The queue's id of the message.
        message_id: &'a str,
    },
}

/// A message's failures and deferrals so far, on whatever machine, this release included. Zero and empty if the ledger
/// keeps no count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setbacks {
    /// How often its handler has truly failed.
    pub failures: u32,
    /// The latest failures, oldest first: `outcome@milliseconds since 1970`, a space between; up to about a
    /// thousand bytes.
    pub history: String,
    /// How often it was deferred.
    pub deferrals: u32,
    /// How long ago it was deferred for the first time; zero at the first.
    pub deferred_for: Duration,
}

/// The answer at the point of no return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// Go on. From here on the effect may have happened.
    Go,
    /// Another delivery has done it meanwhile.
    Done,
    /// The lease was lost to another delivery.
    Lost,
}

/// Why the ledger gave no answer. Nothing may be sent then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The ledger is not there, or refuses to work for us: every event has to wait.
    #[error("the ledger did not answer: {0}")]
    Away(String),
    /// This one record breaks this rule, so nobody can read it: trying again changes nothing. Never a value.
    #[error("the record is broken: {0}")]
    Broken(&'static str),
}

/// The records of effects. Each call is one atomic step, and may be repeated if its answer was lost.
pub trait Ledger: Send + Sync + 'static {
    /// The server that it is kept on, by the name that operators know.
    const SERVER: &'static str;

    /// May this delivery go on? The same `token` gets the same answer again. If the last claim ran out without a
    /// release, it is counted against its message, unless the ledger was away meanwhile.
    fn claim(
        &self,
        request: &Request,
        token: &str,
        terms: &Terms,
    ) -> impl Future<Output = Result<Claim, LedgerError>> + Send;

    /// The fence. Call it immediately before the first step that cannot be taken back.
    fn begin(&self, lease: &Lease, terms: &Terms) -> impl Future<Output = Result<Begin, LedgerError>> + Send;

    /// Extends the lease. `false`: it is lost, or the effect is done.
    fn renew(&self, lease: &Lease, terms: &Terms) -> impl Future<Output = Result<bool, LedgerError>> + Send;

    /// Records that the effect has happened, whoever holds the lease by now: it is a fact. `receipt`: what can prove
    /// it, such as a Message-ID.
    fn commit(
        &self,
        lease: &Lease,
        receipt: &str,
        terms: &Terms,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Gives the lease back: this delivery surely has not done the effect; only under [`Release::Unknown`] it may have. Counts
    /// the failure or the deferral, if it is one, and returns both counts of the message. For a lost lease it does and
    /// returns nothing.
    fn release(&self, lease: &Lease, why: Release<'_>) -> impl Future<Output = Result<Setbacks, LedgerError>> + Send;

    /// Is the ledger there and writable? Asked during a pause, before it ends.
    fn ping(&self) -> impl Future<Output = Result<(), LedgerError>> + Send;
}

impl Lease {
    /// For adapters: what a claim grants. `generation` grows with each takeover of the record.
    #[must_use]
    pub fn new(request: &Request, token: &str, generation: u64) -> Self {
        let Request { key, fingerprint, .. } = request.clone();
        Self { key, fingerprint, token: token.to_owned(), generation }
    }

    /// The effect's record.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What the effect is made from.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The delivery that it was granted to.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Which takeover it was: a later lease of the same record has a greater one.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

impl OnAmbiguous {
    /// One resend.
    pub const RESEND: Self = Self::ResendUpTo(2);

    /// How many sends may have happened before it is parked.
    #[must_use]
    pub const fn max_sends(self) -> u32 {
        match self {
            Self::Park | Self::ResendUpTo(0) => 1,
            Self::ResendUpTo(sends) => sends,
        }
    }
}

impl Terms {
    /// These terms, with one resend if an earlier delivery may have sent.
    #[must_use]
    pub const fn new(lease: Duration, retention: Duration) -> Self {
        Self { lease, retention, on_ambiguous: OnAmbiguous::RESEND }
    }

    /// Changes what to do when an earlier delivery may have sent.
    #[must_use]
    pub const fn on_ambiguous(self, on_ambiguous: OnAmbiguous) -> Self {
        Self { on_ambiguous, ..self }
    }
}

impl LedgerError {
    /// The ledger is not there.
    #[must_use]
    pub fn away(why: impl Into<String>) -> Self {
        Self::Away(why.into())
    }

    /// The cause, without the error's own words.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Away(why) => why,
            Self::Broken(rule) => rule,
        }
    }
}

impl Request {
    /// A request without a message. With one, set [`Request::message_id`].
    #[must_use]
    pub fn new(key: Key, fingerprint: Fingerprint) -> Self {
        Self { key, fingerprint, message_id: String::new(), ledger_failed_ago: None }
    }
}
