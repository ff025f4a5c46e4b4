//! What every queue keeps: time, attempts, settling, batches, redrive.
//!
//! Enters: a [`Bench`]. Leaves: nothing, or a panic.
#![expect(missing_docs, reason = "a clause's name is its sentence")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use tokio::time::{Instant, timeout};

use super::{
    Bench, LONG, attributes, copy, dead, delete, hide, nothing, one, patience, received_twice, seconds, short,
};
use crate::queue::{Attributes, Breach, DeadLetter, Facts, Queue, QueueError, ReceiptHandle, is_fifo};

pub async fn it_knows_the_settings_a_worker_depends_on<B: Bench>() {
    let bench = B::open(seconds(7), 3).await;
    let facts = Facts { visibility: seconds(7), max_receive_count: Some(3), has_dlq: true, retention: B::RETENTION };
    assert_eq!(bench.queue().facts(), facts);
    let name = bench.queue().name();
    assert!(name.starts_with("contract") && !is_fifo(name), "{name}");
    assert!(!bench.dlq().facts().has_dlq);
}

pub async fn an_empty_receive_is_no_error_and_returns_after_the_wait<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    let before = Instant::now();
    timeout(patience::<B>(seconds(3)), nothing(bench.queue(), seconds(1))).await.expect("an answer");
    assert!(before.elapsed() >= Duration::from_millis(900), "{:?}", before.elapsed());
}

pub async fn a_receive_ends_as_soon_as_a_message_comes<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    let after_a_second = async { nothing(bench.dlq(), seconds(1)).await };
    let later = after_a_second.then(|()| bench.send("x", Attributes::new()));
    let received = async { tokio::join!(one(&bench, seconds(20)), later).0 };
    // Begun with it, and as long: it is still waiting when the message has come.
    let another_wait = nothing(bench.dlq(), seconds(20));
    tokio::select! {
        delivery = received => assert_eq!(delivery.body.as_str(), "x"),
        () = another_wait => panic!("it came with the end of its wait"),
    }
}

pub async fn no_receive_brings_more_than_it_asked_for<B: Bench>() {
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

pub async fn a_received_message_is_hidden_and_comes_again_with_the_attempt_counted<B: Bench>() {
    let bench = B::open(short::<B>(), 5).await;
    bench.send("x", Attributes::new()).await;
    let first = one(&bench, seconds(2)).await;
    let received = Instant::now();
    nothing(bench.queue(), Duration::ZERO).await;
    let again = one(&bench, seconds(5)).await;
    assert!(received.elapsed() > Duration::from_millis(800), "after {:?}", received.elapsed());
    assert_eq!((first.attempt.get(), again.attempt.get()), (1, 2));
    assert_eq!(first.message_id, again.message_id);
}

pub async fn a_deleted_message_does_not_come_again<B: Bench>() {
    let bench = B::open(short::<B>(), 5).await;
    bench.send("x", Attributes::new()).await;
    let delivery = one(&bench, seconds(2)).await;
    assert_eq!(delete(bench.queue(), delivery.receipt).await, None);
    nothing(bench.queue(), short::<B>() + seconds(1)).await;
}

pub async fn hiding_for_zero_shows_it_at_once<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    bench.send("x", Attributes::new()).await;
    let delivery = one(&bench, seconds(2)).await;
    assert_eq!(hide(bench.queue(), delivery.receipt, Duration::ZERO).await, None);
    assert_eq!(one(&bench, seconds(2)).await.attempt.get(), 2);
}

pub async fn hiding_for_longer_keeps_it_hidden<B: Bench>() {
    let bench = B::open(short::<B>(), 5).await;
    bench.send("x", Attributes::new()).await;
    let delivery = one(&bench, seconds(2)).await;
    assert_eq!(hide(bench.queue(), delivery.receipt, 3 * short::<B>()).await, None);
    nothing(bench.queue(), short::<B>() + seconds(1)).await;
    assert_eq!(one(&bench, 3 * short::<B>()).await.attempt.get(), 2);
}

pub async fn a_hold_keeps_a_message_hidden_and_its_receipt_still_settles<B: Bench>() {
    let bench = B::open(short::<B>(), 5).await;
    bench.send("x", Attributes::new()).await;
    let delivery = one(&bench, seconds(2)).await;
    let holds = [ReceiptHandle::new("no receipt at all".to_owned()).hold(), delivery.receipt.hold()];
    assert_eq!(bench.queue().extend(&holds, 3 * short::<B>()).await, [(0, QueueError::NotInFlight)]);
    nothing(bench.queue(), short::<B>() + seconds(1)).await;
    assert_eq!(delete(bench.queue(), delivery.receipt).await, None);
    nothing(bench.queue(), 2 * short::<B>()).await;
}

pub async fn a_batch_of_ten_is_deleted_whole<B: Bench>() {
    let bench = B::open(short::<B>(), 5).await;
    for n in 0..10 {
        bench.send(&n.to_string(), Attributes::new()).await;
    }
    let deliveries = bench.queue().receive(10, seconds(2)).await.expect("an answer");
    assert_eq!(deliveries.len(), 10);
    let unsettled = bench.queue().delete(deliveries.into_iter().map(|d| d.receipt).collect()).await;
    assert!(unsettled.is_empty(), "{unsettled:?}");
    nothing(bench.queue(), short::<B>() + seconds(1)).await;
}

