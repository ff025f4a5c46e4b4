//! Observes publishing: a `send` span for each event. The event carries the span's context.
//!
//! Enters: events being sent, and the result of each. Leaves: spans, and two measurements for each event. Without a
//! collector there is no span, and the event carries no context.

use std::sync::Arc;
use std::time::Instant;

use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

use super::instruments::Instruments;
use super::labels::{DESTINATION, ERROR, OPERATION, SYSTEM};
use super::propagation::inject;
use crate::config::Propagators;
use engine::event::Head;
use engine::publisher::{ObservedPublish, PublishError, PublishObserver};
use engine::topic::{MessageId, SendError};

/// Watches one topic.
#[derive(Debug)]
pub(super) struct TopicWatch {
    inner: Arc<TopicInner>,
}

#[derive(Debug)]
struct TopicInner {
    instruments: Instruments,
    tracer: Option<SdkTracer>,
    propagators: Propagators,
    name: String,
    labels: [KeyValue; 3],
}

#[derive(Debug)]
struct Sent {
    inner: Arc<TopicInner>,
    context: Option<Context>,
    started: Instant,
}

impl TopicWatch {
    pub(super) fn new(
        topic: &str,
        instruments: Instruments,
        tracer: Option<SdkTracer>,
        propagators: Propagators,
    ) -> Self {
        let labels = [
            KeyValue::new(SYSTEM, "aws.sns"),
            KeyValue::new(DESTINATION, topic.to_owned()),
            KeyValue::new(OPERATION, "send"),
        ];
        let name = format!("send {topic}");
        Self { inner: Arc::new(TopicInner { instruments, tracer, propagators, name, labels }) }
    }
}

impl PublishObserver for TopicWatch {
    fn sends(&self, head: &Head) -> Box<dyn ObservedPublish> {
        let TopicInner { tracer, name, labels, .. } = &*self.inner;
        let context = tracer.as_ref().map(|tracer| {
            let own = [
                KeyValue::new("messaging.operation.type", "send"),
                KeyValue::new("user_events.event_id", head.id.as_str().to_owned()),
            ];
            let span = tracer.span_builder(name.clone()).with_kind(SpanKind::Producer);
            let span =
                span.with_attributes(labels.iter().cloned().chain(own)).start_with_context(tracer, &Context::new());
            Context::new().with_span(span)
        });
        Box::new(Sent { inner: self.inner.clone(), context, started: Instant::now() })
    }
}

impl ObservedPublish for Sent {
    fn headers(&self) -> Vec<(&'static str, String)> {
        self.context.as_ref().map_or_else(Vec::new, |context| inject(self.inner.propagators, context))
    }

    fn ended(self: Box<Self>, result: &Result<MessageId, PublishError>) {
        let TopicInner { instruments, labels, .. } = &*self.inner;
        let error = result.as_ref().err().map(kind);
        let all: Vec<KeyValue> = labels.iter().cloned().chain(error.map(|error| KeyValue::new(ERROR, error))).collect();
        instruments.call.record(self.started.elapsed().as_secs_f64(), &all);
        instruments.sent.add(1, &all);
        let Some(span) = self.context.as_ref().map(TraceContextExt::span) else { return };
        match result {
            Ok(MessageId(id)) => span.set_attribute(KeyValue::new("messaging.message.id", id.clone())),
            Err(error) => {
                span.set_attribute(KeyValue::new(ERROR, kind(error)));
                span.set_status(Status::error(kind(error)));
            }
        }
        span.end();
    }
}

fn kind(error: &PublishError) -> &'static str {
    match error {
        PublishError::TooLarge(_) => "too_large",
        PublishError::Send(SendError::Refused(_)) => "refused",
        PublishError::Send(SendError::Unavailable(_)) => "unavailable",
    }
}
