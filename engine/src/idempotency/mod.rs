//! No effect twice: the ledger's port, and how far its promise goes.
//!
//! For each handler and subject, or event about it, the ledger keeps one record of how far an effect has come:
//!
//! ```text
//! (none) --claim--> P   leased, surely nothing sent            an expired P may be taken over: a clean retry
//! P --begin--> S        the point of no return                 an expired S taken over is AMBIGUOUS
//! S --commit--> D       the effect was seen to happen; final, never overwritten
//! P|S --release--> P    known not to have happened
//! S, sends used up --claim--> X    parked: a person must look
//! P|S, five claims of one message died --claim by it--> unchanged; KILLS
//! ```
//!
//! Promises: at any time at most one delivery holds the lease; whoever lost it is told so by
//! [`Ledger::begin`], before the point of no return. An effect happens at most once, unless a kill, a
//! lost answer or a pause longer than the lease falls between `begin` and `commit`; then at most
//! `max_sends` times. That window cannot be closed from this side (RFC 1047), so it is counted.
//!
//! Beside the effect, the record counts what happened to the *message* that asked, by the queue's id of it:
//! its failures, its deferrals, and how often a claim of its ran out without a word. A redriven message is
//! another one and starts anew; the commit of its effect forgets them.
//!
//! Two adapters pass one contract test (`tests/it/ledger_contract.rs`): [`redis`] (one script a step) and
//! [`memory`]. What a person may do to a record is in [`records`]; who else keeps some under a
//! reaction's name in [`neighbours`]. This file knows none of them, nor events,
//! nor queues; times come from the ledger's own clock.

pub mod atomic;
mod fence;
mod key;
pub mod memory;
#[cfg(feature = "redis")]
pub mod neighbours;
#[cfg(feature = "redis")]
pub mod records;
#[cfg(feature = "redis")]
pub mod redis;

pub(crate) use fence::Course;
pub use fence::{Crossing, Fence, Fenced};
pub use key::{Fingerprint, Key, key_part};

use std::future::Future;
use std::time::Duration;

/// What a delivery asks the ledger for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which effect.
    pub key: Key,
    /// From what.
    pub fingerprint: Fingerprint,
    /// The queue's id of the message that asks. Empty where there is none, as on the bus: then nothing is
    /// counted against it.
    pub message_id: String,
    /// How long ago this process last saw the ledger fail; none: never. A claim that ran out while the ledger
    /// could not be told of it says nothing about its message.
    pub ledger_quiet_for: Option<Duration>,
}

/// Claims of one message that may run out without a word before a further one is refused: a message that kills
/// its worker would go on doing so.
pub const TAKEOVERS: u32 = 5;

/// For how long whoever passed the fence asks at most for its record, while the ledger is away.
///
/// As long as a message is held. Who saw the ledger fail, and asks for a claim less than a lease later, is told that it is
/// busy: the record comes first.
pub const INSISTS: Duration = Duration::from_secs(900);

/// How long things last and how often they may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long a claim holds without being renewed.
    pub lease: Duration,
    /// How long a record is kept: longer than any copy of the event can still arrive.
    pub retention: Duration,
    /// How many sends may have happened before an unknown outcome is parked instead of sent again:
    /// 2 resends once, 1 never.
    pub max_sends: u32,
}

/// The right to go on, held by one delivery. Spent by commit or release, else it runs out.
#[derive(Debug)]
pub struct Lease {
    pub(crate) key: Key,
    pub(crate) fingerprint: Fingerprint,
    /// Whose: a fresh one per delivery, so that two deliveries in one process are two owners.
    pub(crate) token: String,
    /// Grows with each takeover and is never reset: an old owner cannot pass for the new one.
    pub(crate) generation: u64,
}

