//! The event on the wire: JSON text ↔ [`UserSignedUp`].
//!
//! Enters: the text a publisher wrote, in any version, by us or by anyone's snippet, and what the
//! carrier knows of its [`Arrival`]. Leaves: a valid event, or an [`EventError`] that names the field
//! and the rule, never the content. Unknown fields are ignored; a newer version that still has the
//! known fields is read as the newest known. A `timestamp` that is of no use costs no event: the carrier's stands in.
//! Knows nothing of what carried the text.

use std::borrow::Cow;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::json;

use super::scalar::Scalar;
use super::{EventId, InvalidValue, NEWEST_KNOWN_VERSION, Plan, Timestamp, USER_SIGNED_UP, UserId, UserSignedUp};

/// What the carrier knows: stands in for `eventId` and `timestamp` where the publisher left them out.
#[derive(Debug, Clone)]
pub struct Arrival<'a> {
    /// The carrier's id of the message: SNS's where it was wrapped, else SQS's.
    pub message_id: &'a str,
    /// When the carrier took it. No event happened more than a day after that.
    pub sent_at: Timestamp,
}

/// What a well-formed text turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The event we carry.
    UserSignedUp(UserSignedUp),
    /// Some other team's event: its `type`, cut to 64 characters.
    Unknown(String),
}

/// Why a text is not an event. Names field and rule; never repeats the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not a JSON object, cut off, or a known field stands in it twice.
    #[error("the event is not a JSON object with each field once")]
    NotAnObject,
    /// Neither a `type` that is a text nor both of the fields by which it would be ours all the same.
    #[error("the event has no `type`, and is not ours by its fields either")]
    Foreign {
        /// Is there a `type` that is no text?
        has_type: bool,
    },
    /// A field that this version must have is absent or null.
    #[error("the event has no field `{0}`")]
    MissingField(&'static str),
    /// A field is there and breaks its rule.
    #[error("the event's field `{0}` {1}")]
    InvalidField(&'static str, InvalidValue),
    /// A newer version that no longer has the fields we know.
    #[error("the event has version {version} and not the field `{field}` that version {NEWEST_KNOWN_VERSION} has")]
    UnsupportedVersion {
        /// The version it says it has.
        version: u32,
        /// The known field that is gone or changed.
        field: &'static str,
    },
}

impl EventError {
    /// Field and rule, in one short line: never the content.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::NotAnObject => "event: must be a JSON object with each field once".to_owned(),
            Self::Foreign { has_type: false } => "type: must be there".to_owned(),
            Self::Foreign { has_type: true } => "type: must be a string".to_owned(),
            Self::MissingField(field) => format!("{field}: must be there"),
            Self::InvalidField(field, rule) => format!("{field}: {rule}"),
            Self::UnsupportedVersion { field, .. } => {
                format!("{field}: must be as version {NEWEST_KNOWN_VERSION} has it")
            }
        }
    }
}

/// The fields we know, untyped: so that a wrong type is named like any other broken rule.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Scalar<'a>>,
    #[serde(borrow)]
    version: Option<Scalar<'a>>,
    #[serde(borrow, rename = "eventId")]
    event_id: Option<Scalar<'a>>,
    #[serde(borrow, rename = "userId")]
    user_id: Option<Scalar<'a>>,
    #[serde(borrow)]
    email: Option<Scalar<'a>>,
    #[serde(borrow)]
    plan: Option<Scalar<'a>>,
    #[serde(borrow)]
    timestamp: Option<Scalar<'a>>,
}

impl EventKind {
    /// Reads an event's JSON text.
    ///
    /// # Errors
    /// [`EventError`] with the first rule that is broken.
    pub fn from_json(text: &str, arrival: &Arrival<'_>) -> Result<Self, EventError> {
        Self::carried(text, arrival, arrival.sent_at)
    }

    /// Reads an event's JSON text that one more carrier, after the one of `arrival`, took at `last_taken`.
    pub(crate) fn carried(text: &str, arrival: &Arrival<'_>, last_taken: Timestamp) -> Result<Self, EventError> {
        let (kind, no_time) = Self::read(text, arrival, last_taken)?;
        if let Some(InvalidValue(rule)) = no_time {
            tracing::debug!(rule, "the event's timestamp is not taken: the carrier's stands in");
        }
        Ok(kind)
    }

    /// Reads an event's JSON text before it is published: who writes it can still be told of a `timestamp` of no use.
    ///
    /// # Errors
    /// [`EventError`] with the first rule that is broken.
    pub fn to_be_published(text: &str, arrival: &Arrival<'_>) -> Result<Self, EventError> {
        let (kind, no_time) = Self::read(text, arrival, arrival.sent_at)?;
        no_time.map_or(Ok(kind), |rule| Err(EventError::InvalidField("timestamp", rule)))
    }

