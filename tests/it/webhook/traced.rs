//! A call in its event's trace: seen by the collector, and told to the service.

use std::time::Duration;

use aws_sdk_sqs::types::MessageAttributeValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::crm::Crm;
use super::service::{Service, status};
use crate::world::collector::{Collector, hex};

const SOON: Duration = Duration::from_secs(30);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PUBLISHER: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn each_call_of_a_webhook_is_a_span_in_its_events_trace_and_the_service_gets_that_spans_id() {
    let (service, collector) = (Service::start().await, Collector::start().await);
    let crm = Crm::calling(&service.url, SOON).await.with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    service.script([status(500, "")]);
    let traceparent = MessageAttributeValue::builder().data_type("String");
    let traceparent = traceparent.string_value(format!("00-{TRACE}-{PUBLISHER}-01")).build().unwrap();
    let send = crm.world.sqs.send_message().queue_url(&crm.queue.url).message_body(crm.event(1, ""));
    send.message_attributes("traceparent", traceparent).send().await.unwrap();
    let worker = crm.worker();
    crm.world.drained(&crm.queue, SOON).await;
    // It sends its last spans when it ends.
    assert_eq!(worker.terminate().await, Some(0));

    let mut spans = collector.trace(TRACE);
    spans.sort_by_key(|span| span.start_time_unix_nano);
    let named = |name: &str| spans.iter().filter(|span| span.name.starts_with(name)).collect::<Vec<_>>();
    let (tries, calls, requests) = (named("process "), named("webhook call"), service.requests());
    assert_eq!([tries.len(), calls.len(), requests.len()], [2; 3], "{spans:?}");
    for ((of, call), request) in tries.iter().zip(&calls).zip(&requests) {
        assert_eq!(hex(&of.parent_span_id), PUBLISHER);
        assert_eq!((call.kind(), &call.parent_span_id), (SpanKind::Client, &of.span_id));
        assert_eq!(request.headers["traceparent"], format!("00-{TRACE}-{}-01", hex(&call.span_id)));
    }
    let code = |span: &&opentelemetry_proto::tonic::trace::v1::Span| span.status.as_ref().map(|status| status.code());
    assert_eq!(code(&calls[0]), Some(StatusCode::Error), "answered 500");
    assert_ne!(code(&calls[1]), Some(StatusCode::Error), "answered 204");
    let connects = named("webhook connect");
    assert!(connects.iter().all(|span| span.kind() == SpanKind::Client), "{connects:?}");
    assert_eq!(connects[0].parent_span_id, tries[0].span_id);
}
