//! Stop 4: an SQS body becomes an event, or a named refusal.
//!
//! Enters: the body as received, and what the queue knows of its arrival. Leaves: the event, the name of a type that is
//! not ours, or a [`Refusal`]. Promises: no body panics. Only SNS's own marks tell wrapped and raw delivery apart;
//! never is one tried and then the other. Pure: no queue, no clock.

mod carried;
mod mended;
mod schema;
mod topics;

use serde::Deserialize;

pub use carried::{Carried, TRACEPARENT, TRACESTATE, carried};
pub use mended::{event_text, with_event_text};
pub use schema::schema;
pub use topics::{Topics, is_topic_arn};

use crate::event::{Arrival, Event, EventError, Opened, Scalar, Timestamp, read};

/// The largest body that is read. SNS carries 256 KiB unless the topic's owner raised it; escaping inside the envelope
/// can double an event of that size: 2 × 256 KiB = 512 KiB.
pub const MAX_BODY_BYTES: usize = 512 * 1024;

/// The deepest nesting of arrays and objects that is read: the depth that `serde_json` reads. It applies to unknown fields
/// too, which `serde_json` would skip at any depth.
pub const MAX_DEPTH: usize = 127;

/// Why a body is not taken. The code goes to the DLQ as `failure.reason`, the text to the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// More than [`MAX_BODY_BYTES`].
    #[error("the body has more than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    /// Arrays and objects nested more than 127 deep.
    #[error("the JSON is nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// Not a JSON object.
    #[error("the body is not a JSON object")]
    NotJson,
    /// SNS sent something that is not a notification, for example a subscription confirmation. Its links are never
    /// followed.
    #[error("an SNS message of another type than Notification")]
    NotANotification,
    /// From a topic that is not ours. Holds its ARN, if the text there has the form of one.
    #[error("an SNS message of a topic that is not in TOPIC_ARNS")]
    WrongTopic(Option<String>),
    /// An SNS envelope without the text that it should wrap.
    #[error("an SNS notification without a text `Message`")]
    NoMessage,
    /// A notification that wraps another message of SNS: somebody published what a queue had received. Which of the two
    /// topics counts is not known here.
    #[error("an SNS notification that wraps another message of SNS")]
    WrappedTwice,
    /// The envelope is correct, and what it wraps is not an event.
    #[error(transparent)]
    Event(#[from] EventError),
}

impl Refusal {
    /// The reason code: stable, lower case, one word. Operators group dead letters by it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::TooDeep => "too_deep",
            Self::NotJson => "not_json",
            Self::NotANotification => "not_a_notification",
            Self::WrappedTwice => "wrapped_twice",
            Self::WrongTopic(_) => "wrong_topic",
            Self::NoMessage => "no_message",
            Self::Event(EventError::NotAnObject) => "not_an_event",
            Self::Event(EventError::MissingField(_) | EventError::Foreign { has_type: false }) => "missing_field",
            Self::Event(EventError::InvalidField(..) | EventError::Foreign { has_type: true }) => "invalid_field",
            Self::Event(EventError::UnsupportedVersion { .. }) => "unsupported_version",
        }
    }

    /// The detail beside the code in the dead letter: a field and its rule. Never a value, except for the ARN of a
    /// topic.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::TooLarge => format!("body: must have at most {MAX_BODY_BYTES} bytes"),
            Self::TooDeep => format!("body: must be nested at most {MAX_DEPTH} deep"),
            Self::NotJson => "body: must be a JSON object with each field once".to_owned(),
            Self::NotANotification => "Type: must be Notification".to_owned(),
            Self::WrongTopic(arn) => {
                let arn = arn.as_deref().unwrap_or("no ARN of a topic");
                format!("TopicArn: must be one of TOPIC_ARNS, and is {arn}")
            }
            Self::NoMessage => "Message: must be a string".to_owned(),
            Self::WrappedTwice => "Message: must be an event, and is another message of SNS".to_owned(),
            Self::Event(error) => error.detail(),
        }
    }
}

/// SNS's marks. Read as any scalar, because a raw event may have fields of the same names.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Marks<'a> {
    #[serde(borrow)]
    r#type: Option<Scalar<'a>>,
    #[serde(borrow)]
    topic_arn: Option<Scalar<'a>>,
    #[serde(borrow)]
    message_id: Option<Scalar<'a>>,
    #[serde(borrow)]
    message: Option<Scalar<'a>>,
    #[serde(borrow)]
    timestamp: Option<Scalar<'a>>,
}

impl Marks<'_> {
    /// Are the three marks there that every message of SNS has, all as text?
    fn are_sns(&self) -> bool {
        [&self.r#type, &self.topic_arn, &self.message_id].iter().all(|mark| matches!(mark, Some(Scalar::Text(_))))
    }
}

