//! Traces that travel with a message, and what is left out.

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
    let headers = inject(Propagators::default(), &continued(context));
    assert_eq!(headers, [(TRACEPARENT, W3C.to_owned())], "an empty tracestate takes no attribute");
    let none = Propagators { trace_context: false, xray: true };
    assert!(inject(none, &Context::new()).is_empty());
}
