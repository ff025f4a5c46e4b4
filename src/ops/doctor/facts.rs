//! What the doctor found; nothing is judged yet.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::mail::smtp::Examination;
use crate::ops::worker::WorkerStates;
use crate::standing::Reports;
use crate::webhook::WebhookError;
use engine::backoff::Backoff;
use engine::envelope::Topics;
use engine::idempotency::records::Sample;
use engine::queue::QueueError;
use engine::queue::sqs::admin::QueueFacts;
use engine::redis_link::{RedisError, RedisFacts};
use engine::topic::SendError;
use engine::topic::sns::admin::Subscription;

/// All findings.
#[derive(Debug)]
pub(super) struct SystemFacts {
    /// The region that calls go to.
    pub(super) region: Option<String>,
    /// Where calls go instead of to AWS.
    pub(super) endpoint: Option<String>,
    /// The topic, if one is configured.
    pub(super) topic: Option<TopicFacts>,
    pub(super) reactions: Vec<ReactionFacts>,
    /// Redis's facts, and whether its data survives a restart. `None`: Redis does not let us look.
    pub(super) redis: Result<(Option<RedisFacts>, Option<bool>), RedisError>,
    /// What records take of its memory. `None`: Redis does not let us look.
    pub(super) records: Option<Sample>,
    /// The queues that are worked on in this Redis, by the reaction's name.
    pub(super) neighbours: BTreeMap<&'static str, Result<Vec<String>, RedisError>>,
    /// The mail server, and whether a mail can be composed. `None`: no reaction sends mail.
    pub(super) mail: Option<(Examination, Result<(), String>)>,
    /// What the worker at `HTTP_ADDR` says of each reaction.
    pub(super) worker: WorkerStates,
}

#[derive(Debug)]
pub(super) struct TopicFacts {
    pub(super) arn: String,
    pub(super) found: Result<(), SendError>,
}

/// One reaction's queues and its timing.
#[derive(Debug, Clone)]
pub(super) struct ReactionFacts {
    pub(super) name: &'static str,
    /// Are its effects recorded? The records also count how often a message killed its worker.
    pub(super) is_recorded: bool,
    /// The event types that it takes; empty: any.
    pub(super) types: &'static [&'static str],
    /// The field that names an event's type.
    pub(super) type_field: &'static str,
    pub(super) queue: Result<QueueFacts, QueueError>,
    /// The DLQ, if one is named.
    pub(super) dlq: Option<Result<QueueFacts, QueueError>>,
    /// The queue's subscription. `None`: there is no topic to ask, or no queue.
    pub(super) subscription: Option<Result<Option<Subscription>, SendError>>,
    /// The topics whose notifications it accepts.
    pub(super) topics: Topics,
    pub(super) timing: Timing,
    /// `None`: it has a handler.
    pub(super) webhook: Option<WebhookFacts>,
    /// What its workers report. `None`: Redis does not tell, or there is no queue.
    pub(super) reports: Option<Reports>,
}

/// The service that a reaction calls.
#[derive(Debug, Clone)]
pub(super) struct WebhookFacts {
    /// Does it take connections?
    pub(super) reached: Result<(), WebhookError>,
    /// Do events leave this machine unencrypted?
    pub(super) is_plaintext: bool,
}

/// Settings that have to fit each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// The visibility timeout. `None`: the queue's own.
    pub(super) visibility: Option<Duration>,
    /// `None`: ¾ of the visibility timeout.
    pub(super) lease: Option<Duration>,
    pub(super) handler: Duration,
    pub(super) shutdown: Duration,
    /// `None`: it follows from the queue's `maxReceiveCount`.
    pub(super) max_attempts: Option<u32>,
    /// The delay between two attempts.
    pub(super) backoff: Backoff,
}
