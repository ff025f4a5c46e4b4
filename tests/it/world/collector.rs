//! A stand-in for an OpenTelemetry collector: takes OTLP over HTTP as a real one does, and stores what it gets.
//!
//! Enters: protobuf on 127.0.0.1. Leaves: spans, names of metrics, names of services, and request headers. Does not
//! know what they mean.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// Everything that was sent to it.
#[derive(Default)]
pub struct Received {
    pub spans: Vec<Span>,
    pub metrics: BTreeSet<String>,
    pub services: BTreeSet<String>,
    pub headers: Vec<HeaderMap>,
}

type Shared = Arc<Mutex<Received>>;

pub struct Collector {
    pub url: String,
    received: Shared,
    _serving: AbortOnDropHandle<()>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let received = Shared::default();
        let router = Router::new().route("/v1/traces", post(traces)).route("/v1/metrics", post(metrics));
        let router = router.with_state(received.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, received, _serving: AbortOnDropHandle::new(serving) }
    }

    pub fn look<T>(&self, look: impl FnOnce(&Received) -> T) -> T {
        look(&self.received.lock().unwrap())
    }

    /// The spans of one trace, by hexadecimal id.
    pub fn trace(&self, id: &str) -> Vec<Span> {
        self.look(|received| received.spans.iter().filter(|span| hex(&span.trace_id) == id).cloned().collect())
    }
}

async fn traces(State(received): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let mut received = received.lock().unwrap();
    received.headers.push(headers);
    for resource in request.resource_spans {
        received.services.extend(resource.resource.iter().filter_map(|r| text(&r.attributes, "service.name")));
        received.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    StatusCode::OK
}

async fn metrics(State(received): State<Shared>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportMetricsServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    let names = scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name);
    received.lock().unwrap().metrics.extend(names);
    StatusCode::OK
}

/// The value of a text attribute.
pub fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match &found.value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => Some(text.clone()),
        _ => None,
    }
}

pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