    /// The event, and why its own time was not taken, if it has one that was not.
    fn read(
        text: &str,
        arrival: &Arrival<'_>,
        last_taken: Timestamp,
    ) -> Result<(Self, Option<InvalidValue>), EventError> {
        // A derived struct would also read a JSON array, by position.
        if !text.trim_start().starts_with('{') {
            return Err(EventError::NotAnObject);
        }
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|_| EventError::NotAnObject)?;
        let is_ours_by_fields = fields.user_id.is_some() && fields.email.is_some();
        let kind = match as_text("type", fields.kind.as_ref()) {
            Ok(Some(kind)) => kind,
            _ if !is_ours_by_fields => return Err(EventError::Foreign { has_type: fields.kind.is_some() }),
            Ok(None) => return Err(EventError::MissingField("type")),
            Err(error) => return Err(error),
        };
        if kind != USER_SIGNED_UP {
            return Ok((Self::Unknown(kind.chars().filter(|c| !c.is_control()).take(64).collect()), None));
        }
        let version = fields.version.as_ref().map_or(Ok(1), version)?;
        let (own_time, no_time) = match fields.timestamp.as_ref().map(|own| moment(own, last_taken)).transpose() {
            Ok(own_time) => (own_time, None),
            Err(rule) => (None, Some(rule)),
        };
        let mut event = fields.into_event(version, own_time, arrival).map_err(|error| match error {
            EventError::MissingField(field) | EventError::InvalidField(field, _) if version > NEWEST_KNOWN_VERSION => {
                EventError::UnsupportedVersion { version, field }
            }
            known => known,
        })?;
        event.has_stand_in_time = no_time.is_some();
        if version == NEWEST_KNOWN_VERSION && event.plan.is_none() {
            tracing::debug!(version, "an event of this version without a plan: taken as version 1");
        }
        Ok((Self::UserSignedUp(event), no_time))
    }
}

impl Fields<'_> {
    fn into_event(
        self,
        version: u32,
        own_time: Option<Timestamp>,
        arrival: &Arrival<'_>,
    ) -> Result<UserSignedUp, EventError> {
        let arrival_id =
            || EventId::from_str(arrival.message_id).map_err(|rule| EventError::InvalidField("eventId", rule));
        // A number that numbers users is its digits: a publisher in a typed language writes it so.
        let user_id = match self.user_id {
            Some(Scalar::Number(number)) => Some(Scalar::Text(Cow::Owned(number.to_string()))),
            other => other,
        };
        Ok(UserSignedUp {
            user_id: required::<UserId>("userId", user_id.as_ref())?,
            email: required("email", self.email.as_ref())?,
            plan: match version {
                1 => None,
                2 => optional::<Plan>("plan", self.plan.as_ref())?,
                _ => Some(required::<Plan>("plan", self.plan.as_ref())?),
            },
            event_id: optional("eventId", self.event_id.as_ref())?.map_or_else(arrival_id, Ok)?,
            occurred_at: own_time.unwrap_or(arrival.sent_at),
            has_stand_in_time: false,
            version,
        })
    }
}

fn required<T: FromStr>(field: &'static str, value: Option<&Scalar<'_>>) -> Result<T, EventError>
where
    T::Err: Into<InvalidValue>,
{
    optional(field, value)?.ok_or(EventError::MissingField(field))
}

fn optional<T: FromStr>(field: &'static str, value: Option<&Scalar<'_>>) -> Result<Option<T>, EventError>
where
    T::Err: Into<InvalidValue>,
{
    let parsed = as_text(field, value)?.map(str::parse).transpose();
    parsed.map_err(|rule: T::Err| EventError::InvalidField(field, rule.into()))
}

fn as_text<'a>(field: &'static str, value: Option<&'a Scalar<'_>>) -> Result<Option<&'a str>, EventError> {
    match value {
        None => Ok(None),
        Some(Scalar::Text(text)) => Ok(Some(text)),
        Some(_) => Err(EventError::InvalidField(field, InvalidValue("must be a string"))),
    }
}

fn moment(value: &Scalar<'_>, last_taken: Timestamp) -> Result<Timestamp, InvalidValue> {
    let moment = match value {
        Scalar::Text(text) => text.parse(),
        Scalar::Number(number) => Timestamp::from_epoch(*number as f64),
        Scalar::Fraction(number) => Timestamp::from_epoch(*number),
        Scalar::Other => Err(InvalidValue("must be a string or a number")),
    };
    moment?.not_long_after(last_taken)
}

/// `"2"`, `2`, `2.0` and `"2.0"` all occur in the wild; a publisher in a typed language writes the number.
fn version(value: &Scalar<'_>) -> Result<u32, EventError> {
    let number = match value {
        Scalar::Text(text) => Some(text.strip_suffix(".0").unwrap_or(text))
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok()),
        Scalar::Number(number) => u32::try_from(*number).ok(),
        _ => None,
    };
    let rule = InvalidValue("must be a whole number from 1 up, as number or string");
    number.filter(|n| *n >= 1).ok_or(EventError::InvalidField("version", rule))
}

impl UserSignedUp {
    /// The event as JSON text, readable by a consumer written from anyone's snippet.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut object = json!({
            "type": USER_SIGNED_UP,
            "version": self.version.to_string(),
            "eventId": self.event_id.as_str(),
            "userId": self.user_id.as_str(),
            "email": self.email.as_str(),
            "timestamp": self.occurred_at.to_string(),
        });
        if let Some(plan) = &self.plan {
            object["plan"] = plan.as_str().into();
        }
        object.to_string()
    }
}
