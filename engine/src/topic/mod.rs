//! The topic port: where a publisher sends, without knowing who listens.
//!
//! Two adapters keep its contract (`testing::topic`): [`sns`], and [`memory`], a topic in this process that wraps and
//! fans out as SNS does. This file knows neither, and no event.

pub mod memory;
#[cfg(feature = "sns")]
pub mod sns;

use std::collections::BTreeMap;
use std::future::Future;

pub use crate::refusal_code::RefusalCode;

/// The most entries one call may carry. SNS's own limit.
pub const MAX_ENTRIES: usize = 10;
/// The most bytes one call may carry, attributes included. SNS's default, for a message and for a whole batch (a
/// topic's owner can raise a message's).
pub const MAX_BYTES: usize = 262_144;
/// The most attributes of a message. With raw delivery SQS takes no more, and SNS drops a message that has more.
pub const MAX_ATTRIBUTES: usize = 10;

/// Where events are published.
pub trait Topic: Send + Sync + 'static {
    /// Sends up to [`MAX_ENTRIES`] messages of up to [`MAX_BYTES`] together. Returns one result per entry, in their
    /// order; if the whole call failed, it failed for each of them.
    fn send(&self, batch: &[&Entry]) -> impl Future<Output = Vec<Result<MessageId, SendError>>> + Send;
}

/// One message to publish, encoded once: every try sends the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The message text.
    pub message: String,
    /// String attributes, by name.
    pub attributes: BTreeMap<String, String>,
}

/// The id that the topic gave a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageId(pub String);

/// Why an entry was not published. Not certain: if the answer was lost, it looks like a failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The topic will never take it: the code says why.
    #[error("the topic refused the message: {0}")]
    Refused(RefusalCode),
    /// Throttled, unreachable, or broken on its side.
    #[error("the topic did not answer: {0}")]
    Unavailable(String),
}

impl Entry {
    /// Bytes as SNS counts them: the text, and each attribute's name, type (`String`) and value.
    #[must_use]
    pub fn size(&self) -> usize {
        let attribute = |(name, value): (&String, &String)| name.len() + "String".len() + value.len();
        self.message.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }
}
