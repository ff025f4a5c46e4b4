//! A finding: one check and its result.

use std::borrow::Cow;

use super::diagnosis::{Diagnosis, Level};
use crate::config;

/// A line of the doctor's report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// What it belongs to: `AWS`, `topic`, a reaction, `Redis`, `mail`.
    pub(super) group: Cow<'static, str>,
    /// What was looked at.
    pub(super) check: &'static str,
    /// `None`: all is well.
    pub(super) diagnosis: Option<&'static Diagnosis>,
    /// What was seen, in a few words. Never a secret.
    pub(super) seen: String,
}

impl Finding {
    pub(super) fn level(&self) -> Level {
        self.diagnosis.map_or(Level::Ok, |diagnosis| diagnosis.level)
    }

    /// What it leads to, with the name of this reaction put in.
    pub(super) fn means(&self) -> Option<String> {
        Some(self.named(self.diagnosis?.means))
    }

    /// What to do, with the names of this program and this reaction put in.
    pub(super) fn remedy(&self, program: &str) -> Option<String> {
        Some(self.named(&self.diagnosis?.remedy.replace("user-events ", &format!("{program} "))))
    }

    fn named(&self, text: &str) -> String {
        text.replace("<NAME>", &config::prefix(&self.group)).replace("<name>", &self.group).replace('`', "")
    }
}

/// Collects the findings of one group.
pub(super) struct Findings {
    group: &'static str,
    pub(super) all: Vec<Finding>,
}

impl Findings {
    pub(super) fn of(group: &'static str) -> Self {
        Self { group, all: Vec::new() }
    }

    pub(super) fn ok(&mut self, check: &'static str, seen: impl Into<String>) {
        self.all.push(Finding { group: self.group.into(), check, diagnosis: None, seen: seen.into() });
    }

    pub(super) fn bad(&mut self, diagnosis: &'static Diagnosis, seen: impl Into<String>) {
        let finding =
            Finding { group: self.group.into(), check: diagnosis.check, diagnosis: Some(diagnosis), seen: seen.into() };
        self.all.push(finding);
    }
}
