//! The contract of [`Queue`], one sentence a function, kept by SQS in memory, watched and unwatched, and
//! by SQS on LocalStack.
//!
//! Enters: a [`Bench`] that makes a queue with its DLQ. Every wait is the queue's own long poll, so the
//! sentences read alike on a paused clock and on the real one. `fifo` holds what order adds, `letters` what may be sent; `differences`
//! what LocalStack does otherwise than AWS, each under a name that says so.

mod bench;
mod differences;
mod fifo;
mod letters;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use tokio::time::{Instant, timeout};
use user_events::queue::{
    Attribute, Attributes, Breach, DeadLetter, Delivery, Facts, Hide, Queue, QueueError, ReceiptHandle,
};

use bench::{Bench, InMemory, OnLocalStack, Watched};

use crate::world::patience::{at_this_pace, patience};

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Longer than any test: a message that must not come back by itself.
const LONG: Duration = seconds(60);

/// A visibility that is to run out, long enough to ask for something before.
fn short() -> Duration {
    at_this_pace(seconds(2)).min(seconds(6))
}

/// The one message, which must come within `wait`, or the longest poll there is where this machine is slow.
async fn one(queue: &impl Queue, wait: Duration) -> Delivery {
    let wait = patience(wait).min(seconds(20));
    let mut deliveries = queue.receive(10, wait).await.expect("an answer");
    assert_eq!(deliveries.len(), 1, "messages within {wait:?}");
    deliveries.pop().expect("one")
}

async fn nothing(queue: &impl Queue, wait: Duration) {
    let deliveries = queue.receive(10, wait).await.expect("an answer");
    assert!(deliveries.is_empty(), "{deliveries:?}");
}

async fn hide(queue: &impl Queue, receipt: ReceiptHandle, delay: Duration) -> Option<QueueError> {
    queue.hide(vec![Hide { receipt, delay }]).await.pop().map(|unsettled| unsettled.error)
}

async fn delete(queue: &impl Queue, receipt: ReceiptHandle) -> Option<QueueError> {
    queue.delete(vec![receipt]).await.pop().map(|unsettled| unsettled.error)
}

/// What a careless caller could do: keep a receipt that it has spent.
fn copy(receipt: &ReceiptHandle) -> ReceiptHandle {
    ReceiptHandle::new(receipt.as_str().to_owned())
}

fn attributes() -> Attributes {
    let number = Attribute { data_type: "Number".to_owned(), value: "42".to_owned() };
    Attributes::from([("eventType".to_owned(), Attribute::string("user.signed_up")), ("n".to_owned(), number)])
}

async fn it_knows_the_settings_a_worker_depends_on<B: Bench>() {
    let bench = B::open(seconds(7), 3).await;
    let facts = Facts {
        visibility: seconds(7),
        max_receive_count: Some(3),
        has_dlq: true,
        retention: Some(4 * 86_400 * seconds(1)),
    };
    assert_eq!(bench.queue().facts(), facts);
    assert!(bench.queue().name().starts_with("contract"), "{}", bench.queue().name());
    assert!(!bench.dlq().facts().has_dlq);
}

async fn an_empty_receive_is_no_error_and_returns_after_the_wait<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    let before = Instant::now();
    timeout(patience(seconds(3)), nothing(bench.queue(), seconds(1))).await.expect("an answer");
    assert!(before.elapsed() >= Duration::from_millis(900), "{:?}", before.elapsed());
}

async fn a_receive_ends_as_soon_as_a_message_comes<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    let after_a_second = async { nothing(bench.dlq(), seconds(1)).await };
    let later = after_a_second.then(|()| bench.send("x", Attributes::new()));
    let received = async { tokio::join!(one(bench.queue(), seconds(20)), later).0 };
    // Begun with it, and as long: it is still waiting when the message has come.
    let another_wait = nothing(bench.dlq(), seconds(20));
    tokio::select! {
        delivery = received => assert_eq!(delivery.body.as_str(), "x"),
        () = another_wait => panic!("it came with the end of its wait"),
    }
}

async fn no_receive_brings_more_than_it_asked_for<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    for body in ["1", "2", "3", "4", "5"] {
        bench.send(body, Attributes::new()).await;
    }
    let mut bodies = Vec::new();
    while bodies.len() < 5 {
        let deliveries = bench.queue().receive(3, seconds(2)).await.expect("an answer");
        assert!((1..=3).contains(&deliveries.len()), "{}", deliveries.len());
        bodies.extend(deliveries.iter().map(|d| d.body.as_str().to_owned()));
    }
    bodies.sort();
    assert_eq!(bodies, ["1", "2", "3", "4", "5"]);
}

