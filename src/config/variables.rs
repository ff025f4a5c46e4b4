//! The table of all variables: for the reader's defaults, for `config`, and for docs/configuration.md.

/// One environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name; `<NAME>` stands for a reaction's name as [`prefix`] writes it.
    pub name: &'static str,
    /// Its value when it is unset. `None`: it has no default, or another rule decides.
    pub default: Option<&'static str>,
    /// What it means, its unit and its range.
    pub meaning: &'static str,
    /// Can it be set for one reaction too, with the reaction's name in front: `EMAIL_WORKER_CONCURRENCY`?
    pub per_reaction: bool,
}

const fn shared(name: &'static str, default: Option<&'static str>, meaning: &'static str) -> Variable {
    Variable { name, default, meaning, per_reaction: false }
}

const fn engine(name: &'static str, default: Option<&'static str>, meaning: &'static str) -> Variable {
    Variable { name, default, meaning, per_reaction: true }
}

/// Every variable that this crate or a library in it reads, except the AWS SDK's credentials.
pub const VARIABLES: &[Variable] = &[
    shared("USER_EVENTS_TOPIC_ARN", None, "the topic; `publish` needs it"),
    shared("<NAME>_QUEUE_URL", None, "a reaction runs when its queue is set: `EMAIL_QUEUE_URL`, `PROFILE_QUEUE_URL`"),
    shared("<NAME>_DLQ_URL", None, "its DLQ, if not the one of the queue's redrive policy"),
    shared(
        "<NAME>_WEBHOOK_URL",
        None,
        "makes a reaction of this name that POSTs each event there: `CRM_WEBHOOK_URL=https://crm.internal/hooks`",
    ),
    shared(
        "<NAME>_WEBHOOK_SECRET",
        None,
        "required by it; requests are signed with it: `whsec_` and the base64 of 24 to 64 bytes; secret, `CRM_WEBHOOK_SECRET_FILE` works too",
    ),
    shared(
        "<NAME>_WEBHOOK_SECRET_PREVIOUS",
        None,
        "a second signature by the secret before, while the receiver changes; secret, `CRM_WEBHOOK_SECRET_PREVIOUS_FILE` works too",
    ),
    shared(
        "<NAME>_WEBHOOK_HEADERS",
        None,
        "headers that every request gets, `Name: value`, one a line; secret, `CRM_WEBHOOK_HEADERS_FILE` works too",
    ),
    shared(
        "<NAME>_WEBHOOK_ALLOW_PLAINTEXT",
        Some("false"),
        "`true`: an `http://` URL of a loopback or private place is called",
    ),
    shared(
        "<NAME>_WEBHOOK_PROBE_URL",
        None,
        "a health path, asked by HEAD while the reaction pauses: 200 to 499 is alive; unset: a connection is enough",
    ),
    shared("<NAME>_EVENT_TYPES", None, "the types that are POSTed, with a comma between two; unset: every type"),
    shared(
        "<NAME>_ONCE",
        Some("event"),
        "one call for each `event`, or for each value of a field, such as `userId`: a string or a number",
    ),
    shared(
        "REDIS_URL",
        None,
        "required by `run` and `idem`; `redis://` or `rediss://`; one server, or several of a Redis Cluster, `rediss://user:password@host:6379,host:6379`; with `?cluster=true` any other Redis is refused; secret, `REDIS_URL_FILE` works too",
    ),
    shared(
        "REDIS_PREFIX",
        None,
        "stands before every key, of `A-Z a-z 0-9 : _ -`: two environments on one Redis need two, such as `staging:`",
    ),
    shared(
        "SMTP_URL",
        None,
        "required by email and `send-test`; `smtps://user:pass@host:465`, `smtp://host:587?tls=required`, `smtp://localhost:1025`; with `auth=xoauth2` as a parameter the password is a token; secret, `SMTP_URL_FILE` works too",
    ),
    shared("SMTP_ALLOW_PLAINTEXT", Some("false"), "`true`: unencrypted SMTP to hosts beyond loopback"),
    shared("SMTP_RATE", None, "mails a second that each worker sends at most, 1 to 1000; unset: no limit"),
    shared("SMTP_REPLY_TIMEOUT", Some("10m"), "longest wait for any reply of the mail server, 1s to 10m"),
    shared("SMTP_HELO", None, "the name we greet with; unset: the host's name if it has a dot, else its address"),
    shared("MAIL_FROM", None, "required by email and `send-test`; `Name <name@example.com>`"),
    shared("MAIL_REPLY_TO", None, "where answers go"),
    shared("MAIL_REDIRECT_TO", None, "for staging: every mail goes to this address"),
    shared(
        "MAIL_TEMPLATES",
        None,
        "a folder of your own templates; unset: the built-in ones. Begin with `render --export DIR`",
    ),
    shared(
        "MAIL_EXAMPLES",
        None,
        "a file of events, one a line, that the templates are tried with at start; unset: one of each version, with a value in every field that they use",
    ),
    shared("MAIL_LOCALE_FIELD", Some("locale"), "the event's field that names the mail's language"),
    shared("MAIL_HEADERS", None, "headers that every mail gets, `Name: value`, one a line"),
    shared("SEND_TEST_TO", None, "where `send-test` sends its mail"),
    engine("WORKER_CONCURRENCY", Some("10"), "messages handled at once, 1 to 1000"),
    engine("RECEIVE_WAIT", Some("20s"), "long poll, 0s to 20s"),
    engine("VISIBILITY_TIMEOUT", None, "how long a received message is hidden, 1s to 12h; unset: the queue's own"),
    engine(
        "HANDLER_TIMEOUT",
        Some("60s"),
        "one handler run at most, without the time spent connecting or waiting for a mail server; behind the fence it counts anew",
    ),
    engine(
        "RETRY_BACKOFF",
        Some("2s..15m"),
        "first and longest delay of a failed message, doubled in between, jittered",
    ),
    engine(
        "MAX_ATTEMPTS",
        None,
        "failures of its own after which a message is quarantined, 1 to 100, below the queue's maxReceiveCount; unset: one less than that, 8 at most",
    ),
    engine(
        "RETRY_FOR",
        None,
        "how long a message is tried that is told \"not now\", 0s to 14d, from the first time on; unset: 24h, on a FIFO queue 15m",
    ),
    engine(
        "SHUTDOWN_TIMEOUT",
        Some("110s"),
        "how long stopping may take, above `RECEIVE_WAIT`; keep it under ECS's StopTimeout",
    ),
    engine(
        "UNKNOWN_EVENTS",
        Some("ignore"),
        "`ignore` or `quarantine` events of another type; a body without a type and without our fields counts as one",
    ),
    engine(
        "TOPIC_ARNS",
        None,
        "the topics whose notifications are read, by ARN, with a comma between two; another topic's are quarantined; unset: any",
    ),
    engine("IDEMPOTENCY_LEASE", None, "how long a claim holds, below the visibility timeout; unset: ¾ of it"),
    engine("IDEMPOTENCY_RETENTION", Some("45d"), "how long records of effects are kept"),
    engine(
        "ON_AMBIGUOUS",
        Some("resend"),
        "when it is unknown whether an effect happened: `resend` once (a webhook per event: `MAX_ATTEMPTS` times), or `park`: quarantine",
    ),
    shared(
        "REQUIRE_NOEVICTION",
        Some("false"),
        "`true`: refuse a Redis whose `maxmemory-policy` may evict records, rather than warn",
    ),
    engine(
        "PRICE_PER_MILLION_CALLS",
        None,
        "what a million calls to SQS cost, in US dollars; unset: AWS's price in us-east-1, 0.40, on a FIFO queue 0.50",
    ),
    shared(
        "CONSOLE_PASSWORD",
        None,
        "what `console` asks for, of 12 characters or more; required where it listens beyond loopback; secret, `CONSOLE_PASSWORD_FILE` works too",
    ),
    shared("CONSOLE_HOSTS", None, "the names by which a proxy with TLS reaches `console`, with a comma between two"),
    shared(
        "CONSOLE_WORKERS",
        None,
        "workers whose `/readyz` `console` shows, as `10.0.0.7:8080`, with a comma between two",
    ),
    shared("HTTP_ADDR", Some("0.0.0.0:8080"), "where `/livez`, `/readyz` and `/metrics` listen"),
    shared("ECS_AGENT_URI", None, "set by ECS: while work is in flight the task is protected from scale-in"),
    shared("RUST_LOG", Some("info"), "log filter"),
    shared("LOG_FORMAT", Some("auto"), "`json`, `pretty`, or `auto`: json unless on a terminal"),
    shared(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        None,
        "`http://localhost:4318`: traces and metrics go to this collector by OTLP; unset: off",
    ),
    shared("OTEL_EXPORTER_OTLP_PROTOCOL", Some("http/protobuf"), "`http/protobuf`; there is no other"),
    shared(
        "OTEL_EXPORTER_OTLP_HEADERS",
        None,
        "sent with each export: `key=value,…`; secret, `OTEL_EXPORTER_OTLP_HEADERS_FILE` works too",
    ),
    shared("OTEL_SERVICE_NAME", Some("user-events"), "the name in traces and metrics"),
    shared("OTEL_RESOURCE_ATTRIBUTES", None, "what else is said of this process: `key=value,…`"),
    shared(
        "OTEL_TRACES_SAMPLER",
        Some("parentbased_always_on"),
        "`always_on`, `always_off`, `traceidratio`, each also after `parentbased_`",
    ),
    shared("OTEL_TRACES_SAMPLER_ARG", None, "the share that `traceidratio` keeps, 0 to 1; unset: 1"),
    shared(
        "OTEL_PROPAGATORS",
        Some("tracecontext,xray"),
        "the forms in which a trace travels: `tracecontext` (read and written), `xray` (read), `none`; `baggage` is taken and does nothing",
    ),
    shared("OTEL_SDK_DISABLED", Some("false"), "`true`: nothing is measured, nothing is exported, `/metrics` is empty"),
    shared(
        "AWS_REGION",
        None,
        "where queues and topic are; unset: `AWS_DEFAULT_REGION`, a profile or the machine says",
    ),
    shared("AWS_DEFAULT_REGION", None, "read where `AWS_REGION` is unset"),
    shared("AWS_PROFILE", None, "which part of the profile files is read"),
    shared("AWS_CONFIG_FILE", None, "a profile file; unset: `~/.aws/config`"),
    shared("AWS_SHARED_CREDENTIALS_FILE", None, "the other one; unset: `~/.aws/credentials`"),
    shared("AWS_ENDPOINT_URL", None, "calls go there instead of to AWS, which start and commands say"),
    shared("AWS_ENDPOINT_URL_SQS", None, "those to SQS; counts before `AWS_ENDPOINT_URL`"),
    shared("AWS_ENDPOINT_URL_SNS", None, "those to SNS; likewise"),
    shared("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", None, "`true`: the three above are ignored"),
    shared("AWS_USE_FIPS_ENDPOINT", None, "`true`: calls go to AWS's endpoints by FIPS 140"),
    shared("AWS_USE_DUALSTACK_ENDPOINT", None, "`true`: to those with IPv6"),
    shared("AWS_MAX_ATTEMPTS", None, "how often a call is made, 1 to 1000; unset: a profile's, else 3"),
    shared("AWS_RETRY_MODE", None, "`standard` or `adaptive`; unset: a profile's, else `standard`"),
    shared(
        "SSL_CERT_FILE",
        None,
        "root certificates to trust, in place of the system's; for AWS too, where `AWS_CA_BUNDLE` is not read",
    ),
    shared("SSL_CERT_DIR", None, "folders of them; likewise"),
    shared("NO_COLOR", None, "set: no colours in help and `doctor`"),
    shared("TMPDIR", None, "where `render --open` and `dlq redrive --edit` write their file; unset: `/tmp`"),
    shared("EDITOR", None, "what `dlq redrive --edit` opens; unset: `vi`"),
    shared("VISUAL", None, "likewise; counts before `EDITOR`"),
    shared("LANG", None, "a locale without UTF-8: only ASCII is printed"),
    shared("LC_CTYPE", None, "likewise; counts before `LANG`"),
    shared("LC_ALL", None, "likewise; counts before both"),
];

