//! The rules of the house, read off the source: how long a room may be, what no file may hold; what the crates offer (`api`),
//! who may import whom (`imports`),
//! who may ask for the time (`clock`), under which licences everything we link stands (`licences`), and how much
//! the engine brings along (`weight`).
//!
//! Enters: the files under `engine/src`, `src` and `tests`. Leaves: every breach at once, each with its file.

mod api;
mod clients;
mod clock;
mod imports;
mod licences;
mod weight;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The two crates, and what holds them to their word.
const CRATES: [&str; 2] = ["engine/src", "src"];

/// Every file under `folder` whose name ends like one of `ends`, by its path in it.
pub fn files(folder: &str, ends: &[&str]) -> BTreeMap<String, String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() { walk(&entry, found) } else { found.push(entry) }
        }
    }
    let (root, mut found) = (Path::new(ROOT).join(folder), Vec::new());
    walk(&root, &mut found);
    let named = |path: &PathBuf| path.strip_prefix(&root).expect("inside").to_str().expect("UTF-8").to_owned();
    let fits = |name: &String| ends.iter().any(|end| name.ends_with(end));
    let with_text = |name: String| (fs::read_to_string(root.join(&name)).expect("text"), name);
    found.iter().map(named).filter(fits).map(with_text).map(|(text, name)| (name, text)).collect()
}

/// The modules of both crates without comments and tests.
fn code() -> BTreeMap<String, String> {
    let strip = |text: &str| -> String {
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
    };
    let all = CRATES.iter().flat_map(|folder| {
        files(folder, &[".rs"]).into_iter().map(move |(name, text)| (format!("{folder}/{name}"), text))
    });
    let all = all.filter(|(name, _)| !name.ends_with("tests.rs") && !name.contains("/tests/"));
    all.map(|(name, text)| (name, strip(&text))).collect()
}

pub fn assert_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn the_engine_knows_no_server_by_name() {
    let mut breaches = Vec::new();
    for (name, code) in code().into_iter().filter(|(name, _)| name.starts_with("engine/src/worker/")) {
        let words = code.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
        let named = words.filter(|word| {
            ["sqs", "sns", "redis", "smtp", "lettre", "otel", "opentelemetry", "prometheus"].contains(&word.as_str())
        });
        breaches.extend(named.map(|word| format!("{name} says {word}")));
    }
    assert_none(&breaches);
}

#[test]
fn no_mail_goes_out_without_a_fence_but_the_one_a_person_asked_for() {
    let sends = |(name, code): (String, String)| code.contains(".trial(").then_some(name);
    assert_eq!(code().into_iter().filter_map(sends).collect::<Vec<_>>(), ["src/ops/send_test.rs"]);
}

#[test]
fn nothing_but_config_reads_the_environment() {
    let ways = ["env::var", "env::{", "use std::env;", "env::temp_dir", "env::home_dir"];
    let reads = |(_, code): &(String, String)| ways.iter().any(|way| code.contains(way));
    let found = code().into_iter().chain(files("examples", &[".rs"])).filter(reads).map(|(name, _)| name);
    assert_eq!(found.collect::<Vec<_>>(), ["src/config/environment.rs"]);
}

#[test]
fn one_door_leads_to_the_terminal() {
    // The argument parser prints its help, in its colours; of what a user said it prints nothing.
    let may = ["src/cli/mod.rs", "src/ops/terminal.rs", "src/telemetry/log.rs"];
    let looks =
        |code: &str| code.matches("stdout().is_terminal()").count() + code.matches("stderr().is_terminal()").count();
    let opens = |code: &str| code.matches("stdout()").count() + code.matches("stderr()").count() > looks(code);
    let found = code().into_iter().filter(|(name, code)| opens(code) && !may.contains(&name.as_str()));
    assert_none(&found.map(|(name, _)| name).collect::<Vec<_>>());
}

#[test]
fn one_delivery_from_open_to_settle_fits_on_one_screen() {
    let process = &files("engine/src/worker", &["process.rs"])["process.rs"];
    assert!(process.lines().count() <= 80, "{} lines", process.lines().count());
    let is_code = |line: &&str| {
        !["", "//", "use "].iter().any(|s| if s.is_empty() { line.is_empty() } else { line.starts_with(s) })
    };
    let lines = process.lines().map(str::trim).filter(is_code).count();
    assert!(lines <= 60, "{lines} lines of code");
}

#[test]
fn no_room_is_longer_than_350_lines() {
    let all = ["engine/src", "src", "tests"].into_iter().flat_map(|folder| files(folder, &[".rs", ".lua", ".py"]));
    let long = all.filter(|(_, text)| text.lines().count() > 350);
    assert_none(&long.map(|(name, text)| format!("{name}: {}", text.lines().count())).collect::<Vec<_>>());
}

#[test]
fn every_file_opens_with_what_it_is() {
    let mut breaches = Vec::new();
    for (folder, name, text) in ["engine/src", "src", "tests"]
        .into_iter()
        .flat_map(|f| files(f, &[".rs"]).into_iter().map(move |(n, t)| (f, n, t)))
    {
        if !text.starts_with("//! ") {
            breaches.push(format!("{folder}/{name}"));
        }
    }
    for (name, text) in files("engine/src", &[".lua"]) {
        // A script's flags have to stand in its first line.
        let opening =
            text.split_once('\n').filter(|(first, _)| first.starts_with("#!lua ")).map_or(&*text, |(_, rest)| rest);
        if !opening.starts_with("-- ") {
            breaches.push(format!("engine/src/{name}"));
        }
    }
    assert_none(&breaches);
}

#[test]
fn nothing_is_skipped_and_nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let words =
        [["#[ign", "ore"], ["TO", "DO"], ["FIX", "ME"], ["unimpl", "emented!"], ["to", "do!("]].map(|w| w.concat());
    let mut breaches = Vec::new();
    for (name, text) in
        ["engine/src", "src", "tests"].into_iter().flat_map(|folder| files(folder, &[".rs", ".lua", ".py"]))
    {
        breaches.extend(words.iter().filter(|w| text.contains(w.as_str())).map(|w| format!("{name} holds {w}")));
    }
    assert_none(&breaches);
}
