//! A worker's state: liveness, readiness, and the figures behind them.
//!
//! Enters: nothing; it shares what the loop keeps anyway. Leaves: the state at the moment of asking. Promises: it
//! costs nothing until somebody asks. Knows nothing of who asks, or how often.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::breaker::Breaker;
use super::holds::Holds;
use super::oldest::Oldest;
use super::pause::{Pause, PauseSwitch};
use super::pulse::Pulse;
use super::retrying::Retries;
use super::rights::Rights;
use super::tally::{Count, Tally};

/// The vitals of one worker. Clones share them.
#[derive(Debug, Clone)]
pub struct Vitals {
    pub(super) pulse: Pulse,
    pub(super) tally: Tally,
    pub(super) breaker: Arc<Breaker>,
    pub(super) holds: Arc<Holds>,
    pub(super) rights: Arc<Rights>,
    pub(super) switch: PauseSwitch,
    pub(super) oldest: Oldest,
    pub(super) slots: usize,
    /// The server that keeps the queue.
    pub(super) server: &'static str,
}

impl Vitals {
    pub(super) fn new(pulse: Pulse, slots: usize, server: &'static str) -> Self {
        let (breaker, holds, rights) = (Arc::default(), Arc::default(), Arc::new(Rights::at(server)));
        let (tally, switch, oldest) = (Tally::default(), PauseSwitch::default(), Oldest::default());
        Self { pulse, tally, breaker, holds, rights, switch, oldest, slots, server }
    }

    /// Does the loop turn?
    #[must_use]
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// What has happened so far.
    #[must_use]
    pub fn count(&self) -> Count {
        self.tally.read()
    }

    /// What keeps the worker from work, in a few words; `None`: nothing does.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        if let Some(missing) = self.rights.missing().or_else(|| self.breaker.missing()) {
            return Some(format!("paused: {missing}"));
        }
        self.pulse.failure().map(|error| format!("waiting for {} (receiving fails: {error})", self.server))
    }

    /// Is it paused, because a dependency of all its messages is down or a right is missing?
    #[must_use]
    pub fn is_paused(&self) -> bool {
        !self.rights.are_whole() || self.breaker.missing().is_some()
    }

    /// The pause that a person asked for, if one holds.
    #[must_use]
    pub fn pause(&self) -> Option<Pause> {
        self.switch.current()
    }

    /// Everything that keeps the worker from receiving: what is missing, and a pause that a person asked for.
    #[must_use]
    pub fn hindrance(&self) -> Option<String> {
        let pause = self.pause().map(|pause| pause.to_string());
        self.missing().into_iter().chain(pause).reduce(|missing, pause| format!("{missing}; {pause}"))
    }

    /// How often it was paused, by what was down.
    #[must_use]
    pub fn pauses(&self) -> BTreeMap<&'static str, u64> {
        let mut pauses = self.breaker.pauses();
        if self.rights.pauses() > 0 {
            pauses.insert(self.server, self.rights.pauses());
        }
        pauses
    }

    /// What is being retried.
    #[must_use]
    pub fn retries(&self) -> Retries {
        self.tally.retrying.read()
    }

    /// The age of the oldest message that it holds; or that a message of the last minute had when it was received, if that
    /// is more. `None`: there was none.
    #[must_use]
    pub fn oldest(&self) -> Option<Duration> {
        self.oldest.age().max(self.holds.oldest())
    }

    /// Deliveries received and not settled.
    #[must_use]
    pub fn held(&self) -> usize {
        self.holds.count()
    }

    /// How long the longest of their runs has lasted so far.
    #[must_use]
    pub fn longest_run(&self) -> Duration {
        self.holds.longest_run()
    }

    /// Deliveries whose hold was lost before they were settled: another worker may have received them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.holds.lost()
    }

    /// Messages it may work on at once.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }
}
