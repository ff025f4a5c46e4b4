//! The telemetry settings, read from OpenTelemetry's standard variables.
//!
//! Enters: a snapshot of the environment. Leaves: a [`TelemetryConfig`], or the mistakes. Promises: a value that
//! the SDK would only warn about and ignore is a mistake here. The SDK does not read `OTEL_PROPAGATORS` and
//! `OTEL_SDK_DISABLED`; we read them. Knows no exporter.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

use super::boolean;
use super::reader::SettingsReader;

/// Metrics and traces: where they go, and under which name.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// `true`: nothing is measured, nothing is exported, and `/metrics` is empty.
    pub disabled: bool,
    /// The collector's base URL. `None`: nothing is sent to a collector; `/metrics` works all the same.
    pub endpoint: Option<String>,
    /// Headers of each export. They are secret, because they hold the keys of a hosted collector.
    pub headers: Option<SecretString>,
    /// The service's name in traces and metrics.
    pub service_name: String,
    /// OpenTelemetry's resource attributes of this process (name, value), without `service.name`.
    pub resource: Vec<(String, String)>,
    /// Which traces are kept.
    pub sampler: Sampler,
    /// In which forms a trace context is read and written.
    pub propagators: Propagators,
}

/// Which traces are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// The share that is kept, 0 to 1: of the traces that begin here, or of all if `parent_based` is `false`.
    pub ratio: f64,
    /// If a trace began elsewhere, is it kept or dropped as was decided there?
    pub parent_based: bool,
}

/// In which forms a trace context is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Propagators {
    /// W3C: `traceparent` and `tracestate`, read and written.
    pub trace_context: bool,
    /// X-Ray: `AWSTraceHeader`, read.
    pub xray: bool,
}

impl Default for Propagators {
    fn default() -> Self {
        Self { trace_context: true, xray: true }
    }
}

/// Reads the telemetry settings. A wrong value is noted in `read` as a mistake, and its default is used.
pub fn telemetry(read: &mut SettingsReader<'_>) -> TelemetryConfig {
    let disabled = read.parsed("OTEL_SDK_DISABLED", boolean).unwrap_or(false);
    let endpoint = read.parsed("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    read.parsed("OTEL_EXPORTER_OTLP_PROTOCOL", |text| match text {
        "http/protobuf" => Ok(()),
        _ => Err("must be http/protobuf: the collector's port for that is 4318 as a rule"),
    });
    let headers = read.secret("OTEL_EXPORTER_OTLP_HEADERS", |text| match pairs(text.expose_secret()) {
        Ok(_) => Ok(text.clone()),
        Err(problem) => Err(problem),
    });
    let service_name = read.parsed("OTEL_SERVICE_NAME", |text| Ok(text.to_owned()));
    let mut resource = read.parsed("OTEL_RESOURCE_ATTRIBUTES", pairs).unwrap_or_default();
    let named = resource.remove("service.name");
    TelemetryConfig {
        disabled,
        endpoint,
        headers,
        service_name: service_name.or(named).unwrap_or_else(|| "user-events".to_owned()),
        resource: resource.into_iter().collect(),
        sampler: sampler(read),
        propagators: read.parsed("OTEL_PROPAGATORS", propagators).unwrap_or_default(),
    }
}

fn endpoint(text: &str) -> Result<String, &'static str> {
    const RULE: &str = "must be a URL like http://localhost:4318, without user, password, `?` or `#`";
    let url = url::Url::parse(text).map_err(|_| RULE)?;
    let plain = url.username().is_empty() && url.password().is_none();
    // A path is put behind it.
    let plain = plain && url.query().is_none() && url.fragment().is_none();
    let sound = matches!(url.scheme(), "http" | "https") && url.has_host() && plain;
    if sound { Ok(text.trim_end_matches('/').to_owned()) } else { Err(RULE) }
}

