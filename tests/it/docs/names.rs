//! What documents call by name: variables, metrics, alarms, reasons of dead letters, and tests.
//!
//! Enters: a document and the tables of the code. Leaves: the names, and those that nothing bears.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use user_events::config::VARIABLES;
use user_events::telemetry::metrics::METRICS;

use super::document::{Document, Span};
use crate::readme::{alarms as alarms_of_the_stacks, code};

/// Variables that are named and that the service does not read, and words that look like one.
const FOREIGN: &[&str] = &["AWS_CA_BUNDLE", "RUST_BACKTRACE", "X86_64"];
/// Reactions that the documents speak of, in capitals.
const REACTIONS: &[&str] = &["NAME", "EMAIL", "PROFILE", "CRM", "ORDER_NOTIFY"];
/// Labels of metrics that begin as a metric does.
const LABELS: &[&str] = &["messaging_system", "messaging_destination_name"];

/// The words of letters, digits and `_` in all spans.
fn words(document: &Document) -> Vec<String> {
    let spans = document.spans.iter().map(|span| span.text.replace("<NAME>", "NAME"));
    let words = spans
        .flat_map(|span| span.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect::<Vec<_>>());
    words.filter(|word| word.starts_with(char::is_alphabetic)).collect()
}

/// In spans; and in blocks what a shell is told to set: `export A=… B=…`.
pub fn variables(document: &Document) -> Vec<String> {
    let is_variable = |word: &str| word.trim_matches('_').contains('_') && !word.contains(char::is_lowercase);
    let set = |line: &str| -> Vec<String> {
        let words = line.trim().strip_prefix("export ").unwrap_or_default().split(' ');
        words.filter_map(|word| Some(word.split_once('=')?.0.to_owned())).collect()
    };
    let exported = document.blocks.iter().flat_map(|block| block.lines().flat_map(set).collect::<Vec<_>>());
    words(document).into_iter().chain(exported).filter(|word| is_variable(word)).collect()
}

/// Is it in the table, as it stands, with a reaction's name, or as a secret's file?
pub fn no_variable(_: &Document, name: &str) -> Option<String> {
    let is_ours = VARIABLES.iter().any(|variable| {
        let of_reaction = REACTIONS.iter().filter_map(|reaction| name.strip_prefix(reaction));
        let is_own = |rest: &str| {
            variable.name.strip_prefix("<NAME>") == Some(rest)
                || variable.per_reaction && rest.strip_prefix('_') == Some(variable.name)
        };
        let is_file = name.ends_with("_FILE") && variable.meaning.contains(&format!("`{name}`"));
        variable.name == name || is_file || of_reaction.into_iter().any(is_own)
    });
    (!is_ours && !FOREIGN.contains(&name)).then(|| name.to_owned())
}

pub fn metrics(document: &Document) -> Vec<String> {
    let is_metric = |word: &String| ["user_events_", "messaging_"].iter().any(|start| word.starts_with(start));
    // One that ends so stands for all that begin so.
    words(document).into_iter().filter(is_metric).filter(|word| !word.ends_with('_')).collect()
}

pub fn no_metric(_: &Document, name: &str) -> Option<String> {
    let is_ours = METRICS.iter().any(|metric| metric.exported() == name) || LABELS.contains(&name);
    (!is_ours).then(|| name.to_owned())
}

/// The spans that stand behind one of these words.
fn behind(document: &Document, signs: &[&str]) -> Vec<String> {
    let is_behind = |span: &&Span| signs.iter().any(|sign| span.before.ends_with(sign));
    document.spans.iter().filter(is_behind).map(|span| span.text.clone()).collect()
}

/// "the alarm `delivery-failed`", and the rows of the table of alarms.
pub fn alarms(document: &Document) -> Vec<String> {
    let is_row = |span: &&Span| {
        let (table, row) = span.before.rsplit_once('\n').unwrap_or_default();
        row == "| " && table.contains("| alarm |")
    };
    let rows = document.spans.iter().filter(is_row).map(|span| span.text.clone());
    rows.chain(behind(document, &["alarm "])).collect()
}

pub fn no_alarm(_: &Document, name: &str) -> Option<String> {
    (!alarms_of_the_stacks().iter().any(|alarm| alarm == name)).then(|| name.to_owned())
}

pub fn reasons(document: &Document) -> Vec<String> {
    behind(document, &["quarantined: ", "quarantined as ", "dead letter, ", "--reason "])
}

pub fn no_reason(_: &Document, name: &str) -> Option<String> {
    let is_ours = user_events::ops::REASONS.iter().any(|(codes, _)| codes.contains(&name));
    (!is_ours).then(|| name.to_owned())
}

/// A test's name is a sentence: five words at least.
pub fn tests(document: &Document) -> Vec<String> {
    let is_sentence = |word: &String| word.matches('_').count() >= 4 && !word.contains(char::is_uppercase);
    let is_metric = |word: &String| metrics(document).contains(word);
    words(document).into_iter().filter(is_sentence).filter(|word| !is_metric(word)).collect()
}

pub fn no_test(_: &Document, name: &str) -> Option<String> {
    static FUNCTIONS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let code = code(&["engine/src", "src", "tests"]);
        let names = code.split("fn ").skip(1).map(|rest| rest.split(['(', '<']).next().unwrap().to_owned());
        names.collect()
    });
    (!FUNCTIONS.contains(name)).then(|| name.to_owned())
}

#[test]
fn no_word_stands_on_the_list_of_foreign_ones_without_need() {
    let all: Vec<String> = super::documents().iter().flat_map(variables).collect();
    let idle: Vec<_> = FOREIGN.iter().filter(|name| !all.iter().any(|word| word == *name)).collect();
    assert!(idle.is_empty(), "named nowhere any more: {idle:?}");
}