/// Opens a body: as SNS's envelope if it has SNS's marks (`Type`, `TopicArn` and `MessageId`, all text), else as the
/// event itself (raw message delivery). `sent_at`: when the queue took it.
///
/// ```
/// use user_events_engine::envelope::open;
/// use user_events_engine::event::{AnyEvent, Event, Opened, Timestamp};
///
/// let body = r#"{"Type":"Notification","TopicArn":"arn:aws:sns:us-east-1:000000000000:user-events","MessageId":"m-1",
///     "Message":"{\"type\":\"user.signed_up\",\"userId\":\"123\",\"email\":\"user@example.com\"}"}"#;
/// let Ok(Opened::Ours(event)) = open::<AnyEvent>(body, Timestamp::now()) else { panic!("an event") };
/// assert_eq!((event.head().kind.as_ref(), event.head().id.as_str()), ("user.signed_up", "m-1"));
/// assert_eq!(open::<AnyEvent>("[]", Timestamp::now()).map_err(|refusal| refusal.code()), Err("not_json"));
/// ```
///
/// # Errors
/// A [`Refusal`]. The body will be the same tomorrow, so trying again is no use.
pub fn open<E: Event>(body: &str, sent_at: Timestamp) -> Result<Opened<E>, Refusal> {
    open_from(body, sent_at, &Topics::default(), E::TYPES)
}

/// The same, for these topics and these types only. Under raw message delivery a body names no topic: there the queue's
/// policy decides who may send.
///
/// # Errors
/// A [`Refusal`].
pub fn open_from<E: Event>(
    body: &str,
    sent_at: Timestamp,
    topics: &Topics,
    types: &[&'static str],
) -> Result<Opened<E>, Refusal> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Refusal::TooLarge);
    }
    let object = shallow_object(body)?;
    let marks: Marks<'_> = serde_json::from_str(object).map_err(|_| Refusal::NotJson)?;
    let (Some(Scalar::Text(kind)), Some(Scalar::Text(topic)), Some(Scalar::Text(message_id))) =
        (&marks.r#type, &marks.topic_arn, &marks.message_id)
    else {
        return Ok(read(object, &Arrival::raw(sent_at), types)?);
    };
    // Checked first: nothing else of another topic's message is read.
    if !topics.accepts(topic) {
        return Err(Refusal::WrongTopic(is_topic_arn(topic).then(|| topic.to_string())));
    }
    if kind != "Notification" {
        return Err(Refusal::NotANotification);
    }
    let Some(Scalar::Text(message)) = &marks.message else {
        return Err(Refusal::NoMessage);
    };
    let wrapped_at = marks.timestamp.as_ref().and_then(Scalar::text).and_then(|t| t.parse::<Timestamp>().ok());
    let first = wrapped_at.unwrap_or(sent_at);
    let arrival = Arrival { last_taken: sent_at.max(first), ..Arrival::wrapped(message_id, first) };
    let message = shallow_object(message).map_err(|refusal| match refusal {
        Refusal::NotJson => Refusal::Event(EventError::NotAnObject),
        other => other,
    })?;
    read(message, &arrival, types).map_err(|error| match error {
        // It would count as another team's event, and the event inside it would be lost.
        EventError::Foreign { has_type: false } | EventError::MissingField(_) if is_sns(message) => {
            Refusal::WrappedTwice
        }
        other => other.into(),
    })
}

fn is_sns(text: &str) -> bool {
    serde_json::from_str(text).is_ok_and(|marks: Marks<'_>| marks.are_sns())
}

/// Would this event be refused for its depth, wherever its message is opened?
#[must_use]
pub fn is_too_deep(event: &str) -> bool {
    depth(event) > MAX_DEPTH
}

/// The text, if it starts like an object and is not nested too deep.
fn shallow_object(text: &str) -> Result<&str, Refusal> {
    if !text.trim_start().starts_with('{') {
        return Err(if depth(text) > MAX_DEPTH { Refusal::TooDeep } else { Refusal::NotJson });
    }
    if depth(text) > MAX_DEPTH { Err(Refusal::TooDeep) } else { Ok(text) }
}

/// How deep brackets nest outside strings; counts to just above the bound.
fn depth(text: &str) -> usize {
    // Text cannot nest deeper than its number of opening brackets. For nearly every body, counting them is enough.
    // Counted in pieces of 255 bytes, so that a count fits one byte and the compiler can check many bytes at once.
    let in_piece =
        |piece: &[u8]| usize::from(piece.iter().map(|byte| u8::from(matches!(byte, b'{' | b'['))).sum::<u8>());
    let openings: usize = text.as_bytes().chunks(255).map(in_piece).sum();
    if openings <= MAX_DEPTH {
        return openings;
    }
    let (mut now, mut most, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !in_string => now = now.saturating_sub(1),
            _ => {}
        }
        if most > MAX_DEPTH {
            break;
        }
    }
    most
}
