//! The contract of [`Topic`], one sentence a function.
//!
//! Enters: a [`TopicBench`], which makes a topic with one subscriber. Leaves: nothing, or a panic that names the sentence.
//! Promises: what is published is looked at where it arrives, so that a result is compared with what became of its own
//! entry.
#![expect(missing_docs, reason = "a clause's name is its sentence")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::{boxed, each};
use crate::queue::memory::MemoryQueue;
use crate::queue::{MAX_BATCH, Queue};
use crate::topic::memory::MemoryTopic;
use crate::topic::{Entry, MAX_ATTRIBUTES, MAX_BYTES, MAX_ENTRIES, MessageId, SendError, Topic};

/// Writes one test for each clause of the topic's contract, by the test attribute and the
/// [`TopicBench`](crate::testing::topic::TopicBench) that it is given.
#[macro_export]
macro_rules! topic_contract {
    (#$test:tt $bench:ty) => {
        $crate::topic_contract! { @all tests [#$test $bench] }
    };
    (@all $then:ident $with:tt) => {
        $crate::topic_contract! { @$then $with
            each_entry_arrives_once_and_is_answered_by_its_own_id_in_its_place
            text_and_attributes_arrive_as_they_were_sent
            a_call_may_be_as_large_as_the_limit
            a_call_that_fails_as_a_whole_fails_for_each_of_its_entries
        }
    };
    (@tests [#$test:tt $bench:ty] $($clause:ident)*) => {
        $(#$test
        async fn $clause() {
            let excused = <$bench as $crate::testing::topic::TopicBench>::EXCUSED;
            let runs = $crate::testing::topic::$clause::<$bench>();
            $crate::testing::clause("Topic", stringify!($clause), excused, runs).await;
        })*
    };
    (@names [] $($clause:ident)*) => {
        &[$(stringify!($clause)),*]
    };
    (@boxed [$bench:ty] $($clause:ident)*) => {
        vec![$(boxed(stringify!($clause), $clause::<$bench>())),*]
    };
}

/// What [`topic_contract!`](crate::topic_contract) makes tests of.
pub const CLAUSES: &[&str] = topic_contract! { @all names [] };

/// Holds the bench's topic to every clause, one after the other. Answers the names of those that are kept.
///
/// # Panics
/// If any is broken: all that are, by name.
pub async fn contract<B: TopicBench>() -> Vec<&'static str> {
    each("Topic", B::EXCUSED, topic_contract! { @all boxed [B] }).await
}

/// A topic, and whoever hears of it.
pub trait TopicBench: Sized + 'static {
    /// The adapter under test.
    type Topic: Topic;

    /// Clauses that this adapter, or its server, does not keep: each of them must fail.
    const EXCUSED: &'static [&'static str] = &[];

    /// Makes a topic that no other test has, with one subscriber.
    fn open() -> impl Future<Output = Self>;

    /// The topic.
    fn topic(&self) -> &Self::Topic;

    /// A topic whose server does not answer. A bench that has none panics, and is excused.
    fn unreachable() -> impl Future<Output = Self::Topic>;

    /// Waits until the subscriber has got `count` messages. Answers these, and whatever comes just after: see
    /// [`notified`].
    fn arrived(&self, count: usize) -> impl Future<Output = Vec<Arrived>>;
}

/// One message as a subscriber gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// The topic's id of it.
    pub id: String,
    /// What was published.
    pub entry: Entry,
}

/// What a queue gets that is subscribed without raw delivery: SNS's notifications.
pub async fn notified(queue: &impl Queue, count: usize) -> Vec<Arrived> {
    let mut arrived = Vec::new();
    loop {
        let wait = if arrived.len() < count { 20 } else { 1 };
        let taken = queue.receive(MAX_BATCH, Duration::from_secs(wait)).await.expect("an answer");
        if taken.is_empty() {
            return arrived;
        }
        arrived.extend(taken.iter().map(|delivery| of_notification(delivery.body.as_str())));
        // The same delivery twice would look like two messages.
        let _ = queue.delete(taken.into_iter().map(|delivery| delivery.receipt).collect()).await;
    }
}

fn of_notification(body: &str) -> Arrived {
    let read: Value = serde_json::from_str(body).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let attributes = read["MessageAttributes"].as_object().into_iter().flatten();
    let attributes = attributes.map(|(name, attribute)| (name.clone(), text(&attribute["Value"]))).collect();
    Arrived { id: text(&read["MessageId"]), entry: Entry { message: text(&read["Message"]), attributes } }
}

