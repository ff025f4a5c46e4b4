//! The trace that a message carries: read, written, read again.
//!
//! Enters: `traceparent`, `tracestate` and `xray`, one a line, each with its value; an empty line; the body. Leaves:
//! nothing.

use super::{delivery, pairs};
use crate::config::Propagators;
use crate::telemetry::propagation::{continued, extract, inject};
use engine::envelope::{TRACEPARENT, TRACESTATE};
use engine::queue::{Attribute, Attributes, Delivery, rules};

const BOTH: Propagators = Propagators { trace_context: true, xray: true };
const W3C: Propagators = Propagators { xray: false, ..BOTH };
const XRAY: Propagators = Propagators { trace_context: false, ..BOTH };

/// What holds of a trace.
pub fn traces(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (told, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let value = |name: &str| pairs(told).find(|(own, _)| *own == name).map(|(_, value)| value);
    let own = |name: &str| Some((name.to_owned(), Attribute::string(value(name)?)));
    let attributes: Attributes = [TRACEPARENT, TRACESTATE].into_iter().filter_map(own).collect();
    let delivery = Delivery { trace_header: value("xray").map(str::to_owned), ..delivery(body, attributes) };
    let [found, w3c, xray] = [BOTH, W3C, XRAY].map(|propagators| extract(propagators, &delivery));
    assert_eq!(found, w3c.or(xray), "the publisher's own form wins");
    goes_on(BOTH, &delivery);
    goes_on(W3C, &delivery);
}

/// A context that was read is written as headers and attributes that anybody takes, and read back the same.
fn goes_on(forms: Propagators, delivery: &Delivery) {
    let Some(context) = extract(forms, delivery) else { return };
    assert!(context.is_valid() && context.is_remote());
    let headers = inject(BOTH, &continued(context.clone()));
    let text = |name: &str| headers.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| value.as_str());
    assert_eq!(text(TRACEPARENT).len(), 55, "{headers:?}");
    assert!(text(TRACESTATE).len() <= 512 && text(TRACESTATE).split(',').count() <= 32, "{headers:?}");
    assert!(headers.iter().all(|(_, value)| value.bytes().all(|b| matches!(b, b' '..=b'~'))), "{headers:?}");
    let attributes: Attributes =
        headers.iter().map(|(name, value)| ((*name).to_owned(), Attribute::string(value.as_str()))).collect();
    assert_eq!(rules::check("{}", &attributes), Ok(()), "a message may carry it");
    let again = super::delivery("{}", attributes);
    assert_eq!(extract(W3C, &again), Some(context), "what is written is read back");
}
