//! SQS calls of operators, which a worker never makes: a queue's settings and depth, messages put back many at a time,
//! and SQS's own move tasks.
//!
//! Enters: a queue's URL or ARN. Leaves: facts without AWS's Options, or a [`QueueError`]. Promises: SQS's error about
//! one entry is reported for that entry alone. Judges nothing.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{QueueAttributeName as Name, SendMessageBatchRequestEntry};
use aws_types::SdkConfig;

use super::entries::no_word;
use super::error::{classify, classify_for_operator, send_entry_error, send_error, text};
use super::redrive::{RedrivePolicy, sibling};
use super::{CALL_TIMEOUT, client, outgoing};
use crate::queue::{DeadLetter, MAX_MESSAGE_BYTES, QueueError, rules};

/// The queues of one account, to look at and to move messages between.
#[derive(Debug, Clone)]
pub struct SqsAdmin {
    client: Client,
}

/// A queue's settings and depth, as SQS reports them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueFacts {
    /// Its ARN.
    pub arn: String,
    /// How long a received message is hidden by default.
    pub visibility: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// Messages waiting; SQS's counts are approximate.
    pub visible: u64,
    /// Messages received and not settled.
    pub in_flight: u64,
    /// Messages whose delay is not over.
    pub delayed: u64,
    /// Where it moves messages that were received too often.
    pub redrive: Option<Redrive>,
    /// The most bytes of one message that it takes.
    pub max_bytes: usize,
    /// Its access policy, as JSON text.
    pub policy: Option<String>,
}

/// A redrive policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue's URL.
    pub dlq_url: String,
    /// After how many receives.
    pub max_receive_count: u32,
}

/// A move task, as SQS reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveTask {
    /// The handle to cancel it by; `None` once the task has ended.
    pub handle: Option<String>,
    /// `RUNNING`, `COMPLETED`, `CANCELLING`, `CANCELLED` or `FAILED`.
    pub status: String,
    /// Messages moved so far.
    pub moved: u64,
    /// Messages there were to move.
    pub to_move: u64,
}

impl QueueFacts {
    /// Is it a FIFO queue? Its name alone decides.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.arn.ends_with(".fifo")
    }
}

impl MoveTask {
    /// Does it still move messages?
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.status.as_str(), "CREATED" | "RUNNING" | "CANCELLING")
    }
}

impl SqsAdmin {
    /// Makes no call.
    #[must_use]
    pub fn new(aws: &SdkConfig) -> Self {
        Self { client: client(aws, CALL_TIMEOUT) }
    }

    /// A queue's settings and depth.
    ///
    /// # Errors
    /// [`QueueError::Refused`] if the queue is missing or may not be read, else `Unavailable`.
    pub async fn facts(&self, url: &str) -> Result<QueueFacts, QueueError> {
        let call = self.client.get_queue_attributes().queue_url(url).attribute_names(Name::All);
        let answer = call.send().await.map_err(|error| classify_for_operator(&error))?;
        let text = |name: Name| answer.attributes()?.get(&name).cloned();
        let number = |name| text(name).and_then(|value| value.parse().ok());
        let redrive = |policy: RedrivePolicy| {
            let dlq_url = sibling(url, &policy.dlq_name)?;
            Some(Redrive { dlq_url, max_receive_count: policy.max_receive_count })
        };
        Ok(QueueFacts {
            arn: text(Name::QueueArn).unwrap_or_default(),
            // SQS's own defaults: 30 s, and 4 days.
            visibility: Duration::from_secs(number(Name::VisibilityTimeout).unwrap_or(30)),
            retention: Duration::from_secs(number(Name::MessageRetentionPeriod).unwrap_or(345_600)),
            visible: number(Name::ApproximateNumberOfMessages).unwrap_or(0),
            in_flight: number(Name::ApproximateNumberOfMessagesNotVisible).unwrap_or(0),
            delayed: number(Name::ApproximateNumberOfMessagesDelayed).unwrap_or(0),
            redrive: text(Name::RedrivePolicy).and_then(|policy| redrive(RedrivePolicy::parse(&policy)?)),
            max_bytes: text(Name::MaximumMessageSize).and_then(|v| v.parse().ok()).unwrap_or(MAX_MESSAGE_BYTES),
            policy: text(Name::Policy),
        })
    }

