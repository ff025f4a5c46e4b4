//! Publishing: what one entry's failure means for the others, and which bytes each try sends.
//!
//! Enters: a topic that answers each try as the test says. Virtual time: the pauses between tries pass
//! by themselves.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::time::{Duration, Instant};
use user_events::event::{AnyEvent, Arrival, Event, Opened, Published, Timestamp};
use user_events::events::UserSignedUp;
use user_events::publisher::{PublishError, Publisher};
use user_events::topic::{Entry, MAX_BYTES, MAX_ENTRIES, MessageId, SendError, Topic};

/// Answers each entry by the next of its user's answers, else takes it; keeps what it was sent.
#[derive(Clone, Default)]
struct Scripted {
    answers: Arc<Mutex<BTreeMap<String, VecDeque<SendError>>>>,
    calls: Arc<Mutex<Vec<Vec<Entry>>>>,
}

impl Scripted {
    fn answer(&self, user: usize, error: SendError, times: usize) {
        self.answers.lock().unwrap().insert(format!("user-{user}"), vec![error; times].into());
    }

    /// The users of each call's entries.
    fn calls(&self) -> Vec<Vec<String>> {
        self.calls.lock().unwrap().iter().map(|call| call.iter().map(user_of).collect()).collect()
    }

    fn entries(&self) -> Vec<Entry> {
        self.calls.lock().unwrap().concat()
    }
}

fn user_of(entry: &Entry) -> String {
    read(entry).user_id.as_str().to_owned()
}

fn read(entry: &Entry) -> UserSignedUp {
    let arrival = Arrival::wrapped("unused", Timestamp::now());
    match user_events::event::read::<UserSignedUp>(&entry.message, &arrival, UserSignedUp::TYPES) {
        Ok(Opened::Ours(event)) => event,
        other => panic!("{other:?}"),
    }
}

impl Topic for Scripted {
    async fn send(&self, batch: &[&Entry]) -> Vec<Result<MessageId, SendError>> {
        self.calls.lock().unwrap().push(batch.iter().map(|entry| (*entry).clone()).collect());
        let mut answers = self.answers.lock().unwrap();
        let answer = |entry: &&Entry| match answers.get_mut(&user_of(entry)).and_then(VecDeque::pop_front) {
            Some(error) => Err(error),
            None => Ok(MessageId(format!("id-of-{}", user_of(entry)))),
        };
        batch.iter().map(answer).collect()
    }
}

/// Takes whatever comes.
#[derive(Clone, Default)]
struct Keeps(Arc<Mutex<Vec<Entry>>>);

impl Topic for Keeps {
    async fn send(&self, batch: &[&Entry]) -> Vec<Result<MessageId, SendError>> {
        self.0.lock().unwrap().extend(batch.iter().map(|entry| (*entry).clone()));
        batch.iter().map(|_| Ok(MessageId("m".to_owned()))).collect()
    }
}

fn throttled() -> SendError {
    SendError::Unavailable("Throttled".to_owned())
}

fn refused() -> SendError {
    SendError::Refused("InvalidParameter".into())
}

fn events(count: usize) -> Vec<UserSignedUp> {
    let event = |n: usize| {
        let email = format!("user-{n}@example.com").parse().unwrap();
        UserSignedUp::new(format!("user-{n}").parse().unwrap(), email, None)
    };
    (0..count).map(event).collect()
}

fn sent(n: usize) -> Result<MessageId, PublishError> {
    Ok(MessageId(format!("id-of-user-{n}")))
}

fn names<const N: usize>(users: [usize; N]) -> Vec<String> {
    users.map(|n| format!("user-{n}")).to_vec()
}