pub async fn one_bad_entry_does_not_fail_its_batch<B: Bench>() {
    let bench = B::open(2 * short::<B>(), 5).await;
    let mut receipts = Vec::new();
    for body in ["0", "1"] {
        bench.send(body, Attributes::new()).await;
        receipts.push(one(&bench, seconds(2)).await.receipt);
    }
    receipts.insert(1, ReceiptHandle::new("no receipt at all".to_owned()));
    let unsettled = bench.queue().delete(receipts).await;
    let [entry] = &unsettled[..] else { panic!("{unsettled:?}") };
    assert_eq!(entry.receipt.as_str(), "no receipt at all");
    assert_eq!(entry.error, QueueError::NotInFlight);
    nothing(bench.queue(), 2 * short::<B>() + seconds(1)).await;
}

pub async fn after_its_last_receive_a_message_is_in_the_dlq<B: Bench>() {
    let bench = B::open(LONG, 2).await;
    bench.send("x", attributes()).await;
    for attempt in 1..=2 {
        let delivery = one(&bench, seconds(2)).await;
        assert_eq!(delivery.attempt.get(), attempt);
        assert_eq!(hide(bench.queue(), delivery.receipt, Duration::ZERO).await, None);
    }
    nothing(bench.queue(), Duration::ZERO).await;
    let dead = dead(&bench).await;
    assert_eq!((dead.body.as_str(), &dead.attributes), ("x", &attributes()));
}

pub async fn a_letter_arrives_in_the_dlq_whole_and_the_original_is_untouched<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    bench.send("x", Attributes::new()).await;
    let original = one(&bench, seconds(2)).await;
    let letter = DeadLetter {
        body: "x".to_owned(),
        attributes: attributes(),
        group: None,
        fairness: Some("tenant-7".to_owned()),
        message_id: original.message_id.clone(),
    };
    bench.queue().send_to_dlq(&letter).await.expect("taken");
    let dead = dead(&bench).await;
    assert_eq!((dead.body.as_str(), &dead.attributes), ("x", &letter.attributes));
    assert_eq!((&dead.fairness, &dead.group), (&letter.fairness, &None), "a share, and no order");
    nothing(bench.queue(), Duration::ZERO).await;
    assert_eq!(hide(bench.queue(), original.receipt, Duration::ZERO).await, None);
    assert_eq!(one(&bench, seconds(2)).await.attempt.get(), 2);
    assert_eq!(bench.dlq().send_to_dlq(&letter).await, Err(QueueError::NoDeadLetterQueue));
}

pub async fn a_letter_larger_than_its_dlq_takes_is_refused_with_the_limit<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    bench.shrink_dlq(1_024).await;
    let letter = |bytes| DeadLetter { body: "x".repeat(bytes), attributes: attributes(), ..DeadLetter::default() };
    let limit = Breach::TooLarge { most: 1_024 };
    assert_eq!(bench.queue().send_to_dlq(&letter(1_024)).await, Err(QueueError::Unfit(limit)));
    bench.queue().send_to_dlq(&letter(900)).await.expect("taken");
    assert_eq!(dead(&bench).await.body.as_str().len(), 900);
}

pub async fn attributes_and_sent_time_arrive<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    bench.send("x", attributes()).await;
    let delivery = one(&bench, seconds(2)).await;
    assert_eq!(delivery.attributes, attributes());
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis());
    let old = now.expect("small") - delivery.sent_at_millis;
    assert!((0..600_000).contains(&old), "milliseconds since 1970, not {}", delivery.sent_at_millis);
}

pub async fn the_receipt_of_a_deleted_message_hides_nothing<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    bench.send("x", Attributes::new()).await;
    let delivery = one(&bench, seconds(2)).await;
    let spent = copy(&delivery.receipt);
    assert_eq!(delete(bench.queue(), delivery.receipt).await, None);
    assert_eq!(hide(bench.queue(), spent, seconds(1)).await, Some(QueueError::NotInFlight));
}

pub async fn a_receipt_that_a_later_receive_overtook_settles_nothing<B: Bench>() {
    let (bench, stale, _latest) = received_twice::<B>().await;
    // Whatever the answer: AWS says yes, and does nothing.
    let _ = hide(bench.queue(), copy(&stale), LONG).await;
    let _ = delete(bench.queue(), stale).await;
    assert_eq!(one(&bench, seconds(5)).await.attempt.get(), 3);
}

pub async fn a_delayed_message_is_hidden_until_its_delay_is_over_and_that_is_no_receive<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    bench.send_delayed("x", 3 * short::<B>()).await;
    nothing(bench.queue(), seconds(1)).await;
    assert_eq!(one(&bench, 3 * short::<B>()).await.attempt.get(), 1);
}

pub async fn deleting_twice_is_no_error<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    bench.send("x", Attributes::new()).await;
    let delivery = one(&bench, seconds(2)).await;
    let spent = copy(&delivery.receipt);
    assert_eq!(delete(bench.queue(), delivery.receipt).await, None);
    assert_eq!(delete(bench.queue(), spent).await, None);
}

pub async fn a_blank_body_arrives_as_it_is<B: Bench>() {
    // SQS refuses to take an empty body, but a message can be blank.
    let bench = B::open(LONG, 5).await;
    bench.send(" ", Attributes::new()).await;
    assert_eq!(one(&bench, seconds(2)).await.body.as_str(), " ");
}
