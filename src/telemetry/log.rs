//! The log: lines on standard error, so that standard output stays a command's own.
//!
//! Enters: events and spans of the whole process. Leaves: lines; and, if there is a collector, the spans that
//! are meant for it (target [`TRACE`]) and nothing else. Promises: libraries that log bodies or passwords at
//! debug stay quiet unless named in the filter; what goes to a trace does not show in the log, nor the log in
//! a trace.

use std::io::IsTerminal;

use opentelemetry_sdk::trace::SdkTracer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::config::LogFormat;
use crate::handlers::TRACE;

/// They log requests with bodies, AUTH lines or keys below warn, or their own comings and goings.
const TALKATIVE: [&str; 8] = [
    "aws_config",
    "aws_runtime",
    "aws_sdk_sns",
    "aws_sdk_sqs",
    "aws_smithy_runtime",
    "hyper",
    "opentelemetry",
    "reqwest",
];

/// Starts logging, and tracing if there is a tracer. A second call changes nothing.
pub(super) fn start(filter: &str, format: LogFormat, tracer: Option<SdkTracer>) {
    let is_terminal = std::io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !is_terminal,
        LogFormat::Json => true,
        LogFormat::Pretty => false,
    };
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = if json {
        lines.json().flatten_event(true).with_span_list(false).boxed()
    } else {
        lines.with_ansi(is_terminal).boxed()
    };
    let traced = |tracer| {
        let layer = tracing_opentelemetry::layer().with_tracer(tracer);
        let layer = layer.with_location(false).with_threads(false).with_tracked_inactivity(false).with_target(false);
        layer.with_filter(filter_fn(|metadata| metadata.target() == TRACE))
    };
    let registry = tracing_subscriber::registry().with(lines.with_filter(quieted(filter)));
    // The only error is that a subscriber is there already.
    drop(registry.with(tracer.map(traced)).try_init());
}

fn quieted(filter: &str) -> EnvFilter {
    let caps = TALKATIVE.iter().filter(|name| !filter.contains(*name)).map(|name| format!("{name}=warn"));
    let all: Vec<String> = std::iter::once(filter.to_owned()).chain(caps).chain([format!("{TRACE}=off")]).collect();
    EnvFilter::try_new(all.join(",")).unwrap_or_else(|_| EnvFilter::new("info"))
}
