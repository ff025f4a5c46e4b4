//! The environment → settings, or every mistake.
//!
//! Enters: variables, `NAME=value`, one a line; `\n` in a value is a line break; a value may be no UTF-8. Leaves:
//! nothing.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use url::Url;

use super::SECRET;
use crate::config::{self as settings, Environment, ReactionNeeds, RunConfig, SettingsReader};

const NEEDS: [ReactionNeeds; 3] = [
    ReactionNeeds { name: "email", mail: true, webhook: false },
    ReactionNeeds { name: "profile", mail: false, webhook: false },
    ReactionNeeds { name: "crm", mail: false, webhook: true },
];

/// What holds of an environment.
pub fn config(input: &[u8]) {
    let environment: Environment = input.split(|byte| *byte == b'\n').filter_map(variable).collect();
    read(&environment, |read| settings::run(read, &NEEDS, &[])).iter().for_each(is_consistent);
    read(&environment, |read| settings::run(read, &NEEDS, &["email".to_owned()]));
    read(&environment, |read| settings::queues(read, &NEEDS, &[]));
    read(&environment, settings::publish);
    read(&environment, |read| settings::send_test(read, false));
    read(&environment, |read| Some(settings::logging(read)));
    read(&environment, |read| {
        settings::all(read, &NEEDS);
        Some(())
    });
    if let Some(telemetry) = read(&environment, |read| Some(settings::telemetry(read))) {
        assert!((0.0..=1.0).contains(&telemetry.sampler.ratio));
        assert!(telemetry.endpoint.as_deref().is_none_or(is_bare), "a path is put behind it");
    }
    // Each name is compared with a hundred: more than two of them would take nearly all the time.
    for (given, meant) in settings::misspelt(environment.keys().take(2), &["email", "profile", "crm"]) {
        assert_ne!(given, meant);
    }
}

/// Variables that name files are left out: a fuzzer shall read none. So are names with control characters: whoever prints
/// a name escapes them.
fn variable(line: &[u8]) -> Option<(OsString, OsString)> {
    let at = line.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (std::str::from_utf8(&line[..at]).ok()?, &line[at + 1..]);
    let is_file = name.ends_with("_FILE") || ["MAIL_TEMPLATES", "MAIL_EXAMPLES"].contains(&name);
    let value = match std::str::from_utf8(value) {
        Ok(text) => text.replace("\\n", "\n").into(),
        Err(_) => OsStr::from_bytes(value).to_owned(),
    };
    (!is_file && !name.is_empty() && !name.contains(char::is_control)).then(|| (name.into(), value))
}

/// Reads once. Without settings there is a mistake, and no mistake and nothing that is shown has a secret.
fn read<T>(environment: &Environment, settings: impl FnOnce(&mut SettingsReader<'_>) -> Option<T>) -> Option<T> {
    let mut reader = SettingsReader::new(environment);
    let value = settings(&mut reader);
    for setting in reader.seen() {
        let name = setting.name.as_str();
        let is_secret = ["REDIS_URL", "SMTP_URL", "OTEL_EXPORTER_OTLP_HEADERS", "CRM_WEBHOOK_SECRET"].contains(&name);
        assert!(!is_secret || setting.value.as_deref().is_none_or(|value| value == "****"), "{name} is shown");
    }
    let mistakes = match reader.finish(value) {
        Ok(value) => return Some(value),
        Err(mistakes) => mistakes,
    };
    assert!(!mistakes.0.is_empty(), "no settings, and no mistake");
    let told = mistakes.to_string();
    assert!(!told.contains(|c: char| c.is_control() && c != '\n'), "{told:?}");
    let is_named = environment.keys().any(|name| name.contains(SECRET));
    assert!(is_named || !told.contains(SECRET), "{told}");
    None
}

/// Has it no user, no query and no fragment?
fn is_bare(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none()
    })
}

/// Where a queue is, in one spelling.
fn place(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => url.to_string(),
        Err(error) => panic!("{error}"),
    }
}

/// What is run with keeps the rules between two settings, too.
fn is_consistent(config: &RunConfig) {
    assert!(!config.reactions.is_empty());
    let seconds = Duration::from_secs;
    for of in &config.reactions {
        let engine = &of.settings;
        assert!((1..=1000).contains(&engine.concurrency) && engine.wait <= seconds(20));
        assert!(engine.shutdown > engine.wait, "the last long poll is waited for");
        assert!(of.visibility.zip(of.lease).is_none_or(|(visibility, lease)| lease < visibility));
        assert!(of.handler_timeout >= seconds(1) && of.retention >= seconds(60));
        assert!((0.0..=1000.0).contains(&of.price));
        let is_shared = |other: &&settings::ReactionConfig| place(&other.queue_url) == place(&of.queue_url);
        assert_eq!(config.reactions.iter().filter(is_shared).count(), 1, "a queue has one purpose");
        assert_eq!(of.webhook.is_some(), of.name == "crm");
    }
    assert_eq!(config.mail.is_some(), config.reactions.iter().any(|of| of.name == "email"));
}
