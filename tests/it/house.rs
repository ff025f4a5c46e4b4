//! The rules of the house, read off the source: who may import whom, how long a room may be, what no
//! file may hold, and under which licences everything we link stands.
//!
//! Enters: the files under `src` and `tests`. Leaves: every breach at once, each with its file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Which rooms a file may name; the longest matching beginning counts. A file not listed may name all.
const IMPORTS: &[(&str, &[&str])] = &[
    ("backoff.rs", &[]),
    ("bus.rs", &["backoff", "envelope", "event", "handlers", "idempotency", "queue", "worker"]),
    ("cli.rs", &["reactions"]),
    ("cli/", &[]),
    ("cli/named.rs", &["plain", "reactions"]),
    ("ecs.rs", &["worker"]),
    ("envelope.rs", &["event"]),
    ("envelope/", &["event"]),
    ("event/", &["event"]),
    ("failpoint.rs", &[]),
    ("handlers/", &["backoff", "event", "idempotency"]),
    ("handlers/profile.rs", &["event", "idempotency", "profiles"]),
    ("handlers/welcome_email.rs", &["event", "idempotency", "mail"]),
    ("idempotency/", &[]),
    ("idempotency/fence.rs", &["failpoint"]),
    ("idempotency/neighbours.rs", &["redis_link"]),
    ("idempotency/records.rs", &["redis_link"]),
    ("idempotency/redis.rs", &["redis_link"]),
    ("mail/", &["backoff", "event", "idempotency", "mail"]),
    ("mail/outbox.rs", &["backoff", "idempotency", "plain"]),
    ("plain.rs", &[]),
    ("profiles/", &["event", "idempotency"]),
    ("profiles/redis.rs", &["event", "idempotency", "redis_link"]),
    ("publisher.rs", &["backoff", "event", "topic"]),
    ("queue/", &["event"]),
    ("queue/memory/", &["event", "queue"]),
    ("queue/mod.rs", &[]),
    ("reactions/known.rs", &["envelope", "event"]),
    ("redis_link.rs", &[]),
    ("shutdown.rs", &[]),
    ("telemetry/", &["config", "event", "handlers", "idempotency", "plain", "queue", "worker"]),
    ("telemetry/metrics.rs", &[]),
    ("telemetry/mod.rs", &["config", "publisher"]),
    ("telemetry/propagation.rs", &["config", "envelope", "queue"]),
    ("telemetry/publishing.rs", &["config", "event", "publisher", "topic"]),
    ("topic/", &[]),
    ("topic/memory.rs", &["event", "queue"]),
    ("worker/", &["backoff", "envelope", "event", "failpoint", "handlers", "idempotency", "queue"]),
];

/// Modules that know one particular server, or stand in for it.
const ADAPTERS: &[&str] = &[
    "idempotency::atomic",
    "idempotency::memory",
    "idempotency::neighbours",
    "idempotency::records",
    "idempotency::redis",
    "mail::outbox",
    "mail::smtp",
    "profiles::memory",
    "profiles::redis",
    "queue::memory",
    "queue::sqs",
    "queue::sqs_admin",
    "redis_link",
    "topic::memory",
    "topic::sns",
    "topic::sns_admin",
];

/// Who may name adapters; and an adapter may name the one it is built on.
const NAMES_ADAPTERS: &[&str] = &["app.rs", "config/", "ops/", "reactions.rs", "reactions/"];
const BUILT_ON: &[(&str, &str)] = &[
    ("idempotency/neighbours.rs", "redis_link"),
    ("idempotency/records.rs", "redis_link"),
    ("idempotency/redis.rs", "redis_link"),
    ("profiles/redis.rs", "redis_link"),
    ("topic/memory.rs", "queue::memory"),
];

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

/// The modules of `src` without comments and tests.
fn code() -> BTreeMap<String, String> {
    let strip = |text: &str| -> String {
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
    };
    let all = files("src", &[".rs"]).into_iter().filter(|(name, _)| !name.ends_with("tests.rs"));
    all.map(|(name, text)| (name, strip(&text))).collect()
}

/// The paths that a file names after `crate::`, with the braces of a `use` multiplied out.
fn imports(code: &str) -> Vec<String> {
    let starts = code.match_indices("crate::").filter(|(at, _)| !code[..*at].ends_with(['$', '_']));
    starts.flat_map(|(at, word)| expand(&code[at + word.len()..]).0).collect()
}

/// Reads one path or one brace of paths; answers them and what follows.
fn expand(text: &str) -> (Vec<String>, &str) {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(text.len());
    let (head, mut rest) = (&text[..end], &text[end..]);
    if !rest.starts_with('{') || !(head.is_empty() || head.ends_with("::")) {
        return (vec![head.trim_end_matches(':').to_owned()], rest);
    }
    let mut paths = Vec::new();
    while let Some(inner) = rest.strip_prefix(['{', ',']) {
        let (tails, after) = expand(inner.trim_start());
        paths.extend(tails.iter().map(|tail| format!("{head}{tail}")));
        rest = after.trim_start();
    }
    (paths, rest.strip_prefix('}').unwrap_or(rest))
}