/// The answer to a claim.
#[derive(Debug)]
pub enum Claim {
    /// Yours; surely nothing was sent before.
    Acquired(Lease),
    /// Yours; an earlier holder may have sent. Sending again is a possible duplicate.
    Ambiguous(Lease),
    /// Another delivery holds it for this much longer.
    Busy(Duration),
    /// The effect has happened.
    Done,
    /// The effect was ordered before, with other content: not just in another spelling.
    Conflict,
    /// The outcome is unknown and no send is left.
    Parked,
    /// This message's claims ran out without a word [`TAKEOVERS`] times: whoever takes it dies of it.
    Kills,
}

/// Why a claim is given back, for the record's counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release<'a> {
    /// Through no fault of the message's: an outage, a deploy. Nothing is counted, and nothing told.
    Uncounted,
    /// The handler truly failed.
    Failed {
        /// The queue's id of the message.
        message_id: &'a str,
        /// The outcome's name.
        outcome: &'a str,
    },
    /// "Not now": no failure, but since when and how often is remembered.
    Deferred {
        /// The queue's id of the message.
        message_id: &'a str,
    },
}

/// What has come in a message's way so far, on whatever machine, this release included. Zero and empty where
/// the ledger keeps no count.
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
    /// Go on: from here on, the effect may have happened.
    Go,
    /// Someone else has done it meanwhile.
    Done,
    /// The lease was lost: someone else is at it.
    Lost,
}

/// Why the ledger gave no answer. Nothing may be sent then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// It is not there, or does nothing for us: every event has to wait.
    #[error("the ledger did not answer: {0}")]
    Away(String),
    /// It is there, and nobody can read this one record, by this rule: asking again changes nothing. Never a value.
    #[error("the record is broken: {0}")]
    Broken(&'static str),
}

/// The record of effects. Each call is one atomic step and may be repeated when its answer was lost.
pub trait Ledger: Send + Sync + 'static {
    /// The server that it is kept on, by the name that operators know.
    const SERVER: &'static str;

    /// May this delivery go on? The same `token` asking again gets the same answer. A claim that ran out and was
    /// not given back is charged to its message by whoever comes next, unless the ledger itself was away meanwhile.
    fn claim(
        &self,
        request: &Request,
        token: &str,
        terms: &Terms,
    ) -> impl Future<Output = Result<Claim, LedgerError>> + Send;

    /// The fence: to be passed immediately before the first step that cannot be taken back.
    fn begin(&self, lease: &Lease, terms: &Terms) -> impl Future<Output = Result<Begin, LedgerError>> + Send;

    /// Holds the lease longer. `false`: it is lost or the effect is done.
    fn renew(&self, lease: &Lease, terms: &Terms) -> impl Future<Output = Result<bool, LedgerError>> + Send;

    /// Records that the effect has happened, whoever holds the lease by now: it is a fact.
    /// `receipt`: what can prove it, such as a Message-ID.
    fn commit(
        &self,
        lease: &Lease,
        receipt: &str,
        terms: &Terms,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Gives the lease back: the effect is known not to have happened by this delivery. Counts the failure or
    /// the deferral, if it was one, and tells both counts of the message; to a lost lease it tells nothing.
    fn release(&self, lease: &Lease, why: Release<'_>) -> impl Future<Output = Result<Setbacks, LedgerError>> + Send;

    /// Is the ledger there and writable? Asked while a worker pauses, before it goes on.
    fn ping(&self) -> impl Future<Output = Result<(), LedgerError>> + Send;
}

impl LedgerError {
    /// It is not there.
    #[must_use]
    pub fn away(why: impl Into<String>) -> Self {
        Self::Away(why.into())
    }

    /// What is the matter, without the error's own words.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Away(why) => why,
            Self::Broken(rule) => rule,
        }
    }
}

impl Request {
    /// A request that no message stands behind. With one, set [`Request::message_id`].
    #[must_use]
    pub fn new(key: Key, fingerprint: Fingerprint) -> Self {
        Self { key, fingerprint, message_id: String::new(), ledger_quiet_for: None }
    }
}
