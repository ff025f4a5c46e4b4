//! What a reaction's workers retry: one list of what all of them report.
//!
//! Enters: a worker's own list, the reports of all. Leaves: each event once, by its last try. Promises: an event that some
//! worker knows to be through is left out; no address and no body. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Reported;
use engine::worker::Retried;

/// The most characters of a text that others wrote.
const LONGEST: usize = 200;

/// An event that was deferred or failed, and comes again. Times in RFC 3339.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Retrying {
    /// The message that carries it.
    pub message_id: String,
    /// Its id, unless the message could not be opened.
    pub event_id: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whom or what it is about: the hash that logs and letters show.
    pub subject: Option<String>,
    /// What came of its last try.
    pub outcome: String,
    /// Why.
    pub detail: String,
    /// How often it was deferred or failed; where that is not counted, how often it was received.
    pub tries: u32,
    /// How often its message was received.
    pub receives: u32,
    /// When its last try ended.
    pub at: String,
    /// When it is due again, unless only the queue knows.
    pub due: Option<String>,
}

impl From<Retried> for Retrying {
    fn from(one: Retried) -> Self {
        Self {
            message_id: one.message_id,
            event_id: one.event_id,
            kind: one.kind.map(short),
            subject: one.subject,
            outcome: one.outcome.to_owned(),
            detail: short(one.detail),
            tries: one.tries,
            receives: one.receives,
            at: one.at.to_string(),
            due: one.due.map(|due| due.to_string()),
        }
    }
}

/// What all these workers retry, the newest first.
#[must_use]
pub fn retrying(fleet: &[Reported]) -> Vec<Retrying> {
    let over: BTreeSet<&String> = fleet.iter().flat_map(|one| &one.report.over).collect();
    let mut last = BTreeMap::<&String, &Retrying>::new();
    for one in fleet.iter().flat_map(|one| &one.report.retrying).filter(|one| !over.contains(&one.message_id)) {
        // The queue counts receives for all workers, so that no clock decides.
        let known = last.entry(&one.message_id).or_insert(one);
        if known.receives < one.receives {
            *known = one;
        }
    }
    let mut all: Vec<_> = last.into_values().cloned().collect();
    all.sort_by(|one, other| other.at.cmp(&one.at));
    all
}

fn short(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fleet::Report;

    fn worker(retrying: &[(&str, u32, &str)], over: &[&str]) -> Reported {
        let one = |(id, receives, at): &(&str, u32, &str)| Retrying {
            message_id: (*id).to_owned(),
            receives: *receives,
            at: (*at).to_owned(),
            ..Retrying::default()
        };
        let report = Report {
            retrying: retrying.iter().map(one).collect(),
            over: over.iter().map(|id| (*id).to_owned()).collect(),
            ..Report::default()
        };
        Reported { worker: "w".to_owned(), ago: Duration::ZERO, report }
    }

    #[test]
    fn an_event_that_several_workers_tried_is_told_by_its_last_try_and_not_once_it_is_through() {
        let fleet = [
            worker(&[("a", 1, "10:00"), ("b", 2, "10:01"), ("c", 1, "10:02")], &[]),
            worker(&[("a", 3, "10:03"), ("b", 1, "09:59")], &["c", "d"]),
        ];
        let told: Vec<_> = retrying(&fleet).into_iter().map(|one| (one.message_id, one.receives)).collect();
        assert_eq!(told, [("a".to_owned(), 3), ("b".to_owned(), 2)]);
        assert_eq!(retrying(&[]), []);
    }

    #[test]
    fn a_long_text_of_others_is_cut() {
        let lengths = ["é".repeat(LONGEST), "é".repeat(LONGEST + 1)].map(|text| short(text).chars().count());
        assert_eq!(lengths, [LONGEST, LONGEST + 1]);
    }
}
