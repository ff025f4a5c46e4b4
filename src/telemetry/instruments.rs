//! The instruments: some record as things happen, the others are read at each scrape.
//!
//! Enters: a meter, and workers' vitals. Leaves: instruments to record with. What a worker counts anyway is read
//! from its vitals at each scrape, and costs nothing between two scrapes. Knows no worker's type.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Counter, Histogram, Meter};

use super::labels::REACTION;
use super::metrics::{self, Metric};
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

/// Reports one count, with its labels in addition to the reaction's.
type Tell<'a> = dyn Fn(u64, &[(&'static str, &'static str)]) + 'a;

/// Reads these vitals at each scrape.
pub(super) fn read(meter: &Meter, workers: &[Named]) {
    let named = |(name, vitals): &Named| (KeyValue::new(REACTION, *name), vitals.clone());
    let workers: Arc<[(KeyValue, Vitals)]> = workers.iter().map(named).collect();
    let counter = |metric: Metric, read: fn(&Vitals, &Tell<'_>)| {
        let workers = workers.clone();
        let look = move |observer: &dyn AsyncInstrument<u64>| {
            for (reaction, vitals) in &*workers {
                read(vitals, &|count, labels| {
                    let labels = labels.iter().map(|(name, value)| KeyValue::new(*name, *value));
                    observer.observe(count, &labels.chain([reaction.clone()]).collect::<Vec<_>>());
                });
            }
        };
        let builder = meter.u64_observable_counter(metric.name).with_unit(metric.unit);
        builder.with_description(metric.means).with_callback(look).build();
    };
    let gauge = |metric: Metric, read: fn(&Vitals) -> f64| {
        let workers = workers.clone();
        let look = move |observer: &dyn AsyncInstrument<f64>| {
            for (reaction, vitals) in &*workers {
                observer.observe(read(vitals), std::slice::from_ref(reaction));
            }
        };
        let builder = meter.f64_observable_gauge(metric.name).with_unit(metric.unit);
        builder.with_description(metric.means).with_callback(look).build();
    };
    counter(metrics::DELIVERIES, |vitals, tell| {
        for ((outcome, verdict), times) in vitals.count().verdicts {
            tell(times, &[("outcome", outcome), ("verdict", verdict)]);
        }
    });
    counter(metrics::NEWER, |vitals, tell| tell(vitals.count().newer_version, &[]));
    counter(metrics::STAND_IN, |vitals, tell| tell(vitals.count().stand_in_time, &[]));
    counter(metrics::LEASES_LOST, |vitals, tell| tell(vitals.lost(), &[]));
    counter(metrics::TRIPS, |vitals, tell| {
        vitals.pauses().into_iter().for_each(|(dependency, times)| tell(times, &[("dependency", dependency)]));
    });
    gauge(metrics::ACTIVE, |vitals| vitals.held() as f64);
    gauge(metrics::SLOTS, |vitals| vitals.slots() as f64);
    gauge(metrics::OLDEST, |vitals| vitals.longest_run().as_secs_f64());
    gauge(metrics::BREAKER, |vitals| f64::from(u8::from(vitals.is_paused())));
    gauge(metrics::POLL_AGE, |vitals| vitals.pulse().age().as_secs_f64());
}
