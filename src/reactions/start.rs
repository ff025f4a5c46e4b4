//! Builds a worker from a handler, with its queue, its ledger, its settings and its telemetry.
//!
//! Enters: a [`Place`] and a handler. Leaves: a worker that is not started, or why its settings do not fit its queue.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::{MailConfig, ReactionConfig};
use crate::mail::ComposeError;
use crate::telemetry::Watch;
use engine::handler::Handler;
use engine::idempotency::redis::RedisLedger;
use engine::idempotency::{Ledger, Terms};
use engine::queue::sqs::SqsQueue;
use engine::queue::{Facts, Queue};
use engine::redis_link::RedisLink;
use engine::worker::{Duty, Reaction, Summary, Vitals, Worker};

/// Why a reaction cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings are valid, but do not fit the servers that were found.
    #[error("{0}")]
    Misfit(String),
    /// A template is broken.
    #[error(transparent)]
    Compose(#[from] ComposeError),
}

/// What the reactions of one process share.
pub(crate) struct Shared {
    pub(crate) redis: RedisLink,
    pub(crate) mail: Option<MailConfig>,
    pub(crate) duty: Duty,
    pub(crate) stop: CancellationToken,
}

/// What one reaction works with.
pub(crate) struct Place<'a> {
    pub(crate) queue: SqsQueue,
    pub(crate) config: ReactionConfig,
    pub(crate) watch: Watch,
    pub(crate) shared: &'a Shared,
}

/// A worker's future. It does nothing until it is polled.
pub(crate) type Running = Pin<Box<dyn Future<Output = Summary> + Send>>;

impl Place<'_> {
    pub(super) fn mail(&self) -> Result<&MailConfig, StartError> {
        let misfit = || StartError::Misfit(format!("the reaction `{}` lacks what it needs", self.config.name));
        self.shared.mail.as_ref().ok_or_else(misfit)
    }

    pub(super) fn redis(&self) -> RedisLink {
        self.shared.redis.clone()
    }

    /// The worker of a handler whose effects are recorded.
    pub(super) fn recorded<H: Handler>(self, handler: H) -> Result<(Vitals, Running), StartError> {
        let ledger = self.watch.ledger(RedisLedger::new(self.redis()));
        self.starts(|terms, timeout| Reaction::recorded(handler, ledger, terms, timeout))
    }

    /// The worker of a handler whose effect and mark are one atomic step.
    pub(super) fn atomic<H: Handler>(self, handler: H) -> Result<(Vitals, Running), StartError> {
        self.starts(|_, timeout| Reaction::atomic(handler, timeout))
    }

    fn starts<L: Ledger, H: Handler>(
        self,
        reaction: impl FnOnce(Terms, Duration) -> Reaction<L, H>,
    ) -> Result<(Vitals, Running), StartError> {
        let Self { queue, config, watch, shared } = self;
        let Facts { visibility, max_receive_count, .. } = queue.facts();
        let lease = config.lease.unwrap_or(visibility * 3 / 4);
        if lease >= visibility || lease < Duration::from_secs(1) {
            let (name, visibility) = (config.name, humantime::format_duration(visibility));
            return Err(StartError::Misfit(format!(
                "IDEMPOTENCY_LEASE of `{name}` must lie between 1s and its queue's visibility timeout, {visibility}"
            )));
        }
        if let (Some(attempts), Some(receives)) = (config.settings.max_attempts, max_receive_count)
            && attempts >= receives
        {
            return Err(StartError::Misfit(format!(
                "MAX_ATTEMPTS of `{}` must be below its queue's maxReceiveCount, {receives}: or the queue moves the message first",
                config.name
            )));
        }
        let terms = Terms::new(lease, config.retention).on_ambiguous(config.on_ambiguous);
        let reaction = reaction(terms, config.handler_timeout);
        let worker = Worker::new(watch.queue(queue), reaction, config.settings).on_duty(&shared.duty);
        let worker = worker.of_topics(config.topics.clone()).observed(Arc::new(watch.clone()));
        Ok((worker.vitals(), Box::pin(worker.run(shared.stop.clone()))))
    }
}
