//! What the doctor looked at, as it was found; nothing is judged yet.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::mail::smtp::Examination;
use crate::ops::worker::Told;
use engine::backoff::Backoff;
use engine::envelope::Topics;
use engine::queue::QueueError;
use engine::queue::sqs::admin::QueueFacts;
use engine::redis_link::{RedisError, RedisFacts};
use engine::topic::SendError;
use engine::topic::sns::admin::Subscription;

/// All of it.
#[derive(Debug)]
pub(super) struct Facts {
    /// The region calls go to.
    pub(super) region: Option<String>,
    /// Where calls go instead of to AWS.
    pub(super) endpoint: Option<String>,
    /// The topic, if one is configured.
    pub(super) topic: Option<Topic>,
    pub(super) reactions: Vec<Reaction>,
    /// What it tells of itself, and whether it outlives a restart; none: it does not let us look.
    pub(super) redis: Result<(Option<RedisFacts>, Option<bool>), RedisError>,
    /// The queues that are worked on there under each reaction's name.
    pub(super) neighbours: BTreeMap<&'static str, Result<Vec<String>, RedisError>>,
    /// The mail server, and whether a mail can be made; if a reaction sends any.
    pub(super) mail: Option<(Examination, Result<(), String>)>,
    /// What the worker that runs here says of each reaction.
    pub(super) worker: Told,
}

#[derive(Debug)]
pub(super) struct Topic {
    pub(super) arn: String,
    pub(super) found: Result<(), SendError>,
}

/// One reaction's queues and its timing.
#[derive(Debug, Clone)]
pub(super) struct Reaction {
    pub(super) name: &'static str,
    /// Are its effects recorded, and with them how often a message killed its worker?
    pub(super) is_recorded: bool,
    /// The types of event that it takes; none named: any.
    pub(super) types: &'static [&'static str],
    /// The field of its events that names their type.
    pub(super) type_field: &'static str,
    pub(super) queue: Result<QueueFacts, QueueError>,
    /// The DLQ, if one is named.
    pub(super) dlq: Option<Result<QueueFacts, QueueError>>,
    /// How the queue is subscribed, if there is a topic to ask.
    pub(super) subscription: Option<Result<Option<Subscription>, SendError>>,
    /// Whose notifications it reads.
    pub(super) topics: Topics,
    pub(super) timing: Timing,
}

/// Settings that have to fit each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// If not the queue's own.
    pub(super) visibility: Option<Duration>,
    /// If not three quarters of it.
    pub(super) lease: Option<Duration>,
    pub(super) handler: Duration,
    pub(super) shutdown: Duration,
    /// If not what follows from the receives that the queue allows.
    pub(super) max_attempts: Option<u32>,
    /// Between those.
    pub(super) backoff: Backoff,
}
