//! One received message, its parts, and the rights over it.
//!
//! Enters: what an adapter received. Leaves: a [`Delivery`], which is settled once: the right to settle it cannot be
//! copied. Promises: no log shows a body or a receipt. Knows no queue.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One received message. Whoever holds it owes the queue a verdict.
#[must_use = "a delivery that is dropped stays hidden until its visibility runs out"]
#[derive(Debug)]
pub struct Delivery {
    /// The queue's own id of the message. Changes on redrive: never a key.
    pub message_id: String,
    /// The body as received.
    pub body: Body,
    /// The message's attributes; under raw delivery, those that the publisher gave SNS.
    pub attributes: Attributes,
    /// How often the queue has handed it out, this time included.
    pub attempt: Attempt,
    /// When the queue first took it, in milliseconds since 1970.
    pub sent_at_millis: i64,
    /// On a FIFO queue, the group within which order is kept. Else `None`, whatever the sender said.
    pub group: Option<String>,
    /// On a standard queue, the message's group for SQS's fair queues. Else `None`.
    pub fairness: Option<String>,
    /// Did a redrive policy move it here? Then it has no reason, whatever its attributes say.
    pub moved_by_queue: bool,
    /// The trace that the queue's service put it in (SQS: `AWSTraceHeader`).
    pub trace_header: Option<String>,
    /// The right to settle it, which is spent once.
    pub receipt: ReceiptHandle,
}

/// A body. `Debug` tells its size only: bodies are never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(String);

/// Which delivery of a message this is; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt(NonZeroU32);

/// The right to settle one delivery: cannot be copied, and is spent by the call that settles.
#[derive(PartialEq, Eq)]
pub struct ReceiptHandle(Arc<str>);

/// The right to keep one delivery hidden while it is worked on. Can be shared, and cannot settle.
#[derive(Clone)]
pub struct Hold(Arc<str>);

/// A message attribute: its SQS data type (`String`, `Number`, `Binary` in base64) and value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Attribute {
    /// The SQS data type.
    #[serde(rename = "Type")]
    pub data_type: String,
    /// The value as text.
    #[serde(rename = "Value")]
    pub value: String,
}

/// Attributes by name.
pub type Attributes = BTreeMap<String, Attribute>;

impl Attempt {
    /// The `n`-th delivery. 0 is read as 1; no queue counts from 0.
    #[must_use]
    pub fn new(n: u32) -> Self {
        Self(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN))
    }

    /// The number, from 1.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// Is it the last one that the queue allows? `most`: how many it allows; `None`: any number.
    #[must_use]
    pub(crate) fn is_last_of(self, most: Option<u32>) -> bool {
        most.is_some_and(|most| self.get() >= most)
    }
}

impl Delivery {
    /// When the queue took it, in milliseconds since 1970; `None`: it does not say.
    #[must_use]
    pub fn sent_at(&self) -> Option<i64> {
        Some(self.sent_at_millis).filter(|millis| *millis > 0)
    }

    /// How long ago the queue took it; zero if that is not known or its clock is ahead of ours.
    #[must_use]
    pub fn age(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let sent = self.sent_at().and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis);
        sent.map_or(Duration::ZERO, |sent| now.saturating_sub(sent))
    }
}

impl Body {
    /// Takes a body as received.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ReceiptHandle {
    /// For adapters: wraps the queue's own handle.
    #[must_use]
    pub fn new(handle: String) -> Self {
        Self(handle.into())
    }

    /// For adapters: the queue's own handle.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The right to keep this delivery hidden, without the right to settle it.
    #[must_use]
    pub fn hold(&self) -> Hold {
        Hold(self.0.clone())
    }
}

impl Hold {
    /// For adapters: the queue's own handle.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Do both belong to the same delivery?
    #[must_use]
    pub fn is_of(&self, receipt: &ReceiptHandle) -> bool {
        self.0 == receipt.0
    }
}

impl Attribute {
    /// Is its value base64 text of the bytes that it stands for?
    pub(super) fn is_binary(&self) -> bool {
        self.data_type.starts_with("Binary")
    }

    /// An attribute of type `String`.
    #[must_use]
    pub fn string(value: impl Into<String>) -> Self {
        Self { data_type: "String".to_owned(), value: value.into() }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

impl fmt::Debug for ReceiptHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiptHandle(..)")
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold(..)")
    }
}
