//! Where things are: the URLs of queues and of Redis, the ARNs of topics. Checks that no queue has two purposes.
//!
//! Enters: a value, or all queues of a snapshot. Leaves: the value as it is used, or the mistake. Promises: two URLs
//! of one queue count as the same, whichever of its hosts AWS names it by, and however slashes are written. Makes no call.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::ReactionNeeds;
use super::environment::{is_given, set};
use super::reader::SettingsReader;
use super::variables::of_reaction;
use engine::envelope::{Topics, is_topic_arn};
use engine::queue::is_fifo;
use engine::redis_link::{RedisError, RedisLink};

pub(super) fn queue_url(text: &str) -> Result<String, &'static str> {
    const RULE: &str = "must be a queue URL like https://sqs.REGION.amazonaws.com/ACCOUNT/NAME";
    let text = text.trim_end_matches('/');
    let url = Url::parse(text).map_err(|_| RULE)?;
    let Some(name) = url.path_segments().and_then(|mut parts| parts.next_back()).filter(|name| !name.is_empty()) else {
        return Err(RULE);
    };
    // The queue's name is the part after the last slash, so nothing may follow it.
    let plain = url.query().is_none() && url.fragment().is_none();
    match matches!(url.scheme(), "http" | "https") {
        true if !plain => Err("must be a queue URL without `?` or `#`"),
        true if !is_queue_name(name) => {
            Err("must end in a queue's name: at most 80 letters, digits, `-` and `_`, and `.fifo` where it is FIFO")
        }
        true => Ok(text.to_owned()),
        false => Err(RULE),
    }
}

/// By SQS's rule, in which `.fifo` counts. A name that is written another way (`%71` for `q`) is none.
fn is_queue_name(name: &str) -> bool {
    let plain = name.strip_suffix(".fifo").unwrap_or(name);
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    name.len() <= 80 && !plain.is_empty() && plain.bytes().all(is_plain)
}

pub(super) fn topic_arn(text: &str) -> Result<String, &'static str> {
    is_topic_arn(text).then(|| text.to_owned()).ok_or("must be an ARN like arn:aws:sns:REGION:ACCOUNT:NAME")
}

pub(super) fn topics(text: &str) -> Result<Topics, &'static str> {
    let arns: Result<Vec<_>, _> = text.split(',').map(|arn| topic_arn(arn.trim())).collect();
    let rule = "must be ARNs like arn:aws:sns:REGION:ACCOUNT:NAME, with a comma between two";
    arns.map(Topics::only).map_err(|_| rule)
}

pub(super) fn redis_url(url: &SecretString) -> Result<SecretString, &'static str> {
    if url.expose_secret().contains('#') {
        // The Redis client reads `#insecure` there and would then accept any certificate.
        return Err("must be a URL without `#`: certificates are always checked; in a password it is written %23");
    }
    match RedisLink::new(url) {
        Ok(_) => Ok(url.clone()),
        Err(RedisError::Database) => Err("names a cluster and a database: a Redis Cluster has database 0 alone"),
        Err(_) => Err(
            "must be a URL like redis://host:6379/0 or rediss://user:password@host:6379/0, or with several hosts of a \
            Redis Cluster: redis://host:6379,host:6379",
        ),
    }
}

/// Reads the prefix of every key in Redis; unset: none. Its allowed characters cannot begin a hash tag or a pattern.
pub(crate) fn redis_prefix(read: &mut SettingsReader<'_>) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || [':', '_', '-'].contains(&c);
    let prefix = read.parsed("REDIS_PREFIX", |text| match text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("must be of letters, digits, `:`, `_` and `-`, without blanks"),
    });
    prefix.unwrap_or_default()
}

