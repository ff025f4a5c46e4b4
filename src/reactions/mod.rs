//! The list of reactions, one row each: those that ship with this service, or a team's own.
//!
//! Enters: handlers, and the webhooks that `webhooks` finds in the environment. Leaves: for each reaction its name, its event
//! types, whether its effects are recorded, and how its worker is made. `user-events` runs the list [`shipped`]; a team's
//! program runs a list of its own:
//!
//! ```no_run
//! # use user_events::events::UserSignedUp;
//! # use user_events::handler::{Handled, Handler, HandlerError};
//! # use user_events::idempotency::Fence;
//! use std::process::ExitCode;
//! use user_events::{ops, reactions::Reactions};
//! # struct Crm;
//! # impl Handler for Crm {
//! #     type Event = UserSignedUp;
//! #     const NAME: &'static str = "crm";
//! #     async fn handle(&self, _: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
//! #         Ok(Handled::done(fence.cross().await?))
//! #     }
//! # }
//!
//! fn main() -> ExitCode {
//!     ops::main(Reactions::new().with(Crm))
//! }
//! ```

mod event_type;
#[cfg(test)]
pub(crate) mod samples;
mod start;
mod webhooks;

pub(crate) use event_type::{EventIdentity, EventType};
use start::Built;
pub use start::StartError;
pub(crate) use start::WorkerParts;
pub(crate) use webhooks::webhook_url_of;

use crate::config::{ReactionNeeds, prefix};
use crate::handlers::profile::ProfileHandler;
use crate::handlers::welcome_email::WelcomeEmail;
use crate::mail::smtp::SmtpMailer;
use crate::profiles::redis::RedisProfiles;
use engine::event::{AnyEvent, Schema};
use engine::handler::{Handler, Row};

/// A list of reactions. Each has its own name. The name is also in its variables: `crm` reads `CRM_QUEUE_URL`.
#[derive(Debug, Default)]
pub struct Reactions(Vec<Listed>);

/// One reaction.
pub(crate) struct Listed {
    /// The name of its queue and its variables, and of its row in every table.
    pub(crate) name: &'static str,
    /// What the engine needs to know of it. `row.name` is the name in records and dead letters.
    pub(crate) row: Row,
    /// Are its effects recorded, so that `idem` can see them? If not, effect and mark are one atomic step.
    pub(crate) is_recorded: bool,
    /// What can be asked about its event types without having an event.
    pub(crate) event_type: EventType,
    sends_mail: bool,
    /// Is it a URL in place of a handler?
    is_webhook: bool,
    build: Build,
}