#[tokio::test(start_paused = true)]
async fn an_event_goes_out_with_the_attributes_that_subscriptions_filter_by() {
    let topic = Scripted::default();
    let mut event = UserSignedUp { plan: Some("pro".parse().unwrap()), ..events(1).remove(0) };
    event.head.version = 2;
    assert_eq!(Publisher::new(topic.clone()).publish(&event).await, sent(0));
    let entry = &topic.entries()[0];
    assert_eq!(read(entry), event);
    let attributes =
        [("eventType", "user.signed_up"), ("eventVersion", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(entry.attributes, BTreeMap::from(attributes));
}

#[tokio::test(start_paused = true)]
async fn an_event_of_any_type_goes_out_as_it_was_written_with_its_own_type_and_version_as_attributes() {
    let long = "x".repeat(100);
    for (text, kind, version) in [
        (r#"{"type":"order.paid","version":3,"eventId":"e-1","total":1.50}"#.to_owned(), "order.paid", "3"),
        (r#"{"specversion":"1.0","type":"a.b","source":"/s","id":"1"}"#.to_owned(), "a.b", "1"),
        (format!(r#"{{"type":"{long}","eventId":"e-1"}}"#), &long, "1"),
    ] {
        let topic = Keeps::default();
        let event = AnyEvent::to_be_published(&text).expect("an event");
        assert!(Publisher::new(topic.clone()).publish(&event).await.is_ok());
        let entry = topic.0.lock().unwrap().remove(0);
        assert_eq!(entry.message, text);
        let attributes = [("eventType", kind), ("eventVersion", version)].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(entry.attributes, BTreeMap::from(attributes));
    }
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_tried_again_by_itself_and_results_keep_the_events_order() {
    let topic = Scripted::default();
    topic.answer(1, throttled(), 1);
    topic.answer(3, throttled(), 2);
    let results = Publisher::new(topic.clone()).publish_batch(&events(5)).await;
    assert_eq!(results, [0, 1, 2, 3, 4].map(sent));
    assert_eq!(topic.calls(), [names([0, 1, 2, 3, 4]), names([1, 3]), names([3])]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_not_tried_again() {
    let topic = Scripted::default();
    topic.answer(1, refused(), 1);
    let results = Publisher::new(topic.clone()).publish_batch(&events(3)).await;
    assert_eq!(results, [sent(0), Err(refused().into()), sent(2)]);
    assert_eq!(topic.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_try_sends_the_same_bytes_under_the_same_id() {
    let topic = Scripted::default();
    topic.answer(0, throttled(), 3);
    let event = events(1).remove(0);
    assert_eq!(Publisher::new(topic.clone()).publish(&event).await, sent(0));
    let entries = topic.entries();
    assert_eq!(entries.len(), 4);
    assert!(entries.iter().all(|entry| *entry == entries[0]), "{entries:?}");
    assert_eq!(read(&entries[0]).head.id, event.head.id);
}

#[tokio::test(start_paused = true)]
async fn after_four_tries_the_last_answer_is_told_and_tries_are_not_hasty() {
    let topic = Scripted::default();
    topic.answer(0, throttled(), 100);
    let before = Instant::now();
    assert_eq!(Publisher::new(topic.clone()).publish(&events(1)[0]).await, Err(throttled().into()));
    assert_eq!(topic.calls().len(), 4);
    assert!(before.elapsed() >= 3 * Duration::from_millis(50), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn events_go_out_ten_a_call_in_their_order() {
    let topic = Scripted::default();
    let results = Publisher::new(topic.clone()).publish_batch(&events(25)).await;
    assert_eq!(results, (0..25).map(sent).collect::<Vec<_>>());
    assert_eq!(topic.calls().iter().map(Vec::len).collect::<Vec<_>>(), [MAX_ENTRIES, MAX_ENTRIES, 5]);
    assert_eq!(topic.calls().concat(), (0..25).map(|n| format!("user-{n}")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_is_larger_than_a_topic_takes_is_told_and_not_sent() {
    let json = events(1)[0].to_json();
    let entry = |bytes: usize| Entry {
        message: json.clone() + &" ".repeat(bytes - json.len()),
        attributes: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
    };
    // The attribute counts eight: its name, its type `String`, its value.
    let (fits, over) = (entry(MAX_BYTES - 8), entry(MAX_BYTES - 7));
    let topic = Scripted::default();
    let results = Publisher::new(topic.clone()).publish_entries(&[over, fits.clone()]).await;
    assert_eq!(results, [Err(PublishError::TooLarge(MAX_BYTES + 1)), sent(0)]);
    assert_eq!(topic.entries(), [fits]);
}

#[tokio::test(start_paused = true)]
async fn nothing_to_publish_makes_no_call() {
    let topic = Scripted::default();
    assert_eq!(Publisher::new(topic.clone()).publish_batch::<UserSignedUp>(&[]).await, []);
    assert_eq!(topic.calls().len(), 0);
}
