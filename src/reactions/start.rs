//! Builds a worker from a handler, with its queue, its ledger, its settings and its telemetry.
//!
//! Enters: [`WorkerParts`] and a handler. Leaves: a worker that is not started, or why its settings do not fit its queue.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::{MailConfig, ReactionConfig};
use crate::handlers::webhook::WebhookHandler;
use crate::telemetry::Watch;
use crate::webhook::Webhook;
use engine::handler::{Handler, Row};
use engine::idempotency::redis::RedisLedger;
use engine::idempotency::{Ledger, Terms};
use engine::queue::sqs::SqsQueue;
use engine::queue::{Facts, Queue};
use engine::redis_link::RedisLink;
use engine::worker::{Duty, PauseSwitch, Reaction, Summary, Vitals, Worker};

/// Why a reaction cannot start: its settings are valid, but do not fit the servers that were found.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

/// What a worker is made of. What it borrows, all workers of this process share.
pub(crate) struct WorkerParts<'a> {
    pub(crate) queue: SqsQueue,
    pub(crate) config: ReactionConfig,
    pub(crate) watch: Watch,
    pub(crate) redis: &'a RedisLink,
    pub(crate) mail: Option<&'a MailConfig>,
    pub(crate) duty: &'a Duty,
    pub(crate) switch: &'a PauseSwitch,
    pub(crate) stop: &'a CancellationToken,
}

/// A worker's future. It does nothing until it is polled.
pub(crate) type WorkerFuture = Pin<Box<dyn Future<Output = Summary> + Send>>;
pub(super) type Built = Result<(Vitals, WorkerFuture), StartError>;

impl WorkerParts<'_> {
    pub(super) fn mail(&self) -> Result<&MailConfig, StartError> {
        self.mail.ok_or_else(|| self.misfit())
    }

    /// The worker of a handler whose effects are recorded.
    pub(super) fn recorded_worker<H: Handler>(self, handler: H) -> Built {
        let ledger = self.watch.ledger(RedisLedger::new(self.redis.clone()));
        self.worker(|terms, timeout| Reaction::recorded(handler, ledger, terms, timeout))
    }

    /// The worker of a handler whose effect and mark are one atomic step.
    pub(super) fn atomic_worker<H: Handler>(self, handler: H) -> Built {
        self.worker(|_, timeout| Reaction::atomic(handler, timeout))
    }

    /// The worker of a webhook: what it is called and which events it takes stands in `row`.
    pub(super) fn webhook_worker(mut self, row: Row, field: Option<&'static str>) -> Built {
        let Some(settings) = self.config.webhook.take() else { return Err(self.misfit()) };
        let handler = WebhookHandler::new(Webhook::new(settings), field, self.watch.trace_headers());
        let ledger = self.watch.ledger(RedisLedger::new(self.redis.clone()));
        self.worker(|terms, timeout| Reaction::recorded(handler, ledger, terms, timeout).with_row(row))
    }

    fn misfit(&self) -> StartError {
        StartError(format!("the reaction `{}` lacks what it needs", self.config.name))
    }

    fn worker<L: Ledger, H: Handler>(self, reaction: impl FnOnce(Terms, Duration) -> Reaction<L, H>) -> Built {
        let Self { queue, config, watch, duty, switch, stop, .. } = self;
        let Facts { visibility, max_receive_count, .. } = queue.facts();
        let lease = config.lease.unwrap_or(visibility * 3 / 4);
        if lease >= visibility || lease < Duration::from_secs(1) {
            let (name, visibility) = (config.name, humantime::format_duration(visibility));
            return Err(StartError(format!(
                "IDEMPOTENCY_LEASE of `{name}` must lie between 1s and its queue's visibility timeout, {visibility}"
            )));
        }
        if let (Some(attempts), Some(receives)) = (config.settings.max_attempts, max_receive_count)
            && attempts >= receives
        {
            return Err(StartError(format!(
                "MAX_ATTEMPTS of `{}` must be below its queue's maxReceiveCount, {receives}: or the queue moves the message first",
                config.name
            )));
        }
        let terms = Terms::new(lease, config.retention).on_ambiguous(config.on_ambiguous);
        let reaction = reaction(terms, config.handler_timeout);
        let worker = Worker::new(watch.queue(queue), reaction, config.settings).on_duty(duty).paused_by(switch);
        let worker = worker.of_topics(config.topics.clone()).observed(Arc::new(watch.clone()));
        Ok((worker.vitals(), Box::pin(worker.run(stop.clone()))))
    }
}
