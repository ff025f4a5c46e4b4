//! Stop 1: an event becomes a message on the topic.
//!
//! Enters: events. Leaves: for each, the topic's message id or why it was not published, in order.
//! Promises: an event is encoded once, its id fixed before the first try, so that a try whose answer
//! was lost makes a copy that consumers recognise. Knows the topic, never who listens.

use std::collections::BTreeMap;

use crate::backoff::Backoff;
use crate::event::{USER_SIGNED_UP, UserSignedUp};
use crate::topic::{Entry, MAX_BYTES, MAX_ENTRIES, MessageId, SendError, Topic};

/// Tries per entry, on top of the SDK's own per call.
const TRIES: u32 = 4;

/// Publishes events to one topic.
#[derive(Debug, Clone)]
pub struct Publisher<T> {
    topic: T,
}

/// Why an event was not published. An answer that was lost counts as not published: publish again,
/// the event's id keeps its effects single.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Larger than a topic takes; not sent.
    #[error("the event has {0} bytes with its attributes, the topic takes {MAX_BYTES}")]
    TooLarge(usize),
    /// The topic's answer to the last try.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl<T: Topic> Publisher<T> {
    /// A publisher to this topic.
    #[must_use]
    pub fn new(topic: T) -> Self {
        Self { topic }
    }

    /// Publishes one event. Answers the topic's message id.
    ///
    /// # Errors
    /// [`PublishError`] after four tries, or at once where trying again cannot help.
    pub async fn publish(&self, event: &UserSignedUp) -> Result<MessageId, PublishError> {
        let unanswered = || Err(SendError::Unavailable("no word of this event".to_owned()).into());
        self.publish_batch(std::slice::from_ref(event)).await.pop().unwrap_or_else(unanswered)
    }

    /// Publishes events in as few calls as the topic's limits allow; an entry that failed is tried
    /// again by itself. Answers one result per event, in their order.
    pub async fn publish_batch(&self, events: &[UserSignedUp]) -> Vec<Result<MessageId, PublishError>> {
        self.publish_entries(&events.iter().map(encode).collect::<Vec<_>>()).await
    }

    /// The same for messages that are encoded already.
    pub async fn publish_entries(&self, entries: &[Entry]) -> Vec<Result<MessageId, PublishError>> {
        let check = |entry: &Entry| match entry.size() {
            size if size > MAX_BYTES => Err(PublishError::TooLarge(size)),
            _ => Err(SendError::Unavailable("not sent yet".to_owned()).into()),
        };
        let mut results: Vec<_> = entries.iter().map(check).collect();
        for attempt in 1..=TRIES {
            let open: Vec<usize> = (0..entries.len()).filter(|n| is_open(&results[*n])).collect();
            if open.is_empty() {
                break;
            }
            if attempt > 1 {
                tokio::time::sleep(Backoff::ENTRY.delay(attempt)).await;
            }
            for chunk in chunks(entries, &open) {
                let batch: Vec<&Entry> = chunk.iter().map(|n| &entries[*n]).collect();
                for (n, result) in chunk.into_iter().zip(self.topic.send(&batch).await) {
                    results[n] = result.map_err(PublishError::from);
                }
            }
        }
        results
    }
}

fn is_open(result: &Result<MessageId, PublishError>) -> bool {
    matches!(result, Err(PublishError::Send(SendError::Unavailable(_))))
}

/// The event as a message, with the attributes that subscriptions filter by.
fn encode(event: &UserSignedUp) -> Entry {
    let attributes = [("eventType", USER_SIGNED_UP.to_owned()), ("eventVersion", event.version.to_string())];
    Entry {
        message: event.to_json(),
        attributes: BTreeMap::from(attributes.map(|(name, value)| (name.to_owned(), value))),
    }
}

/// Splits `open` (positions in `entries`) into runs that one call may carry.
fn chunks(entries: &[Entry], open: &[usize]) -> Vec<Vec<usize>> {
    let mut chunks: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for &n in open {
        let size = entries[n].size();
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < MAX_ENTRIES && bytes + size <= MAX_BYTES => {
                chunk.push(n);
                bytes += size;
            }
            _ => {
                chunks.push(vec![n]);
                bytes = size;
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_open_entry_goes_out_once_in_order_and_no_call_breaks_a_limit(
            sizes in prop::collection::vec(1..=MAX_BYTES, 0..40),
        ) {
            let entry = |size: &usize| Entry { message: "x".repeat(*size), attributes: BTreeMap::new() };
            let entries: Vec<_> = sizes.iter().map(entry).collect();
            let open: Vec<_> = (0..entries.len()).collect();
            let chunks = chunks(&entries, &open);
            for chunk in &chunks {
                prop_assert!((1..=MAX_ENTRIES).contains(&chunk.len()));
                prop_assert!(chunk.iter().map(|n| sizes[*n]).sum::<usize>() <= MAX_BYTES);
            }
            prop_assert_eq!(chunks.concat(), open);
        }
    }
}
