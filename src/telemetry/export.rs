//! Where telemetry goes: the scrape, and the collector if there is one.
//!
//! Enters: the configuration. Leaves: providers. Promises: without an endpoint there is no exporter, no thread
//! and no span. The exporters use blocking clients on their own threads, as the SDK's readers need it: a client that
//! needs this process's runtime would panic there. Only this file imports the OTLP exporter.

use std::collections::HashMap;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{Sampler as SdkSampler, SdkTracerProvider};
use secrecy::ExposeSecret;

use crate::config::{Sampler, TelemetryConfig, pairs};

/// Why telemetry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The exporter refused valid settings. Its text is left out, because it may quote a header.
    #[error("the OTLP exporter could not be built")]
    Exporter,
    /// The Prometheus exporter could not be built.
    #[error("the metrics could not be prepared: {0}")]
    Scrape(#[from] OTelSdkError),
}

impl From<ExporterBuildError> for TelemetryError {
    fn from(_: ExporterBuildError) -> Self {
        Self::Exporter
    }
}

/// The metrics' provider: for scrapes of `registry`, and for the collector if there is one.
pub(super) fn meters(
    config: &TelemetryConfig,
    registry: &prometheus::Registry,
) -> Result<SdkMeterProvider, TelemetryError> {
    let mut provider = SdkMeterProvider::builder().with_resource(resource(config));
    if !config.disabled {
        let scrape = opentelemetry_prometheus::exporter().with_registry(registry.clone()).scope_info_enabled(false);
        provider = provider.with_reader(scrape.build()?);
        if let Some(endpoint) = &config.endpoint {
            let exporter = MetricExporter::builder().with_http().with_endpoint(format!("{endpoint}/v1/metrics"));
            provider = provider.with_periodic_exporter(exporter.with_headers(headers(config)).build()?);
        }
    }
    Ok(provider.build())
}

/// The traces' provider. `None` without a collector.
pub(super) fn traces(config: &TelemetryConfig) -> Result<Option<SdkTracerProvider>, TelemetryError> {
    let Some(endpoint) = config.endpoint.as_ref().filter(|_| !config.disabled) else { return Ok(None) };
    let exporter = SpanExporter::builder().with_http().with_endpoint(format!("{endpoint}/v1/traces"));
    let exporter = exporter.with_headers(headers(config)).build()?;
    let provider = SdkTracerProvider::builder().with_resource(resource(config)).with_sampler(sampler(config.sampler));
    Ok(Some(provider.with_batch_exporter(exporter).build()))
}

/// Built empty and filled by us: the SDK's own detectors would read variables that our configuration does not check.
fn resource(config: &TelemetryConfig) -> Resource {
    let attributes = config.resource.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let named = Resource::builder_empty().with_attribute(version).with_attributes(attributes);
    named.with_service_name(config.service_name.clone()).build()
}

fn headers(config: &TelemetryConfig) -> HashMap<String, String> {
    config.headers.as_ref().and_then(|text| pairs(text.expose_secret()).ok()).unwrap_or_default()
}

fn sampler(sampler: Sampler) -> SdkSampler {
    let own = SdkSampler::TraceIdRatioBased(sampler.ratio);
    if sampler.parent_based { SdkSampler::ParentBased(Box::new(own)) } else { own }
}
