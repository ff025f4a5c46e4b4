//! Reads the trace context of a delivery, and writes the context of a message that we send.
//!
//! Enters: a delivery. Leaves: the publisher's context, if one of the chosen forms is there and valid; or a context
//! as headers. Promises: W3C wins over X-Ray, because W3C comes from the publisher and X-Ray from the service in
//! between. A malformed context counts as none; it is never an error. Pure.

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::propagation::TraceContextPropagator;

use super::w3c;
use crate::config::Propagators;
use engine::envelope::{Carried, TRACEPARENT, TRACESTATE, carried};
use engine::queue::Delivery;

/// The context that a delivery was published in.
pub(crate) fn extract(propagators: Propagators, delivery: &Delivery) -> Option<SpanContext> {
    let beside = |name: &str| delivery.attributes.get(name).map(|attribute| attribute.value.clone());
    let w3c = || told(carried(delivery.body.as_str(), beside));
    let xray = || delivery.trace_header.as_deref().and_then(xray);
    let found = if propagators.trace_context { w3c() } else { None };
    found.or_else(|| if propagators.xray { xray() } else { None })
}

/// The context of whatever goes on from there.
pub(crate) fn continued(context: SpanContext) -> Context {
    Context::new().with_remote_span_context(context)
}

/// The headers of a message that is sent in this context.
pub(crate) fn inject(propagators: Propagators, context: &Context) -> Vec<(&'static str, String)> {
    let mut headers = HashMap::new();
    if propagators.trace_context {
        TraceContextPropagator::new().inject_context(context, &mut headers);
    }
    let header = |name: &'static str| Some((name, headers.remove(name).filter(|value| !value.is_empty())?));
    [TRACEPARENT, TRACESTATE].into_iter().filter_map(header).collect()
}

fn told(carried: Carried) -> Option<SpanContext> {
    w3c::context(&carried.traceparent?, carried.tracestate.as_deref())
}

/// `Root=1-<8 hex>-<24 hex>;Parent=<16 hex>;Sampled=<0|1>`, in any order, other fields ignored.
fn xray(header: &str) -> Option<SpanContext> {
    let field = |name: &str| {
        let fields = header.split(';').filter_map(|field| field.trim().split_once('='));
        fields.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let hex = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    let (time, rest) = field("Root")?.strip_prefix("1-")?.split_once('-')?;
    let parent = field("Parent")?;
    if !(hex(time, 8) && hex(rest, 24) && hex(parent, 16)) {
        return None;
    }
    let trace_id = TraceId::from_hex(&format!("{time}{rest}")).ok()?;
    let flags = if field("Sampled") == Some("1") { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let found = SpanContext::new(trace_id, SpanId::from_hex(parent).ok()?, flags, true, TraceState::default());
    found.is_valid().then_some(found)
}

#[cfg(test)]
#[path = "propagation_tests.rs"]
mod tests;
