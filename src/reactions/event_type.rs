//! What can be asked about an event type without having an event: for the commands, which know no Rust type.
//!
//! Enters: a type, once, when the list is made. Leaves: its names, its schema, and its check of a text.

use crate::webhook::{Posted, subject};
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
    identify: Identify,
    /// The field that names the subject; `None`: the type knows.
    field: Option<&'static str>,
}

type Identify = fn(&str, Timestamp, Option<&'static str>) -> Option<EventIdentity>;

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
        Self { types: E::TYPES, schema: E::schema, check: check::<E>, identify: identify::<E>, field: None }
    }

    /// Of a webhook, which takes these types and acts once for each value of `field`, or for each event.
    pub(crate) fn posted(types: &'static [&'static str], field: Option<&'static str>) -> Self {
        Self { types, field, identify: identify_posted, ..Self::of::<Posted>() }
    }

    /// The type and the subject of a received body, if the body is an event.
    pub(crate) fn identify(&self, body: &str, sent_at: Timestamp) -> Option<EventIdentity> {
        (self.identify)(body, sent_at, self.field)
    }
}

fn check<E: Event>(text: &str, arrival: &Arrival<'_>) -> Result<(), EventError> {
    to_be_published::<E>(text, arrival, E::TYPES).map(|_| ())
}

fn identify_posted(body: &str, sent_at: Timestamp, field: Option<&'static str>) -> Option<EventIdentity> {
    let Opened::Ours(event) = envelope::open::<Posted>(body, sent_at).ok()? else { return None };
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
