//! The SNS adapter. Only this file and [`admin`] import `aws_sdk_sns`.
//!
//! Enters: up to ten entries. Leaves: one result per entry. Promises: SNS's error about one entry is reported for that
//! entry alone. It does not retry: the publisher retries entries, and the SDK retries the call.

pub mod admin;

use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use aws_types::SdkConfig;

use super::{Entry, MessageId, RefusalCode, SendError, Topic};

/// Each try of a call must answer within this, connecting included.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Parts of codes of errors that may pass. The SDK has a type for some of them, another one for each operation; the
/// codes are the same for all.
const PASSING: &[&str] = &["Internal", "Throttl", "Unavailable"];

/// In place of a code, if SNS sent none.
const NO_CODE: &str = "unknown";

/// One topic on SNS.
#[derive(Debug, Clone)]
pub struct SnsTopic {
    client: Client,
    arn: String,
}

impl SnsTopic {
    /// The topic of this ARN. Makes no call.
    #[must_use]
    pub fn new(aws: &SdkConfig, arn: String) -> Self {
        Self { client: client(aws), arn }
    }
}

pub(super) fn client(aws: &SdkConfig) -> Client {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(Duration::from_secs(3)).operation_attempt_timeout(CALL_TIMEOUT);
    Client::from_conf(aws_sdk_sns::config::Builder::from(aws).timeout_config(timeouts.build()).build())
}

impl Topic for SnsTopic {
    async fn send(&self, batch: &[&Entry]) -> Vec<Result<MessageId, SendError>> {
        let entries = batch.iter().enumerate().filter_map(|(n, entry)| request(n, entry)).collect();
        let call = self.client.publish_batch().topic_arn(&self.arn).set_publish_batch_request_entries(Some(entries));
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => return vec![Err(classify(&error)); batch.len()],
        };
        let result = |n: usize| {
            let id = n.to_string();
            if let Some(sent) = answer.successful().iter().find(|e| e.id.as_deref() == Some(&id)) {
                return Ok(MessageId(sent.message_id.clone().unwrap_or_default()));
            }
            match answer.failed().iter().find(|e| e.id == id) {
                Some(failed) if failed.sender_fault => Err(SendError::Refused(failed.code.as_str().into())),
                Some(failed) => Err(SendError::Unavailable(failed.code.clone())),
                None => Err(SendError::Unavailable("no word of this entry".to_owned())),
            }
        };
        (0..batch.len()).map(result).collect()
    }
}

fn request(n: usize, entry: &Entry) -> Option<PublishBatchRequestEntry> {
    let mut request = PublishBatchRequestEntry::builder().id(n.to_string()).message(&entry.message);
    for (name, value) in &entry.attributes {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value).build().ok()?;
        request = request.message_attributes(name, value);
    }
    request.build().ok()
}

pub(super) fn classify<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> SendError {
    match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or(NO_CODE);
            let is_passing = code == NO_CODE || PASSING.iter().any(|part| code.contains(part));
            if is_passing { SendError::Unavailable(code.to_owned()) } else { SendError::Refused(code.into()) }
        }
        SdkError::DispatchFailure(failure) if failure.is_user() => SendError::Refused(RefusalCode::NoCredentials),
        SdkError::ConstructionFailure(_) => SendError::Refused("the request cannot be built".into()),
        SdkError::DispatchFailure(_) => SendError::Unavailable("no connection".to_owned()),
        _ => SendError::Unavailable("no answer".to_owned()),
    }
}
