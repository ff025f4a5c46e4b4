//! The table of all metrics: for the instruments, for docs/operate.md, and for the dashboard's test.
//!
//! Enters: nothing. Leaves: each metric's name, kind, unit, buckets and meaning. Promises: a name is the one of
//! OpenTelemetry's messaging conventions if there is one, else it begins with `user_events.`. No label ever holds a
//! subject, an event or a message. Knows no metric's value.

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name in OpenTelemetry's form, with dots.
    pub name: &'static str,
    /// What kind of metric it is.
    pub kind: Kind,
    /// Its unit: `s`, or the counted thing in braces. Empty for a state.
    pub unit: &'static str,
    /// What it means, and its labels.
    pub means: &'static str,
    /// A histogram's upper bounds.
    pub buckets: &'static [f64],
}

/// What kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// The value now.
    Gauge,
    /// How many measurements fall into each bucket.
    Histogram,
}

impl Metric {
    /// The name under which Prometheus scrapes it.
    #[must_use]
    pub fn exported(&self) -> String {
        let unit = if self.unit == "s" { "_seconds" } else { "" };
        let total = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{unit}{total}", self.name.replace('.', "_"))
    }
}

impl Kind {
    /// Prometheus's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The buckets that OpenTelemetry's messaging conventions advise, in seconds.
const DURATIONS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// [`DURATIONS`] and two more: a long poll takes 20 s.
const CALLS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 25.0];
/// From 0.05 s, for a worker that keeps up, to 259,200 s = 3 days, for an outage over a weekend.
const AGES: &[f64] =
    &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0, 259_200.0];
const ATTEMPTS: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0, 50.0, 100.0];

const fn counter(name: &'static str, unit: &'static str, means: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit, means, buckets: &[] }
}

const fn gauge(name: &'static str, unit: &'static str, means: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, means, buckets: &[] }
}

const fn histogram(name: &'static str, unit: &'static str, means: &'static str, buckets: &'static [f64]) -> Metric {
    Metric { name, kind: Kind::Histogram, unit, means, buckets }
}

macro_rules! table {
    ($($constant:ident = $metric:expr;)*) => {
        $(pub(super) const $constant: Metric = $metric;)*
        /// Every metric a worker has.
        pub const METRICS: &[Metric] = &[$($constant),*];
    };
}

table! {
    PROCESS = histogram("messaging.process.duration", "s", "handling one delivery, from opening it to its record; by outcome", DURATIONS);
    CONSUMED = counter("messaging.client.consumed.messages", "{message}", "deliveries received");
    SENT = counter("messaging.client.sent.messages", "{message}", "messages sent: dead letters, and by `publish` events");
    CALL = histogram("messaging.client.operation.duration", "s", "one call to SQS or SNS; by operation: receive, delete, hide, extend, send", CALLS);
    DELIVERIES = counter("user_events.deliveries", "{delivery}", "deliveries that ended; by outcome and verdict");
    ACTIVE = gauge("user_events.deliveries.active", "{delivery}", "deliveries received and not settled");
    SLOTS = gauge("user_events.slots", "{delivery}", "handlers running at once, at most (`WORKER_CONCURRENCY`); twice as many deliveries may be unsettled");
    OLDEST = gauge("user_events.oldest_running", "s", "how long ago the oldest unsettled delivery was received; 0: there is none");
    AGE = histogram("user_events.delivery.age", "s", "publish to done: from the queue's taking an event to its confirmed delete, for those done", AGES);
    ATTEMPT = histogram("user_events.delivery.attempt", "{receive}", "which receive of its message a delivery was", ATTEMPTS);
    QUARANTINED = counter("user_events.quarantined", "{message}", "dead letters sent; by reason");
    UNSETTLED = counter("user_events.settle.failures", "{message}", "deletes, hides, extensions and dead letters that the queue did not confirm; tried again");
    POSSIBLE_DUPLICATES = counter("user_events.possible_duplicates", "{effect}", "effects tried although an earlier try may have happened");
    LEASES_LOST = counter("user_events.leases.lost", "{delivery}", "deliveries that became visible to others while they were worked on");
    LEDGER = histogram("user_events.ledger.duration", "s", "one step of the record of effects; by operation", DURATIONS);
    BREAKER = gauge("user_events.breaker.open", "", "1 while the reaction is paused because something it needs is down, else 0");
    TRIPS = counter("user_events.breaker.trips", "{pause}", "pauses; by what was down (dependency)");
    SQS_CALLS = counter("user_events.sqs.calls", "{call}", "calls to SQS, each try counted, as SQS bills them; by action");
    BILLED = counter("user_events.sqs.billed", "{call}", "what SQS bills of them: one a call, and one for each further 64 KiB of it");
    EMPTY_RECEIVES = counter("user_events.sqs.empty_receives", "{call}", "receives that brought nothing");
    PRICE = gauge("user_events.sqs.price", "", "US dollars a million calls (`PRICE_PER_MILLION_CALLS`)");
    RECEIVE_FAILURES = counter("user_events.receive.failures", "{call}", "receives that failed");
    NEWER = counter("user_events.newer_version", "{event}", "events of a newer schema version than ours, handled as the newest known");
    STAND_IN = counter("user_events.stand_in_time", "{event}", "events whose timestamp could not be read or lay in the future: the carrier's stood in");
    POLL_AGE = gauge("user_events.poll.age", "s", "how long ago the poll loop last turned");
}