    /// Puts up to ten messages, up to 1 MiB together, on a standard queue. Returns one result an entry, in order. A
    /// message that is not taken fails alone, as [`QueueError::Unfit`].
    pub async fn send(&self, url: &str, messages: &[DeadLetter]) -> Vec<Result<(), QueueError>> {
        let checked = |message: &DeadLetter| Ok(rules::check(&message.body, &message.attributes)?);
        let mut results: Vec<Result<(), QueueError>> = messages.iter().map(checked).collect();
        let fit: Vec<usize> = (0..messages.len()).filter(|n| results[*n].is_ok()).collect();
        let mut answers = self.send_batch(url, messages, &fit).await;
        if fit.len() > 1 && answers.iter().all(|answer| matches!(answer, Err(QueueError::Unfit(_)))) {
            // SQS refused the whole call because of one message: each is sent alone.
            for (answer, n) in answers.iter_mut().zip(&fit) {
                *answer = self.send_batch(url, messages, &[*n]).await.pop().unwrap_or_else(|| Err(no_word()));
            }
        }
        for (n, answer) in fit.into_iter().zip(answers) {
            results[n] = answer;
        }
        results
    }

    /// One call with the messages at these positions. Returns one result each.
    async fn send_batch(&self, url: &str, messages: &[DeadLetter], places: &[usize]) -> Vec<Result<(), QueueError>> {
        if places.is_empty() {
            return Vec::new();
        }
        let entry = |n: &usize| {
            let message = &messages[*n];
            let all = &message.attributes;
            let attributes = all.iter().filter_map(|(name, a)| Some((name.clone(), outgoing(a)?))).collect();
            let entry = SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(&message.body);
            let entry = entry.set_message_group_id(message.fairness.clone());
            entry.set_message_attributes(Some(attributes)).build().ok()
        };
        let entries = places.iter().filter_map(entry).collect();
        let call = self.client.send_message_batch().queue_url(url).set_entries(Some(entries));
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => return vec![Err(send_error(classify(&error), text(&error))); places.len()],
        };
        let result = |n: &usize| {
            let id = n.to_string();
            if answer.successful().iter().any(|entry| entry.id == id) {
                return Ok(());
            }
            let failed = answer.failed().iter().find(|entry| entry.id == id);
            Err(failed.map_or_else(no_word, send_entry_error))
        };
        places.iter().map(result).collect()
    }

    /// Lets SQS itself move every message of one queue to another.
    ///
    /// The destination must be named. SQS knows the source only of messages that its own redrive policy moved, not of a
    /// letter that a worker sent.
    ///
    /// # Errors
    /// [`QueueError::Refused`] where this queue cannot be moved from, else `Unavailable`.
    pub async fn start_move(&self, from: &str, to: &str, rate: Option<u32>) -> Result<(), QueueError> {
        let rate = rate.and_then(|rate| i32::try_from(rate).ok());
        let call = self.client.start_message_move_task().source_arn(from).destination_arn(to);
        call.set_max_number_of_messages_per_second(rate).send().await.map_err(|error| classify(&error))?;
        Ok(())
    }

    /// The latest move task of this queue, if there ever was one.
    ///
    /// # Errors
    /// As [`Self::start_move`].
    pub async fn latest_move(&self, from: &str) -> Result<Option<MoveTask>, QueueError> {
        let call = self.client.list_message_move_tasks().source_arn(from).max_results(10);
        let answer = call.send().await.map_err(|error| classify(&error))?;
        let latest = answer.results().iter().max_by_key(|task| task.started_timestamp());
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        Ok(latest.map(|task| MoveTask {
            handle: task.task_handle().map(str::to_owned),
            status: task.status().unwrap_or("unknown").to_owned(),
            moved: count(task.approximate_number_of_messages_moved()),
            to_move: count(task.approximate_number_of_messages_to_move().unwrap_or(0)),
        }))
    }

    /// Ends a move task. Messages that it has moved stay moved.
    ///
    /// # Errors
    /// As [`Self::start_move`].
    pub async fn cancel_move(&self, handle: &str) -> Result<(), QueueError> {
        let call = self.client.cancel_message_move_task().task_handle(handle);
        call.send().await.map_err(|error| classify(&error))?;
        Ok(())
    }
}
