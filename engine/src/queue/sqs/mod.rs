//! The SQS adapter. AWS's Options and error shapes stay inside it.
//!
//! Enters: the port's calls. Leaves: deliveries with every field filled, and [`QueueError`]s that say what to do.
//! Promises: one bad message never fails its batch; a long poll never delays a delete (each has its own client). A dead
//! letter that SQS itself moved back is opened here, so that the worker gets the original. No file outside this folder
//! imports `aws_sdk_sqs`. Knows no event.

pub mod admin;
mod answer;
mod count;
mod entries;
mod error;
#[doc(hidden)]
pub mod redrive;
mod request;
mod surrogates;

use std::pin::Pin;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{Builder, StalledStreamProtectionConfig};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageAttributeValue,
    MessageSystemAttributeName as System, QueueAttributeName,
};
use aws_types::SdkConfig;
use data_encoding::BASE64;

use self::answer::ReadAnswers;
use self::count::CountCalls;
use self::entries::{all_unsettled, no_word, undone, unsettled};
use self::error::{classify_at_start, classify_call, send_error, text};
use self::redrive::{RedrivePolicy, sibling};
use self::request::FewHeaders;
use super::{
    Attempt, Attribute, Attributes, Body, Calls, DeadLetter, Delivery, Facts, Hide, Hold, MAX_BATCH, Queue, QueueError,
    ReceiptHandle, Unsettled, dead_letter, is_fifo, rules,
};

/// Every call except the long poll must answer within this, connecting included; else it is tried again.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// A long poll may take its wait time plus this, all the SDK's tries included. A try without an answer ends the poll:
/// the loop must turn.
const POLL_SLACK: Duration = Duration::from_secs(5);

/// The SDK's longest pause before it tries a call again. Longer pauses are the worker's: it knows what waits.
const SDK_PAUSE: Duration = Duration::from_secs(1);

/// One queue on SQS.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    polling: Client,
    settling: Client,
    url: String,
    dlq_url: Option<String>,
    arn: Option<String>,
    facts: Facts,
    calls: Calls,
}

impl SqsQueue {
    /// Opens the queue: reads its settings, and finds its DLQ by the redrive policy unless `dlq_url`
    /// names one. `longest_wait` bounds the `wait` of later receives.
    ///
    /// # Errors
    /// [`QueueError::Refused`] if the queue is missing or may not be read, else `Unavailable`.
    pub async fn open(
        aws: &SdkConfig,
        url: String,
        dlq_url: Option<String>,
        longest_wait: Duration,
    ) -> Result<Self, QueueError> {
        let calls = count::none_yet();
        let settling = settings(aws, CALL_TIMEOUT).interceptor(FewHeaders).interceptor(CountCalls(calls.clone()));
        let settling = Client::from_conf(settling.build());
        let answer = settling
            .get_queue_attributes()
            .queue_url(&url)
            .attribute_names(QueueAttributeName::VisibilityTimeout)
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .attribute_names(QueueAttributeName::MessageRetentionPeriod)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .map_err(|error| classify_at_start(&error))?;
        let attribute = |name| answer.attributes().and_then(|all| all.get(&name));
        let visibility = attribute(QueueAttributeName::VisibilityTimeout).and_then(|v| v.parse().ok());
        let policy = attribute(QueueAttributeName::RedrivePolicy).and_then(|p| RedrivePolicy::parse(p));
        let dlq_url = dlq_url.or_else(|| policy.as_ref().and_then(|p| sibling(&url, &p.dlq_name)));
        let facts = Facts {
            visibility: Duration::from_secs(visibility.unwrap_or(30)),
            max_receive_count: policy.map(|p| p.max_receive_count),
            has_dlq: dlq_url.is_some(),
            retention: attribute(QueueAttributeName::MessageRetentionPeriod)
                .and_then(|v| v.parse().ok())
                .map(Duration::from_secs),
        };
        let arn = attribute(QueueAttributeName::QueueArn).cloned();
        Ok(Self { polling: polling(aws, longest_wait, &calls), settling, url, dlq_url, arn, facts, calls })
    }

    /// What tells this queue from all others: its ARN, or its URL if SQS gave no ARN.
    #[must_use]
    pub fn identity(&self) -> &str {
        self.arn.as_ref().unwrap_or(&self.url)
    }

    /// Counts the calls to SQS for this queue, from its opening on.
    #[must_use]
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Is the queue its own DLQ?
    #[must_use]
    pub fn is_its_own_dlq(&self) -> bool {
        self.dlq_url.as_ref() == Some(&self.url)
    }

    /// Hides received messages for this long instead of the queue's own setting.
    #[must_use]
    pub fn with_visibility(mut self, visibility: Duration) -> Self {
        self.facts.visibility = visibility;
        self
    }
}

