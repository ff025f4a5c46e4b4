//! DLQs in SQS.
//!
//! Enters: where a reaction's queues are. Leaves: its opened DLQ. The queue's redrive policy names the DLQ, unless the
//! configuration does.

use std::time::Duration;

use aws_config::SdkConfig;

use super::{HIDDEN, OpenedDlq, Source};
use crate::config::{self, Queues};
use crate::reactions::EventType;
use engine::queue::sqs::SqsQueue;
use engine::queue::sqs::admin::{QueueFacts, SqsAdmin};
use engine::queue::{DeadLetter, QueueError};

/// A DLQ in SQS.
pub(crate) type SqsDlq = OpenedDlq<SqsQueue, SqsSource>;

/// The queue that letters came from, in SQS.
pub(crate) struct SqsSource {
    pub(super) admin: SqsAdmin,
    url: String,
    pub(super) facts: QueueFacts,
    dlq_url: String,
    /// The DLQ as it was when it was opened.
    pub(super) dead: QueueFacts,
}

impl Source for SqsSource {
    fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or(&self.url)
    }

    async fn send(&self, messages: &[DeadLetter]) -> Vec<Result<(), QueueError>> {
        self.admin.send(&self.url, messages).await
    }

    async fn letters(&self) -> Result<u64, QueueError> {
        Ok(self.admin.facts(&self.dlq_url).await?.visible)
    }
}

/// Opens a reaction's DLQ.
///
/// # Errors
/// Which queue cannot be opened, and why.
pub(crate) async fn open(aws: &SdkConfig, queues: Queues, event_type: EventType) -> Result<SqsDlq, String> {
    let Queues { name, url, dlq_url } = queues;
    let admin = SqsAdmin::new(aws);
    let facts = admin.facts(&url).await.map_err(|error| format!("the queue of `{name}`: {error}"))?;
    let by_policy = facts.redrive.as_ref().map(|redrive| redrive.dlq_url.clone());
    let Some(dlq_url) = dlq_url.or(by_policy) else {
        let variable = config::of_reaction(name, "DLQ_URL");
        return Err(format!("`{name}` has no dead-letter queue: no redrive policy, and {variable} is not set"));
    };
    let failed = |error| format!("the dead-letter queue of `{name}`: {error}");
    let dead = admin.facts(&dlq_url).await.map_err(failed)?;
    let queue = SqsQueue::open(aws, dlq_url.clone(), None, Duration::from_secs(20)).await.map_err(failed)?;
    let (queue, depth) = (queue.with_visibility(HIDDEN), dead.visible);
    Ok(OpenedDlq { name, event_type, queue, source: SqsSource { admin, url, facts, dlq_url, dead }, depth })
}
