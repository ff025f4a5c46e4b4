//! What the operator's commands read: queues and nothing else; for `config`, every variable as it is.
//!
//! Enters: a snapshot of the environment. Leaves: each reaction's queue, or the mistakes. A command that
//! only looks at queues must not ask for a mail server's password.

use std::collections::BTreeMap;

use super::ReactionNeeds;
use super::environment::is_given;
use super::places::{distinct, of_a_kind, queue_url, topics};
use super::reader::SettingsReader;
use super::variables::{SECRETS, VARIABLES, is_webhook_secret, is_webhooks, of_reaction};
use engine::envelope::Topics;

/// Where one reaction's messages are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queues {
    /// Which reaction.
    pub name: &'static str,
    /// Its queue.
    pub url: String,
    /// Its DLQ, if not the one of the queue's redrive policy.
    pub dlq_url: Option<String>,
}

/// Reads the queues of the named reactions. If none is named: of each reaction whose queue is set.
pub fn queues(read: &mut SettingsReader<'_>, reactions: &[ReactionNeeds], only: &[String]) -> Option<Vec<Queues>> {
    let mut found = Vec::new();
    for needs in reactions.iter().filter(|r| only.is_empty() || only.iter().any(|name| name == r.name)) {
        let name = of_reaction(needs.name, "QUEUE_URL");
        let url = read.parsed(&name, queue_url);
        let dlq_url = read.parsed(&of_reaction(needs.name, "DLQ_URL"), queue_url);
        match url {
            Some(url) => found.push(Queues { name: needs.name, url, dlq_url }),
            None if only.is_empty() => {}
            None => read.missing(&name, "its reaction was asked for"),
        }
    }
    if found.is_empty() && read.is_sound() {
        let names: Vec<_> = reactions.iter().map(|r| of_reaction(r.name, "QUEUE_URL")).collect();
        read.missing(&names.join(" or "), "without a queue there is nothing to look at");
    }
    distinct(read, reactions);
    of_a_kind(read, reactions);
    Some(found)
}

/// Reads which topics the worker of each reaction reads.
pub(crate) fn topics_of(read: &mut SettingsReader<'_>, reactions: &[ReactionNeeds]) -> BTreeMap<&'static str, Topics> {
    let of = |needs: &ReactionNeeds| {
        let topics = read.for_reaction(needs.name).parsed("TOPIC_ARNS", topics);
        (needs.name, topics.unwrap_or_default())
    };
    reactions.iter().map(of).collect()
}

/// Reads every variable of the table as text, used or not: for commands that show them all.
pub(crate) fn all(read: &mut SettingsReader<'_>, reactions: &[ReactionNeeds]) {
    for variable in VARIABLES {
        let own = variable.name.strip_prefix("<NAME>_");
        for needs in reactions {
            let name = of_reaction(needs.name, own.unwrap_or(variable.name));
            if own.is_some_and(is_webhooks) && !needs.webhook {
                continue;
            }
            if own.is_some_and(is_webhook_secret) {
                read.secret(&name, |_| Ok(()));
            } else if own.is_some() || variable.per_reaction && is_given(read.environment(), &name) {
                read.parsed(&name, |_| Ok(()));
            }
        }
        if SECRETS.contains(&variable.name) {
            read.secret(variable.name, |_| Ok(()));
        } else if own.is_none() {
            read.parsed(variable.name, |_| Ok(()));
        }
    }
}