/// Checks that no queue has two purposes. Two reactions on one queue would each get a random part of the events. A
/// DLQ that is a reaction's queue would be emptied by that reaction. All listed reactions are checked, also those
/// that do not run in this process: they run elsewhere.
pub(super) fn distinct(read: &mut SettingsReader<'_>, reactions: &[ReactionNeeds]) {
    let named = |suffix: &str| -> Vec<(String, QueueIdentity)> {
        let name = |needs: &ReactionNeeds| of_reaction(needs.name, suffix);
        let identified = |name: String| Some((identity(set(read.environment(), &name)?)?, name));
        reactions.iter().map(name).filter_map(identified).map(|(identity, name)| (name, identity)).collect()
    };
    let (queues, dlqs) = (named("QUEUE_URL"), named("DLQ_URL"));
    for (n, (name, queue)) in queues.iter().enumerate() {
        if let Some((other, _)) = queues[..n].iter().find(|(_, other)| other == queue) {
            read.mistake(name, &format!("is the queue of {other} too: each reaction needs one of its own"));
        }
    }
    for (name, dlq) in &dlqs {
        if let Some((queue, _)) = queues.iter().find(|(_, queue)| queue == dlq) {
            read.mistake(name, &format!("is the queue of {queue}: a dead-letter queue is one that no reaction reads"));
        }
    }
}

/// Checks each pair of queue and DLQ by SQS's rule: a FIFO queue's DLQ is FIFO, and no other queue's is. Else SQS refuses
/// every letter.
pub(super) fn of_a_kind(read: &mut SettingsReader<'_>, reactions: &[ReactionNeeds]) {
    for needs in reactions {
        let [queue, dlq] = ["QUEUE_URL", "DLQ_URL"].map(|suffix| of_reaction(needs.name, suffix));
        let is_fifo = |name: &str| set(read.environment(), name).map(|url| is_fifo(url.trim_end_matches('/')));
        match (is_fifo(&queue), is_fifo(&dlq)) {
            (Some(true), Some(false)) => read.mistake(&dlq, &format!("must be a FIFO queue, as {queue} is one")),
            (Some(false), Some(true)) => read.mistake(&dlq, &format!("must not be a FIFO queue: {queue} is none")),
            _ => {}
        }
    }
}

/// Checks that each queue on AWS is in the region that is called: the SDK goes by its region, not by the queue's URL, so a
/// queue elsewhere would look as if it were missing.
pub(super) fn in_region<'n>(read: &mut SettingsReader<'_>, names: impl Iterator<Item = &'n str>, region: &str) {
    if ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"].iter().any(|name| is_given(read.environment(), name)) {
        return;
    }
    for name in names.flat_map(|name| ["QUEUE_URL", "DLQ_URL"].map(|suffix| of_reaction(name, suffix))) {
        if let Some(QueueIdentity(Place::Region(of), _)) = set(read.environment(), &name).and_then(identity)
            && of != region
        {
            read.mistake(&name, "is in another region than AWS_REGION names, and calls go by that");
        }
    }
}

/// What identifies a queue: where SQS is, and the path without empty parts.
#[derive(Debug, PartialEq, Eq)]
struct QueueIdentity(Place, String);

/// Where an SQS is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// AWS has several hosts for each region.
    Region(String),
    /// This machine has several names.
    Here(Option<u16>),
    Host(String, Option<u16>),
}

/// The queue that a URL names. `None` if it is no URL. Names that only the network knows to be the same are told apart
/// here; the queues' ARNs are compared at start.
fn identity(url: &str) -> Option<QueueIdentity> {
    let url = Url::parse(url).ok()?;
    // The parser writes the host in lower case, and drops the scheme's default port.
    let (host, port) = (url.host_str()?, url.port());
    let place = match region_of(host) {
        Some(region) => Place::Region(region.to_owned()),
        None if matches!(host, "localhost" | "127.0.0.1" | "[::1]") => Place::Here(port),
        None => Place::Host(host.to_owned(), port),
    };
    let path: Vec<_> = url.path().split('/').filter(|part| !part.is_empty()).collect();
    Some(QueueIdentity(place, path.join("/")))
}

/// The region that a host of AWS's SQS is in, by whichever of its names: `sqs.REGION.amazonaws.com`, the older
/// `REGION.queue.amazonaws.com` and `queue.amazonaws.com`, FIPS, IPv6, a VPC's own endpoint.
fn region_of(host: &str) -> Option<&str> {
    let ends = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn"];
    let host = ends.iter().find_map(|end| host.strip_suffix(end))?;
    let host = host.strip_suffix(".vpce").unwrap_or(host);
    match host.rsplit_once('.') {
        None => (host == "queue").then_some("us-east-1"),
        Some((region, "queue")) => Some(region),
        Some((service, region)) => matches!(service.rsplit('.').next(), Some("sqs" | "sqs-fips")).then_some(region),
    }
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
