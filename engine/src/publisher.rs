//! Stop 1: an event becomes a message on the topic.
//!
//! Enters: events. Leaves: for each, in order, the topic's message id or why it was not published. Promises: an event
//! is encoded once, and its id is fixed before the first try. So a try whose answer was lost makes a copy that
//! consumers recognise. Knows the topic, not its subscribers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::backoff::Backoff;
use crate::event::{Head, Published};
use crate::topic::{Entry, MAX_ATTRIBUTES, MAX_BYTES, MAX_ENTRIES, MessageId, SendError, Topic};

/// Tries per entry. For each of them the SDK tries its call several times.
const TRIES: u32 = 4;

/// Publishes events to one topic.
#[derive(Debug, Clone)]
pub struct Publisher<T> {
    topic: T,
    observer: Option<Arc<dyn PublishObserver>>,
}

/// Listens to a publisher.
pub trait PublishObserver: fmt::Debug + Send + Sync {
    /// An event is about to be sent. Returns what follows it.
    fn sends(&self, head: &Head) -> Box<dyn ObservedPublish>;
}

/// Follows one event on its way out.
pub trait ObservedPublish: Send + Sync {
    /// Attributes to send with it, if there is room. Fixed before the first try, like the rest of the message.
    fn headers(&self) -> Vec<(&'static str, String)>;

    /// What became of it.
    fn ended(self: Box<Self>, result: &Result<MessageId, PublishError>);
}

/// Why an event was not published. A lost answer counts as not published. Then publish again: the event's id prevents a
/// second effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The event is larger than a topic takes; it was not sent.
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
        Self { topic, observer: None }
    }

    /// Tells `observer` of each event.
    #[must_use]
    pub fn observed(mut self, observer: Arc<dyn PublishObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Publishes one event. Answers the topic's message id.
    ///
    /// # Errors
    /// [`PublishError`] after four tries, or at once if trying again cannot help.
    pub async fn publish<E: Published>(&self, event: &E) -> Result<MessageId, PublishError> {
        let unanswered = || Err(SendError::Unavailable("no word of this event".to_owned()).into());
        self.publish_batch(std::slice::from_ref(event)).await.pop().unwrap_or_else(unanswered)
    }

    /// Publishes events in as few calls as the topic's limits allow; an entry that failed is tried again by itself.
    /// Returns one result per event, in their order.
    pub async fn publish_batch<E: Published>(&self, events: &[E]) -> Vec<Result<MessageId, PublishError>> {
        let follow = |event: &E| self.observer.as_ref().map(|observer| observer.sends(event.head()));
        let followed: Vec<_> = events.iter().map(follow).collect();
        let headers =
            |sending: &Option<Box<dyn ObservedPublish>>| sending.as_ref().map_or_else(Vec::new, |s| s.headers());
        let entry = |(event, sending): (&E, _)| with_headers(encode(event), headers(sending));
        let results = self.publish_entries(&events.iter().zip(&followed).map(entry).collect::<Vec<_>>()).await;
        for (sending, result) in followed.into_iter().zip(&results).filter_map(|(s, result)| Some((s?, result))) {
            sending.ended(result);
        }
        results
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
fn encode<E: Published>(event: &E) -> Entry {
    let Head { kind, version, .. } = event.head();
    let attributes = [("eventType", kind.to_string()), ("eventVersion", version.to_string())];
    Entry {
        message: event.to_json(),
        attributes: BTreeMap::from(attributes.map(|(name, value)| (name.to_owned(), value))),
    }
}

/// Adds headers if they fit: an event without them is better than none.
fn with_headers(entry: Entry, headers: Vec<(&'static str, String)>) -> Entry {
    let mut with = entry.clone();
    with.attributes.extend(headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
    if with.attributes.len() <= MAX_ATTRIBUTES && with.size() <= MAX_BYTES { with } else { entry }
}

/// Splits `open` (positions in `entries`) into runs that fit one call each.
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

    #[test]
    fn headers_that_do_not_fit_stay_behind_and_the_event_goes_out() {
        let entry = |bytes: usize, attributes: usize| Entry {
            message: "x".repeat(bytes),
            attributes: (0..attributes).map(|n| (format!("a{n}"), String::new())).collect(),
        };
        let attributes = |entry| with_headers(entry, vec![("traceparent", "00".to_owned())]).attributes.len();
        assert_eq!(attributes(entry(1, 2)), 3);
        assert_eq!(attributes(entry(1, MAX_ATTRIBUTES)), MAX_ATTRIBUTES);
        assert_eq!(attributes(entry(MAX_BYTES - 20, 2)), 2);
    }

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
