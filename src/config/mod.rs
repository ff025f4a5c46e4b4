//! Configuration: the environment becomes valid settings, or a list of every mistake.
//!
//! Enters: a snapshot of the environment. Leaves: settings, each within its range and consistent with the others,
//! or [`Mistakes`] with all mistakes at once. Promises: no mistake repeats a value (it may be a secret or an address).
//! Nothing else in the crate reads the environment. Only the AWS SDK reads its own variables itself.

mod aws;
mod console;
mod environment;
mod mail;
mod observe;
mod operate;
mod places;
mod reader;
mod variables;
mod webhook;

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

pub use aws::{AwsConfig, aws};
pub(crate) use aws::{endpoint as aws_endpoint, is_adaptive, is_region, max_attempts as aws_attempts};
pub(crate) use console::console;
pub use environment::Environment;
pub(crate) use environment::{is_given, set};
pub use mail::MailConfig;
use mail::mail_config;
pub(crate) use mail::{NOBODY, composer, example, mail_examples, nobody, sender};
pub(crate) use observe::pairs;
pub use observe::{Propagators, Sampler, TelemetryConfig, telemetry};
pub use operate::{Queues, queues};
pub(crate) use operate::{all, topics_of};
pub(crate) use places::redis_prefix;
use places::{distinct, in_region, of_a_kind, queue_url, redis_url, topic_arn, topics};
pub use reader::{Mistake, Mistakes, Setting, SettingsReader, masked};
pub(crate) use variables::misspelt;
pub use variables::{VARIABLES, Variable, of_reaction, prefix};
pub(crate) use webhook::names as webhook_names;

use crate::ecs::Agent;
use crate::events::EmailAddress;
use crate::webhook::WebhookSettings;
use engine::backoff::Backoff;
use engine::envelope::Topics;
use engine::event::InvalidValue;
use engine::idempotency::OnAmbiguous;
use engine::queue::{MAX_VISIBILITY, is_fifo};
use engine::worker::{Settings, UnknownEvents};
use webhook::webhook;

/// 45 days: until then a copy of an event can arrive. SNS tries for up to 23 days, the queue of `infra/reaction.yaml` keeps a
/// message for 4, its DLQ for 14, and a letter that is sent back is in the queue for 4 again: 23 + 4 + 14 + 4 = 45.
const RETENTION: Duration = Duration::from_secs(45 * 24 * 3600);

/// What AWS asks for a million calls in us-east-1, in US dollars.
const STANDARD_PRICE: f64 = 0.40;
/// The same for FIFO queues.
const FIFO_PRICE: f64 = 0.50;

/// A reaction, and what it needs in addition to its queue.
#[derive(Debug, Clone, Copy)]
pub struct ReactionNeeds {
    /// Its name on the command line. [`prefix`] turns it into the beginning of its variables' names.
    pub name: &'static str,
    /// Does it send mail?
    pub mail: bool,
    /// Is it a URL in place of a handler?
    pub webhook: bool,
}

/// What `run` needs.
#[derive(Debug)]
pub struct RunConfig {
    /// The reactions to run.
    pub reactions: Vec<ReactionConfig>,
    /// Where records and profiles are kept.
    pub redis_url: SecretString,
    /// What stands before every key there.
    pub redis_prefix: String,
    /// Refuse a Redis that may evict records, rather than warn.
    pub require_noeviction: bool,
    /// How mail goes out. `None`: no reaction sends mail.
    pub mail: Option<MailConfig>,
    /// Where `/livez`, `/readyz` and `/metrics` listen.
    pub http_addr: SocketAddr,
    /// ECS's agent, if this process runs in an ECS task.
    pub ecs_agent: Option<Agent>,
    /// Values that we pass to the AWS SDK.
    pub aws: AwsConfig,
}

/// One reaction's settings.
#[derive(Debug)]
pub struct ReactionConfig {
    /// The reaction's name.
    pub name: &'static str,
    /// Its queue.
    pub queue_url: String,
    /// Its DLQ, if not the one of the queue's redrive policy.
    pub dlq_url: Option<String>,
    /// The engine's settings.
    pub settings: Settings,
    /// The topics whose notifications are accepted.
    pub topics: Topics,
    /// The visibility timeout. `None`: the queue's own setting.
    pub visibility: Option<Duration>,
    /// How long one handler run may take.
    pub handler_timeout: Duration,
    /// How long a claim holds. `None`: ¾ of the visibility timeout.
    pub lease: Option<Duration>,
    /// How long records are kept.
    pub retention: Duration,
    /// What to do when nobody knows whether an effect has happened.
    pub on_ambiguous: OnAmbiguous,
    /// What a million calls to SQS cost, in US dollars.
    pub price: f64,
    /// How the service is called that is this reaction's URL. `None`: it has a handler.
    pub webhook: Option<WebhookSettings>,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, else JSON.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people to read.
    Pretty,
}