/// Variables that are never shown. Each may come from a file instead: `REDIS_URL_FILE`.
pub(super) const SECRETS: [&str; 4] = ["REDIS_URL", "SMTP_URL", "OTEL_EXPORTER_OTLP_HEADERS", "CONSOLE_PASSWORD"];

/// Secrets of a webhook, each with its reaction's name in front.
const WEBHOOK_SECRETS: [&str; 3] = ["WEBHOOK_SECRET", "WEBHOOK_SECRET_PREVIOUS", "WEBHOOK_HEADERS"];

/// Does this variable of a reaction belong to webhooks alone?
pub(super) fn is_webhooks(own: &str) -> bool {
    own.starts_with("WEBHOOK_") || ["EVENT_TYPES", "ONCE"].contains(&own)
}

/// Is it never shown?
pub(super) fn is_webhook_secret(own: &str) -> bool {
    WEBHOOK_SECRETS.contains(&own)
}

/// A reaction's name as its variables have it: in capitals, with `_` for each character that a shell does not allow.
///
/// `order-notify` reads `ORDER_NOTIFY_QUEUE_URL`. Only this function makes that translation.
///
/// ```
/// assert_eq!(user_events::config::prefix("order-notify"), "ORDER_NOTIFY");
/// ```
#[must_use]
pub fn prefix(reaction: &str) -> String {
    reaction.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// A reaction's own variable: `QUEUE_URL` of `email` is `EMAIL_QUEUE_URL`.
#[must_use]
pub fn of_reaction(reaction: &str, variable: &str) -> String {
    format!("{}_{variable}", prefix(reaction))
}

/// The variable of this name.
pub(super) fn known(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| {
        let own = |before: &str| variable.per_reaction && before.ends_with('_');
        let placeholder = variable.name.strip_prefix("<NAME>").is_some_and(|suffix| name.ends_with(suffix));
        variable.name == name || placeholder || name.strip_suffix(variable.name).is_some_and(own)
    })
}

