//! The breaker: pauses one reaction while something all its messages need is down.
//!
//! Enters: outcomes. Leaves: whether the loop may receive. Promises: a pause costs no message an
//! attempt, because what is probed is the dependency, not a message; after the probe one message goes
//! first. Other reactions have breakers of their own. Pure but for its lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::outcome::Outcome;

/// One reaction's breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

/// What the loop may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    /// Nothing was received yet: probe first, so that a start without a dependency burns no attempt.
    #[default]
    Starting,
    /// Receive as many as there are slots.
    Closed,
    /// Receive nothing; probe. `failures`: how often in a row going on has failed.
    Open { failures: u32 },
    /// Receive one message, and wait for what comes of it.
    HalfOpen { failures: u32 },
}

impl Breaker {
    pub(super) fn state(&self) -> State {
        *self.lock()
    }

    /// The probe was answered.
    pub(super) fn probed(&self, is_there: bool) {
        let mut state = self.lock();
        *state = match (*state, is_there) {
            (State::Starting, true) => State::Closed,
            (State::Starting, false) => {
                tracing::warn!("waiting: something this reaction needs is not there yet");
                State::Open { failures: 1 }
            }
            (State::Open { failures }, true) => State::HalfOpen { failures },
            (unchanged, _) => unchanged,
        };
    }

    /// A delivery ended like this.
    pub(super) fn observe(&self, outcome: &Outcome) {
        let mut state = self.lock();
        let next = match (*state, outcome) {
            (State::Closed, Outcome::Unavailable(dependency)) => {
                tracing::warn!(dependency, "paused: nothing is received until it is back");
                State::Open { failures: 1 }
            }
            (State::HalfOpen { failures }, Outcome::Unavailable(_)) => {
                State::Open { failures: failures.saturating_add(1) }
            }
            // Only work that needed the dependency proves that it is back.
            (State::HalfOpen { .. }, Outcome::Done | Outcome::Transient | Outcome::Permanent(_)) => {
                tracing::info!("resumed");
                State::Closed
            }
            (unchanged, _) => unchanged,
        };
        *state = next;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_on_an_outage_and_closes_only_after_work_that_succeeded() {
        let breaker = Breaker::default();
        breaker.probed(true);
        breaker.observe(&Outcome::Unavailable("smtp"));
        breaker.observe(&Outcome::Unavailable("smtp"));
        assert_eq!(breaker.state(), State::Open { failures: 1 });
        breaker.observe(&Outcome::Done);
        assert_eq!(breaker.state(), State::Open { failures: 1 }, "a straggler proves nothing");
        breaker.probed(true);
        breaker.observe(&Outcome::Duplicate);
        assert_eq!(breaker.state(), State::HalfOpen { failures: 1 }, "a duplicate needed no mail server");
        breaker.observe(&Outcome::Unavailable("smtp"));
        assert_eq!(breaker.state(), State::Open { failures: 2 });
        breaker.probed(true);
        breaker.observe(&Outcome::Done);
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn a_start_without_a_dependency_waits_for_it() {
        let breaker = Breaker::default();
        breaker.probed(false);
        assert_eq!(breaker.state(), State::Open { failures: 1 });
    }
}
