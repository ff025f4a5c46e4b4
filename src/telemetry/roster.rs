//! The state of each reaction for the health endpoint: before the start what it waits for, later its worker's vitals.
//! A remark is a warning about a reaction; the reaction may work all the same.
//!
//! Enters: what the start waits for, then the workers' vitals; remarks. Leaves: the answers of `/livez` and `/readyz`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Named;

/// What is told of one reaction.
pub(super) struct Told {
    pub(super) name: &'static str,
    /// A pause by hand is no fault.
    pub(super) is_ready: bool,
    /// What it waits for, or who paused it, or that it is ready.
    pub(super) line: String,
}

/// The reactions of one process. Clones share their state.
#[derive(Debug, Clone)]
pub struct Roster(Arc<Mutex<RosterState>>);

#[derive(Debug)]
struct RosterState {
    lifecycle: Lifecycle,
    remarks: BTreeMap<&'static str, String>,
}

#[derive(Debug)]
enum Lifecycle {
    Starting(Vec<(&'static str, String)>),
    Working(Vec<Named>),
}

impl Roster {
    /// The reactions of these names, none of them started.
    #[must_use]
    pub fn starting(names: impl Iterator<Item = &'static str>) -> Self {
        let lifecycle = Lifecycle::Starting(names.map(|name| (name, "starting".to_owned())).collect());
        Self(Arc::new(Mutex::new(RosterState { lifecycle, remarks: BTreeMap::new() })))
    }

    /// Notes why a reaction has not started yet. Does nothing once all have started.
    pub fn waits(&self, name: &str, why: String) {
        if let Lifecycle::Starting(all) = &mut self.lock().lifecycle
            && let Some((_, said)) = all.iter_mut().find(|(other, _)| *other == name)
        {
            *said = why;
        }
    }

    /// From now on these workers' vitals count: all reactions have started.
    pub fn work(&self, workers: Vec<Named>) {
        self.lock().lifecycle = Lifecycle::Working(workers);
    }

    /// Sets the remark about `reaction`; `None` removes it. Answers whether that changed anything.
    pub(crate) fn remark(&self, reaction: &'static str, remark: Option<String>) -> bool {
        let all = &mut self.lock().remarks;
        let before = match &remark {
            Some(remark) => all.insert(reaction, remark.clone()),
            None => all.remove(reaction),
        };
        before != remark
    }

    pub(super) fn are_alive(&self) -> bool {
        match &self.lock().lifecycle {
            Lifecycle::Starting(_) => true,
            Lifecycle::Working(workers) => workers.iter().all(|(_, vitals)| vitals.pulse().is_alive()),
        }
    }

    /// What each reaction waits for.
    pub(super) fn told(&self) -> Vec<Told> {
        match &self.lock().lifecycle {
            Lifecycle::Starting(all) => {
                all.iter().map(|(name, why)| Told { name, is_ready: false, line: why.clone() }).collect()
            }
            Lifecycle::Working(workers) => workers.iter().map(working).collect(),
        }
    }

    /// The remarks, with the reaction of each.
    pub(super) fn remarks(&self) -> Vec<(&'static str, String)> {
        self.lock().remarks.iter().map(|(name, remark)| (*name, remark.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, RosterState> {
        // A poisoned lock is safe: every change is one assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn working((name, vitals): &Named) -> Told {
    let line = vitals.hindrance().unwrap_or_else(|| "ready".to_owned());
    Told { name, is_ready: vitals.missing().is_none(), line }
}