async fn a_received_message_is_hidden_and_comes_again_with_the_attempt_counted<B: Bench>() {
    let bench = B::open(short(), 5).await;
    bench.send("x", Attributes::new()).await;
    let first = one(bench.queue(), seconds(2)).await;
    let received = Instant::now();
    nothing(bench.queue(), Duration::ZERO).await;
    let again = one(bench.queue(), seconds(5)).await;
    assert!(received.elapsed() > Duration::from_millis(800), "after {:?}", received.elapsed());
    assert_eq!((first.attempt.get(), again.attempt.get()), (1, 2));
    assert_eq!(first.message_id, again.message_id);
}

async fn a_deleted_message_does_not_come_again<B: Bench>() {
    let bench = B::open(short(), 5).await;
    bench.send("x", Attributes::new()).await;
    let delivery = one(bench.queue(), seconds(2)).await;
    assert_eq!(delete(bench.queue(), delivery.receipt).await, None);
    nothing(bench.queue(), short() + seconds(1)).await;
}

async fn hiding_for_zero_shows_it_at_once<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    bench.send("x", Attributes::new()).await;
    let delivery = one(bench.queue(), seconds(2)).await;
    assert_eq!(hide(bench.queue(), delivery.receipt, Duration::ZERO).await, None);
    assert_eq!(one(bench.queue(), seconds(2)).await.attempt.get(), 2);
}

async fn hiding_for_longer_keeps_it_hidden<B: Bench>() {
    let bench = B::open(short(), 5).await;
    bench.send("x", Attributes::new()).await;
    let delivery = one(bench.queue(), seconds(2)).await;
    assert_eq!(hide(bench.queue(), delivery.receipt, 3 * short()).await, None);
    nothing(bench.queue(), short() + seconds(1)).await;
    assert_eq!(one(bench.queue(), 3 * short()).await.attempt.get(), 2);
}

async fn a_hold_keeps_a_message_hidden_and_its_receipt_still_settles<B: Bench>() {
    let bench = B::open(short(), 5).await;
    bench.send("x", Attributes::new()).await;
    let delivery = one(bench.queue(), seconds(2)).await;
    let holds = [ReceiptHandle::new("no receipt at all".to_owned()).hold(), delivery.receipt.hold()];
    assert_eq!(bench.queue().extend(&holds, 3 * short()).await, [(0, QueueError::NotInFlight)]);
    nothing(bench.queue(), short() + seconds(1)).await;
    assert_eq!(delete(bench.queue(), delivery.receipt).await, None);
    nothing(bench.queue(), 2 * short()).await;
}

async fn a_batch_of_ten_is_deleted_whole<B: Bench>() {
    let bench = B::open(short(), 5).await;
    for n in 0..10 {
        bench.send(&n.to_string(), Attributes::new()).await;
    }
    let deliveries = bench.queue().receive(10, seconds(2)).await.expect("an answer");
    assert_eq!(deliveries.len(), 10);
    let unsettled = bench.queue().delete(deliveries.into_iter().map(|d| d.receipt).collect()).await;
    assert!(unsettled.is_empty(), "{unsettled:?}");
    nothing(bench.queue(), short() + seconds(1)).await;
}

async fn one_bad_entry_does_not_fail_its_batch<B: Bench>() {
    let bench = B::open(2 * short(), 5).await;
    let mut receipts = Vec::new();
    for body in ["0", "1"] {
        bench.send(body, Attributes::new()).await;
        receipts.push(one(bench.queue(), seconds(2)).await.receipt);
    }
    receipts.insert(1, ReceiptHandle::new("no receipt at all".to_owned()));
    let unsettled = bench.queue().delete(receipts).await;
    let [entry] = &unsettled[..] else { panic!("{unsettled:?}") };
    assert_eq!(entry.receipt.as_str(), "no receipt at all");
    assert_eq!(entry.error, QueueError::NotInFlight);
    nothing(bench.queue(), 2 * short() + seconds(1)).await;
}

async fn after_its_last_receive_a_message_is_in_the_dlq<B: Bench>() {
    let bench = B::open(LONG, 2).await;
    bench.send("x", attributes()).await;
    for attempt in 1..=2 {
        let delivery = one(bench.queue(), seconds(2)).await;
        assert_eq!(delivery.attempt.get(), attempt);
        assert_eq!(hide(bench.queue(), delivery.receipt, Duration::ZERO).await, None);
    }
    nothing(bench.queue(), Duration::ZERO).await;
    let dead = one(bench.dlq(), seconds(2)).await;
    assert_eq!((dead.body.as_str(), &dead.attributes), ("x", &attributes()));
}

