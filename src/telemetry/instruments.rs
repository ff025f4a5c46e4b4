//! The instruments: some record as things happen, the others are read at each scrape.
//!
//! Enters: a meter, workers' vitals and their queues' calls. Leaves: instruments to record with. What a worker counts anyway is read
//! at each scrape, and costs nothing between two scrapes. Knows no worker's type.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Counter, Histogram, Meter};

use super::labels::REACTION;
use super::metrics::{self, Metric};
use engine::queue::Calls;
use engine::worker::Vitals;

/// The instruments that record as things happen. Clones share the measurements.
#[derive(Debug, Clone)]
pub(super) struct Instruments {
    pub(super) process: Histogram<f64>,
    pub(super) consumed: Counter<u64>,
    pub(super) sent: Counter<u64>,
    pub(super) call: Histogram<f64>,
    pub(super) age: Histogram<f64>,
    pub(super) attempt: Histogram<u64>,
    pub(super) quarantined: Counter<u64>,
    pub(super) unsettled: Counter<u64>,
    pub(super) possible_duplicates: Counter<u64>,
    pub(super) ledger: Histogram<f64>,
    pub(super) receive_failures: Counter<u64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Self {
        let counter = |m: Metric| meter.u64_counter(m.name).with_unit(m.unit).with_description(m.means).build();
        let histogram = |m: Metric| {
            let builder = meter.f64_histogram(m.name).with_unit(m.unit).with_description(m.means);
            builder.with_boundaries(m.buckets.to_vec()).build()
        };
        let attempts = metrics::ATTEMPT;
        let attempt = meter.u64_histogram(attempts.name).with_unit(attempts.unit).with_description(attempts.means);
        Self {
            process: histogram(metrics::PROCESS),
            consumed: counter(metrics::CONSUMED),
            sent: counter(metrics::SENT),
            call: histogram(metrics::CALL),
            age: histogram(metrics::AGE),
            attempt: attempt.with_boundaries(attempts.buckets.to_vec()).build(),
            quarantined: counter(metrics::QUARANTINED),
            unsettled: counter(metrics::UNSETTLED),
            possible_duplicates: counter(metrics::POSSIBLE_DUPLICATES),
            ledger: histogram(metrics::LEDGER),
            receive_failures: counter(metrics::RECEIVE_FAILURES),
        }
    }
}

/// One reaction's vitals, under its name.
pub type Named = (&'static str, Vitals);

/// What is read of one reaction at each scrape.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The reaction's name.
    pub name: &'static str,
    /// The state of its worker.
    pub vitals: Vitals,
    /// Its queue's calls.
    pub calls: Calls,
    /// US dollars a million calls.
    pub price: f64,
}

/// Reports one count, with its labels in addition to the reaction's.
type Tell<'a> = dyn Fn(u64, &[(&'static str, &'static str)]) + 'a;

/// Reads these reactions at each scrape.
pub(super) fn read(meter: &Meter, reactions: &[Measured]) {
    let named = |one: &Measured| (KeyValue::new(REACTION, one.name), one.clone());
    let reactions: Arc<[(KeyValue, Measured)]> = reactions.iter().map(named).collect();
    let counter = |metric: Metric, read: fn(&Measured, &Tell<'_>)| {
        let reactions = reactions.clone();
        let look = move |observer: &dyn AsyncInstrument<u64>| {
            for (reaction, of) in &*reactions {
                read(of, &|count, labels| {
                    let labels = labels.iter().map(|(name, value)| KeyValue::new(*name, *value));
                    observer.observe(count, &labels.chain([reaction.clone()]).collect::<Vec<_>>());
                });
            }
        };
        let builder = meter.u64_observable_counter(metric.name).with_unit(metric.unit);
        builder.with_description(metric.means).with_callback(look).build();
    };
    let gauge = |metric: Metric, read: fn(&Measured) -> f64| {
        let reactions = reactions.clone();
        let look = move |observer: &dyn AsyncInstrument<f64>| {
            for (reaction, of) in &*reactions {
                observer.observe(read(of), std::slice::from_ref(reaction));
            }
        };
        let builder = meter.f64_observable_gauge(metric.name).with_unit(metric.unit);
        builder.with_description(metric.means).with_callback(look).build();
    };
    counter(metrics::DELIVERIES, |of, tell| {
        for ((outcome, verdict), times) in of.vitals.count().verdicts {
            tell(times, &[("outcome", outcome), ("verdict", verdict)]);
        }
    });
    counter(metrics::SQS_CALLS, |of, tell| {
        of.calls.read().actions.into_iter().for_each(|(action, times)| tell(times, &[("action", action)]));
    });
    counter(metrics::BILLED, |of, tell| tell(of.calls.read().billed, &[]));
    counter(metrics::EMPTY_RECEIVES, |of, tell| tell(of.calls.read().empty_receives, &[]));
    counter(metrics::NEWER, |of, tell| tell(of.vitals.count().newer_version, &[]));
    counter(metrics::STAND_IN, |of, tell| tell(of.vitals.count().stand_in_time, &[]));
    counter(metrics::LEASES_LOST, |of, tell| tell(of.vitals.lost(), &[]));
    counter(metrics::TRIPS, |of, tell| {
        of.vitals.pauses().into_iter().for_each(|(dependency, times)| tell(times, &[("dependency", dependency)]));
    });
    gauge(metrics::ACTIVE, |of| of.vitals.held() as f64);
    gauge(metrics::SLOTS, |of| of.vitals.slots() as f64);
    gauge(metrics::OLDEST, |of| of.vitals.longest_run().as_secs_f64());
    gauge(metrics::BREAKER, |of| f64::from(u8::from(of.vitals.is_paused())));
    gauge(metrics::POLL_AGE, |of| of.vitals.pulse().age().as_secs_f64());
    gauge(metrics::PRICE, |of| of.price);
}
