//! What has happened so far, counted by outcome; and what is being retried.
//!
//! Enters: outcomes. Leaves: numbers, for the closing line of a run and for the demo's table; the events that come again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::observer::Ended;
use super::outcome::Reacted;
use super::reaction::Reaction;
use super::retrying::Retrying;
use crate::event::Event;
use crate::handler::Handler;
use crate::idempotency::Ledger;
use crate::queue::{Delivery, Verdict};

/// Counts outcomes. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    count: Arc<Mutex<Count>>,
    pub(super) retrying: Retrying,
}

/// The counts at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// Deliveries by [`super::Outcome::name`].
    pub outcomes: BTreeMap<&'static str, u64>,
    /// The same, by outcome and [`crate::queue::Verdict::name`].
    pub verdicts: BTreeMap<(&'static str, &'static str), u64>,
    /// Events of a newer schema version than ours, handled as the newest known.
    pub newer_version: u64,
    /// Events whose own time could not be read or lay in the future: the carrier's was used.
    pub stand_in_time: u64,
}

impl Tally {
    pub(super) fn count(&self, ended: &Ended) {
        let (outcome, mut count) = (ended.outcome.name(), self.lock());
        *count.outcomes.entry(outcome).or_default() += 1;
        *count.verdicts.entry((outcome, ended.verdict)).or_default() += 1;
    }

    /// Remembers an event that comes again, or forgets it.
    pub(super) fn retries<L: Ledger, H: Handler>(
        &self,
        delivery: &Delivery,
        verdict: &Verdict,
        reacted: &Reacted,
        event: Option<&H::Event>,
        reaction: &Reaction<L, H>,
    ) {
        let named = |event: &H::Event| (event.head().clone(), reaction.subject(event).ok().map(Cow::into_owned));
        self.retrying.heard(delivery, verdict, reacted, || event.map(named));
    }

    /// Counts what is odd about an event that is handled all the same.
    pub(super) fn oddities<E: Event>(&self, event: &E) {
        let head = event.head();
        let (is_newer, is_unusable) = (head.version > E::newest(&head.kind), head.has_unusable_time());
        if is_newer || is_unusable {
            let mut count = self.lock();
            count.newer_version += u64::from(is_newer);
            count.stand_in_time += u64::from(is_unusable);
        }
    }

    /// The counts now.
    #[must_use]
    pub fn read(&self) -> Count {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        // Counting cannot panic half way.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    /// How many deliveries had this outcome.
    #[must_use]
    pub fn of(&self, outcome: &str) -> u64 {
        self.outcomes.get(outcome).copied().unwrap_or(0)
    }
}
