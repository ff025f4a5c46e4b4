//! What the receiver has said to events, and the rules that follow from it.
//!
//! Enters: each answer. Leaves: counts, violations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::doubles::RETRY_FOR;
use crate::story::{Life, Told};

/// When this many different events in a row met a proxy without its service, the service is down.
const DOWN: usize = 3;

#[derive(Default)]
pub struct Answers {
    /// When an event was first deferred.
    deferred: BTreeMap<String, Duration>,
    /// The time that was named to an event.
    not_before: BTreeMap<String, Duration>,
    /// Events that met a proxy without its service since a worker was last answered.
    faltered: BTreeMap<Life, BTreeSet<String>>,
}

impl Told {
    /// `named`: it is to come after that; zero: whenever it likes.
    pub fn deferred(&mut self, user: &str, named: Duration) {
        let now = self.now();
        self.saw("a deferral");
        if !named.is_zero() {
            self.saw("a time that was named");
        }
        self.answers.deferred.entry(user.to_owned()).or_insert(now);
        self.answers.not_before.insert(user.to_owned(), now + named);
        self.line(format!("deferred {user} for {named:?}"));
    }

    pub fn tried(&mut self, user: &str) {
        let not_before = self.answers.not_before.get(user).copied().unwrap_or_default();
        if self.now() < not_before {
            self.broke("no try before the time named", &format!("{user} was to come at {not_before:?}"));
        }
    }

    /// It was deferred for too long: for most of `RETRY_FOR`, where nothing else has eaten its receives.
    pub fn gave_up(&mut self, user: &str, receives_are_known: bool) {
        let lasted = self.answers.deferred.get(user).map_or(Duration::ZERO, |first| self.now() - *first);
        if receives_are_known && lasted < RETRY_FOR / 2 {
            self.broke("deferrals last", &format!("{user} was given up after {lasted:?}"));
        }
    }

    /// It failed by itself, until others have met the same.
    pub fn faltered(&mut self, life: Life, user: &str) {
        self.saw("a proxy without its service");
        let row = self.answers.faltered.entry(life).or_default();
        row.insert(user.to_owned());
        if row.len() < DOWN {
            *self.failures.entry(user.to_owned()).or_default() += 1;
        }
    }

    /// The service itself has spoken.
    pub fn answered(&mut self, life: Life) {
        self.answers.faltered.remove(&life);
    }

    /// An effect happened, and nobody knows: a failure like any other where its receiver would recognise a repeat.
    pub fn unanswered(&mut self, user: &str, is_recognised: bool) {
        self.saw("an effect without an answer");
        if is_recognised {
            *self.failures.entry(user.to_owned()).or_default() += 1;
        }
    }

    /// A claim told that surely nothing has happened yet.
    pub fn acquired(&mut self, user: &str) {
        if self.effects.contains_key(user) {
            self.broke("a doubt stays on record", &format!("{user} is claimed as if nothing had happened"));
        }
    }
}
