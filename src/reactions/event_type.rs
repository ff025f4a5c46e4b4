//! What can be asked about an event type without having an event: for the commands, which know no Rust type.
//!
//! Enters: a type, once, when the list is made. Leaves: its names, its schema, and its check of a text.

use engine::envelope;
use engine::event::{Arrival, Event, EventError, Opened, Schema, Timestamp, to_be_published};

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
    pub(crate) identify: fn(&str, Timestamp) -> Option<EventIdentity>,
}

/// What a received body tells of its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventIdentity {
    /// Its `type`.
    pub(crate) kind: String,
    /// Whom or what the event is about. `None`: the type is another team's.
    pub(crate) subject: Option<String>,
}

impl EventType {
    pub(crate) fn of<E: Event>() -> Self {
        Self { types: E::TYPES, schema: E::schema, check: check::<E>, identify: identify::<E> }
    }
}

fn check<E: Event>(text: &str, arrival: &Arrival<'_>) -> Result<(), EventError> {
    to_be_published::<E>(text, arrival, E::TYPES).map(|_| ())
}

fn identify<E: Event>(body: &str, sent_at: Timestamp) -> Option<EventIdentity> {
    Some(match envelope::open::<E>(body, sent_at).ok()? {
        Opened::Ours(event) => {
            EventIdentity { kind: event.head().kind.to_string(), subject: Some(event.subject().to_owned()) }
        }
        Opened::Foreign(kind) => EventIdentity { kind, subject: None },
    })
}
