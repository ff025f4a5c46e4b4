//! Who may import whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{ROOT, assert_none, code};

/// Which rooms a file may name; the longest matching beginning counts. A file not listed may name all of the service's and of the
/// engine's. No file of the engine can name the service: the engine is a crate that does not know it.
const IMPORTS: &[(&str, &[&str])] = &[
    ("engine/src/backoff.rs", &[]),
    ("engine/src/bus.rs", &["backoff", "envelope", "event", "handler", "idempotency", "queue", "worker"]),
    ("engine/src/envelope/", &["event"]),
    ("engine/src/event/", &["event", "timestamp"]),
    ("engine/src/failpoint.rs", &[]),
    ("engine/src/handler.rs", &["backoff", "event", "idempotency"]),
    ("engine/src/idempotency/", &[]),
    ("engine/src/idempotency/fence.rs", &["failpoint"]),
    ("engine/src/idempotency/neighbours.rs", &["redis_link"]),
    ("engine/src/idempotency/records.rs", &["redis_link"]),
    ("engine/src/idempotency/redis.rs", &["redis_link"]),
    ("engine/src/publisher.rs", &["backoff", "event", "topic"]),
    ("engine/src/queue/", &["timestamp"]),
    ("engine/src/queue/memory/", &["queue", "timestamp"]),
    ("engine/src/queue/mod.rs", &["refusal_code"]),
    ("engine/src/queue/sqs/", &["queue"]),
    ("engine/src/redis_link/", &["redis_link"]),
    ("engine/src/refusal_code.rs", &[]),
    ("engine/src/testing/", &["event", "handler", "idempotency", "queue", "testing", "topic", "worker"]),
    ("engine/src/timestamp.rs", &[]),
    ("engine/src/topic/", &["refusal_code"]),
    ("engine/src/topic/memory.rs", &["queue", "timestamp"]),
    ("engine/src/topic/sns/", &["topic"]),
    ("engine/src/worker/", &["backoff", "envelope", "event", "failpoint", "handler", "idempotency", "queue"]),
    ("src/audit/", &["event", "redis_link"]),
    (
        "src/by_hand/",
        &[
            "audit",
            "envelope",
            "event",
            "events",
            "idempotency",
            "pauses",
            "publisher",
            "reactions",
            "redis_link",
            "topic",
            "worker",
        ],
    ),
    ("src/cli/", &["plain", "reactions"]),
    (
        "src/console/",
        &[
            "audit",
            "by_hand",
            "config",
            "console",
            "envelope",
            "event",
            "events",
            "fleet",
            "idempotency",
            "letters",
            "mail",
            "pauses",
            "plain",
            "publisher",
            "queue",
            "reactions",
            "redis_link",
            "standing",
            "telemetry",
            "topic",
            "words",
            "worker",
        ],
    ),
    ("src/console/names.rs", &[]),
    ("src/console/session.rs", &[]),
    ("src/ecs.rs", &["worker"]),
    ("src/events/", &["event"]),
    ("src/fleet/", &["event", "fleet", "queue", "worker"]),
    ("src/fleet/redis.rs", &["redis_link"]),
    ("src/handlers/profile.rs", &["event", "events", "handler", "idempotency", "profiles"]),
    ("src/handlers/welcome_email.rs", &["event", "events", "handler", "idempotency", "mail"]),
    ("src/handlers/webhook.rs", &["backoff", "event", "handler", "idempotency", "webhook"]),
    ("src/letters/", &["envelope", "event", "events", "failpoint", "letters", "queue", "rate", "reactions"]),
    ("src/letters/sqs.rs", &["config", "event", "queue", "reactions"]),
    ("src/mail/", &["backoff", "event", "events", "handler", "idempotency", "mail", "plain", "tls"]),
    ("src/mail/outbox.rs", &["backoff", "idempotency", "plain"]),
    ("src/pauses.rs", &["event", "redis_link", "worker"]),
    ("src/plain.rs", &[]),
    ("src/profiles/", &["event", "events", "idempotency"]),
    ("src/profiles/redis.rs", &["event", "events", "idempotency", "redis_link"]),
    ("src/rate.rs", &[]),
    ("src/reactions/event_type.rs", &["envelope", "event", "webhook"]),
    ("src/shutdown.rs", &[]),
    ("src/standing/", &["config", "event", "fleet", "pauses", "queue", "redis_link", "standing", "worker"]),
    ("src/standing/trail.rs", &[]),
    ("src/telemetry/", &["config", "event", "handler", "idempotency", "plain", "queue", "worker"]),
    ("src/telemetry/metrics.rs", &[]),
    ("src/telemetry/mod.rs", &["config", "publisher"]),
    ("src/telemetry/propagation.rs", &["config", "envelope", "queue"]),
    ("src/telemetry/publishing.rs", &["config", "event", "publisher", "topic"]),
    ("src/tls.rs", &[]),
    ("src/webhook/", &["event", "idempotency", "plain", "tls", "webhook"]),
    ("src/webhook/answer.rs", &[]),
    ("src/webhook/sign.rs", &[]),
    ("src/words.rs", &[]),
];

