//! How each reaction stands: its queues, its workers wherever they run, a pause; for whatever shows it.
//!
//! Enters: the configured queues, AWS, the link to Redis if there is one. Leaves: a [`Standing`] a reaction. Promises: a look
//! changes nothing; what does not answer costs its own figures and no others; no address and no body. Knows no terminal.

mod trail;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use futures_util::future::join_all;

pub(crate) use self::trail::Trail;
use crate::config::Queues;
use crate::fleet::redis::Fleet;
use crate::fleet::{Bill, Reported, Retrying, retrying};
use crate::pauses::PauseMarks;
use engine::queue::QueueError;
use engine::queue::sqs::admin::{QueueFacts, SqsAdmin};
use engine::redis_link::{RedisError, RedisLink};
use engine::worker::Pause;

/// The state of a worker that waits for nothing.
pub(crate) const READY: &str = "ready";

/// Looks at reactions. Clones share the connections.
#[derive(Debug, Clone)]
pub(crate) struct Lookout {
    admin: SqsAdmin,
    redis: Option<(Fleet, PauseMarks)>,
}

/// One reaction at the moment of a look.
#[derive(Debug)]
pub(crate) struct Standing {
    /// The reaction's name.
    pub(crate) name: &'static str,
    /// Its queue, or why that did not answer.
    pub(crate) queue: Result<QueueFacts, QueueError>,
    /// Its DLQ. `None`: it has none.
    pub(crate) dlq: Option<Result<QueueFacts, QueueError>>,
    /// What Redis tells of it. `None`: Redis was not asked.
    pub(crate) redis: Option<Result<Reports, RedisError>>,
}

/// What is known of a reaction by Redis.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reports {
    /// What the workers on its queue report.
    pub(crate) fleet: Vec<Reported>,
    /// Workers under its name on other queues.
    pub(crate) elsewhere: Vec<Reported>,
    /// The pause that a person has asked for, if one holds.
    pub(crate) pause: Option<Pause>,
}

impl Lookout {
    /// Makes no call. Without a link the workers are not asked.
    #[must_use]
    pub(crate) fn new(aws: &SdkConfig, link: Option<RedisLink>) -> Self {
        let redis = link.map(|link| (Fleet::new(link.clone()), PauseMarks::new(link)));
        Self { admin: SqsAdmin::new(aws), redis }
    }

    /// Looks at all of them at once.
    pub(crate) async fn look(&self, all: &[Queues]) -> Vec<Standing> {
        join_all(all.iter().map(|queues| self.look_at(queues))).await
    }

    async fn look_at(&self, queues: &Queues) -> Standing {
        let queue = self.admin.facts(&queues.url).await;
        let by_policy = queue.as_ref().ok().and_then(|facts| facts.redrive.as_ref()).map(|redrive| &redrive.dlq_url);
        let dlq = async {
            let url = queues.dlq_url.as_ref().or(by_policy)?;
            Some(self.admin.facts(url).await)
        };
        let redis = async {
            let (fleet, pauses) = self.redis.as_ref()?;
            let arn = &queue.as_ref().ok()?.arn;
            Some(reports(fleet, pauses, queues.name, arn).await)
        };
        let (dlq, redis) = tokio::join!(dlq, redis);
        Standing { name: queues.name, queue, dlq, redis }
    }
}

/// Asks Redis for a reaction's workers and its pause. `arn`: its queue's; another environment's workers may use the same name.
///
/// # Errors
/// [`RedisError`].
pub(crate) async fn reports(fleet: &Fleet, pauses: &PauseMarks, name: &str, arn: &str) -> Result<Reports, RedisError> {
    let (reported, pause) = tokio::join!(fleet.look(name), pauses.look(name));
    let (fleet, elsewhere) = reported?.into_iter().partition(|one| one.report.queue == arn);
    // A mark that our user may not read, or that is none, leaves out nothing but the pause.
    let pause = pause.ok().flatten().filter(|pause| !pause.rest().is_zero());
    Ok(Reports { fleet, elsewhere, pause })
}

impl Standing {
    /// All dead letters. A letter that somebody looks at is in flight, but as dead as the others. `None`: not known.
    #[must_use]
    pub(crate) fn dead(&self) -> Option<u64> {
        self.dlq.as_ref()?.as_ref().ok().map(depth)
    }

    /// All messages of its queue. `None`: not known.
    #[must_use]
    pub(crate) fn depth(&self) -> Option<u64> {
        self.queue.as_ref().ok().map(depth)
    }

    /// What its workers and a person said, where Redis was asked and answered.
    #[must_use]
    pub(crate) fn reports(&self) -> Option<&Reports> {
        self.redis.as_ref()?.as_ref().ok()
    }

    /// What did not answer, and why: a line each.
    #[must_use]
    pub(crate) fn problems(&self) -> Vec<String> {
        let problems =
            [("the queue", self.queue.as_ref().err()), ("the DLQ", self.dlq.as_ref().and_then(|d| d.as_ref().err()))];
        let told = |(which, error): (_, Option<&QueueError>)| {
            error.map(|error| format!("{which} of `{}`: {error}", self.name))
        };
        problems.into_iter().filter_map(told).collect()
    }
}

impl Reports {
    /// What its messages cost. `None`: no worker reports.
    #[must_use]
    pub(crate) fn bill(&self) -> Option<Bill> {
        Bill::of(&self.fleet)
    }

    /// The age of the oldest message that a worker holds or has received within the last minute. `None`: there was none.
    #[must_use]
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.fleet.iter().filter_map(|one| one.report.oldest).max().map(Duration::from_secs)
    }

    /// Messages that are through a second, over the last reports. `None`: no worker reports.
    #[must_use]
    pub(crate) fn rate(&self) -> Option<f64> {
        (!self.fleet.is_empty()).then(|| self.fleet.iter().map(|one| one.report.rate).sum())
    }

    /// How many workers are [`READY`], and how many wait for what.
    #[must_use]
    pub(crate) fn states(&self) -> BTreeMap<&str, u64> {
        let mut states = BTreeMap::new();
        self.fleet
            .iter()
            .for_each(|one| *states.entry(one.report.paused.as_deref().unwrap_or(READY)).or_default() += 1);
        states
    }

    /// What its workers retry, the newest first.
    #[must_use]
    pub(crate) fn retrying(&self) -> Vec<Retrying> {
        retrying(&self.fleet)
    }
}

fn depth(facts: &QueueFacts) -> u64 {
    facts.visible + facts.in_flight + facts.delayed
}
