//! `CloudEvents` 1.0 in structured JSON: what AWS.Messaging for .NET, Dapr and the `cloudevents` SDKs put on the wire.
//!
//! Enters: the fields of an object with `specversion`. Leaves: the event. Its head is read from the envelope's
//! attributes, its own fields from `data` (an object, or a string that holds one, as AWS.Messaging writes it) or from
//! `data_base64`. An id is unique for its source only, so the event's id is the hash of both. `version` may be there as
//! an extension; if absent, it is the newest known: a `CloudEvent` with an incompatible schema has another `type`.

use super::every_form::{accepted_type, loggable, require_subject};
use super::head::version;
use super::scalar::Scalar;
use super::{Arrival, Event, EventError, EventId, Fields, Head, InvalidValue, Opened};

/// The mark of a `CloudEvent`: no event in our own form has it.
pub(super) const MARK: &str = "specversion";

const TYPE: &str = "type";
pub(super) const ID: &str = "id";
const SOURCE: &str = "source";
const TIME: &str = "time";
const VERSION: &str = "version";
const DATA: &str = "data";
const DATA_BASE64: &str = "data_base64";

pub(super) fn read<E: Event>(
    fields: &Fields<'_>,
    arrival: &Arrival<'_>,
    types: &[&'static str],
) -> Result<Opened<E>, EventError> {
    let kind = match fields.text(TYPE) {
        Ok(Some(kind)) => kind,
        Err(EventError::NotAnObject) => return Err(EventError::NotAnObject),
        untyped => {
            let is_ours = with_data::<E, _>(fields, |data| Ok(E::resembles(data))).unwrap_or_default();
            return Err(match untyped {
                Err(error) if is_ours => error,
                _ if is_ours => EventError::MissingField(TYPE),
                _ => EventError::Foreign { has_type: fields.has(TYPE) },
            });
        }
    };
    let Some(kind) = accepted_type::<E>(&kind, types) else { return Ok(Opened::Foreign(loggable(&kind))) };
    if fields.text(MARK)?.as_deref() != Some("1.0") {
        return Err(EventError::InvalidField(MARK, InvalidValue("must be 1.0")));
    }
    let newest = E::newest(&kind);
    // An event that takes every type has no newest version.
    let version = version(VERSION, fields)?.unwrap_or(if E::TYPES.is_empty() { 1 } else { newest });
    let id = id(fields, arrival)?;
    let (occurred_at, unusable_time) = Head::time(TIME, fields, arrival)?;
    let head = Head { kind, version, id, occurred_at, unusable_time };
    with_data::<E, _>(fields, |data| require_subject(E::read(head, data)?))
        .map(Opened::Ours)
        .map_err(|error| error.in_version(version, newest))
}

fn id(fields: &Fields<'_>, arrival: &Arrival<'_>) -> Result<EventId, EventError> {
    let source = fields.text(SOURCE)?.ok_or(EventError::MissingField(SOURCE))?;
    if source.is_empty() {
        return Err(EventError::InvalidField(SOURCE, InvalidValue("must not be empty")));
    }
    // An empty id counts as absent, as in the SDKs.
    let Some(id) = fields.text(ID)?.filter(|id| !id.is_empty()) else {
        return arrival.id(ID, fields.whole());
    };
    EventId::of_both(&source, &id).map_err(|rule| EventError::InvalidField(ID, rule))
}

/// Reads the fields of the data. If the data holds no fields, that is an error, except for an event of any type: it
/// reads none.
fn with_data<E: Event, T>(
    fields: &Fields<'_>,
    read: impl FnOnce(&Fields<'_>) -> Result<T, EventError>,
) -> Result<T, EventError> {
    let fault = |field| {
        move |_| EventError::InvalidField(field, InvalidValue("must be a JSON object, or a string that holds one"))
    };
    let (data, packed) = (fields.get(DATA)?, fields.text(DATA_BASE64)?);
    let decode = |text: &str| String::from_utf8(data_encoding::BASE64.decode(text.as_bytes()).ok()?).ok();
    let unpacked = packed.as_deref().map(|text| decode(text).unwrap_or_default()).unwrap_or_default();
    let held = match (&data, &packed) {
        (None, None) => Ok(fields.none()),
        (Some(Scalar::Text(text)), _) => fields.unpacked(text).map_err(fault(DATA)),
        (Some(_), _) => fields.inside(DATA).map_err(fault(DATA)),
        (None, Some(_)) => fields.unpacked(&unpacked).map_err(fault(DATA_BASE64)),
    };
    match held {
        Err(_) if E::TYPES.is_empty() => read(&fields.none()),
        held => read(&held?),
    }
}
