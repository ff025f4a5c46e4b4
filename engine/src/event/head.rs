//! The part that every event has: its type, version, id and time.
//!
//! Enters: fields, and what the carrier knows of their arrival. Leaves: a [`Head`]. A time that cannot be used does not
//! refuse the event: the carrier's is used. Knows no type of event.

use std::borrow::Cow;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::scalar::Scalar;
use super::{EventError, EventId, Fields, InvalidValue, Timestamp};

/// The part that every event has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its `type`: what happened.
    pub kind: Cow<'static, str>,
    /// The schema version as published; may be newer than the newest that is known.
    pub version: u32,
    /// Which event this is: the same on every copy and every retry.
    pub id: EventId,
    /// When it happened: by the publisher's clock, or else by the carrier's.
    pub occurred_at: Timestamp,
    /// If the carrier's time is used because its own broke a rule: that field and the rule.
    pub(super) unusable_time: Option<Broken>,
}

/// A field, and the rule that it broke.
type Broken = (&'static str, InvalidValue);

/// The names of the head's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    /// What happened.
    pub kind: &'static str,
    /// The schema's version: a whole number from 1 up, as number or text. If absent, 1.
    pub version: &'static str,
    /// Which event. If absent, the carrier's id of the message is used.
    pub id: &'static str,
    /// When it happened: RFC 3339, or seconds or milliseconds since 1970. If absent, the carrier's time is used.
    pub time: &'static str,
}

/// What the carrier knows: used for id and time if the publisher left them out.
#[derive(Debug, Clone)]
pub struct Arrival<'a> {
    /// The carrier's id of the message that it wrapped. `None`: it wrapped none, and the hash of the text is used as
    /// id. A queue's own id is not: it changes with each redrive.
    pub message_id: Option<&'a str>,
    /// When the carrier took it.
    pub sent_at: Timestamp,
    /// When the last carrier on its way took it. A time more than a day after this is not believed.
    pub last_taken: Timestamp,
}

impl Names {
    /// `type`, `version`, `eventId`, `timestamp`.
    pub const OURS: Self = Self { kind: "type", version: "version", id: "eventId", time: "timestamp" };
}

impl<'a> Arrival<'a> {
    /// The arrival of a text without an envelope.
    #[must_use]
    pub fn raw(sent_at: Timestamp) -> Self {
        Self { message_id: None, sent_at, last_taken: sent_at }
    }

    /// The arrival of a text in a message with this id.
    #[must_use]
    pub fn wrapped(message_id: &'a str, sent_at: Timestamp) -> Self {
        Self { message_id: Some(message_id), sent_at, last_taken: sent_at }
    }

    /// The id for an event that has none.
    pub(super) fn id(&self, field: &'static str, whole: &str) -> Result<EventId, EventError> {
        let id = self.message_id.map_or_else(|| EventId::of_text(whole), EventId::from_str);
        id.map_err(|rule| EventError::InvalidField(field, rule))
    }
}

impl Head {
    /// The head of a new event: a fresh id (UUID v7), and the time is now.
    #[must_use]
    pub fn new(kind: &'static str, version: u32) -> Self {
        let (id, occurred_at) = (EventId::fresh(), Timestamp::now());
        Self { kind: Cow::Borrowed(kind), version, id, occurred_at, unusable_time: None }
    }

    /// Did it have a time of its own that could not be read or lay in the future? Then the carrier's is used.
    #[must_use]
    pub(crate) fn has_unusable_time(&self) -> bool {
        self.unusable_time.is_some()
    }

    /// The time that the event states, or else the carrier's.
    pub(super) fn time(
        field: &'static str,
        fields: &Fields<'_>,
        arrival: &Arrival<'_>,
    ) -> Result<(Timestamp, Option<Broken>), EventError> {
        Ok(match fields.get(field)?.map(|own| moment(&own, arrival.last_taken)).transpose() {
            Ok(own) => (own.unwrap_or(arrival.sent_at), None),
            Err(rule) => (arrival.sent_at, Some((field, rule))),
        })
    }
}

impl EventId {
    /// The id of a text that has none: its SHA-256 in hex.
    fn of_text(text: &str) -> Result<Self, InvalidValue> {
        data_encoding::HEXLOWER.encode(&Sha256::digest(text)).parse()
    }

    /// An id made of both texts: the same for the same two, and for no others.
    pub(super) fn of_both(one: &str, other: &str) -> Result<Self, InvalidValue> {
        // With the length of the first, so that moving text from one to the other changes the id.
        Self::of_text(&format!("{}:{one}{other}", one.len()))
    }
}

/// Publishers write `"2"`, `2`, `2.0` and `"2.0"`; those in a typed language write the number.
pub(super) fn version(name: &'static str, fields: &Fields<'_>) -> Result<Option<u32>, EventError> {
    let Some(value) = fields.get(name)? else { return Ok(None) };
    let number = match &value {
        Scalar::Text(text) => Some(text.strip_suffix(".0").unwrap_or(text))
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok()),
        Scalar::Number(number) => u32::try_from(*number).ok(),
        _ => None,
    };
    let rule = InvalidValue("must be a whole number from 1 up, as number or string");
    number.filter(|n| *n >= 1).map(Some).ok_or(EventError::InvalidField(name, rule))
}

fn moment(value: &Scalar<'_>, last_taken: Timestamp) -> Result<Timestamp, InvalidValue> {
    let moment = match value {
        Scalar::Text(text) => text.parse::<Timestamp>()?,
        Scalar::Number(number) => Timestamp::from_epoch(*number as f64)?,
        Scalar::Fraction(number) => Timestamp::from_epoch(*number)?,
        Scalar::Other => return Err(InvalidValue("must be a string or a number")),
    };
    Ok(moment.not_long_after(last_taken)?)
}