impl Queue for SqsQueue {
    const SERVER: &'static str = "sqs";

    fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or(&self.url)
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    async fn receive(&self, at_most: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let call = self
            .polling
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(at_most.clamp(1, MAX_BATCH)).unwrap_or(1))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(self.facts.visibility))
            .message_system_attribute_names(System::ApproximateReceiveCount)
            .message_system_attribute_names(System::SentTimestamp)
            .message_system_attribute_names(System::MessageGroupId)
            .message_system_attribute_names(System::AwsTraceHeader)
            .message_system_attribute_names(System::DeadLetterQueueSourceArn)
            .message_attribute_names("All");
        let answer = boxed(call.send()).await.map_err(|error| classify_call(&error, "sqs:ReceiveMessage"))?;
        let is_fifo = is_fifo(&self.url);
        let messages = answer.messages.unwrap_or_default();
        if messages.is_empty() {
            self.calls.brought_nothing();
        }
        let deliveries = messages.into_iter().filter_map(|message| delivery(message, is_fifo));
        // SQS's own redrive moves a letter unchanged. A source queue opens such a letter; a DLQ's letters are read
        // unopened.
        Ok(if self.facts.has_dlq { deliveries.map(opened).collect() } else { deliveries.collect() })
    }

    async fn delete(&self, spent: Vec<ReceiptHandle>) -> Vec<Unsettled> {
        let entry = |(n, receipt): (usize, &ReceiptHandle)| {
            DeleteMessageBatchRequestEntry::builder().id(n.to_string()).receipt_handle(receipt.as_str()).build().ok()
        };
        let entries = spent.iter().enumerate().filter_map(entry).collect();
        let call = self.settling.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        match boxed(call.send()).await {
            Ok(answer) => {
                let done = answer.successful.iter().map(|entry| &*entry.id);
                let undone = undone(spent.len(), done, &answer.failed);
                unsettled(spent, undone)
            }
            Err(error) => all_unsettled(spent, &classify_call(&error, "sqs:DeleteMessage")),
        }
    }

    async fn hide(&self, entries: Vec<Hide>) -> Vec<Unsettled> {
        let undone = self.set_visibility(entries.iter().map(|hide| (hide.receipt.as_str(), hide.delay))).await;
        let receipts = entries.into_iter().map(|hide| hide.receipt).collect();
        match undone {
            Ok(undone) => unsettled(receipts, undone),
            Err(error) => all_unsettled(receipts, &error),
        }
    }

    async fn extend(&self, holds: &[Hold], visibility: Duration) -> Vec<(usize, QueueError)> {
        match self.set_visibility(holds.iter().map(|hold| (hold.as_str(), visibility))).await {
            Ok(undone) => undone,
            Err(error) => (0..holds.len()).map(|n| (n, error.clone())).collect(),
        }
    }

    async fn send_to_dlq(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let url = self.dlq_url.as_ref().ok_or(QueueError::NoDeadLetterQueue)?;
        rules::check(&letter.body, &letter.attributes)?;
        let attributes = letter.attributes.iter().filter_map(|(name, a)| Some((name.clone(), outgoing(a)?))).collect();
        let call = self.settling.send_message().queue_url(url).message_body(&letter.body);
        let call = match (&letter.group, &letter.fairness) {
            (Some(group), _) => call.message_group_id(group).message_deduplication_id(&letter.message_id),
            (None, fairness) => call.set_message_group_id(fairness.clone()),
        };
        let sent = boxed(call.set_message_attributes(Some(attributes)).send()).await;
        let sent = sent.map_err(|error| send_error(classify_call(&error, "sqs:SendMessage"), text(&error)))?;
        // Whatever else answers 200 in SQS's place (a proxy's page) gives none, and the original is deleted on this word.
        sent.message_id.map(drop).ok_or_else(no_word)
    }
}

impl SqsQueue {
    /// One batch. Returns the entries that were not done.
    async fn set_visibility<'h>(
        &self,
        entries: impl Iterator<Item = (&'h str, Duration)>,
    ) -> Result<Vec<(usize, QueueError)>, QueueError> {
        let entry = |(n, (handle, visibility)): (usize, (&str, Duration))| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(n.to_string()).receipt_handle(handle);
            entry.visibility_timeout(seconds(visibility)).build().ok()
        };
        let entries: Vec<_> = entries.enumerate().filter_map(entry).collect();
        let asked = entries.len();
        let call = self.settling.change_message_visibility_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = boxed(call.send()).await.map_err(|error| classify_call(&error, "sqs:ChangeMessageVisibility"))?;
        Ok(undone(asked, answer.successful.iter().map(|entry| &*entry.id), &answer.failed))
    }
}

