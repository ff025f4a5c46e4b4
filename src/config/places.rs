//! Where things are: the URLs of queues and of Redis, the ARNs of topics. Checks that no queue has two purposes.
//!
//! Enters: a value, or all queues of a snapshot. Leaves: the value as it is used, or the mistake. Promises: two URLs
//! of one queue count as the same, whatever the case of the host, and with or without a slash at the end. Makes no
//! call.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::ReactionNeeds;
use super::environment::set;
use super::reader::SettingsReader;
use super::variables::of_reaction;
use engine::envelope::{Topics, is_topic_arn};
use engine::redis_link::{RedisError, RedisLink};

pub(super) fn queue_url(text: &str) -> Result<String, &'static str> {
    const RULE: &str = "must be a queue URL like https://sqs.REGION.amazonaws.com/ACCOUNT/NAME";
    let text = text.trim_end_matches('/');
    let url = Url::parse(text).map_err(|_| RULE)?;
    let named = url.path_segments().is_some_and(|mut s| s.next_back().is_some_and(|name| !name.is_empty()));
    // The queue's name is the part after the last slash, so nothing may follow it.
    let plain = url.query().is_none() && url.fragment().is_none();
    match matches!(url.scheme(), "http" | "https") && named {
        true if plain => Ok(text.to_owned()),
        true => Err("must be a queue URL without `?` or `#`"),
        false => Err(RULE),
    }
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

/// What identifies a queue: host, port and path.
#[derive(Debug, PartialEq, Eq)]
struct QueueIdentity(String, Option<u16>, String);

/// The queue that a URL names. `None` if it is no URL.
fn identity(url: &str) -> Option<QueueIdentity> {
    let url = Url::parse(url).ok()?;
    // The parser writes the host in lower case, and drops the scheme's default port.
    Some(QueueIdentity(url.host_str()?.to_owned(), url.port(), url.path().trim_matches('/').to_owned()))
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
