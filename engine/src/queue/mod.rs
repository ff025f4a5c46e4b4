//! The queue port: what a worker may ask of a queue, and what it may count on.
//!
//! Two adapters keep this contract and pass the same test (`testing::queue`): [`sqs`], the real
//! one, and [`memory`], SQS in this process on tokio's clock. This file knows neither, and no event.
//!
//! # The contract
//! * A received message is hidden from everyone for the visibility timeout, counted from the receive;
//!   then it appears again unless it was deleted. Each receive counts one [`Attempt`].
//! * Delivery is at least once: a copy may arrive although the message was handled, even after its delete.
//! * Order is promised by a FIFO queue only; its name ends in `.fifo`, and nothing else makes it one. It hands out no
//!   message of a group while an earlier one of that group is in flight or hidden.
//! * A message received more often than the queue's redrive policy allows moves to the DLQ.
//! * A receive that was sent must be awaited: dropping its future may strand messages until their
//!   visibility runs out.
//! * Batch calls fail per entry. An entry that comes back as [`Unsettled`] was not done; all others were.
//! * A message that breaks a rule of SQS's ([`rules`]) is not taken, and the error names the rule:
//!   [`QueueError::Unfit`].

mod calls;
pub mod dead_letter;
mod delivery;
pub mod memory;
pub mod rules;
#[cfg(feature = "sqs")]
pub mod sqs;

use std::fmt;
use std::future::Future;
use std::time::Duration;

pub use calls::{CallCount, Calls};
pub use delivery::{Attempt, Attribute, Attributes, Body, Delivery, Hold, ReceiptHandle};
pub use rules::Breach;

pub use crate::refusal_code::RefusalCode;

/// The most messages one receive, delete or hide call may carry. SQS's own limit.
pub const MAX_BATCH: usize = 10;
/// The most bytes of one message, body and attributes together. SQS's own limit.
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;
/// The longest a message may be hidden. SQS's own limit: 12 hours.
pub const MAX_VISIBILITY: Duration = Duration::from_secs(43_200);

/// A source of deliveries. See the module for what it promises.
pub trait Queue: Send + Sync + 'static {
    /// The server that keeps the queue, by the name that operators know.
    const SERVER: &'static str;

    /// The queue's name, for logs and for the letter that goes to the DLQ.
    fn name(&self) -> &str;

    /// The settings that a worker's own timing depends on, as read when the queue was opened.
    fn facts(&self) -> Facts;

    /// Waits up to `wait` for messages and takes at most `at_most` (1 to [`MAX_BATCH`]) of them.
    /// Returns as soon as there is one; an empty answer is no error.
    fn receive(&self, at_most: usize, wait: Duration)
    -> impl Future<Output = Result<Vec<Delivery>, QueueError>> + Send;

    /// Deletes messages, at most [`MAX_BATCH`]. Returns those that are not deleted.
    fn delete(&self, spent: Vec<ReceiptHandle>) -> impl Future<Output = Vec<Unsettled>> + Send;

    /// Hides each message for the given time from now (zero: shows it again), at most [`MAX_BATCH`].
    /// Returns those that it did not hide.
    fn hide(&self, entries: Vec<Hide>) -> impl Future<Output = Vec<Unsettled>> + Send;

    /// Hides each held message for `visibility` from now, without settling it; at most [`MAX_BATCH`].
    /// Returns the positions of those that it did not extend, and why.
    fn extend(&self, holds: &[Hold], visibility: Duration) -> impl Future<Output = Vec<(usize, QueueError)>> + Send;

    /// Sends a letter to this queue's DLQ. The original is untouched: delete it only after this.
    fn send_to_dlq(&self, letter: &DeadLetter) -> impl Future<Output = Result<(), QueueError>> + Send;
}

/// What a worker must know of its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// How long a received message stays hidden.
    pub visibility: Duration,
    /// After how many receives the redrive policy moves a message away; `None`: no policy.
    pub max_receive_count: Option<u32>,
    /// Is there a DLQ to quarantine into?
    pub has_dlq: bool,
    /// How long the queue keeps a message that nobody handles; `None`: not known.
    pub retention: Option<Duration>,
}

/// One entry of [`Queue::hide`].
#[derive(Debug)]
pub struct Hide {
    /// Which delivery.
    pub receipt: ReceiptHandle,
    /// For how long from now.
    pub delay: Duration,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The work is done, or there is none: delete the message.
    Delete,
    /// Hide the message, and show it again after this delay.
    RetryIn(Duration),
    /// The message will never succeed: move it to the DLQ, with the reason.
    Quarantine(Failure),
    /// Do nothing: the message reappears when its visibility timeout is over.
    Leave,
}

/// Why a delivery is quarantined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable code that operators group by.
    pub reason: &'static str,
    /// Which handler said so.
    pub handler: &'static str,
    /// The failures that led here, if there were several: `outcome@milliseconds since 1970`, a space between.
    pub history: String,
    /// What is known beside the reason, such as a reply's code; empty: nothing. Never a value of the event.
    pub detail: String,
}

/// A message on its way to the DLQ: the original, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetter {
    /// The original body, or its packed form if `failure.body_encoding` says so.
    pub body: String,
    /// The original attributes and `failure.*`.
    pub attributes: Attributes,
    /// The original's group, on a FIFO queue.
    pub group: Option<String>,
    /// The original's fairness group, on a queue that is not FIFO.
    pub fairness: Option<String>,
    /// The original's message id. A FIFO queue drops a second letter with the same id.
    pub message_id: String,
}

/// An entry that was not settled: it comes back with its receipt, so that it can be tried again.
#[derive(Debug)]
pub struct Unsettled {
    /// The right to settle it, given back.
    pub receipt: ReceiptHandle,
    /// What the queue said.
    pub error: QueueError,
}

/// What can go wrong between a worker and its queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The queue does not exist or may not be used: waiting does not help, an operator must act.
    #[error("the queue refused: {0}")]
    Refused(RefusalCode),
    /// We lack the right to do this: an operator must grant it.
    #[error("the right to {right} is missing")]
    Denied {
        /// Its name in the queue's policies.
        right: &'static str,
    },
    /// The receipt is spent or was overtaken: the message is no longer ours.
    #[error("the message is no longer in flight")]
    NotInFlight,
    /// Throttled, unreachable, or broken on its side: try again later.
    #[error("the queue did not answer: {0}")]
    Unavailable(String),
    /// There is no DLQ to send to.
    #[error("the queue has no dead-letter queue")]
    NoDeadLetterQueue,
    /// The queue takes this message neither now nor later; it may take another one.
    #[error("the queue does not take this message: {0}")]
    Unfit(#[from] Breach),
}

/// Does a queue of this name keep order within its groups?
#[must_use]
pub fn is_fifo(name: &str) -> bool {
    name.ends_with(".fifo")
}

impl QueueError {
    /// May the same call succeed in a moment?
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl Verdict {
    /// The verdict's name in counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::RetryIn(_) => "retry",
            Self::Quarantine(_) => "quarantine",
            Self::Leave => "leave",
        }
    }
}

/// As logs tell it.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delete => f.write_str("delete"),
            Self::RetryIn(delay) => write!(f, "retry in {:.1} s", delay.as_secs_f64()),
            Self::Quarantine(failure) => write!(f, "quarantine: {}", failure.reason),
            Self::Leave => f.write_str("leave"),
        }
    }
}
