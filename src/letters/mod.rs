//! Dead letters: what is known of each, which of them are meant, and what is done with them.
//!
//! Enters: a reaction's opened DLQ, a [`Selection`], a deed. Leaves: letters to show; letters in the source queue, or
//! deleted; what was done. Promises: each deed exists once, here, for command and page. A look leaves every letter where
//! it was. A letter that is sent back leaves the DLQ only after the source queue has it. Work that takes long says how
//! far it is, and stops when it is told to. Knows no terminal and no page: who calls draws, asks and prints.

mod act;
mod browse;
mod deed;
mod edit;
mod find;
mod gist;
mod layout;
mod letter;
pub(crate) mod native;
mod reasons;
mod select;
pub(crate) mod sqs;

use std::future::Future;

pub(crate) use act::{LetterAction, LetterReport, act};
pub(crate) use deed::LetterDeed;
pub(crate) use edit::{Edited, draft, edited};
pub(crate) use find::{FindError, Found, each, find};
pub(crate) use gist::Gist;
pub(crate) use letter::{Failed, Letter, shown};
pub use reasons::{REASONS, Reason};
pub(crate) use reasons::{all as all_reasons, meaning};
pub(crate) use select::{Selection, ago};

use browse::HIDDEN;

use crate::reactions::EventType;
use engine::queue::{DeadLetter, QueueError, is_fifo};

/// One reaction's DLQ, opened, with what leads back to where its letters came from.
pub(crate) struct OpenedDlq<Q, S> {
    /// The reaction.
    pub(crate) name: &'static str,
    /// The reaction's event types.
    pub(crate) event_type: EventType,
    /// The DLQ. Its visibility timeout is [`HIDDEN`].
    pub(crate) queue: Q,
    pub(crate) source: S,
    /// How many letters the queue counted when it was opened. Its count is approximate.
    pub(crate) depth: u64,
}

/// The queue that letters came from.
pub(crate) trait Source: Send + Sync + 'static {
    /// Its name.
    fn name(&self) -> &str;

    /// Puts messages on it: up to ten, up to 1 MiB together. Answers a result for each, in order.
    fn send(&self, messages: &[DeadLetter]) -> impl Future<Output = Vec<Result<(), QueueError>>> + Send;

    /// How many letters its DLQ counts now. The count is approximate.
    fn letters(&self) -> impl Future<Output = Result<u64, QueueError>> + Send;

    /// Is it a FIFO queue? Then only SQS itself can move letters back: it knows their groups.
    fn is_fifo(&self) -> bool {
        is_fifo(self.name())
    }
}

#[cfg(test)]
pub(crate) use select::Kind;

#[cfg(test)]
mod tests;
