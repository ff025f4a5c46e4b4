//! The breaker: pauses one reaction while something all its messages need is down.
//!
//! Enters: outcomes. Leaves: whether the loop may receive. Promises: a pause costs no message an
//! attempt, because what is probed is the dependency, not a message; after the probe one message goes
//! first. Other reactions have breakers of their own. Pure but for its lock.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::outcome::Outcome;

/// One reaction's breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    state: State,
    /// What was last found to be down.
    dependency: Option<&'static str>,
    /// How often it opened, by dependency.
    trips: BTreeMap<&'static str, u64>,
}

/// What the loop may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Receive as many as there are slots.
    Closed,
    /// Receive nothing, and do not even probe, for [`pause`] of this many failures in a row.
    Open { failures: u32 },
    /// Receive nothing; probe about once a second. No failures: nothing was received yet.
    Probing { failures: u32 },
    /// Receive one message, and wait for what comes of it.
    HalfOpen { failures: u32 },
}

/// A start probes first, so that without a dependency it burns no attempt.
impl Default for State {
    fn default() -> Self {
        Self::Probing { failures: 0 }
    }
}

/// How long to pause after so many failures in a row.
///
/// After the first, probing starts at once. After the second the probe has proved to be no judge (a mail
/// server that takes connections and no mail), so each further try costs a message one receive: times five
/// up to 15 min, five tries take longer than ten minutes, and five is how many receives a queue forgives.
pub(super) fn pause(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        more => Duration::from_secs(5_u64.saturating_pow(more - 1).min(900)),
    }
}

impl Breaker {
    pub(super) fn state(&self) -> State {
        self.lock().state
    }

    /// What is waited for; `None`: nothing. Half open it is nothing: all has answered, and on an empty queue
    /// there may be no message to close it for days.
    pub(super) fn missing(&self) -> Option<&'static str> {
        let inside = self.lock();
        let is_waiting = matches!(inside.state, State::Open { .. } | State::Probing { .. });
        is_waiting.then_some(inside.dependency.unwrap_or("the first look at what it needs"))
    }

    /// How often it opened, by what was down.
    pub(super) fn trips(&self) -> BTreeMap<&'static str, u64> {
        self.lock().trips.clone()
    }

    /// The pause is over.
    pub(super) fn paused(&self) {
        let mut inside = self.lock();
        if let State::Open { failures } = inside.state {
            inside.state = State::Probing { failures };
        }
    }

    /// The probe was answered, or something is down.
    pub(super) fn probed(&self, answer: Result<(), &'static str>) {
        let mut inside = self.lock();
        inside.dependency = answer.err().or(inside.dependency);
        inside.state = match (inside.state, answer) {
            (State::Probing { failures: 0 }, Ok(())) => State::Closed,
            (State::Probing { failures: 0 }, Err(dependency)) => {
                tracing::warn!(dependency, "waiting: something this reaction needs is not there yet");
                State::Probing { failures: 1 }
            }
            (State::Probing { failures }, Ok(())) => State::HalfOpen { failures },
            (unchanged, _) => unchanged,
        };
    }

    /// A delivery ended like this.
    pub(super) fn observe(&self, outcome: &Outcome) {
        let mut inside = self.lock();
        let next = match (inside.state, outcome) {
            (State::Closed, Outcome::Unavailable(dependency)) => {
                tracing::warn!(dependency, "paused: nothing is received until it is back");
                inside.tripped(dependency);
                State::Open { failures: 1 }
            }
            (State::HalfOpen { failures }, Outcome::Unavailable(dependency)) => {
                inside.tripped(dependency);
                let failures = failures.saturating_add(1);
                tracing::warn!(pause = ?pause(failures), "paused again: it answers and does no work");
                State::Open { failures }
            }
            // Only work that needed the dependency proves that it is back.
            (State::HalfOpen { .. }, Outcome::Done | Outcome::Transient | Outcome::Permanent(_)) => {
                tracing::info!("resumed");
                State::Closed
            }
            (unchanged, _) => unchanged,
        };
        inside.state = next;
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Every change is one assignment or one insertion.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn tripped(&mut self, dependency: &'static str) {
        self.dependency = Some(dependency);
        *self.trips.entry(dependency).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: Outcome = Outcome::Unavailable("smtp");

    #[test]
    fn it_opens_on_an_outage_and_closes_only_after_work_that_succeeded() {
        let breaker = Breaker::default();
        breaker.probed(Ok(()));
        assert_eq!(breaker.state(), State::Closed);
        breaker.observe(&DOWN);
        breaker.observe(&DOWN);
        assert_eq!(breaker.state(), State::Open { failures: 1 }, "one outage, however many it hit");
        breaker.observe(&Outcome::Done);
        assert_eq!(breaker.state(), State::Open { failures: 1 }, "a straggler proves nothing");
        breaker.paused();
        breaker.probed(Err("smtp"));
        assert_eq!(breaker.state(), State::Probing { failures: 1 });
        breaker.probed(Ok(()));
        breaker.observe(&Outcome::Duplicate);
        assert_eq!(breaker.state(), State::HalfOpen { failures: 1 }, "a duplicate needed no mail server");
        assert_eq!(breaker.missing(), None, "the mail server has answered");
        breaker.observe(&DOWN);
        assert_eq!(breaker.state(), State::Open { failures: 2 });
        breaker.paused();
        breaker.probed(Ok(()));
        breaker.observe(&Outcome::Done);
        assert_eq!((breaker.state(), breaker.missing()), (State::Closed, None));
        assert_eq!(breaker.trips(), BTreeMap::from([("smtp", 2)]), "a straggler of an outage is no outage of its own");
    }

    #[test]
    fn a_start_without_a_dependency_waits_for_it() {
        let breaker = Breaker::default();
        breaker.probed(Err("smtp"));
        assert_eq!((breaker.state(), breaker.missing()), (State::Probing { failures: 1 }, Some("smtp")));
        assert_eq!(breaker.trips(), BTreeMap::new(), "nothing was interrupted");
    }

    #[test]
    fn five_receives_last_longer_than_ten_minutes_of_a_server_that_answers_and_does_no_work() {
        let until_the_sixth: Duration = (1..=5).map(pause).sum();
        assert!(until_the_sixth > Duration::from_secs(600), "{until_the_sixth:?}");
    }
}
