//! Who is asked how they are: the workers, or, while they are yet to start, what each waits for; and what is to be known of one
//! although it works.
//!
//! Enters: what the start waits for, then the workers' vitals; remarks. Leaves: lines for `/livez` and `/readyz`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Named;

/// The reactions of one process. Clones are the same.
#[derive(Debug, Clone)]
pub struct Roster(Arc<Mutex<Inside>>);

#[derive(Debug)]
struct Inside {
    stage: Stage,
    remarks: BTreeMap<&'static str, String>,
}

#[derive(Debug)]
enum Stage {
    Starting(Vec<(&'static str, String)>),
    Working(Vec<Named>),
}

impl Roster {
    /// None of these works yet.
    #[must_use]
    pub fn starting(names: impl Iterator<Item = &'static str>) -> Self {
        let stage = Stage::Starting(names.map(|name| (name, "starting".to_owned())).collect());
        Self(Arc::new(Mutex::new(Inside { stage, remarks: BTreeMap::new() })))
    }

    /// It does not work yet, for this.
    pub fn waits(&self, name: &str, why: String) {
        if let Stage::Starting(all) = &mut self.lock().stage
            && let Some((_, said)) = all.iter_mut().find(|(other, _)| *other == name)
        {
            *said = why;
        }
    }

    /// All of them work.
    pub fn work(&self, workers: Vec<Named>) {
        self.lock().stage = Stage::Working(workers);
    }

    /// From now on this is to be known of `reaction`, whether it works or not; `None`: nothing. `true`: that was not so before.
    pub fn remark(&self, reaction: &'static str, remark: Option<String>) -> bool {
        let all = &mut self.lock().remarks;
        let before = match &remark {
            Some(remark) => all.insert(reaction, remark.clone()),
            None => all.remove(reaction),
        };
        before != remark
    }

    pub(super) fn are_alive(&self) -> bool {
        match &self.lock().stage {
            Stage::Starting(_) => true,
            Stage::Working(workers) => workers.iter().all(|(_, vitals)| vitals.pulse().is_alive()),
        }
    }

    /// What each waits for; `None`: it is ready.
    pub(super) fn told(&self) -> Vec<(&'static str, Option<String>)> {
        match &self.lock().stage {
            Stage::Starting(all) => all.iter().map(|(name, why)| (*name, Some(why.clone()))).collect(),
            Stage::Working(workers) => workers.iter().map(|(name, vitals)| (*name, vitals.missing())).collect(),
        }
    }

    /// What is to be known of each.
    pub(super) fn remarks(&self) -> Vec<(&'static str, String)> {
        self.lock().remarks.iter().map(|(name, remark)| (*name, remark.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Every change is one assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
