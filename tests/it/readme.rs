//! The README states only what is true: its tables are those of the code.

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

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// All Rust code below these directories, in one text.
fn code(directories: &[&str]) -> String {
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
fn the_readmes_variables_are_those_of_the_code() {
    let row = |variable: &user_events::config::Variable| {
        let star = if variable.per_reaction { " *" } else { "" };
        let default = variable.default.map_or("–".to_owned(), |default| format!("`{default}`"));
        format!("| `{}`{star} | {default} | {} |\n", variable.name, variable.meaning)
    };
    let table: String = VARIABLES.iter().map(row).collect();
    assert!(readme().contains(&table), "the README's table of variables should be:\n{table}");
}

#[test]
fn the_readmes_fields_of_a_profile_are_those_of_the_code() {
    let row = |(names, holds): &user_events::profiles::redis::ProfileField| {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        format!("| {} | {holds} |\n", names.join(", "))
    };
    let table: String = user_events::profiles::redis::FIELDS.iter().map(row).collect();
    assert!(readme().contains(&table), "the README's fields of a profile should be:\n{table}");
}

#[test]
fn the_readmes_runbook_is_the_doctors() {
    let row = |known: &&user_events::ops::Diagnosis| {
        format!("| {} `{}` | {} | {} |\n", known.level.word(), known.code, known.means, known.remedy)
    };
    let table: String = user_events::ops::DIAGNOSES.iter().map(row).collect();
    assert!(readme().contains(&table), "the README's runbook should be:\n{table}");
}

#[test]
fn each_line_of_what_happens_when_names_a_test_that_exists() {
    let readme = readme();
    let table = readme.split("## What happens when…").nth(1).unwrap().split("\n**").next().unwrap();
    let names: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.rsplit('`').nth(1).unwrap())
        .collect();
    assert!(names.len() >= 10, "the table was not found");
    let tests = code(&["engine/src", "src", "tests"]);
    for name in names {
        assert!(tests.contains(&format!("fn {name}(")), "no test is called {name}");
    }
}

/// The fields of a log line, and those of its span.
fn fields(line: &str) -> [Vec<String>; 2] {
    let line: Value = serde_json::from_str(line).unwrap();
    [&line, &line["span"]].map(|object| object.as_object().unwrap().keys().cloned().collect())
}

#[tokio::test]
async fn the_readmes_log_line_has_the_fields_that_a_worker_writes() {
    let (world, smtp) = (World::start().await, SmtpServer::start().await);
    let queue = world.queue("email", Duration::from_secs(30)).await;
    let mut env = environment(&world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());
    let worker = Worker::start(&env);
    world.send(&queue, &event(&world.id)).await;
    let written = worker.says("\"verdict\":\"delete\"", Duration::from_secs(30)).await;
    let readme = readme();
    let shown = readme.lines().find(|line| line.contains("\"verdict\":\"delete\"")).expect("a log line");
    assert_eq!(fields(shown), fields(&written));
    assert!(written.contains(&format!("\"subject\":\"{}\"", log_hash(&world.id))), "{written}");
}

#[test]
fn the_readmes_reaction_is_the_examples() {
    let example = fs::read_to_string(root().join("examples/crm_notifier.rs")).unwrap();
    let readme = readme();
    let shown = readme.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(shown, example, "the README shows another reaction than examples/crm_notifier.rs");
}

#[test]
fn the_readmes_event_is_the_examples() {
    let example = fs::read_to_string(root().join("examples/orders.rs")).unwrap();
    let readme = readme();
    let shown = readme.split("```rust\n").nth(2).unwrap().split("```").next().unwrap();
    assert!(example.contains(shown), "the README shows another event than examples/orders.rs");
}

#[test]
fn the_readmes_reasons_for_a_dead_letter_are_those_of_the_code() {
    let row = |(codes, means): &user_events::ops::Reason| {
        let codes: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
        format!("| {} | {means} |\n", codes.join(", "))
    };
    let table: String = user_events::ops::REASONS.iter().map(row).collect();
    assert!(readme().contains(&table), "the README's table of reasons should be:\n{table}");
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
        assert!(is_known, "src/ops/dlq/reasons.rs does not tell of {reason}");
    }
}

#[test]
fn each_alarm_of_the_stacks_has_its_line_in_the_readme() {
    let readme = readme();
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
    for alarm in alarms {
        assert!(readme.contains(&format!("| `{alarm}` |")), "the README says nothing of the alarm {alarm}");
    }
}
