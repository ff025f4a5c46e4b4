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
#[path = "carried_tests.rs"]
mod tests;
