//! Telemetry: the log, and the health endpoint ([`health`]).
//!
//! Enters: events and spans of the whole process. Leaves: lines on standard error, so that standard
//! output stays a command's own. Promises: libraries that log bodies or passwords at debug stay quiet
//! unless named in the filter.

pub mod health;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::LogFormat;

/// They log requests with bodies, AUTH lines or keys below warn.
const TALKATIVE: [&str; 7] =
    ["aws_config", "aws_runtime", "aws_sdk_sns", "aws_sdk_sqs", "aws_smithy_runtime", "hyper", "lettre"];

/// Starts logging. A second call changes nothing.
pub fn init(filter: &str, format: LogFormat) {
    let json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Json => true,
        LogFormat::Pretty => false,
    };
    let builder = fmt().with_env_filter(quieted(filter)).with_writer(std::io::stderr).with_target(false);
    let started = if json {
        builder.json().flatten_event(true).with_span_list(false).try_init()
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    // The only error is that a subscriber is there already.
    drop(started);
}

fn quieted(filter: &str) -> EnvFilter {
    let caps = TALKATIVE.iter().filter(|name| !filter.contains(*name)).map(|name| format!("{name}=warn"));
    let all: Vec<String> = std::iter::once(filter.to_owned()).chain(caps).collect();
    EnvFilter::try_new(all.join(",")).unwrap_or_else(|_| EnvFilter::new("info"))
}
