//! Text → event, in our own form or as a `CloudEvent`.
//!
//! Enters: a publisher's text, in any version and by any program, and what the carrier knows of its [`Arrival`].
//! Leaves: a valid event, another team's `type`, or an [`EventError`]. Only `specversion` tells the two forms apart;
//! never is one tried and then the other. Does not know what carried the text.

use super::every_form::{accepted_type, loggable, require_subject};
use super::head::version;
use super::{Arrival, Event, EventError, Fields, Head, InvalidValue, cloud_event};

/// The result for a well-formed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened<E> {
    /// An event of a type that is read here.
    Ours(E),
    /// Another team's event: its `type`, cut to 64 characters.
    Foreign(String),
}

/// Reads an event's text. Takes only the event's types that are in `types`; all of them if `types` is empty.
///
/// # Errors
/// [`EventError`] with the first rule that is broken.
pub fn read<E: Event>(text: &str, arrival: &Arrival<'_>, types: &[&'static str]) -> Result<Opened<E>, EventError> {
    let fields = Fields::of(text)?;
    let opened = if fields.has(cloud_event::MARK) {
        cloud_event::read::<E>(&fields, arrival, types)?
    } else {
        read_ours::<E>(&fields, arrival, types)?
    };
    if let Opened::Ours(event) = &opened
        && let Some((_, InvalidValue(rule))) = event.head().unusable_time
    {
        tracing::debug!(rule, "the event's time is not taken: the carrier's stands in");
    }
    Ok(opened)
}

/// Reads an event's text before it is published. A time that cannot be used is an error here: its writer can still mend
/// it.
///
/// # Errors
/// [`EventError`] with the first rule that is broken.
pub fn to_be_published<E: Event>(
    text: &str,
    arrival: &Arrival<'_>,
    types: &[&'static str],
) -> Result<Opened<E>, EventError> {
    let opened = read::<E>(text, arrival, types)?;
    match &opened {
        Opened::Ours(event) => match event.head().unusable_time {
            Some((field, rule)) => Err(EventError::InvalidField(field, rule)),
            None => Ok(opened),
        },
        Opened::Foreign(_) => Ok(opened),
    }
}

fn read_ours<E: Event>(
    fields: &Fields<'_>,
    arrival: &Arrival<'_>,
    types: &[&'static str],
) -> Result<Opened<E>, EventError> {
    let names = E::NAMES;
    let kind = match fields.text(names.kind) {
        Ok(Some(kind)) => kind,
        Err(EventError::NotAnObject) => return Err(EventError::NotAnObject),
        _ if !E::resembles(fields) => return Err(EventError::Foreign { has_type: fields.has(names.kind) }),
        Ok(None) => return Err(EventError::MissingField(names.kind)),
        Err(error) => return Err(error),
    };
    let Some(kind) = accepted_type::<E>(&kind, types) else { return Ok(Opened::Foreign(loggable(&kind))) };
    let newest = E::newest(&kind);
    let version = version(names.version, fields)?.unwrap_or(1);
    let read = || {
        let own_id = fields.optional(names.id)?;
        let id = own_id.map_or_else(|| arrival.id(names.id, fields.whole()), Ok)?;
        let (occurred_at, unusable_time) = Head::time(names.time, fields, arrival)?;
        require_subject(E::read(Head { kind, version, id, occurred_at, unusable_time }, fields)?)
    };
    read().map(Opened::Ours).map_err(|error| error.in_version(version, newest))
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