/// Reads what `run` needs. `only` names the reactions; if it is empty, each one whose queue is set.
pub fn run(read: &mut SettingsReader<'_>, reactions: &[ReactionNeeds], only: &[String]) -> Option<RunConfig> {
    let named = |r: &&ReactionNeeds| only.is_empty() || only.iter().any(|name| name == r.name);
    let mut configured = Vec::new();
    let mut mail = false;
    for needs in reactions.iter().filter(named) {
        let name = of_reaction(needs.name, "QUEUE_URL");
        // A reaction with a wrong queue URL was still asked for: go on and report its other mistakes too.
        if only.is_empty() && !is_given(read.environment(), &name) {
            read.parsed(&name, queue_url);
            continue;
        }
        let queue_url = read.parsed(&name, queue_url);
        if queue_url.is_none() {
            read.missing(&name, "its reaction was asked for");
        }
        configured.extend(reaction(read, needs, queue_url));
        mail |= needs.mail;
    }
    if configured.is_empty() && read.is_sound() {
        let names: Vec<_> = reactions.iter().map(|r| of_reaction(r.name, "QUEUE_URL")).collect();
        read.missing(&names.join(" or "), "without a queue there is nothing to run");
    }
    distinct(read, reactions);
    of_a_kind(read, reactions);
    let aws = aws(read);
    if let Some(region) = &aws.region {
        in_region(read, configured.iter().map(|reaction: &ReactionConfig| reaction.name), region);
    }
    let (redis_url, redis_prefix) = (redis(read), redis_prefix(read));
    let mail = if mail { Some(mail_config(read)) } else { None };
    if let Some(rate) = mail.as_ref().and_then(|mail| mail.as_ref()?.rate) {
        let sends = |r: &&ReactionConfig| reactions.iter().any(|needs| needs.mail && needs.name == r.name);
        // A mail's lease runs while the mail waits for its turn. The wait is concurrency ÷ rate: 10 s at most.
        if configured.iter().filter(sends).any(|r| r.settings.concurrency > 10 * rate as usize) {
            read.mistake(
                "SMTP_RATE",
                "is too low for WORKER_CONCURRENCY: at most ten times as many mails may wait for their turn",
            );
        }
    }
    let require_noeviction = read.parsed("REQUIRE_NOEVICTION", boolean).unwrap_or(false);
    let http_addr = http_addr(read);
    let ecs_agent =
        read.parsed("ECS_AGENT_URI", |uri| Agent::new(uri).ok_or("must be a URL like http://169.254.170.2/api/ID"));
    let mail = match mail {
        Some(mail) => Some(mail?),
        None => None,
    };
    let redis_url = redis_url?;
    let reactions = configured;
    Some(RunConfig { reactions, redis_url, redis_prefix, require_noeviction, mail, http_addr, ecs_agent, aws })
}

/// Reads where records and profiles are kept.
pub fn redis(read: &mut SettingsReader<'_>) -> Option<SecretString> {
    let url = redis_if_set(read);
    if url.is_none() {
        read.missing("REDIS_URL", "records and profiles are kept there");
    }
    url
}

/// Reads where records are kept, for a command that shows more where it can look there.
pub(crate) fn redis_if_set(read: &mut SettingsReader<'_>) -> Option<SecretString> {
    read.secret("REDIS_URL", redis_url)
}

/// Reads what `publish` needs: the topic's ARN.
pub fn publish(read: &mut SettingsReader<'_>) -> Option<String> {
    let arn = read.parsed("USER_EVENTS_TOPIC_ARN", topic_arn);
    if arn.is_none() {
        read.missing("USER_EVENTS_TOPIC_ARN", "events are published there");
    }
    arn
}

/// Reads what `send-test` needs: how mail goes out, and the recipient unless that comes from standard input.
pub fn send_test(read: &mut SettingsReader<'_>, from_stdin: bool) -> Option<(MailConfig, Option<EmailAddress>)> {
    let mail = mail_config(read);
    if from_stdin {
        return Some((mail?, None));
    }
    let to = read.parsed("SEND_TEST_TO", |text| text.parse().map_err(|InvalidValue(rule)| rule));
    if to.is_none() {
        read.missing("SEND_TEST_TO", "the mail goes there, unless --stdin gives the address");
    }
    Some((mail?, Some(to?)))
}

/// Reads where the health endpoint listens.
pub(crate) fn http_addr(read: &mut SettingsReader<'_>) -> SocketAddr {
    let address = read.parsed("HTTP_ADDR", |text| text.parse().map_err(|_| "must be an address like 0.0.0.0:8080"));
    address.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 8080)))
}

/// Reads how to log.
pub fn logging(read: &mut SettingsReader<'_>) -> (String, LogFormat) {
    let filter = read.parsed("RUST_LOG", |text| match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("must be a filter like info or user_events=debug"),
    });
    let format = read.parsed("LOG_FORMAT", |text| match text {
        "auto" => Ok(LogFormat::Auto),
        "json" => Ok(LogFormat::Json),
        "pretty" => Ok(LogFormat::Pretty),
        _ => Err("must be auto, json or pretty"),
    });
    (filter.unwrap_or_else(|| "info".to_owned()), format.unwrap_or(LogFormat::Auto))
}