fn is_in(path: &str, room: &str) -> bool {
    path == room || path.strip_prefix(room).is_some_and(|rest| rest.starts_with("::"))
}

pub fn assert_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn braces_of_a_use_are_multiplied_out() {
    let code = "use crate::a::{b, c::{D, e::F}, self};\nuse crate::g::H as I;\nlet x: &crate::j::K = crate::l();";
    assert_eq!(imports(code), ["a::b", "a::c::D", "a::c::e::F", "a::self", "g::H", "j::K", "l"]);
}

#[test]
fn imports_run_one_way() {
    let mut breaches = Vec::new();
    for (name, code) in code() {
        let rule = IMPORTS.iter().filter(|(start, _)| name.starts_with(start)).max_by_key(|(start, _)| start.len());
        let Some((_, allowed)) = rule else { continue };
        let forbidden = |path: &String| !allowed.iter().any(|room| is_in(path, room));
        breaches.extend(imports(&code).into_iter().filter(forbidden).map(|path| format!("{name} names {path}")));
        if code.contains("super::super") {
            breaches.push(format!("{name} climbs by super::super"));
        }
    }
    assert_none(&breaches);
    let unknown = |(start, _): &&(&str, &[&str])| !Path::new(ROOT).join("src").join(start).exists();
    assert_eq!(IMPORTS.iter().find(unknown), None, "the table names what is not there");
}

#[test]
fn adapters_are_named_by_the_composition_root_and_by_what_configures_or_shows_it() {
    let mut breaches = Vec::new();
    for (name, code) in code() {
        if NAMES_ADAPTERS.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        for path in imports(&code) {
            let is_adapter = ADAPTERS.iter().any(|adapter| is_in(&path, adapter));
            let is_built_on = BUILT_ON.iter().any(|(who, adapter)| *who == name && is_in(&path, adapter));
            if is_adapter && !is_built_on {
                breaches.push(format!("{name} names {path}"));
            }
        }
    }
    assert_none(&breaches);
}

#[test]
fn the_engine_knows_no_server_by_name() {
    let mut breaches = Vec::new();
    for (name, code) in code().into_iter().filter(|(name, _)| name.starts_with("worker/")) {
        let words = code.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
        let named = words.filter(|word| {
            ["sqs", "sns", "redis", "smtp", "lettre", "otel", "opentelemetry", "prometheus"].contains(&word.as_str())
        });
        breaches.extend(named.map(|word| format!("{name} says {word}")));
    }
    assert_none(&breaches);
}

#[test]
fn each_foreign_client_is_imported_by_its_adapters_alone() {
    let doors = [
        (
            "aws_sdk_sqs",
            &[
                "queue/sqs.rs",
                "queue/sqs_admin.rs",
                "queue/sqs_answer.rs",
                "queue/sqs_error.rs",
                "queue/sqs_request.rs",
            ][..],
        ),
        ("aws_smithy_runtime_api", &["queue/sqs_answer.rs", "queue/sqs_request.rs"]),
        ("aws_sdk_sns", &["topic/sns.rs", "topic/sns_admin.rs"]),
        ("axum", &["telemetry/health.rs", "telemetry/port.rs"]),
        ("opentelemetry_otlp", &["telemetry/export.rs"]),
        ("opentelemetry_prometheus", &["telemetry/export.rs"]),
        ("prometheus", &["telemetry/export.rs", "telemetry/mod.rs"]),
        ("tracing_opentelemetry", &["telemetry/log.rs", "telemetry/watch.rs"]),
        ("tracing_subscriber", &["config/mod.rs", "telemetry/log.rs"]),
        ("hyper", &["ecs.rs", "telemetry/port.rs"]),
        ("hyper_util", &["ecs.rs", "telemetry/port.rs"]),
        ("minijinja", &["mail/compose.rs"]),
        // Addresses and messages alone.
        ("lettre", &["config/mod.rs", "event/address.rs", "mail/compose.rs", "mail/mod.rs", "ops/demo/stage.rs"]),
        ("idna", &["event/address.rs"]),
        ("tokio_rustls", &["mail/smtp/tls.rs", "mail/smtp/wire.rs"]),
        ("rustls_native_certs", &["mail/smtp/tls.rs"]),
        ("hostname", &["mail/smtp/conversation.rs"]),
        ("clap", &["cli.rs", "cli/dlq.rs", "cli/named.rs", "cli/publish.rs"]),
    ];
    for (client, doors) in doors {
        // As a path: names in texts, such as a log filter's, import nothing.
        let imports = |code: &String| [" ", "(", "&", "<"].iter().any(|c| code.contains(&format!("{c}{client}::")));
        let found: Vec<_> = code().into_iter().filter(|(_, code)| imports(code)).map(|(name, _)| name).collect();
        let found: Vec<_> = found.iter().filter(|name| client != "clap" || *name != "main.rs").collect();
        assert_eq!(found, doors, "{client}");
    }
}

