//! A queue decorator: the same port, with each call measured.
//!
//! Enters: the port's calls, and the answers of the queue inside. Leaves: the same answers, unchanged, and the time of
//! each call. A receive that brought messages makes a `receive` span: in the event's trace if it brought one event,
//! linked to each event's trace if it brought several. An empty long poll makes no span: one every 20 s would hide
//! the others.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Link, Span, SpanContext, SpanKind, Tracer};
use opentelemetry::{Context, KeyValue};

use super::labels::OPERATION;
use super::propagation::continued;
use super::watch::{TimedCall, Watch, WatchInner};
use engine::queue::{DeadLetter, Delivery, Facts, Hide, Hold, Queue, QueueError, ReceiptHandle, Unsettled};

/// A queue with its watch.
#[derive(Debug)]
pub struct WatchedQueue<Q> {
    queue: Q,
    watch: Watch,
}

impl Watch {
    /// Measures each call to `queue`.
    #[must_use]
    pub fn queue<Q: Queue>(&self, queue: Q) -> WatchedQueue<Q> {
        WatchedQueue { queue, watch: self.clone() }
    }
}

impl<Q: Queue> Queue for WatchedQueue<Q> {
    const SERVER: &'static str = Q::SERVER;

    fn name(&self) -> &str {
        self.queue.name()
    }

    fn facts(&self) -> Facts {
        self.queue.facts()
    }

    async fn receive(&self, at_most: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let watch = &*self.watch.inner;
        let (call, asked) = (watch.call("receive"), SystemTime::now());
        let result = self.queue.receive(at_most, wait).await;
        call.ended(result.as_ref().err().map(kind));
        match &result {
            Ok(deliveries) => {
                watch.instruments.consumed.add(deliveries.len() as u64, &watch.labels());
                watch.received(asked, deliveries);
            }
            Err(_) => watch.instruments.receive_failures.add(1, std::slice::from_ref(&watch.reaction)),
        }
        result
    }

    async fn delete(&self, spent: Vec<ReceiptHandle>) -> Vec<Unsettled> {
        let call = self.watch.inner.call("delete");
        let failed = self.queue.delete(spent).await;
        self.settled("delete", call, failed.iter().map(|entry| &entry.error));
        failed
    }

    async fn hide(&self, entries: Vec<Hide>) -> Vec<Unsettled> {
        let call = self.watch.inner.call("hide");
        let failed = self.queue.hide(entries).await;
        self.settled("hide", call, failed.iter().map(|entry| &entry.error));
        failed
    }

    async fn extend(&self, holds: &[Hold], visibility: Duration) -> Vec<(usize, QueueError)> {
        let call = self.watch.inner.call("extend");
        let failed = self.queue.extend(holds, visibility).await;
        self.settled("extend", call, failed.iter().map(|(_, error)| error));
        failed
    }

    async fn send_to_dlq(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let watch = &*self.watch.inner;
        let call = watch.call("send");
        let result = self.queue.send_to_dlq(letter).await;
        self.settled("send", call, result.as_ref().err().into_iter());
        if result.is_ok() {
            let reason = KeyValue::new("reason", letter.reason().to_owned());
            watch.instruments.quarantined.add(1, &[watch.reaction.clone(), reason]);
            watch.instruments.sent.add(1, &watch.labels());
        }
        result
    }
}

impl<Q> WatchedQueue<Q> {
    /// Records a batch call. If some of its entries failed, the call counts as failed, with the first entry's error.
    fn settled<'e>(
        &self,
        operation: &'static str,
        call: TimedCall<'_>,
        errors: impl ExactSizeIterator<Item = &'e QueueError>,
    ) {
        let (failed, mut errors) = (errors.len() as u64, errors);
        call.ended(errors.next().map(kind));
        let watch = &*self.watch.inner;
        let operation = KeyValue::new("operation", operation);
        watch.instruments.unsettled.add(failed, &[watch.reaction.clone(), operation]);
    }
}

impl WatchInner {
    fn received(&self, asked: SystemTime, deliveries: &[Delivery]) {
        let Some(tracer) = self.tracer.as_ref().filter(|_| !deliveries.is_empty()) else { return };
        let mut published: Vec<SpanContext> = deliveries.iter().filter_map(|one| self.context(one)).collect();
        let only = if deliveries.len() == 1 { published.pop() } else { None };
        let parent = only.map_or_else(Context::new, continued);
        let attributes = [
            KeyValue::new(OPERATION, "receive"),
            KeyValue::new("messaging.operation.type", "receive"),
            KeyValue::new("messaging.batch.message_count", deliveries.len() as i64),
        ];
        let span = tracer.span_builder(format!("receive {}", self.queue)).with_kind(SpanKind::Client);
        let span = span.with_start_time(asked).with_attributes(self.labels().into_iter().chain(attributes));
        let links = published.into_iter().map(|context| Link::new(context, Vec::new(), 0)).collect();
        span.with_links(links).start_with_context(tracer, &parent).end();
    }
}

/// The error as a label: few values, without the service's text.
fn kind(error: &QueueError) -> &'static str {
    match error {
        QueueError::Refused(_) | QueueError::Denied { .. } => "refused",
        QueueError::NotInFlight => "not_in_flight",
        QueueError::Unavailable(_) => "unavailable",
        QueueError::NoDeadLetterQueue => "no_dead_letter_queue",
        QueueError::Unfit(_) => "unfit",
    }
}
