//! Observes one reaction's worker: measures each delivery, and puts it into its event's trace.
//!
//! Enters: what the worker reports. Leaves: measurements, and a `process` span whose parent is the publisher's span.
//! It is a parent and not a link, because an operator looks for one trace from publish to effect. A `receive` brings
//! up to ten events, so it uses links if there are several (see [`super::queue`]). Promises: labels are made once;
//! without a collector there are no spans, only the trace id in the log.

use std::sync::Arc;
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::metrics::BoundHistogram;
use opentelemetry::trace::{SpanContext, Status, TraceContextExt};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::{Span, field, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::instruments::Instruments;
use super::labels::{DESTINATION, ERROR, OPERATION, REACTION, SYSTEM};
use super::propagation::{continued, extract, inject};
use crate::config::Propagators;
use engine::event::Timestamp;
use engine::handler::TRACE;
use engine::queue::Delivery;
use engine::worker::{Ended, Observer, Outcome};

/// Watches one reaction. Clones share everything.
#[derive(Debug, Clone)]
pub struct Watch {
    pub(super) inner: Arc<WatchInner>,
}

#[derive(Debug)]
pub(super) struct WatchInner {
    pub(super) instruments: Instruments,
    pub(super) tracer: Option<SdkTracer>,
    propagators: Propagators,
    pub(super) queue: String,
    process: String,
    pub(super) reaction: KeyValue,
    system: KeyValue,
    destination: KeyValue,
    usual: Usual,
}

/// The measurements of nearly every delivery, with their labels looked up once: a look-up costs ten times a recording.
#[derive(Debug)]
struct Usual {
    done: BoundHistogram<f64>,
    attempt: BoundHistogram<u64>,
    age: BoundHistogram<f64>,
}

/// One call that is under way.
pub(super) struct TimedCall<'a> {
    watch: &'a WatchInner,
    operation: &'static str,
    started: Instant,
}

impl Watch {
    pub(super) fn new(
        reaction: &'static str,
        queue: &str,
        instruments: Instruments,
        tracer: Option<SdkTracer>,
        propagators: Propagators,
    ) -> Self {
        let reaction = KeyValue::new(REACTION, reaction);
        let system = KeyValue::new(SYSTEM, "aws_sqs");
        // An `Arc`, because the label is cloned for each measurement.
        let destination = KeyValue::new(DESTINATION, Arc::<str>::from(queue));
        let done = processed([system.clone(), destination.clone(), reaction.clone()], &Outcome::Done);
        let usual = Usual {
            done: instruments.process.bind(&done),
            attempt: instruments.attempt.bind(std::slice::from_ref(&reaction)),
            age: instruments.age.bind(std::slice::from_ref(&reaction)),
        };
        let (queue, process) = (queue.to_owned(), format!("process {queue}"));
        let inner =
            WatchInner { instruments, tracer, propagators, queue, process, reaction, system, destination, usual };
        inner.begin_at_zero();
        Self { inner: Arc::new(inner) }
    }
}

impl Watch {
    /// Writes the span of the moment in which it is called, as headers of a request; none without a collector.
    #[must_use]
    pub(crate) fn trace_headers(&self) -> Box<dyn Fn() -> Vec<(&'static str, String)> + Send + Sync> {
        let inner = self.inner.clone();
        Box::new(move || match inner.tracer {
            Some(_) => inject(inner.propagators, &Span::current().context()),
            None => Vec::new(),
        })
    }
}

impl WatchInner {
    /// Sets each counter to 0 at the start. If a counter appeared only with its first failure, Prometheus's `rate()`
    /// would miss that failure.
    fn begin_at_zero(&self) {
        let own = std::slice::from_ref(&self.reaction);
        self.instruments.possible_duplicates.add(0, own);
        self.instruments.receive_failures.add(0, own);
        self.instruments.consumed.add(0, &self.labels());
        self.instruments.sent.add(0, &self.labels());
    }

    pub(super) fn labels(&self) -> [KeyValue; 3] {
        [self.system.clone(), self.destination.clone(), self.reaction.clone()]
    }

    pub(super) fn context(&self, delivery: &Delivery) -> Option<SpanContext> {
        extract(self.propagators, delivery)
    }

    pub(super) fn call(&self, operation: &'static str) -> TimedCall<'_> {
        TimedCall { watch: self, operation, started: Instant::now() }
    }
}

impl TimedCall<'_> {
    pub(super) fn ended(self, error: Option<&'static str>) {
        let [system, destination, reaction] = self.watch.labels();
        let operation = KeyValue::new(OPERATION, self.operation);
        let (histogram, seconds) = (&self.watch.instruments.call, self.started.elapsed().as_secs_f64());
        match error {
            None => histogram.record(seconds, &[system, destination, reaction, operation]),
            Some(error) => {
                histogram.record(seconds, &[system, destination, reaction, operation, KeyValue::new(ERROR, error)]);
            }
        }
    }
}

impl Observer for Watch {
    fn begins(&self, delivery: &Delivery, log: &Span) -> Span {
        let publisher = self.inner.context(delivery);
        if self.inner.tracer.is_none() {
            if let Some(context) = publisher {
                log.record("trace_id", field::display(context.trace_id()));
            }
            return Span::none();
        }
        let span = info_span!(
            target: TRACE, parent: None, "process",
            otel.name = self.inner.process, otel.kind = "consumer",
            messaging.system = "aws_sqs", messaging.destination.name = self.inner.queue,
            messaging.operation.name = "process", messaging.operation.type = "process",
            messaging.message.id = delivery.message_id, user_events.attempt = delivery.attempt.get(),
        );
        if let Some(context) = publisher {
            // Fails only for a span that was entered before, or that no layer takes.
            let _ = span.set_parent(continued(context));
        }
        let context = span.context();
        log.record("trace_id", field::display(context.span().span_context().trace_id()));
        span
    }

    fn ends(&self, span: &Span, ended: &Ended, is_gone: bool) {
        let WatchInner { instruments, usual, .. } = &*self.inner;
        let (outcome, seconds) = (ended.outcome.name(), ended.handling.as_secs_f64());
        match &ended.outcome {
            Outcome::Done => usual.done.record(seconds),
            other => instruments.process.record(seconds, &processed(self.inner.labels(), other)),
        }
        usual.attempt.record(ended.attempt.get().into());
        if is_gone && matches!(ended.outcome, Outcome::Done | Outcome::DoneUnrecorded) {
            let millis = Timestamp::now().unix_millis().saturating_sub(ended.sent_at_millis).max(0);
            usual.age.record(millis as f64 / 1000.0);
        }
        if span.is_none() {
            return;
        }
        span.set_attribute("user_events.outcome", outcome);
        span.set_attribute("user_events.verdict", ended.verdict);
        if is_failure(&ended.outcome) {
            span.set_attribute(ERROR, outcome);
            span.set_status(Status::error(outcome));
        }
    }
}

fn processed(labels: [KeyValue; 3], outcome: &Outcome) -> Vec<KeyValue> {
    let said = KeyValue::new("user_events.outcome", outcome.name());
    let error = is_failure(outcome).then(|| KeyValue::new(ERROR, outcome.name()));
    labels.into_iter().chain([KeyValue::new(OPERATION, "process"), said]).chain(error).collect()
}

fn is_failure(outcome: &Outcome) -> bool {
    use Outcome::{Busy, Done, Duplicate, Ignored, Stale};
    !matches!(outcome, Done | Duplicate | Stale | Ignored | Busy(_))
}