fn sampler(read: &mut SettingsReader<'_>) -> Sampler {
    let ratio = read.parsed("OTEL_TRACES_SAMPLER_ARG", |text| {
        text.parse().ok().filter(|n| (0.0..=1.0).contains(n)).ok_or("must be a number from 0 to 1")
    });
    let (share, parent_based) = read
        .parsed("OTEL_TRACES_SAMPLER", |text| match text {
            "always_on" => Ok((Some(1.0), false)),
            "always_off" => Ok((Some(0.0), false)),
            "traceidratio" => Ok((None, false)),
            "parentbased_always_on" => Ok((Some(1.0), true)),
            "parentbased_always_off" => Ok((Some(0.0), true)),
            "parentbased_traceidratio" => Ok((None, true)),
            _ => Err("must be always_on, always_off, traceidratio, or one of these after parentbased_"),
        })
        .unwrap_or((Some(1.0), true));
    Sampler { ratio: share.or(ratio).unwrap_or(1.0), parent_based }
}

fn propagators(text: &str) -> Result<Propagators, &'static str> {
    let mut chosen = Propagators { trace_context: false, xray: false };
    for name in text.split(',').map(str::trim) {
        match name {
            "tracecontext" => chosen.trace_context = true,
            "xray" => chosen.xray = true,
            // `baggage` is in OpenTelemetry's default, so it is accepted. It does nothing: it would need one of the 10
            // attributes that a message may have under raw delivery.
            "baggage" | "none" => {}
            _ => return Err("must be a list of tracecontext, xray, baggage and none"),
        }
    }
    Ok(chosen)
}

/// Reads `key=value,key=value` with percent-encoded values: headers and resource attributes have this form.
pub(crate) fn pairs(text: &str) -> Result<HashMap<String, String>, &'static str> {
    const RULE: &str = "must be a list like key=value,key=value, with %2C for a comma in a value";
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').ok_or(RULE)?;
        let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| RULE)?;
        if key.trim().is_empty() { Err(RULE) } else { Ok((key.trim().to_owned(), value.into_owned())) }
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(variables: &[(&str, &str)]) -> Result<TelemetryConfig, String> {
        let environment: Environment = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut reader = SettingsReader::new(&environment);
        let config = telemetry(&mut reader);
        reader.finish(Some(config)).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn unset_nothing_is_exported_and_every_form_is_read() {
        let config = read(&[]).unwrap();
        assert_eq!((config.disabled, config.endpoint, config.service_name.as_str()), (false, None, "user-events"));
        assert_eq!(config.sampler, Sampler { ratio: 1.0, parent_based: true });
        assert_eq!(config.propagators, Propagators { trace_context: true, xray: true });
    }

    #[test]
    fn a_service_is_named_by_its_variable_before_its_attributes() {
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,deployment.environment=eu%2Cprod");
        let config = read(&[attributes]).unwrap();
        assert_eq!(config.service_name, "a");
        assert_eq!(config.resource, [("deployment.environment".to_owned(), "eu,prod".to_owned())]);
        assert_eq!(read(&[attributes, ("OTEL_SERVICE_NAME", "b")]).unwrap().service_name, "b");
    }

    #[test]
    fn each_value_that_the_sdk_would_drop_is_a_fault_and_none_repeats_it() {
        let bad = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hunter2@collector:4318"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
            ("OTEL_RESOURCE_ATTRIBUTES", "hunter2"),
            ("OTEL_TRACES_SAMPLER", "xray"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
            ("OTEL_PROPAGATORS", "b3"),
            ("OTEL_SDK_DISABLED", "yes"),
        ];
        let mistakes = read(&bad).unwrap_err();
        for (name, _) in bad {
            assert!(mistakes.contains(&format!("  {name} must ")), "{name} is not named in {mistakes}");
        }
        assert!(!mistakes.contains("hunter2"), "{mistakes}");
        for bad in ["http://collector:4318?x", "http://collector:4318/#x"] {
            assert!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn samplers_are_those_of_the_specification() {
        let of = |name, arg| read(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", arg)]).unwrap().sampler;
        assert_eq!(of("traceidratio", "0.25"), Sampler { ratio: 0.25, parent_based: false });
        assert_eq!(of("parentbased_traceidratio", "0.25"), Sampler { ratio: 0.25, parent_based: true });
        assert_eq!(of("always_off", "0.25"), Sampler { ratio: 0.0, parent_based: false });
    }
}
