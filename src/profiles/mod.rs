//! The profile store's port: effect and mark are one atomic step, so repeating it changes nothing.
//!
//! A profile is the join of all its events, field by field: each field belongs to the newest event that
//! says anything of it (a version-1 event says nothing of the plan, and so never erases one), and
//! `signed_up_at` to the oldest. "Newest" is by [`Stamp`], a total order, so any order and any repetition
//! of the same events ends in the same profile.
//!
//! Two adapters pass one contract test: [`redis`] (one script) and [`memory`].

pub mod memory;
pub mod redis;

use std::future::Future;

use sha2::{Digest, Sha256};

use crate::events::UserSignedUp;
use engine::idempotency::Fingerprint;

/// When an event happened, with its id to break ties: fixed width and hexadecimal, so that every
/// locale sorts it alike (Redis compares strings by its server's).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(String);

/// What one event says of a profile.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// The event.
    pub event: &'a UserSignedUp,
    /// Its place in the order.
    pub stamp: Stamp,
    /// Its content, in whatever spelling of the address: one stamp with two contents is a conflict.
    pub fingerprint: Fingerprint,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// There was no profile; now there is.
    Created,
    /// A field is newer now.
    Updated,
    /// This event was applied before.
    Done,
    /// Newer events have said it all.
    Stale,
    /// The same event (id and time) came with other content.
    Conflict,
}

/// Why the store gave no answer; nothing is known to have changed. Applying again is safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfilesError {
    /// It is not there, or does nothing for us.
    #[error("the profile store did not answer: {0}")]
    Away(String),
    /// It is there, and nobody can read this one profile, by this rule: asking again changes nothing. Never a value.
    #[error("the profile is broken: {0}")]
    Broken(&'static str),
}

/// Where profiles are kept.
pub trait Profiles: Send + Sync + 'static {
    /// Applies one change: effect and mark in one atomic step.
    fn apply(&self, change: &Change<'_>) -> impl Future<Output = Result<Applied, ProfilesError>> + Send;

    /// Is the store there and writable?
    fn ping(&self) -> impl Future<Output = Result<(), ProfilesError>> + Send;
}

impl<'a> Change<'a> {
    /// The change that an event makes.
    #[must_use]
    pub fn of(event: &'a UserSignedUp) -> Self {
        let id = data_encoding::HEXLOWER.encode(&Sha256::digest(event.head.id.as_str())[..16]);
        let plan = event.plan.as_ref().map_or("", |plan| plan.as_str());
        Self {
            event,
            stamp: Stamp(format!("{:015}{id}", event.head.occurred_at.unix_millis())),
            fingerprint: Fingerprint::spelled(&[event.email.as_given(), plan], &[&event.email.folded(), plan]),
        }
    }
}

impl Stamp {
    /// The stamp as stored: 15 digits of milliseconds, 32 of the event id's hash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