/// Modules that know one particular server, or stand in for it.
const ADAPTERS: &[&str] = &[
    "fleet::redis",
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
    "redis_link",
    "topic::memory",
    "topic::sns",
];

/// Who may name adapters; and an adapter may name the one it is built on.
const NAMES_ADAPTERS: &[&str] = &[
    "engine/src/testing/",
    "src/app.rs",
    "src/by_hand/",
    "src/config/",
    "src/console/",
    "src/fuzzing/",
    "src/lib.rs",
    "src/ops/",
    "src/reactions/",
    "src/standing/",
];
const BUILT_ON: &[(&str, &str)] = &[
    ("engine/src/idempotency/neighbours.rs", "redis_link"),
    ("engine/src/idempotency/records.rs", "redis_link"),
    ("engine/src/idempotency/redis.rs", "redis_link"),
    ("engine/src/topic/memory.rs", "queue::memory"),
    ("src/audit/mod.rs", "redis_link"),
    ("src/fleet/redis.rs", "redis_link"),
    ("src/letters/native.rs", "queue::sqs"),
    ("src/letters/sqs.rs", "queue::sqs"),
    ("src/pauses.rs", "redis_link"),
    ("src/profiles/redis.rs", "redis_link"),
];

/// The paths that a file names after `crate::` or `engine::`, with the braces of a `use` multiplied out.
fn imports(code: &str) -> Vec<String> {
    ["crate::", "engine::"].into_iter().flat_map(|start| paths(code, start)).collect()
}

/// The paths that a file names after `start`.
fn paths(code: &str, start: &str) -> Vec<String> {
    let found = code.match_indices(start).filter(|(at, _)| !code[..*at].ends_with(['$', '_', ':']));
    found.flat_map(|(at, _)| expand(&code[at + start.len()..]).0).collect()
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

#[test]
fn braces_of_a_use_are_multiplied_out() {
    let code = "use crate::a::{b, c::{D, e::F}, self};\nuse crate::g::H as I;\nlet x: &crate::j::K = engine::l();";
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
    let unknown = |(start, _): &&(&str, &[&str])| !Path::new(ROOT).join(start).exists();
    assert_eq!(IMPORTS.iter().find(unknown), None, "the table names what is not there");
}

/// Who names whom among the files and folders of one folder: by the folder, then by the one that names. What a folder's own
/// `mod.rs` names or gives on is left out: it stands above the others.
fn neighbours() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let all = code();
    let modules: BTreeSet<Vec<&str>> = all.keys().map(|name| module(name)).collect();
    let mut named = BTreeMap::<_, BTreeMap<_, BTreeSet<_>>>::new();
    for (name, code) in &all {
        let own = module(name);
        let (root, above) = (own[0], &own[..own.len() - 1]);
        let by_root = paths(code, "crate::").into_iter().map(|path| format!("{root}::{path}"));
        let by_super = paths(code, "super::").into_iter().map(|path| format!("{}::{path}", above.join("::")));
        for path in by_root.chain(by_super) {
            let path: Vec<&str> = path.split("::").collect();
            let shared = own.iter().zip(&path).take_while(|(one, other)| one == other).count();
            if shared < own.len() && shared < path.len() && modules.contains(&path[..=shared]) {
                let folder = named.entry(own[..shared].join("/")).or_default();
                folder.entry(own[shared].to_owned()).or_default().insert(path[shared].to_owned());
            }
        }
    }
    named
}

/// A file's place in the tree of modules; the first part is its crate.
fn module(name: &str) -> Vec<&str> {
    let (root, path) =
        if let Some(path) = name.strip_prefix("engine/src/") { ("engine", path) } else { ("src", &name[4..]) };
    let path = path.trim_end_matches(".rs").split('/').filter(|part| !["mod", "lib", "main"].contains(part));
    [root].into_iter().chain(path).collect()
}

#[test]
fn no_two_neighbours_import_each_other_not_even_by_a_third() {
    let circle = |(folder, named): (String, BTreeMap<String, BTreeSet<String>>)| {
        let mut reached = named.clone();
        // After so many rounds each knows all that it reaches.
        for _ in 0..named.len() {
            for all in reached.values_mut() {
                let further: Vec<_> = all.iter().filter_map(|one| named.get(one)).flatten().cloned().collect();
                all.extend(further);
            }
        }
        let inside = reached.iter().filter(|(who, all)| all.contains(*who));
        let inside: Vec<_> = inside.map(|(who, _)| who.as_str()).collect();
        (!inside.is_empty()).then(|| format!("{folder}: {}", inside.join(", ")))
    };
    assert_none(&neighbours().into_iter().filter_map(circle).collect::<Vec<_>>());
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
