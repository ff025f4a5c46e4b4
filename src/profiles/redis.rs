//! Profiles in Redis: one hash for each user, one script, no expiry (a profile is data, not a cache).
//!
//! Enters: a change. Leaves: what it changed. The script beside this file decides and writes in one atomic step;
//! this file only calls it and reads its answer. Knows no handler.

use ::redis::Script;
use std::sync::Arc;

use super::{Applied, ProfileChange, Profiles, ProfilesError};
use crate::events::UserId;
use engine::idempotency::key_part;
use engine::redis_link::{RedisError, RedisLink};

/// Fields of a profile's hash, and what each of them holds: for whoever reads profiles, and for docs/events.md.
pub type ProfileField = (&'static [&'static str], &'static str);

/// Every field that is written.
pub const FIELDS: &[ProfileField] = &[
    (&["user_id"], "the user's id, 1 to 256 bytes"),
    (&["email"], "the address in the newest event, at most 254 bytes, as a person writes it"),
    (&["plan"], "the plan in the newest event that has one, 1 to 64 bytes; absent while no event had one"),
    (&["signed_up_at"], "when the oldest event occurred, as `2026-01-02T03:04:05.000Z`: UTC, always with milliseconds"),
    (
        &["email_at", "email_fp", "email_ff", "plan_at", "plan_fp", "plan_ff", "first_at"],
        "marks by which events are compared: which event wrote the address, the plan, the time, and hashes of its content; for the worker alone",
    ),
];

/// Profiles in Redis. Clones share the connection.
#[derive(Debug, Clone)]
pub struct RedisProfiles {
    link: RedisLink,
    script: Arc<Script>,
}

impl RedisProfiles {
    /// A store over this link. Makes no call.
    #[must_use]
    pub fn new(link: RedisLink) -> Self {
        Self { link, script: Arc::new(Script::new(include_str!("profile.lua"))) }
    }

    /// The key of a user's profile.
    #[must_use]
    pub fn key(user: &UserId) -> String {
        format!("profile:{{{}}}", key_part(user.as_str()))
    }
}

impl Profiles for RedisProfiles {
    async fn apply(&self, change: &ProfileChange<'_>) -> Result<Applied, ProfilesError> {
        let event = change.event;
        let occurred_at = event.head.occurred_at.to_string();
        let args = [
            change.stamp.as_str(),
            change.fingerprint.exact(),
            change.fingerprint.folded(),
            event.user_id.as_str(),
            event.email.as_str(),
            event.plan.as_ref().map_or("", |plan| plan.as_str()),
            &occurred_at,
        ];
        let answer = self.link.run(&self.script, &Self::key(&event.user_id), &args).await?;
        match answer.first().map(String::as_str) {
            Some("CREATED") => Ok(Applied::Created),
            Some("UPDATED") => Ok(Applied::Updated),
            Some("DONE") => Ok(Applied::Done),
            Some("STALE") => Ok(Applied::Stale),
            Some("CONFLICT") => Ok(Applied::Conflict),
            Some("BROKEN") => Err(ProfilesError::Broken("a stamp of its is none")),
            // The answer itself is not repeated: it may hold anything.
            _ => {
                let (at, words) = (self.link.at(), answer.len());
                Err(ProfilesError::Away(format!("redis at {at}: its script gave an unexpected answer, {words} words")))
            }
        }
    }

    async fn ping(&self) -> Result<(), ProfilesError> {
        Ok(self.link.ping().await?)
    }
}

impl From<RedisError> for ProfilesError {
    fn from(error: RedisError) -> Self {
        if error.is_wrong_type() { Self::Broken("its key holds no hash") } else { Self::Away(error.to_string()) }
    }
}
