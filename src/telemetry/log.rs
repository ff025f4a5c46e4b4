//! The log: lines on standard error, because standard output holds a command's result.
//!
//! Enters: events and spans of the whole process. Leaves: lines. If there is a collector, it gets the spans with the
//! target [`TRACE`] and nothing else. Promises: libraries that log bodies or passwords at debug stay quiet unless
//! the filter names them; spans for the trace do not show in the log, and log lines do not show in a trace.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use opentelemetry_sdk::trace::SdkTracer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::config::LogFormat;
use crate::plain;
use engine::handler::TRACE;

/// Libraries that log bodies, AUTH lines or keys at levels below warn, or log too much about themselves. Each stands
/// for all names that begin with it: `hyper` covers `hyper_util`.
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

/// Of a machine that is none of AWS's it warns in the words of its source, for each client once. What is missing then,
/// a region or credentials, our own messages name.
const OF_MACHINES_AT_AWS: &str = "aws_config::imds";

/// Starts logging, and tracing if there is a tracer. A second call changes nothing.
pub(super) fn start(filter: &str, format: LogFormat, tracer: Option<SdkTracer>) {
    let is_terminal = io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !is_terminal,
        LogFormat::Json => true,
        LogFormat::Pretty => false,
    };
    let lines = fmt::layer().with_writer(move || Shown { json }).with_target(false);
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
    // The only possible error: a subscriber is set already.
    drop(registry.with(tracer.map(traced)).try_init());
}

/// Standard error, for lines that may hold foreign text: it escapes that text.
struct Shown {
    json: bool,
}

impl Write for Shown {
    /// `bytes` is always one whole line.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let shown = if self.json { plain::json(&text) } else { in_colours(&text) };
        io::stderr().write_all(shown.as_bytes()).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A line of text with our colours, and with everything else that steers a terminal escaped. Colours here are ours:
/// `tracing_subscriber` has already escaped ESC in the values of fields.
fn in_colours(text: &str) -> Cow<'_, str> {
    let (line, end) = text.strip_suffix('\n').map_or((text, ""), |line| (line, "\n"));
    let mut parts = line.split('\u{1b}');
    let mut shown = plain::line(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        let colour = part.find(|c: char| !(c == '[' || c == ';' || c.is_ascii_digit()));
        let (colour, rest) = match colour {
            Some(at) if part.starts_with('[') && part[at..].starts_with('m') => part.split_at(at + 1),
            _ => ("", part),
        };
        shown.push_str(if colour.is_empty() { "\\u{1b}" } else { "\u{1b}" });
        shown.push_str(colour);
        shown.push_str(&plain::line(rest));
    }
    shown.push_str(end);
    Cow::Owned(shown)
}

