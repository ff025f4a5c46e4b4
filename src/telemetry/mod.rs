//! Telemetry: the log (`log`), metrics ([`metrics`]), traces, and the health endpoint ([`health`]).
//!
//! Enters: what the process does, reported by the workers' observers ([`Watch`]) and the decorated ports. Leaves:
//! lines on standard error, a scrape, and, if a collector is configured, traces and metrics by OTLP. Promises: none
//! of them holds an address, a secret or a body; without a collector nothing is sent and no span is made. Only this
//! folder knows OpenTelemetry.

mod export;
pub mod health;
mod instruments;
mod labels;
mod ledger;
mod log;
pub mod metrics;
pub(crate) mod port;
pub(crate) mod propagation;
mod publishing;
mod queue;
pub mod roster;
mod w3c;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use prometheus::{Registry, TextEncoder};
use tokio::sync::oneshot;
use tokio::time::timeout;

pub use export::TelemetryError;
pub use instruments::{Measured, Named};
pub use ledger::WatchedLedger;
pub use queue::WatchedQueue;
pub use watch::Watch;

use self::instruments::Instruments;
use self::publishing::TopicWatch;
use crate::config::{LogFormat, Propagators, TelemetryConfig};
use engine::publisher;

/// How long the process's end waits for the collector. 110 s (the default drain) + 5 s (its last call to the queue)
/// + 3 s = 118 s, below ECS's 120 s.
const FLUSH: Duration = Duration::from_secs(3);
/// The scope of every span and metric.
const SCOPE: &str = "user-events";

/// The telemetry of one process.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    meters: SdkMeterProvider,
    meter: Meter,
    traces: Option<SdkTracerProvider>,
    instruments: Instruments,
    propagators: Propagators,
}

/// Starts the log alone. A second call changes nothing.
pub(crate) fn init(filter: &str, format: LogFormat) {
    log::start(filter, format, None);
}

impl Telemetry {
    /// Starts the log, the metrics, and the traces if there is a collector for them.
    ///
    /// # Errors
    /// [`TelemetryError`]: the exporter's own.
    pub fn start(config: &TelemetryConfig, filter: &str, format: LogFormat) -> Result<Self, TelemetryError> {
        let registry = Registry::new();
        let (meters, traces) = (export::meters(config, &registry)?, export::traces(config)?);
        let meter = meters.meter(SCOPE);
        let instruments = Instruments::new(&meter);
        let started = Self { registry, meters, meter, traces, instruments, propagators: config.propagators };
        log::start(filter, format, started.tracer());
        Ok(started)
    }

    /// Watches a reaction on the queue of this name.
    #[must_use]
    pub fn reaction(&self, name: &'static str, queue: &str) -> Watch {
        Watch::new(name, queue, self.instruments.clone(), self.tracer(), self.propagators)
    }

    /// Watches what is published to the topic of this name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Arc<dyn publisher::PublishObserver> {
        Arc::new(TopicWatch::new(name, self.instruments.clone(), self.tracer(), self.propagators))
    }

    /// From now on each scrape reads these reactions' counts.
    pub fn read(&self, reactions: &[Measured]) {
        instruments::read(&self.meter, reactions);
    }

    /// Everything measured, in Prometheus's text format.
    #[must_use]
    pub fn scrape(&self) -> String {
        // Encoding text cannot fail. An instrument that failed has logged it already.
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    /// Sends what was not sent yet. Waits for a slow collector, but 3 s at most.
    pub async fn stop(&self) {
        let (meters, traces) = (self.meters.clone(), self.traces.clone());
        let (sent, is_sent) = oneshot::channel();
        // A plain thread: the runtime would wait for a blocking task of its own as long as the collector is silent.
        std::thread::spawn(move || {
            let ended = [traces.map_or(Ok(()), |traces| traces.shutdown()), meters.shutdown()];
            let _ = sent.send(ended.into_iter().find_map(Result::err));
        });
        match timeout(FLUSH, is_sent).await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(error))) => tracing::warn!(%error, "the last traces or metrics were not sent"),
            Ok(Err(_)) | Err(_) => tracing::warn!("the collector is silent: the last traces or metrics were not sent"),
        }
    }

    fn tracer(&self) -> Option<SdkTracer> {
        self.traces.as_ref().map(|traces| traces.tracer(SCOPE))
    }
}