async fn a_letter_arrives_in_the_dlq_whole_and_the_original_is_untouched<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    bench.send("x", Attributes::new()).await;
    let original = one(bench.queue(), seconds(2)).await;
    let letter = DeadLetter {
        body: "x".to_owned(),
        attributes: attributes(),
        group: None,
        fairness: Some("tenant-7".to_owned()),
        message_id: original.message_id.clone(),
    };
    bench.queue().send_to_dlq(&letter).await.expect("taken");
    let dead = one(bench.dlq(), seconds(2)).await;
    assert_eq!((dead.body.as_str(), &dead.attributes), ("x", &letter.attributes));
    assert_eq!((&dead.fairness, &dead.group), (&letter.fairness, &None), "a share, and no order");
    nothing(bench.queue(), Duration::ZERO).await;
    assert_eq!(hide(bench.queue(), original.receipt, Duration::ZERO).await, None);
    assert_eq!(one(bench.queue(), seconds(2)).await.attempt.get(), 2);
    assert_eq!(bench.dlq().send_to_dlq(&letter).await, Err(QueueError::NoDeadLetterQueue));
}

async fn a_letter_larger_than_its_dlq_takes_is_refused_with_the_limit<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    bench.shrink_dlq(1_024).await;
    let letter = |bytes| DeadLetter { body: "x".repeat(bytes), attributes: attributes(), ..DeadLetter::default() };
    let limit = Breach::TooLarge { most: 1_024 };
    assert_eq!(bench.queue().send_to_dlq(&letter(1_024)).await, Err(QueueError::Unfit(limit)));
    bench.queue().send_to_dlq(&letter(900)).await.expect("taken");
    assert_eq!(one(bench.dlq(), seconds(2)).await.body.as_str().len(), 900);
}

async fn attributes_and_sent_time_arrive<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    bench.send("x", attributes()).await;
    let delivery = one(bench.queue(), seconds(2)).await;
    assert_eq!(delivery.attributes, attributes());
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis());
    let old = now.expect("small") - delivery.sent_at_millis;
    assert!((0..600_000).contains(&old), "milliseconds since 1970, not {}", delivery.sent_at_millis);
}

async fn the_receipt_of_a_deleted_message_hides_nothing<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    bench.send("x", Attributes::new()).await;
    let delivery = one(bench.queue(), seconds(2)).await;
    let spent = copy(&delivery.receipt);
    assert_eq!(delete(bench.queue(), delivery.receipt).await, None);
    assert_eq!(hide(bench.queue(), spent, seconds(1)).await, Some(QueueError::NotInFlight));
}

async fn a_delayed_message_is_hidden_until_its_delay_is_over_and_that_is_no_receive<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    bench.send_delayed("x", 3 * short()).await;
    nothing(bench.queue(), seconds(1)).await;
    assert_eq!(one(bench.queue(), 3 * short()).await.attempt.get(), 1);
}

async fn deleting_twice_is_no_error<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    bench.send("x", Attributes::new()).await;
    let delivery = one(bench.queue(), seconds(2)).await;
    let spent = copy(&delivery.receipt);
    assert_eq!(delete(bench.queue(), delivery.receipt).await, None);
    assert_eq!(delete(bench.queue(), spent).await, None);
}

async fn a_blank_body_arrives_as_it_is<B: Bench>() {
    // SQS refuses to take an empty body, but a message can be blank.
    let bench = B::open(LONG, 5).await;
    bench.send(" ", Attributes::new()).await;
    assert_eq!(one(bench.queue(), seconds(2)).await.body.as_str(), " ");
}

macro_rules! contract {
    ($($sentence:ident)*) => {
        mod memory {
            $(#[tokio::test(start_paused = true)]
            async fn $sentence() {
                super::$sentence::<crate::queue_contract::InMemory>().await;
            })*
        }
        mod watched {
            $(#[tokio::test(start_paused = true)]
            async fn $sentence() {
                super::$sentence::<crate::queue_contract::Watched>().await;
            })*
        }
        mod localstack {
            $(#[tokio::test]
            async fn $sentence() {
                super::$sentence::<crate::queue_contract::OnLocalStack>().await;
            })*
        }
    };
}
pub(crate) use contract;

contract! {
    it_knows_the_settings_a_worker_depends_on
    an_empty_receive_is_no_error_and_returns_after_the_wait
    a_receive_ends_as_soon_as_a_message_comes
    no_receive_brings_more_than_it_asked_for
    a_received_message_is_hidden_and_comes_again_with_the_attempt_counted
    a_deleted_message_does_not_come_again
    hiding_for_zero_shows_it_at_once
    hiding_for_longer_keeps_it_hidden
    a_hold_keeps_a_message_hidden_and_its_receipt_still_settles
    a_batch_of_ten_is_deleted_whole
    one_bad_entry_does_not_fail_its_batch
    after_its_last_receive_a_message_is_in_the_dlq
    a_letter_arrives_in_the_dlq_whole_and_the_original_is_untouched
    a_letter_larger_than_its_dlq_takes_is_refused_with_the_limit
    attributes_and_sent_time_arrive
    the_receipt_of_a_deleted_message_hides_nothing
    a_delayed_message_is_hidden_until_its_delay_is_over_and_that_is_no_receive
    deleting_twice_is_no_error
    a_blank_body_arrives_as_it_is
}
