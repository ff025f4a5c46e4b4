//! What can be asked of a type of event without having one: for the commands, which know no type.
//!
//! Enters: a type, once, when the list is made. Leaves: its names, its schema, what its rules say of a text.

use engine::envelope;
use engine::event::{Arrival, Event, EventError, Opened, Schema, Timestamp, to_be_published};

/// A type of event, as functions. Of two that have the same names the first in a list counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// [`Event::TYPES`].
    pub(crate) types: &'static [&'static str],
    /// [`Event::schema`].
    pub(crate) schema: fn() -> Schema,
    /// Does a text that is to be published keep its rules?
    pub(crate) check: fn(&str, &Arrival<'_>) -> Result<(), EventError>,
    /// What a received body tells of itself, if it is such an event.
    pub(crate) tells: fn(&str, Timestamp) -> Option<Told>,
}

/// What an event tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// Its `type`.
    pub(crate) kind: String,
    /// Whom or what it is about; nothing of an event of another team's.
    pub(crate) subject: Option<String>,
}

impl Known {
    pub(crate) fn of<E: Event>() -> Self {
        Self { types: E::TYPES, schema: E::schema, check: check::<E>, tells: tells::<E> }
    }
}

fn check<E: Event>(text: &str, arrival: &Arrival<'_>) -> Result<(), EventError> {
    to_be_published::<E>(text, arrival, E::TYPES).map(|_| ())
}

fn tells<E: Event>(body: &str, sent_at: Timestamp) -> Option<Told> {
    Some(match envelope::open::<E>(body, sent_at).ok()? {
        Opened::Ours(event) => Told { kind: event.head().kind.to_string(), subject: Some(event.subject().to_owned()) },
        Opened::Foreign(kind) => Told { kind, subject: None },
    })
}
