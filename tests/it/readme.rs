//! The documents state only what is true: their tables are those of the code, and the README stays short.
//!
//! Enters: the README, `docs/` and the tables in the code. Leaves: the table as it should be, where one differs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use user_events::config::VARIABLES;
use user_events::event::log_hash;
use user_events::worker::Outcome;

use crate::world::processes::{Worker, environment};
use crate::world::smtp::SmtpServer;
use crate::world::{World, event};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// A table of the code, row by row, is in this document.
fn assert_shown(name: &str, table: &str) {
    assert!(document(name).contains(table), "{name} should have this table:\n{table}");
}

#[test]
fn the_readme_is_read_in_one_sitting() {
    let readme = document("README.md");
    let lines = readme.lines().count();
    assert!(lines <= 180, "{lines} lines: what is not for a newcomer belongs in docs/");
    let long: Vec<_> = readme.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(long.is_empty(), "longer than 100 characters:\n{}", long.join("\n"));
}

/// All Rust code below these directories, in one text.
pub fn code(directories: &[&str]) -> String {
    fn collect(path: &Path, into: &mut String) {
        for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut all = String::new();
    directories.iter().for_each(|directory| collect(&root().join(directory), &mut all));
    all
}

#[test]
fn the_variables_of_configuration_are_those_of_the_code() {
    let row = |variable: &user_events::config::Variable| {
        let star = if variable.per_reaction { " *" } else { "" };
        let default = variable.default.map_or("–".to_owned(), |default| format!("`{default}`"));
        format!("| `{}`{star} | {default} | {} |\n", variable.name, variable.meaning)
    };
    let table: String = VARIABLES.iter().map(row).collect();
    assert_shown("docs/configuration.md", &table);
}

#[test]
fn the_fields_of_a_profile_are_those_of_the_code() {
    let row = |(names, holds): &user_events::profiles::redis::ProfileField| {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        format!("| {} | {holds} |\n", names.join(", "))
    };
    let table: String = user_events::profiles::redis::FIELDS.iter().map(row).collect();
    assert_shown("docs/events.md", &table);
}

#[test]
fn the_runbook_is_the_doctors() {
    let row = |known: &&user_events::ops::Diagnosis| {
        format!("| {} `{}` | {} | {} |\n", known.level.word(), known.code, known.means, known.remedy)
    };
    let table: String = user_events::ops::DIAGNOSES.iter().map(row).collect();
    assert_shown("docs/operate.md", &table);
}

#[test]
fn each_line_of_what_happens_when_names_a_test_that_exists() {
    let guarantees = document("docs/guarantees.md");
    let rows = guarantees.split("\n## What happens when…\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let is_row = |line: &&str| line.starts_with('|') && !line.starts_with("|-") && !line.starts_with("| when |");
    let names: Vec<&str> = rows.lines().filter(is_row).map(|line| line.rsplit('`').nth(1).unwrap()).collect();
    assert!(names.len() >= 190, "the tables were not found: {}", names.len());
    let tests = code(&["engine/src", "src", "tests"]);
    for name in names {
        assert!(tests.contains(&format!("fn {name}(")), "no test is called {name}");
    }
}

#[test]
fn the_number_of_mutations_is_that_of_the_list() {
    let mutations = document("tests/mutations");
    let many = mutations.lines().filter(|line| line.starts_with("    \"") && line.ends_with("\": (")).count();
    let told = format!("breaks the engine in {many} ways");
    assert!(many > 15 && document("docs/guarantees.md").contains(&told), "docs/guarantees.md should say: {told}");
}

/// The fields of a log line, and those of its span.
fn fields(line: &str) -> [Vec<String>; 2] {
    let line: Value = serde_json::from_str(line).unwrap();
    [&line, &line["span"]].map(|object| object.as_object().unwrap().keys().cloned().collect())
}

#[tokio::test]
async fn the_log_line_that_is_shown_has_the_fields_that_a_worker_writes() {
    let (world, smtp) = (World::start().await, SmtpServer::start().await);
    let queue = world.queue("email", Duration::from_secs(30)).await;
    let mut env = environment(&world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());
    let worker = Worker::start(&env);
    world.send(&queue, &event(&world.id)).await;
    let written = worker.says("\"verdict\":\"delete\"", Duration::from_secs(30)).await;
    let operate = document("docs/operate.md");
    let shown = operate.lines().find(|line| line.contains("\"verdict\":\"delete\"")).expect("a log line");
    assert_eq!(fields(shown), fields(&written));
    assert!(written.contains(&format!("\"subject\":\"{}\"", log_hash(&world.id))), "{written}");
}

#[test]
fn the_reaction_that_is_shown_is_the_examples() {
    let example = fs::read_to_string(root().join("examples/crm_notifier.rs")).unwrap();
    let embed = document("docs/embed.md");
    let shown = embed.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(shown, example, "docs/embed.md shows another reaction than examples/crm_notifier.rs");
}

#[test]
fn the_event_that_is_shown_is_the_examples() {
    let example = fs::read_to_string(root().join("examples/orders.rs")).unwrap();
    let embed = document("docs/embed.md");
    let shown = embed.split("```rust\n").nth(2).unwrap().split("```").next().unwrap();
    assert!(example.contains(shown), "docs/embed.md shows another event than examples/orders.rs");
}

#[test]
fn the_reasons_for_a_dead_letter_are_those_of_the_code() {
    let row = |(codes, means): &user_events::ops::Reason| {
        let codes: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
        format!("| {} | {means} |\n", codes.join(", "))
    };
    let table: String = user_events::ops::REASONS.iter().map(row).collect();
    assert_shown("docs/operate.md", &table);
}

#[test]
fn each_reason_that_the_code_writes_is_one_that_dlq_knows() {
    let code = code(&["engine/src", "src"]);
    let (refusals, rest) = (code.split("fn code(&self)").nth(1).unwrap(), code.split("reason: \"").skip(1));
    let refusals = refusals.split("\n    }").next().unwrap().split('"').skip(1).step_by(2);
    let never = code.split("Next::Never(\"").skip(1);
    let quoted = rest.chain(never).map(|text| text.split('"').next().unwrap());
    let busy = code.split("fn reason_on_the_last_receive").nth(1).unwrap().split('"').nth(1);
    let last = [Outcome::OutcomeUnknown, Outcome::LeaseLost, Outcome::NotBegun].map(|outcome| outcome.name());
    let reasons = refusals.chain(quoted).chain(busy).chain(last);
    let reasons: Vec<&str> = reasons.filter(|reason| !matches!(*reason, "" | "x")).collect();
    assert!(reasons.len() > 20, "the reasons were not found: {reasons:?}");
    for reason in reasons {
        let is_known = user_events::ops::REASONS.iter().any(|(codes, _)| codes.contains(&reason));
        assert!(is_known, "src/letters/reasons.rs does not tell of {reason}");
    }
}

/// The alarms of the templates, without what stands before their names.
pub fn alarms() -> Vec<String> {
    let mut alarms = Vec::new();
    for entry in fs::read_dir(root().join("infra")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(path).unwrap();
            let names = text.lines().filter_map(|line| line.trim().strip_prefix("AlarmName: !Sub "));
            let ends = names.filter_map(|name| Some(name.split('"').nth(1)?.split_once("}-")?.1.to_owned()));
            alarms.extend(ends);
        }
    }
    assert!(alarms.len() >= 4, "{alarms:?}");
    alarms
}

#[test]
fn each_alarm_of_the_stacks_has_its_line_in_operate() {
    let operate = document("docs/operate.md");
    for alarm in alarms() {
        assert!(operate.contains(&format!("| `{alarm}` |")), "docs/operate.md says nothing of the alarm {alarm}");
    }
}
