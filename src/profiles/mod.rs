//! The profile store's port: effect and mark are one atomic step, so repeating it changes nothing.
//!
//! A profile is built from all its events, field by field. Each field comes from the newest event that has it:
//! a version-1 event has no plan, so it never erases one. `signed_up_at` comes from the oldest event. "Newest"
//! is by [`Stamp`], a total order. So the same events, in any order and repeated any number of times, end in the
//! same profile.
//!
//! Two adapters pass one contract test: [`redis`] (one script) and [`memory`]. Another service may read profiles in
//! Redis, and only read them:
//!
//! - The key is [`redis::RedisProfiles::key`], behind `REDIS_PREFIX`: `profile:{` + the user's id + `}`. An id that is not
//!   1 to 128 of `A-Za-z0-9_-` is replaced by its SHA-256 in hex.
//! - The value is a hash. [`redis::FIELDS`] are all of its fields, each with its form; docs/events.md has the same
//!   table.
//! - A newer event changes `email` and, if it has a plan, `plan`, each with its marks; an older one may change
//!   `signed_up_at`. A profile never expires and is never deleted.
//! - A release may add fields. It keeps the names and the forms of these.

pub mod memory;
pub mod redis;

use std::future::Future;

use sha2::{Digest, Sha256};

use crate::events::UserSignedUp;
use engine::idempotency::Fingerprint;

/// When an event happened, then its id to break ties. Of fixed width and hexadecimal, so that it sorts the same in
/// every locale: Redis compares strings by the locale of its server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(String);

/// The change that one event makes to a profile.
#[derive(Debug, Clone)]
pub struct ProfileChange<'a> {
    /// The event.
    pub event: &'a UserSignedUp,
    /// Its place in the order.
    pub stamp: Stamp,
    /// Its content; the same for every spelling of the address. One stamp with two contents is a conflict.
    pub fingerprint: Fingerprint,
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// There was no profile; now there is.
    Created,
    /// It changed at least one field.
    Updated,
    /// This event was applied before.
    Done,
    /// It changed nothing: newer events have set every field.
    Stale,
    /// The same event (id and time) came with other content.
    Conflict,
}

/// Why a change was not applied, as far as is known. Applying it again is safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfilesError {
    /// The store cannot be reached, or refuses us.
    #[error("the profile store did not answer: {0}")]
    Away(String),
    /// The store answers, but this one profile breaks this rule; asking again does not help. The text holds no value.
    #[error("the profile is broken: {0}")]
    Broken(&'static str),
}

/// Where profiles are kept.
pub trait Profiles: Send + Sync + 'static {
    /// Applies one change: effect and mark in one atomic step.
    fn apply(&self, change: &ProfileChange<'_>) -> impl Future<Output = Result<Applied, ProfilesError>> + Send;

    /// Is the store there and writable?
    fn ping(&self) -> impl Future<Output = Result<(), ProfilesError>> + Send;
}

impl<'a> ProfileChange<'a> {
    /// The change that this event makes.
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
    /// The stamp as stored, 47 characters: 15 digits of milliseconds + 32 hexadecimal digits of the event id's hash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
