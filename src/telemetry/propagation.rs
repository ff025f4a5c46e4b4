//! Reads the trace context of a delivery, and writes the context of a message that we send.
//!
//! Enters: a delivery. Leaves: the publisher's context, if one of the chosen forms is there and valid; or a context
//! as headers. Promises: W3C wins over X-Ray, because W3C comes from the publisher and X-Ray from the service in
//! between. A malformed context counts as none; it is never an error. Pure.

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::propagation::TraceContextPropagator;

use super::w3c;
use crate::config::Propagators;
use engine::envelope::{Carried, TRACEPARENT, TRACESTATE, carried};
use engine::queue::Delivery;

/// The context that a delivery was published in.
pub(super) fn extract(propagators: Propagators, delivery: &Delivery) -> Option<SpanContext> {
    let beside = |name: &str| delivery.attributes.get(name).map(|attribute| attribute.value.clone());
    let w3c = || told(carried(delivery.body.as_str(), beside));
    let xray = || delivery.trace_header.as_deref().and_then(xray);
    let found = if propagators.trace_context { w3c() } else { None };
    found.or_else(|| if propagators.xray { xray() } else { None })
}

/// The headers of a message that is sent in this context.
pub(super) fn inject(propagators: Propagators, context: &Context) -> Vec<(&'static str, String)> {
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
mod tests {
    use opentelemetry::trace::TraceContextExt;

    use super::*;
    use engine::queue::{Attempt, Attribute, Attributes, Body, ReceiptHandle};

    const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const XRAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:0";

    fn delivery(beside: Option<&str>, header: Option<&str>) -> Delivery {
        let attributes = beside.map(|text| (TRACEPARENT.to_owned(), Attribute::string(text)));
        Delivery {
            message_id: "m".to_owned(),
            body: Body::new("{}".to_owned()),
            attributes: attributes.into_iter().collect::<Attributes>(),
            attempt: Attempt::new(1),
            sent_at_millis: 0,
            group: None,
            fairness: None,
            moved_by_queue: false,
            trace_header: header.map(str::to_owned),
            receipt: ReceiptHandle::new("r".to_owned()),
        }
    }

    fn trace(propagators: Propagators, beside: Option<&str>, header: Option<&str>) -> Option<String> {
        extract(propagators, &delivery(beside, header)).map(|context| context.trace_id().to_string())
    }

    #[test]
    fn the_publishers_own_form_wins_and_the_services_stands_in() {
        let (both, w3c) = (Propagators::default(), Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()));
        let xray = Some("5759e988bd862e3fe1be46a994272793".to_owned());
        assert_eq!(trace(both, Some(W3C), Some(XRAY)), w3c);
        assert_eq!(trace(both, None, Some(XRAY)), xray);
        assert_eq!(trace(Propagators { trace_context: false, ..both }, Some(W3C), Some(XRAY)), xray);
        assert_eq!(trace(Propagators { xray: false, ..both }, None, Some(XRAY)), None);
    }

    #[test]
    fn what_is_malformed_is_no_context() {
        let cut = &W3C[..54];
        for bad in ["", cut, "00-00000000000000000000000000000000-00f067aa0ba902b7-01", &W3C.to_uppercase()] {
            assert_eq!(trace(Propagators::default(), Some(bad), None), None, "{bad}");
        }
        let no_parent = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
        for bad in ["", no_parent, "Root=2-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8", "Root=1-é"] {
            assert_eq!(trace(Propagators::default(), None, Some(bad)), None, "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let context = extract(Propagators::default(), &delivery(Some(W3C), None)).expect("sound");
        let headers = inject(Propagators::default(), &Context::new().with_remote_span_context(context));
        assert_eq!(headers, [(TRACEPARENT, W3C.to_owned())], "an empty tracestate takes no attribute");
        let none = Propagators { trace_context: false, xray: true };
        assert!(inject(none, &Context::new()).is_empty());
    }
}