#[test]
fn only_the_room_of_telemetry_knows_opentelemetry() {
    let imports = |code: &String| code.contains("opentelemetry::") || code.contains("opentelemetry_sdk::");
    let found = code().into_iter().filter(|(name, code)| imports(code) && !name.starts_with("telemetry/"));
    assert_none(&found.map(|(name, _)| name).collect::<Vec<_>>());
}

#[test]
fn no_mail_goes_out_without_a_fence_but_the_one_a_person_asked_for() {
    let sends = |(name, code): (String, String)| code.contains(".trial(").then_some(name);
    assert_eq!(code().into_iter().filter_map(sends).collect::<Vec<_>>(), ["ops/send_test.rs"]);
}

#[test]
fn nothing_but_config_reads_the_environment() {
    let ways = ["env::var", "env::{", "use std::env;", "env::temp_dir", "env::home_dir"];
    let reads = |(_, code): &(String, String)| ways.iter().any(|way| code.contains(way));
    let found = code().into_iter().chain(files("examples", &[".rs"])).filter(reads).map(|(name, _)| name);
    assert_eq!(found.collect::<Vec<_>>(), ["config/environment.rs"]);
}

#[test]
fn one_door_leads_to_the_terminal() {
    // The argument parser prints its help, in its colours; of what a user said it prints nothing.
    let may = ["cli.rs", "ops/terminal.rs", "telemetry/log.rs"];
    let looks =
        |code: &str| code.matches("stdout().is_terminal()").count() + code.matches("stderr().is_terminal()").count();
    let opens = |code: &str| code.matches("stdout()").count() + code.matches("stderr()").count() > looks(code);
    let found = code().into_iter().filter(|(name, code)| opens(code) && !may.contains(&name.as_str()));
    assert_none(&found.map(|(name, _)| name).collect::<Vec<_>>());
}

#[test]
fn the_corridor_fits_on_one_screen() {
    let corridor = &files("src/worker", &["process.rs"])["process.rs"];
    assert!(corridor.lines().count() <= 80, "{} lines", corridor.lines().count());
    let is_code = |line: &&str| {
        !["", "//", "use "].iter().any(|s| if s.is_empty() { line.is_empty() } else { line.starts_with(s) })
    };
    let lines = corridor.lines().map(str::trim).filter(is_code).count();
    assert!(lines <= 60, "{lines} lines of code");
}

#[test]
fn no_room_is_longer_than_350_lines() {
    let all = ["src", "tests"].into_iter().flat_map(|folder| files(folder, &[".rs", ".lua", ".py"]));
    let long = all.filter(|(_, text)| text.lines().count() > 350);
    assert_none(&long.map(|(name, text)| format!("{name}: {}", text.lines().count())).collect::<Vec<_>>());
}

#[test]
fn every_file_opens_with_what_it_is() {
    let mut breaches = Vec::new();
    for (folder, name, text) in
        ["src", "tests"].into_iter().flat_map(|f| files(f, &[".rs"]).into_iter().map(move |(n, t)| (f, n, t)))
    {
        if !text.starts_with("//! ") {
            breaches.push(format!("{folder}/{name}"));
        }
    }
    for (name, text) in files("src", &[".lua"]) {
        // A script's flags have to stand in its first line.
        let opening =
            text.split_once('\n').filter(|(first, _)| first.starts_with("#!lua ")).map_or(&*text, |(_, rest)| rest);
        if !opening.starts_with("-- ") {
            breaches.push(format!("src/{name}"));
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
    for (name, text) in ["src", "tests"].into_iter().flat_map(|folder| files(folder, &[".rs", ".lua", ".py"])) {
        breaches.extend(words.iter().filter(|w| text.contains(w.as_str())).map(|w| format!("{name} holds {w}")));
    }
    assert_none(&breaches);
}

/// A licence expression that can be met without the GPL.
fn is_free_of_gpl(expression: &str) -> bool {
    let or = expression.replace('/', " OR ");
    or.split(" AND ").all(|part| part.split(" OR ").any(|choice| !choice.contains("GPL")))
}

fn output(program: &str, arguments: &[&str]) -> String {
    let answer = Command::new(program).args(arguments).current_dir(ROOT).output().expect("it runs");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).expect("UTF-8")
}

#[test]
fn everything_we_link_has_a_licence_and_none_is_gpl_only() {
    assert!(is_free_of_gpl("MIT OR Apache-2.0 OR LGPL-2.1-or-later") && !is_free_of_gpl("MIT AND AGPL-3.0"));
    let version = output("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    // Without the filter cargo wants what only other platforms link, which offline is not there.
    let filter = ["--filter-platform", host];
    let metadata =
        output(env!("CARGO"), &[&["metadata", "--locked", "--offline", "--format-version=1"], &filter[..]].concat());
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("JSON");
    let mut breaches = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        match (package["license"].as_str(), package["license_file"].as_str()) {
            (Some(licence), _) if !is_free_of_gpl(licence) => breaches.push(format!("{}: {licence}", package["name"])),
            (None, None) => breaches.push(format!("{}: no licence", package["name"])),
            _ => {}
        }
    }
    assert_none(&breaches);
}