fn reaction(read: &mut SettingsReader<'_>, needs: &ReactionNeeds, queue_url: Option<String>) -> Option<ReactionConfig> {
    let (name, webhook) = (needs.name, webhook(read, needs));
    let defaults = Settings::default();
    let dlq_url = read.parsed(&of_reaction(name, "DLQ_URL"), self::queue_url);
    let mut of = read.for_reaction(name);
    let seconds = Duration::from_secs;
    let visibility = of.duration("VISIBILITY_TIMEOUT", seconds(1)..=MAX_VISIBILITY);
    let lease = of.duration("IDEMPOTENCY_LEASE", seconds(1)..=MAX_VISIBILITY);
    if let (Some(visibility), Some(lease)) = (visibility, lease)
        && lease >= visibility
    {
        of.mistake("IDEMPOTENCY_LEASE", "must be shorter than VISIBILITY_TIMEOUT");
    }
    let wait = of.duration("RECEIVE_WAIT", Duration::ZERO..=seconds(20)).unwrap_or(defaults.wait);
    let shutdown = of.duration("SHUTDOWN_TIMEOUT", seconds(1)..=seconds(3600)).unwrap_or(defaults.shutdown);
    if shutdown <= wait {
        of.mistake("SHUTDOWN_TIMEOUT", "must be longer than RECEIVE_WAIT: the last long poll is waited for");
    }
    let settings = defaults
        .with_concurrency(of.parsed("WORKER_CONCURRENCY", concurrency).unwrap_or(defaults.concurrency))
        .with_wait(wait)
        .with_backoff(of.parsed("RETRY_BACKOFF", backoff).unwrap_or(defaults.backoff))
        .with_unknown_events(of.parsed("UNKNOWN_EVENTS", unknown_events).unwrap_or(defaults.unknown_events))
        .with_max_attempts(of.parsed("MAX_ATTEMPTS", max_attempts))
        // 14 days: SQS keeps no message longer.
        .with_retry_for(of.duration("RETRY_FOR", Duration::ZERO..=seconds(14 * 24 * 3600)))
        .with_shutdown(shutdown);
    let topics = of.parsed("TOPIC_ARNS", topics).unwrap_or_default();
    let price = of.parsed("PRICE_PER_MILLION_CALLS", price);
    let month = 31 * 24 * 3600;
    let queue_url = queue_url?;
    Some(ReactionConfig {
        name,
        price: price.unwrap_or(if is_fifo(&queue_url) { FIFO_PRICE } else { STANDARD_PRICE }),
        queue_url,
        dlq_url,
        settings,
        topics,
        visibility,
        lease,
        handler_timeout: of.duration("HANDLER_TIMEOUT", seconds(1)..=MAX_VISIBILITY).unwrap_or(seconds(60)),
        retention: of.duration("IDEMPOTENCY_RETENTION", seconds(60)..=seconds(24 * month)).unwrap_or(RETENTION),
        on_ambiguous: of.parsed("ON_AMBIGUOUS", on_ambiguous).unwrap_or(OnAmbiguous::RESEND),
        webhook: if needs.webhook { Some(webhook?) } else { None },
    })
}

fn boolean(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "must be true or false")
}

fn concurrency(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or("must be a whole number from 1 to 1000")
}

fn price(text: &str) -> Result<f64, &'static str> {
    text.parse()
        .ok()
        .filter(|n| (0.0..=1000.0).contains(n))
        .ok_or("must be a number of dollars from 0 to 1000, like 0.40")
}

fn max_attempts(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|n| (1..=100).contains(n)).ok_or("must be a whole number from 1 to 100")
}

fn backoff(text: &str) -> Result<Backoff, &'static str> {
    const RULE: &str = "must be two durations like 2s..15m, the first not longer and the second at most 12h";
    let (first, cap) = text.split_once("..").ok_or(RULE)?;
    let parse = |part| humantime::parse_duration(part).map_err(|_| RULE);
    let (first, cap) = (parse(first)?, parse(cap)?);
    if cap > MAX_VISIBILITY {
        return Err(RULE);
    }
    Backoff::try_new(first, cap).map_err(|_| RULE)
}

fn unknown_events(text: &str) -> Result<UnknownEvents, &'static str> {
    match text {
        "ignore" => Ok(UnknownEvents::Ignore),
        "quarantine" => Ok(UnknownEvents::Quarantine),
        _ => Err("must be ignore or quarantine"),
    }
}

fn on_ambiguous(text: &str) -> Result<OnAmbiguous, &'static str> {
    match text {
        "resend" => Ok(OnAmbiguous::RESEND),
        "park" => Ok(OnAmbiguous::Park),
        _ => Err("must be resend or park"),
    }
}
