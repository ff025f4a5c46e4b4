//! Reactions without Rust: each variable `<NAME>_WEBHOOK_URL` makes one.
//!
//! Enters: a list, and the environment. Leaves: the same list with those reactions at its end, in the order of their
//! names. Judges no value: `config` does, and names each mistake.

use super::event_type::EventType;
use super::{Listed, Reactions};
use crate::config::{Environment, of_reaction, prefix, set, webhook_names};
use crate::handlers::webhook::WebhookHandler;
use crate::webhook::{event_types, once};
use engine::event::Once;
use engine::handler::Row;

impl Reactions {
    /// Adds the reactions that have a URL in place of a handler. A name that is listed already is left as it is.
    #[must_use]
    pub(crate) fn with_webhooks(mut self, environment: &Environment) -> Self {
        for name in webhook_names(environment) {
            if self.iter().all(|listed| prefix(listed.name) != prefix(&name)) {
                self.0.push(listed(name, environment));
            }
        }
        self
    }
}

/// The variable that makes a webhook of this name.
pub(crate) fn webhook_url_of(name: &str) -> String {
    of_reaction(name, "WEBHOOK_URL")
}

fn listed(name: String, environment: &Environment) -> Listed {
    let read = |variable| set(environment, &of_reaction(&name, variable));
    let types = read("EVENT_TYPES").and_then(|text| event_types(text).ok()).unwrap_or_default();
    let field = read("ONCE").and_then(|text| once(text).ok()).flatten();
    // Leaked: names, types and fields of a reaction are written in the program elsewhere, and are never freed there
    // either. This happens once, at the start.
    let (name, field): (&'static str, Option<&'static str>) = (name.leak(), field.map(|field| &*field.leak()));
    let types: Vec<&'static str> = types.into_iter().map(|kind| &*kind.leak()).collect();
    let once = if field.is_some() { Once::Subject } else { Once::Event };
    let row = Row { name, once, types: types.leak(), is_recognised: field.is_none(), ..Row::of::<WebhookHandler>() };
    Listed {
        name,
        row,
        is_recorded: true,
        event_type: EventType::any(row.types, field),
        sends_mail: false,
        is_webhook: true,
        build: Box::new(move |parts| parts.webhook_worker(row, field)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactions::shipped;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn each_webhook_url_makes_a_reaction_beside_those_that_are_there() {
        let list = shipped().with_webhooks(&environment(&[
            ("CRM_WEBHOOK_URL", "https://crm.example.com"),
            ("CRM_ONCE", "userId"),
            ("CRM_EVENT_TYPES", "user.signed_up, user.left"),
            ("ORDER_NOTIFY_WEBHOOK_URL", "no URL, which config tells"),
            ("EMAIL_WEBHOOK_URL", "https://taken.example.com"),
            ("EMPTY_WEBHOOK_URL", " "),
            ("_WEBHOOK_URL", "https://nameless.example.com"),
            ("lower_WEBHOOK_URL", "https://lower.example.com"),
        ]));
        assert_eq!(list.fault(), None);
        assert_eq!(list.names().collect::<Vec<_>>(), ["email", "profile", "crm", "order-notify"]);
        let row = |name| list.get(name).expect("listed").row;
        assert_eq!((row("crm").once, row("crm").types), (Once::Subject, &["user.signed_up", "user.left"][..]));
        assert_eq!((row("crm").name, row("crm").receiver, row("crm").is_recognised), ("crm", "webhook", false));
        let other = row("order-notify");
        assert_eq!((other.once, other.types, other.is_recognised), (Once::Event, &[][..], true));
        assert_eq!(list.events().len(), 1, "what may be published they do not say");
    }
}