/// Names in the environment that are probably misspelt names of ours, each with the name that was probably meant.
///
/// A name counts if it differs in one or two letters: names that only share a prefix belong to others. Names that
/// begin with `AWS_` are left out, because AWS has more variables than our table.
pub(crate) fn misspelt<'e>(names: impl Iterator<Item = &'e String>, reactions: &[&str]) -> Vec<(&'e str, String)> {
    let mut ours = Vec::new();
    for variable in VARIABLES {
        let own = variable.name.strip_prefix("<NAME>_");
        if own.is_some() || variable.per_reaction {
            ours.extend(reactions.iter().map(|reaction| of_reaction(reaction, own.unwrap_or(variable.name))));
        }
        ours.extend(own.is_none().then(|| variable.name.to_owned()));
    }
    ours.extend(SECRETS.map(|name| format!("{name}_FILE")));
    let files = |reaction: &&str| WEBHOOK_SECRETS.map(|own| format!("{}_FILE", of_reaction(reaction, own)));
    ours.extend(reactions.iter().flat_map(files));
    // Short names are within two letters of too many others.
    ours.retain(|name| name.len() > 6);
    let closest = |name: &str| {
        let near =
            ours.iter().map(|own| (strsim::osa_distance(name, own), own)).min_by_key(|(distance, _)| *distance)?;
        (1..=2).contains(&near.0).then(|| near.1.clone())
    };
    let is_anybodys = |name: &&String| name.len() > 6 && !name.starts_with("AWS_");
    names.filter(is_anybodys).filter_map(|name| Some((name.as_str(), closest(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_a_strangers_name_is_not() {
        let names = [
            "WORKER_CONCURENCY",
            "EMAIL_QUEUE_ULR",
            "REDIS_PORT",
            "PATH",
            "SMTP_URL",
            "TEMPDIR",
            "AWS_ENDPOINT_URL_STS",
        ]
        .map(str::to_owned);
        let found = misspelt(names.iter(), &["email"]);
        let expected =
            [("WORKER_CONCURENCY", "WORKER_CONCURRENCY".to_owned()), ("EMAIL_QUEUE_ULR", "EMAIL_QUEUE_URL".to_owned())];
        assert_eq!(found, expected);
    }
}