fn entry(message: String) -> Entry {
    Entry { message, attributes: BTreeMap::from([("eventType".to_owned(), "order.paid".to_owned())]) }
}

/// Sends them in one call. What came of each: its id by its text.
async fn sent(topic: &impl Topic, entries: &[Entry]) -> BTreeMap<String, String> {
    let results = topic.send(&entries.iter().collect::<Vec<_>>()).await;
    assert_eq!(results.len(), entries.len(), "one result an entry");
    let id =
        |(entry, result): (&Entry, Result<MessageId, SendError>)| (entry.message.clone(), result.expect("taken").0);
    entries.iter().zip(results).map(id).collect()
}

pub async fn each_entry_arrives_once_and_is_answered_by_its_own_id_in_its_place<B: TopicBench>() {
    let bench = B::open().await;
    let entries: Vec<_> = (0..MAX_ENTRIES).map(|n| entry(format!(r#"{{"n":{n}}}"#))).collect();
    let sent = sent(bench.topic(), &entries).await;
    assert_eq!(sent.values().collect::<BTreeSet<_>>().len(), MAX_ENTRIES, "ids of their own");
    let arrived = bench.arrived(MAX_ENTRIES).await;
    assert_eq!(arrived.len(), MAX_ENTRIES, "each once");
    assert_eq!(arrived.into_iter().map(|a| (a.entry.message, a.id)).collect::<BTreeMap<_, _>>(), sent);
}

pub async fn text_and_attributes_arrive_as_they_were_sent<B: TopicBench>() {
    let bench = B::open().await;
    let attributes = (0..MAX_ATTRIBUTES).map(|n| (format!("a.b-c_{n}"), format!("ü {n}"))).collect();
    let odd = Entry { message: "{\"a\":\"ü\\n🎉 \\\"quoted\\\"\"}\n\t".to_owned(), attributes };
    let ids = sent(bench.topic(), std::slice::from_ref(&odd)).await;
    let arrived = bench.arrived(1).await;
    assert_eq!(arrived, [Arrived { id: ids[&odd.message].clone(), entry: odd }]);
}

pub async fn a_call_may_be_as_large_as_the_limit<B: TopicBench>() {
    let bench = B::open().await;
    let (share, attributes) = (MAX_BYTES / MAX_ENTRIES, entry(String::new()).size());
    let entries: Vec<_> =
        (0..MAX_ENTRIES).map(|n| entry(format!("{n}{}", "x".repeat(share - attributes - 1)))).collect();
    assert!(entries.iter().map(Entry::size).sum::<usize>() > MAX_BYTES - MAX_ENTRIES, "to the byte, but for the rest");
    let ids = sent(bench.topic(), &entries).await;
    assert_eq!((ids.len(), bench.arrived(MAX_ENTRIES).await.len()), (MAX_ENTRIES, MAX_ENTRIES));
}

pub async fn a_call_that_fails_as_a_whole_fails_for_each_of_its_entries<B: TopicBench>() {
    let topic = B::unreachable().await;
    let entries: Vec<_> = (0..3).map(|n| entry(n.to_string())).collect();
    let results = topic.send(&entries.iter().collect::<Vec<_>>()).await;
    let is_passing = |result: &Result<MessageId, SendError>| matches!(result, Err(SendError::Unavailable(_)));
    assert!(results.len() == 3 && results.iter().all(is_passing), "{results:?}");
}

/// The topic in memory.
#[derive(Debug)]
pub struct InMemoryTopic {
    topic: MemoryTopic,
    queue: MemoryQueue,
}

impl TopicBench for InMemoryTopic {
    type Topic = MemoryTopic;

    const EXCUSED: &'static [&'static str] = &["a_call_that_fails_as_a_whole_fails_for_each_of_its_entries"];

    async fn open() -> Self {
        let queue = MemoryQueue::new("contract", Duration::from_secs(60));
        Self { topic: MemoryTopic::default().subscribe(&queue), queue }
    }

    fn topic(&self) -> &MemoryTopic {
        &self.topic
    }

    async fn unreachable() -> MemoryTopic {
        panic!("there is no server that could be away")
    }

    async fn arrived(&self, count: usize) -> Vec<Arrived> {
        notified(&self.queue, count).await
    }
}