type Build = Box<dyn FnOnce(WorkerParts<'_>) -> Built + Send + Sync>;

/// The reactions that `user-events` runs.
#[must_use]
pub fn shipped() -> Reactions {
    type Email = WelcomeEmail<SmtpMailer>;
    type Profile = ProfileHandler<RedisProfiles>;
    Reactions::new()
        .listed::<Email>("email", true, true, |parts| {
            let mail = parts.mail()?;
            let mailer = SmtpMailer::new(mail.server.clone(), mail.rate);
            let handler = WelcomeEmail::new(mail.composer.clone(), mailer);
            parts.recorded_worker(handler)
        })
        .listed::<Profile>("profile", false, false, |parts| {
            let handler = ProfileHandler::new(RedisProfiles::new(parts.redis.clone()));
            parts.atomic_worker(handler)
        })
}

impl Reactions {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds this reaction, under its [`Handler::NAME`]. Its effects are recorded at `REDIS_URL`.
    #[must_use]
    pub fn with<H: Handler>(self, handler: H) -> Self {
        self.listed::<H>(H::NAME, true, false, move |parts| parts.recorded_worker(handler))
    }

    /// Adds this reaction without a ledger: its effect and its mark are one atomic step, so a repeat changes nothing.
    #[must_use]
    pub fn with_atomic<H: Handler>(self, handler: H) -> Self {
        self.listed::<H>(H::NAME, false, false, move |parts| parts.atomic_worker(handler))
    }

    fn listed<H: Handler>(
        mut self,
        name: &'static str,
        is_recorded: bool,
        sends_mail: bool,
        build: impl FnOnce(WorkerParts<'_>) -> Built + Send + Sync + 'static,
    ) -> Self {
        let (row, event_type, build) = (Row::of::<H>(), EventType::of::<H::Event>(), Box::new(build));
        self.0.push(Listed { name, row, is_recorded, event_type, sends_mail, is_webhook: false, build });
        self
    }

    /// What is wrong with the list itself, whatever the configuration is.
    pub(crate) fn fault(&self) -> Option<String> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let names = || self.0.iter().flat_map(|listed| [listed.name, listed.row.name]);
        if self.0.is_empty() {
            return Some("no reaction is listed".to_owned());
        }
        if let Some(odd) = names().find(|name| name.is_empty() || !name.chars().all(is_plain)) {
            return Some(format!("a reaction's name is of a-z, 0-9, `-` and `_`, and not {odd:?}"));
        }
        // Two reactions of one name would share one queue's variable, or one record for two effects.
        let shares =
            |one: &Listed, other: &Listed| prefix(one.name) == prefix(other.name) || one.row.name == other.row.name;
        let is_double = |n: &usize| self.0[..*n].iter().any(|other| shares(&self.0[*n], other));
        let double = (1..self.0.len()).find(is_double)?;
        Some(format!("two reactions are called `{}`: each needs a name of its own", self.0[double].name))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|listed| listed.name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Listed> {
        self.0.iter()
    }

    pub(crate) fn into_rows(self) -> impl Iterator<Item = Listed> {
        self.0.into_iter()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Listed> {
        self.0.iter().find(|listed| listed.name == name)
    }

    /// The event types of this reaction; of one that is not listed, any event.
    pub(crate) fn event_type(&self, name: &str) -> EventType {
        self.get(name).map_or_else(EventType::of::<AnyEvent>, |listed| listed.event_type)
    }

    /// What the configuration needs to know of each reaction.
    pub(crate) fn needs(&self) -> Vec<ReactionNeeds> {
        let needs =
            |listed: &Listed| ReactionNeeds { name: listed.name, mail: listed.sends_mail, webhook: listed.is_webhook };
        self.0.iter().map(needs).collect()
    }

    /// The event types of all reactions, each set of types once. Not those of webhooks, which know no type by its fields.
    pub(crate) fn events(&self) -> Vec<EventType> {
        let mut events: Vec<EventType> = Vec::new();
        for listed in self.0.iter().filter(|listed| !listed.is_webhook) {
            if events.iter().all(|event_type| event_type.types != listed.event_type.types) {
                events.push(listed.event_type);
            }
        }
        events
    }

    /// One schema for the events of all reactions.
    pub(crate) fn schema(&self) -> Schema {
        let mut schemas: Vec<_> = self.events().iter().map(|event_type| (event_type.schema)()).collect();
        if schemas.len() == 1 { schemas.remove(0) } else { engine::event::one_schema_of(schemas) }
    }
}

impl Listed {
    /// Its worker, not yet started.
    pub(crate) fn build(self, parts: WorkerParts<'_>) -> Built {
        (self.build)(parts)
    }
}

impl std::fmt::Debug for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listed({}: {:?})", self.name, self.row)
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{Capital, Colon, Follows, Hyphen, SameRecords, SameVariables};
    use super::*;

    #[test]
    fn what_ships_can_be_listed_beside_ones_own() {
        let list = shipped().with(Hyphen);
        assert_eq!((list.fault(), list.names().collect::<Vec<_>>()), (None, vec!["email", "profile", "order-notify"]));
        assert_eq!(list.events().len(), 1, "they react to one type of event");
    }

    #[test]
    fn an_event_that_two_reactions_take_in_different_company_is_valid_once_and_for_all() {
        let list = shipped().with(Follows);
        assert_eq!(list.events().len(), 2);
        let validator = jsonschema::validator_for(&list.schema()).expect("a schema");
        let signed_up = serde_json::json!({ "type": "user.signed_up", "userId": "1", "email": "a@example.com" });
        assert!(validator.is_valid(&signed_up) && validator.is_valid(&serde_json::json!({ "type": "order.paid" })));
        assert!(!validator.is_valid(&serde_json::json!({ "type": "user.signed_up", "userId": "1" })));
    }

    #[test]
    fn a_list_with_one_name_for_two_or_with_an_odd_one_is_refused() {
        let fault = |list: Reactions| list.fault().unwrap_or_default();
        assert_eq!(fault(Reactions::new()), "no reaction is listed");
        let both = Reactions::new().with(Hyphen).with(SameVariables);
        assert!(fault(both).starts_with("two reactions are called `order_notify`"), "they read the same variables");
        let both = shipped().with_atomic(SameRecords);
        assert!(fault(both).starts_with("two reactions are called `welcome_email`"), "they have the same records");
        assert!(fault(Reactions::new().with(Capital)).ends_with("not \"Crm\""));
        assert!(fault(Reactions::new().with(Colon)).ends_with("not \"crm:eu\""));
    }
}
