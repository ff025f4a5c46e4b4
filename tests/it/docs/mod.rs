//! Every document leads where it says: what it names exists.
//!
//! Enters: every document, and the comments of scripts and examples. Leaves: all that is named and is not there, at
//! once, each with its document. Promises: each kind of name is found at least as often as its row says, so a check
//! that finds nothing fails.

mod commands;
mod document;
mod names;
mod places;

use std::process::Command;

use document::{Document, ROOT, documents};

/// One kind of name that documents bear.
struct Kind {
    what: &'static str,
    /// The names in this document.
    named: fn(&Document) -> Vec<String>,
    /// What is wrong with this name; nothing, if it exists. A link is relative to its document.
    fault: fn(&Document, &str) -> Option<String>,
    /// So many different ones are found at least.
    least: usize,
}

const KINDS: &[Kind] = &[
    Kind { what: "link", named: places::links, fault: places::dead_link, least: 40 },
    Kind { what: "path", named: places::paths, fault: places::no_path, least: 60 },
    Kind { what: "make target", named: commands::targets, fault: commands::no_target, least: 15 },
    Kind { what: "command", named: commands::commands, fault: commands::no_command, least: 40 },
    Kind { what: "variable", named: names::variables, fault: names::no_variable, least: 70 },
    Kind { what: "metric", named: names::metrics, fault: names::no_metric, least: 20 },
    Kind { what: "alarm", named: names::alarms, fault: names::no_alarm, least: 5 },
    Kind { what: "reason", named: names::reasons, fault: names::no_reason, least: 6 },
    Kind { what: "test", named: names::tests, fault: names::no_test, least: 190 },
];

#[test]
fn each_name_in_each_document_is_that_of_something() {
    let documents = documents();
    let mut missing = Vec::new();
    for kind in KINDS {
        let named = |document| (kind.named)(document).into_iter().map(move |name| (document, name));
        let mut all: Vec<(&Document, String)> = documents.iter().flat_map(named).collect();
        all.sort_by(|one, other| (&one.1, &one.0.name).cmp(&(&other.1, &other.0.name)));
        all.dedup_by(|one, other| (&one.1, &one.0.name) == (&other.1, &other.0.name));
        let mut found: Vec<&str> = all.iter().map(|(_, name)| name.as_str()).collect();
        found.dedup();
        if found.len() < kind.least {
            missing.push(format!("{}: only {} were found: {found:?}", kind.what, found.len()));
        }
        let fault = |(document, name): &(&Document, String)| {
            Some(format!("{}: {} {}", document.name, kind.what, (kind.fault)(document, name)?))
        };
        missing.extend(all.iter().filter_map(fault));
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn the_page_on_performance_says_what_was_measured_and_nothing_else() {
    let python = std::env::var("TEST_PYTHON").expect("no Python: run the tests by `make test`");
    let report =
        Command::new(python).args(["benches/report.py", "--check"]).current_dir(ROOT).output().expect("Python");
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stderr));
}