/// Boxes a call. The SDK's futures take many kilobytes, and every future around them would carry and copy them: for the
/// rare dead letter, each message's task took 100 KB.
fn boxed<F: Future>(call: F) -> Pin<Box<F>> {
    Box::pin(call)
}

pub(super) fn client(aws: &SdkConfig, attempt: Duration) -> Client {
    Client::from_conf(settings(aws, attempt).build())
}

fn polling(aws: &SdkConfig, longest_wait: Duration, calls: &Calls) -> Client {
    let most = longest_wait + POLL_SLACK;
    let whole = TimeoutConfig::builder().operation_timeout(most).build();
    let settings = settings(aws, most).timeout_config(whole);
    let counted = settings.interceptor(CountCalls(calls.clone()));
    Client::from_conf(counted.interceptor(FewHeaders).interceptor(ReadAnswers).build())
}

fn settings(aws: &SdkConfig, attempt: Duration) -> Builder {
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(3)).operation_attempt_timeout(attempt);
    let retries = aws.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
    Builder::from(aws)
        .timeout_config(timeouts.build())
        .retry_config(retries.with_max_backoff(SDK_PAUSE))
        // Its grace period is as long as the longest long poll, and a long poll sends nothing while it waits.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

/// What an answer to a receive brings to a worker: for whoever checks what holds of any answer.
#[cfg(any(fuzzing, feature = "testing"))]
#[doc(hidden)]
#[must_use]
pub fn deliveries(answer: &[u8]) -> Option<Vec<Delivery>> {
    let messages = answer::read(answer).ok()?.messages.unwrap_or_default();
    Some(messages.into_iter().filter_map(|message| delivery(message, false)).map(opened).collect())
}

/// `None` if the receipt or the body is missing. Without a receipt nothing can be done to a message, and without a body
/// nothing is known of it: it will come again.
fn delivery(mut message: Message, is_fifo: bool) -> Option<Delivery> {
    let message_id = message.message_id.take().unwrap_or_default();
    let (Some(receipt), Some(body)) = (message.receipt_handle.take(), message.body.take()) else {
        tracing::warn!(message_id, "a message came without a receipt handle or a body; it will come again");
        return None;
    };
    let system = |name| message.attributes.as_ref()?.get(&name)?.parse::<i64>().ok();
    let attempt = system(System::ApproximateReceiveCount).and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
    let text = |name| message.attributes.as_ref()?.get(&name).cloned();
    let (group, fairness) = match text(System::MessageGroupId) {
        group if is_fifo => (group, None),
        fairness => (None, fairness),
    };
    Some(Delivery {
        group,
        fairness,
        moved_by_queue: text(System::DeadLetterQueueSourceArn).is_some(),
        trace_header: text(System::AwsTraceHeader),
        sent_at_millis: system(System::SentTimestamp).unwrap_or(0),
        message_id,
        body: Body::new(body),
        attributes: incoming(message.message_attributes.unwrap_or_default()),
        attempt: Attempt::new(attempt),
        receipt: ReceiptHandle::new(receipt),
    })
}

/// A dead letter of ours that came back is turned into its original. One that cannot be opened is left as it is.
fn opened(delivery: Delivery) -> Delivery {
    if !dead_letter::is_ours(&delivery.attributes) {
        return delivery;
    }
    let (body, attributes) = (delivery.body.as_str().to_owned(), delivery.attributes.clone());
    match (DeadLetter { body, attributes, ..DeadLetter::default() }).original() {
        Ok((body, attributes)) => Delivery { body: Body::new(body), attributes, ..delivery },
        Err(_) => delivery,
    }
}

fn incoming(all: impl IntoIterator<Item = (String, MessageAttributeValue)>) -> Attributes {
    let attribute = |value: MessageAttributeValue| {
        let text = value.string_value.or_else(|| Some(BASE64.encode(value.binary_value?.as_ref())))?;
        Some(Attribute { data_type: value.data_type, value: text })
    };
    all.into_iter().filter_map(|(name, value)| Some((name, attribute(value)?))).collect()
}

pub(super) fn outgoing(attribute: &Attribute) -> Option<MessageAttributeValue> {
    let value = MessageAttributeValue::builder().data_type(&attribute.data_type);
    let value = if attribute.is_binary() {
        value.binary_value(aws_sdk_sqs::primitives::Blob::new(BASE64.decode(attribute.value.as_bytes()).ok()?))
    } else {
        value.string_value(&attribute.value)
    };
    value.build().ok()
}

fn seconds(duration: Duration) -> i32 {
    // Rounded up: a message that is shown too late is only late; one that is shown too early is worked on twice.
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(whole.min(super::MAX_VISIBILITY.as_secs())).unwrap_or(0)
}

#[cfg(test)]
mod tests;
