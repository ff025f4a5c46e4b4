//! The trace that a message belongs to, as it travels: two texts, and no more than that.
//!
//! Enters: a body and the attributes beside it. Leaves: the publisher's `traceparent` and `tracestate`, unread.
//! Under wrapped delivery they lie inside the envelope, under raw delivery beside it; the envelope wins,
//! because what lies beside a wrapped body was put there by somebody in between. Pure.

use serde::Deserialize;

use super::MAX_BODY_BYTES;

/// The name of the W3C header, and of the attribute that carries it.
pub const TRACEPARENT: &str = "traceparent";
/// The name of its companion.
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
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    traceparent: Option<Attribute>,
    tracestate: Option<Attribute>,
}

#[derive(Deserialize)]
struct Attribute {
    #[serde(rename = "Value")]
    value: String,
}

/// Reads what travels with a body; `attribute` finds those beside it by name.
#[must_use]
pub fn carried(body: &str, attribute: impl Fn(&str) -> Option<String>) -> Carried {
    // Looked for first, because most bodies need no second reading.
    let inside = if body.len() <= MAX_BODY_BYTES && body.contains(TRACEPARENT) { inside(body) } else { None };
    inside.unwrap_or_else(|| Carried { traceparent: attribute(TRACEPARENT), tracestate: attribute(TRACESTATE) })
}

fn inside(body: &str) -> Option<Carried> {
    let Envelope { attributes: Attributes { traceparent, tracestate } } = serde_json::from_str(body).ok()?;
    let traceparent = Some(traceparent?.value);
    Some(Carried { traceparent, tracestate: tracestate.map(|state| state.value) })
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
    fn the_word_in_an_event_of_its_own_means_nothing() {
        for body in [r#"{"traceparent":"00-x"}"#, r#"{"MessageAttributes":{"traceparent":7}}"#, "traceparent"] {
            assert_eq!(carried(body, beside), pair("00-beside", None), "{body}");
        }
    }
}
