//! What can be asked about an event type without having an event: for the commands, which know no Rust type.
//!
//! Enters: a type, once, when the list is made. Leaves: its names, its schema, and its check of a text.

use crate::webhook::subject;
use engine::envelope::{self, Topics};
use engine::event::{AnyEvent, Arrival, Event, EventError, Names, Opened, Schema, Timestamp, to_be_published};

/// An event type as functions. If two in a list have the same `types`, the first counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventType {
    /// [`Event::TYPES`].
    pub(crate) types: &'static [&'static str],
    /// [`Event::schema`].
    pub(crate) schema: fn() -> Schema,
    /// Checks a text that is to be published against the type's rules.
    pub(crate) check: fn(&str, &Arrival<'_>) -> Result<(), EventError>,
    /// The type and the subject of a received body, if the body is an event.
    identify: Identify,
    /// What the worker would find wrong with a received body.
    refusal: FindRefusal,
    /// The names of its head's fields.
    pub(crate) names: Names,
    /// The field that names the subject; `None`: the type knows.
    field: Option<&'static str>,
}

type Identify = fn(&str, Timestamp, Option<&'static str>) -> Option<EventIdentity>;

type FindRefusal = fn(&str, Timestamp, &Topics, &EventType) -> Option<String>;

/// What a received body tells of its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventIdentity {
    /// Its `type`.
    pub(crate) kind: String,
    /// Whom or what the event is about. `None`: the type is another team's, or the event does not say.
    pub(crate) subject: Option<String>,
}

impl EventType {
    pub(crate) fn of<E: Event>() -> Self {
        Self {
            types: E::TYPES,
            schema: E::schema,
            check: check::<E>,
            identify: identify::<E>,
            refusal: refusal::<E>,
            names: E::NAMES,
            field: None,
        }
    }

    /// Of a webhook, which takes these types and acts once for each value of `field`, or for each event.
    pub(crate) fn any(types: &'static [&'static str], field: Option<&'static str>) -> Self {
        Self { types, field, identify: identify_any, refusal: refusal_of_any, ..Self::of::<AnyEvent>() }
    }

    /// The type and the subject of a received body, if the body is an event.
    pub(crate) fn identify(&self, body: &str, sent_at: Timestamp) -> Option<EventIdentity> {
        (self.identify)(body, sent_at, self.field)
    }

    /// Why a worker that reads these topics would not handle a received body: a field and its rule, never a value.
    /// `None`: it would.
    pub(crate) fn refusal(&self, body: &str, sent_at: Timestamp, topics: &Topics) -> Option<String> {
        (self.refusal)(body, sent_at, topics, self)
    }
}

fn check<E: Event>(text: &str, arrival: &Arrival<'_>) -> Result<(), EventError> {
    to_be_published::<E>(text, arrival, E::TYPES).map(|_| ())
}

fn identify_any(body: &str, sent_at: Timestamp, field: Option<&'static str>) -> Option<EventIdentity> {
    let Opened::Ours(event) = envelope::open::<AnyEvent>(body, sent_at).ok()? else { return None };
    let subject = subject(&event, field).ok().map(|subject| subject.into_owned());
    Some(EventIdentity { kind: event.head().kind.to_string(), subject })
}

fn identify<E: Event>(body: &str, sent_at: Timestamp, _: Option<&'static str>) -> Option<EventIdentity> {
    Some(match envelope::open::<E>(body, sent_at).ok()? {
        Opened::Ours(event) => {
            EventIdentity { kind: event.head().kind.to_string(), subject: Some(event.subject().to_owned()) }
        }
        Opened::Foreign(kind) => EventIdentity { kind, subject: None },
    })
}

fn refusal<E: Event>(body: &str, sent_at: Timestamp, topics: &Topics, own: &EventType) -> Option<String> {
    opened::<E>(body, sent_at, topics, own).err()
}

fn refusal_of_any(body: &str, sent_at: Timestamp, topics: &Topics, own: &EventType) -> Option<String> {
    let subject_of = |event: AnyEvent| subject(&event, own.field).map(drop).map_err(|error| error.detail());
    opened::<AnyEvent>(body, sent_at, topics, own).and_then(subject_of).err()
}

fn opened<E: Event>(body: &str, sent_at: Timestamp, topics: &Topics, own: &EventType) -> Result<E, String> {
    match envelope::open_from::<E>(body, sent_at, topics, own.types) {
        Ok(Opened::Ours(event)) => Ok(event),
        Ok(Opened::Foreign(_)) => Err(format!("{}: must be {}", own.names.kind, own.types.join(" or "))),
        Err(refusal) => Err(refusal.detail()),
    }
}
