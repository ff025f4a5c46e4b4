//! The service that is called in place of a handler, by the variables that begin with its reaction's name.
//!
//! Enters: variables. Leaves: [`WebhookSettings`], or every mistake. No mistake repeats a value.

use std::collections::BTreeSet;

use super::ReactionNeeds;
use super::environment::{Environment, is_given};
use super::reader::SettingsReader;
use super::variables::{of_reaction, prefix};
use crate::webhook::{SigningKey, Target, WebhookSettings, event_types, headers, once};

/// The names of the reactions that have a URL: `order-notify` for `ORDER_NOTIFY_WEBHOOK_URL`.
pub(crate) fn names(environment: &Environment) -> BTreeSet<String> {
    let is_name = |name: &&str| {
        let is_plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        !name.starts_with('_') && !name.is_empty() && name.bytes().all(is_plain)
    };
    let all = environment.keys().map(String::as_str).chain(environment.unreadable());
    let given = all.filter(|name| is_given(environment, name)).filter_map(|name| name.strip_suffix("_WEBHOOK_URL"));
    given.filter(is_name).map(|name| name.to_ascii_lowercase().replace('_', "-")).collect()
}

/// Reads how the service is called. `None`: there is a mistake, or the reaction has a handler.
pub(super) fn webhook(read: &mut SettingsReader<'_>, needs: &ReactionNeeds) -> Option<WebhookSettings> {
    let name = |variable| of_reaction(needs.name, variable);
    if !needs.webhook {
        let url = name("WEBHOOK_URL");
        if is_given(read.environment(), &url) {
            read.mistake(&url, "must name a new reaction: this one has a handler in the program");
        }
        return None;
    }
    let allow_plaintext = read.parsed(&name("WEBHOOK_ALLOW_PLAINTEXT"), super::boolean).unwrap_or(false);
    let target = place(read, needs.name, "WEBHOOK_URL", allow_plaintext);
    let probe = place(read, needs.name, "WEBHOOK_PROBE_URL", allow_plaintext);
    let key = read.secret(&name("WEBHOOK_SECRET"), SigningKey::parse);
    if key.is_none() {
        read.missing(&name("WEBHOOK_SECRET"), "requests are signed with it");
    }
    let previous = read.secret(&name("WEBHOOK_SECRET_PREVIOUS"), SigningKey::parse);
    let headers = read.secret(&name("WEBHOOK_HEADERS"), headers).unwrap_or_default();
    // Used where the list of reactions is made; here their mistakes are told.
    read.parsed(&name("EVENT_TYPES"), event_types);
    read.parsed(&name("ONCE"), once);
    Some(WebhookSettings {
        target: target?,
        probe,
        keys: [Some(key?), previous].into_iter().flatten().collect(),
        headers,
    })
}

/// Reads a URL. A mistake names the reaction's own variables, so that they can be copied.
fn place(read: &mut SettingsReader<'_>, reaction: &str, variable: &str, allow_plaintext: bool) -> Option<Target> {
    let mut broken = None;
    let parsed = read.parsed(&of_reaction(reaction, variable), |text| {
        Ok(Target::parse(text, allow_plaintext).map_err(|rule| broken = Some(rule)).ok())
    });
    if let Some(rule) = broken {
        read.mistake(&of_reaction(reaction, variable), &rule.replace("<NAME>", &prefix(reaction)));
    }
    parsed.flatten()
}
