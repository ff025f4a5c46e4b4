//! Profiles in memory, by the same rules as the script beside this file. For the embedded default and tests.
//!
//! Enters: a change. Leaves: what it changed. The profiles are lost when the process ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Applied, ProfileChange, Profiles, ProfilesError, Stamp};
use crate::events::{EmailAddress, Plan, UserId};
use engine::event::Timestamp;
use engine::idempotency::Fingerprint;

/// Profiles in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryProfiles {
    profiles: Arc<Mutex<HashMap<UserId, StoredProfile>>>,
}

/// What is known of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// From the newest event.
    pub email: EmailAddress,
    /// From the newest event that names a plan.
    pub plan: Option<Plan>,
    /// From the oldest event.
    pub signed_up_at: Timestamp,
}

#[derive(Debug)]
struct StoredProfile {
    profile: Profile,
    email_mark: Mark,
    plan_mark: Option<Mark>,
    first_at: Stamp,
}

/// Which event wrote a field.
#[derive(Debug, Clone)]
struct Mark {
    stamp: Stamp,
    fingerprint: Fingerprint,
}

impl MemoryProfiles {
    /// The user's profile, if there is one.
    #[must_use]
    pub fn get(&self, user: &UserId) -> Option<Profile> {
        self.lock().get(user).map(|stored| stored.profile.clone())
    }

    /// How many profiles there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, StoredProfile>> {
        // No step panics half way, so a poisoned lock still guards whole profiles.
        self.profiles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoredProfile {
    fn first(change: &ProfileChange<'_>, mark: Mark) -> Self {
        let event = change.event;
        Self {
            profile: Profile {
                email: event.email.clone(),
                plan: event.plan.clone(),
                signed_up_at: event.head.occurred_at,
            },
            plan_mark: event.plan.is_some().then(|| mark.clone()),
            email_mark: mark,
            first_at: change.stamp.clone(),
        }
    }

    fn join(&mut self, change: &ProfileChange<'_>, mark: Mark) -> Applied {
        let known = [Some(&self.email_mark), self.plan_mark.as_ref()];
        if let Some(same) = known.into_iter().flatten().find(|m| m.stamp == mark.stamp) {
            return if same.fingerprint.agrees_with(&mark.fingerprint) { Applied::Done } else { Applied::Conflict };
        }
        let mut applied = Applied::Stale;
        if mark.stamp > self.email_mark.stamp {
            self.profile.email = change.event.email.clone();
            self.email_mark = mark.clone();
            applied = Applied::Updated;
        }
        let newer_plan = self.plan_mark.as_ref().is_none_or(|m| mark.stamp > m.stamp);
        if let Some(plan) = change.event.plan.as_ref().filter(|_| newer_plan) {
            self.profile.plan = Some(plan.clone());
            self.plan_mark = Some(mark);
            applied = Applied::Updated;
        }
        if change.stamp < self.first_at {
            self.profile.signed_up_at = change.event.head.occurred_at;
            self.first_at = change.stamp.clone();
            applied = Applied::Updated;
        }
        applied
    }
}

impl Profiles for MemoryProfiles {
    async fn apply(&self, change: &ProfileChange<'_>) -> Result<Applied, ProfilesError> {
        let mark = Mark { stamp: change.stamp.clone(), fingerprint: change.fingerprint.clone() };
        let mut profiles = self.lock();
        match profiles.get_mut(&change.event.user_id) {
            Some(stored) => Ok(stored.join(change, mark)),
            None => {
                profiles.insert(change.event.user_id.clone(), StoredProfile::first(change, mark));
                Ok(Applied::Created)
            }
        }
    }

    async fn ping(&self) -> Result<(), ProfilesError> {
        Ok(())
    }
}