/// The filter, with a limit of warn on each talkative library that it does not name. If it names a part of a library
/// (`hyper_util=debug`), that part is open: the longer target wins.
fn quieted(filter: &str) -> EnvFilter {
    let caps = TALKATIVE.iter().filter(|name| is_loud(filter, name, name, LevelFilter::WARN));
    let caps = caps.map(|name| format!("{name}=warn"));
    let is_told = is_loud(filter, OF_MACHINES_AT_AWS, "aws_config", LevelFilter::ERROR);
    let caps = caps.chain(is_told.then(|| format!("{OF_MACHINES_AT_AWS}=error")));
    let all: Vec<String> = std::iter::once(filter.to_owned()).chain(caps).chain([format!("{TRACE}=off")]).collect();
    EnvFilter::try_new(all.join(",")).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Would this part of a library log more than `most`, without the library's being named in the filter?
fn is_loud(filter: &str, name: &str, library: &str, most: LevelFilter) -> bool {
    let directives = || filter.split(',').filter_map(directive);
    let fits = directives().filter(|(target, _)| name.starts_with(target));
    // If two targets are equally long, the later one counts.
    let closest = fits.max_by_key(|(target, _)| target.len());
    closest.is_some_and(|(target, level)| !target.starts_with(library) && level > most)
}

/// A directive's target and level. A bare level has an empty target. `None` for a directive about a span or a field:
/// it names no library.
fn directive(text: &str) -> Option<(&str, LevelFilter)> {
    if text.contains('[') || text.trim().is_empty() {
        return None;
    }
    match text.trim().split_once('=') {
        Some((target, "")) => Some((target, LevelFilter::TRACE)),
        Some((target, level)) => Some((target, level.parse().ok()?)),
        None => Some(text.trim().parse().map_or((text.trim(), LevelFilter::TRACE), |level| ("", level))),
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Level, enabled};

    use super::*;

    /// The lowest level that each library shows: T, D, I, W, E, or `-` for nothing.
    fn shown(filter: &str) -> String {
        macro_rules! most {
            ($($target:literal)+) => { [$(match () {
                () if enabled!(target: $target, Level::TRACE) => 'T',
                () if enabled!(target: $target, Level::DEBUG) => 'D',
                () if enabled!(target: $target, Level::INFO) => 'I',
                () if enabled!(target: $target, Level::WARN) => 'W',
                () if enabled!(target: $target, Level::ERROR) => 'E',
                () => '-',
            }),+] };
        }
        let subscriber = tracing_subscriber::registry().with(quieted(filter));
        let most = || most!["user_events::app" "redis" "hyper::proto" "hyper_util::client" "aws_config" "aws_sdk_sqs::op" "opentelemetry_sdk" "reqwest::connect" "user_events::trace"];
        tracing::subscriber::with_default(subscriber, most).into_iter().collect()
    }

    #[test]
    fn a_line_keeps_its_colours_and_nothing_of_what_others_said_steers_the_terminal() {
        let line = "\u{1b}[2m2026\u{1b}[0m \u{1b}[33m WARN\u{1b}[0m a\u{202e}b\rc\nd \u{1b}[2Je\u{1b}]0;f\u{7}\n";
        let shown =
            "\u{1b}[2m2026\u{1b}[0m \u{1b}[33m WARN\u{1b}[0m a\\u{202e}b\\rc\\nd \\u{1b}[2Je\\u{1b}]0;f\\u{7}\n";
        assert_eq!(in_colours(line), shown);
    }

    #[test]
    fn a_machine_that_is_none_of_awss_is_no_warning_unless_the_filter_names_the_library() {
        for (filter, is_shown) in [
            ("info", false),
            ("warn", false),
            ("debug,aws=trace", false),
            ("error", false),
            ("info,aws_config=warn", true),
            ("info,aws_config::imds=debug", true),
        ] {
            let subscriber = tracing_subscriber::registry().with(quieted(filter));
            let shown = || enabled!(target: "aws_config::imds::region", Level::WARN);
            assert_eq!(tracing::subscriber::with_default(subscriber, shown), is_shown, "{filter}");
        }
    }

    #[test]
    fn a_library_that_logs_bodies_is_quiet_unless_the_filter_names_it() {
        for (filter, expected) in [
            ("info", "IIWWWWWW-"),
            ("debug", "DDWWWWWW-"),
            ("trace", "TTWWWWWW-"),
            ("TRACE", "TTWWWWWW-"),
            ("5", "TTWWWWWW-"),
            ("warn", "WWWWWWWW-"),
            ("error", "EEEEEEEE-"),
            ("off", "---------"),
            ("info,hyper=debug", "IIDDWWWW-"),
            ("hyper=debug,info", "IIDDWWWW-"),
            ("info,hyper", "IITTWWWW-"),
            ("info,hyper=", "IITTWWWW-"),
            ("info,hyper=off", "II--WWWW-"),
            ("trace,hyper=error", "TTEEWWWW-"),
            ("trace,hyper=info,hyper=debug", "TTDDWWWW-"),
            ("info,hyper_util=trace", "IIWTWWWW-"),
            ("info,hyper::proto=trace", "IITWWWWW-"),
            ("trace,hyper::other=trace", "TTWWWWWW-"),
            ("debug,my_hyper_app=trace", "DDWWWWWW-"),
            ("trace,user_events[hyper]=debug", "TTWWWWWW-"),
            ("trace,[{hyper=1}]=trace", "TTWWWWWW-"),
            ("trace,[aws]=trace", "TTWWWWWW-"),
            ("info,aws=trace", "IIWWWWWW-"),
            ("info,aws_sdk_sqs=trace", "IIWWWTWW-"),
            ("info,aws_config=debug,aws=error", "IIWWDEWW-"),
            ("trace,aws_sdk=off", "TTWWW-WW-"),
            ("info,a=trace", "IIWWWWWW-"),
            ("info,hy=trace,h=debug", "IIWWWWWW-"),
            ("user_events=debug", "D--------"),
            ("user_events=trace,reqwest=debug", "T------D-"),
            ("info,opentelemetry=debug", "IIWWWWDW-"),
            ("info,opentelemetry_sdk=debug,reqwest=info", "IIWWWWDI-"),
            ("info,user_events::trace=trace", "IIWWWWWW-"),
            ("info,,", "IIWWWWWW-"),
        ] {
            assert_eq!(shown(filter), expected, "{filter}");
        }
    }
}
