//! The profile reaction: an event becomes a user's profile.
//!
//! Enters: an event, and a store that writes effect and mark in one atomic step. Leaves: what the event changed.
//! Needs no fence and no ledger, because repeating the step changes nothing.

use crate::events::UserSignedUp;
use crate::profiles::{Applied, ProfileChange, Profiles, ProfilesError};
use engine::handler::{Handled, Handler, HandlerError, traced};
use engine::idempotency::Fence;

/// Keeps one profile for each user.
#[derive(Debug, Clone)]
pub struct ProfileHandler<P> {
    profiles: P,
}

impl<P: Profiles> ProfileHandler<P> {
    /// Keeps profiles in this store.
    #[must_use]
    pub fn new(profiles: P) -> Self {
        Self { profiles }
    }
}

impl<P: Profiles> Handler for ProfileHandler<P> {
    type Event = UserSignedUp;
    const NAME: &'static str = "profile";

    async fn handle(&self, event: &UserSignedUp, _fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        match traced("profile write", self.profiles.apply(&ProfileChange::of(event))).await? {
            Applied::Created | Applied::Updated => Ok(Handled::Applied),
            Applied::Done => Ok(Handled::AlreadyApplied),
            Applied::Stale => Ok(Handled::Superseded),
            Applied::Conflict => Err(HandlerError::Permanent {
                reason: "conflict",
                detail: "the same event came before with other content".to_owned(),
            }),
        }
    }

    async fn probe(&self) -> Result<(), HandlerError> {
        Ok(self.profiles.ping().await?)
    }
}

impl From<ProfilesError> for HandlerError {
    fn from(error: ProfilesError) -> Self {
        match error {
            ProfilesError::Away(why) => Self::unavailable("redis", why),
            ProfilesError::Broken(rule) => Self::Permanent { reason: "record_broken", detail: rule.to_owned() },
        }
    }
}
