//! The trace that a message belongs to, as it travels: two texts.
//!
//! Enters: a body and the attributes beside it. Leaves: the publisher's `traceparent` and `tracestate`, unparsed.
//! Wrapped delivery has them inside the envelope, raw delivery beside the body. The envelope wins, because attributes
//! beside a wrapped body come from somebody in between. A `CloudEvent` may have them as its own attributes, as Dapr
//! sends them: these count if neither other place has any. Pure.

use serde::Deserialize;

use super::{MAX_BODY_BYTES, Marks};
use crate::event::Scalar;

/// The name of the W3C header, and of the attribute that carries it.
pub const TRACEPARENT: &str = "traceparent";
/// The name of the header that goes with it.
pub const TRACESTATE: &str = "tracestate";

/// What a publisher said about its trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// Which trace, and which span of it.
    pub traceparent: Option<String>,
    /// What tracing systems noted for each other.
    pub tracestate: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "MessageAttributes")]
    attributes: SnsAttributes,
}

#[derive(Deserialize)]
struct SnsAttributes {
    traceparent: Option<SnsAttribute>,
    tracestate: Option<SnsAttribute>,
}

#[derive(Deserialize)]
struct SnsAttribute {
    #[serde(rename = "Value")]
    value: String,
}

/// A `CloudEvent`: its mark, and its extension for tracing.
#[derive(Deserialize)]
struct CloudEvent<'a> {
    #[serde(borrow)]
    specversion: Option<Scalar<'a>>,
    #[serde(borrow)]
    traceparent: Option<Scalar<'a>>,
    #[serde(borrow)]
    tracestate: Option<Scalar<'a>>,
}

/// Reads the trace of a body; `attribute` finds the attributes beside it by name.
#[must_use]
pub fn carried(body: &str, attribute: impl Fn(&str) -> Option<String>) -> Carried {
    // Searched for as text first, because most bodies then need no parsing.
    let body = Some(body).filter(|body| body.len() <= MAX_BODY_BYTES && body.contains(TRACEPARENT));
    let beside = || Some(Carried { traceparent: Some(attribute(TRACEPARENT)?), tracestate: attribute(TRACESTATE) });
    body.and_then(inside).or_else(beside).or_else(|| body.and_then(of_cloud_event)).unwrap_or_default()
}

fn inside(body: &str) -> Option<Carried> {
    let Envelope { attributes: SnsAttributes { traceparent, tracestate } } = serde_json::from_str(body).ok()?;
    let traceparent = Some(traceparent?.value);
    Some(Carried { traceparent, tracestate: tracestate.map(|state| state.value) })
}

fn of_cloud_event(body: &str) -> Option<Carried> {
    let marks: Marks<'_> = serde_json::from_str(body).ok()?;
    let text = if marks.are_sns() { marks.message.as_ref()?.text()? } else { body };
    let CloudEvent { specversion, traceparent, tracestate } = serde_json::from_str(text).ok()?;
    let own = |value: Option<Scalar<'_>>| value.as_ref().and_then(Scalar::text).map(str::to_owned);
    specversion.and(own(traceparent)).map(|parent| Carried { traceparent: Some(parent), tracestate: own(tracestate) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRAPPED: &str = r#"{"Type":"Notification","Message":"{}","MessageAttributes":{
        "eventType":{"Type":"String","Value":"user.signed_up"},
        "traceparent":{"Type":"String","Value":"00-inside"},"tracestate":{"Type":"String","Value":"a=1"}}}"#;

    fn beside(name: &str) -> Option<String> {
        (name == TRACEPARENT).then(|| "00-beside".to_owned())
    }

    fn pair(traceparent: &str, tracestate: Option<&str>) -> Carried {
        Carried { traceparent: Some(traceparent.to_owned()), tracestate: tracestate.map(str::to_owned) }
    }

    #[test]
    fn it_is_read_from_the_envelope_and_else_from_beside_the_body() {
        assert_eq!(carried(WRAPPED, beside), pair("00-inside", Some("a=1")));
        assert_eq!(carried("{}", beside), pair("00-beside", None));
        assert_eq!(carried("{}", |_| None), Carried::default());
    }

    #[test]
    fn a_cloud_events_own_counts_where_no_attribute_has_any() {
        let own = r#"{"specversion":"1.0","traceparent":"00-own","tracestate":"b=2"}"#;
        let wrapped = |attributes: &str| {
            let message = serde_json::Value::from(own);
            let marks = r#""Type":"Notification","TopicArn":"t","MessageId":"m""#;
            format!(r#"{{{marks},"Message":{message},"MessageAttributes":{attributes}}}"#)
        };
        for body in [own, &wrapped("{}"), &wrapped("null")] {
            assert_eq!(carried(body, |_| None), pair("00-own", Some("b=2")), "{body}");
            assert_eq!(carried(body, beside), pair("00-beside", None), "{body}");
        }
        let inside = wrapped(r#"{"traceparent":{"Type":"String","Value":"00-inside"}}"#);
        assert_eq!(carried(&inside, beside), pair("00-inside", None));
        for odd in [r#"{"specversion":"1.0","traceparent":7}"#, r#"{"specversion":null,"traceparent":"00-x"}"#] {
            assert_eq!(carried(odd, |_| None), Carried::default(), "{odd}");
        }
        let dapr = include_str!("../../../tests/fixtures/cloud_events/dapr.json");
        let parent = "00-113ad9c4e42b27583ae98ba698d54255-e3743e35ff56f219-01";
        assert_eq!(carried(dapr, |_| None), pair(parent, Some("")));
    }

    #[test]
    fn the_word_in_an_event_of_its_own_means_nothing() {
        for body in [r#"{"traceparent":"00-x"}"#, r#"{"MessageAttributes":{"traceparent":7}}"#, "traceparent"] {
            assert_eq!(carried(body, beside), pair("00-beside", None), "{body}");
        }
    }
}
