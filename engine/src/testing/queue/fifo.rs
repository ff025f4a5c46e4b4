//! What a FIFO queue adds to the contract: order within a group, and nothing of a group overtakes it.
//!
//! Enters: a [`FifoBench`]. Leaves: nothing, or a panic that names the sentence.
#![expect(missing_docs, reason = "a clause's name is its sentence")]

use std::time::Duration;

use super::{FifoBench, LONG, dead, delete, hide, nothing, seconds, short};
use crate::queue::{DeadLetter, Delivery, Failure, Queue};
use crate::testing::{boxed, each};

/// Writes one test for each clause that a FIFO queue adds, by the test attribute and the
/// [`FifoBench`](crate::testing::queue::FifoBench) that it is given.
#[macro_export]
macro_rules! fifo_contract {
    (#$test:tt $bench:ty) => {
        $crate::fifo_contract! { @all tests [#$test $bench] }
    };
    (@all $then:ident $with:tt) => {
        $crate::fifo_contract! { @$then $with
            a_group_comes_in_order_and_says_its_name
            while_the_head_of_a_group_is_in_flight_the_group_waits_and_others_do_not
            a_hidden_head_holds_up_its_group
            the_same_deduplication_id_is_taken_once
            a_letter_keeps_its_group_in_the_dlq
        }
    };
    (@tests [#$test:tt $bench:ty] $($clause:ident)*) => {
        $(#$test
        async fn $clause() {
            let excused = <$bench as $crate::testing::queue::Bench>::EXCUSED;
            let runs = $crate::testing::queue::fifo::$clause::<$bench>();
            $crate::testing::clause("Queue, FIFO", stringify!($clause), excused, runs).await;
        })*
    };
    (@names [] $($clause:ident)*) => {
        &[$(stringify!($clause)),*]
    };
    (@boxed [$bench:ty] $($clause:ident)*) => {
        vec![$(boxed(stringify!($clause), $clause::<$bench>())),*]
    };
}

/// What [`fifo_contract!`](crate::fifo_contract) makes tests of.
pub const CLAUSES: &[&str] = fifo_contract! { @all names [] };

/// Holds the bench's FIFO queue to every clause, one after the other. Answers the names of those that are kept.
///
/// # Panics
/// If any is broken: all that are, by name.
pub async fn contract<B: FifoBench>() -> Vec<&'static str> {
    each("Queue, FIFO", B::EXCUSED, fifo_contract! { @all boxed [B] }).await
}

/// What they say, in their order.
#[must_use]
pub fn bodies(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.body.as_str()).collect()
}

/// One receive.
pub async fn receive(queue: &impl Queue, at_most: usize) -> Vec<Delivery> {
    queue.receive(at_most, seconds(2)).await.expect("an answer")
}

/// `a1 a2 a3` in group a, `b1` in group b.
async fn two_groups<B: FifoBench>(visibility: Duration, max_receive_count: u32) -> B {
    let bench = B::open_fifo(visibility, max_receive_count).await;
    for body in ["a1", "a2", "a3", "b1"] {
        bench.send_in_group(body, &body[..1], body).await;
    }
    bench
}

pub async fn a_group_comes_in_order_and_says_its_name<B: FifoBench>() {
    let bench = two_groups::<B>(LONG, 5).await;
    let mut deliveries = Vec::new();
    while deliveries.len() < 4 {
        deliveries.extend(receive(bench.queue(), 10).await);
    }
    let of = |group: &str| -> Vec<Delivery> {
        let (own, rest) = std::mem::take(&mut deliveries).into_iter().partition(|d| d.group.as_deref() == Some(group));
        deliveries = rest;
        own
    };
    let [a, b] = ["a", "b"].map(of);
    assert_eq!((bodies(&a), bodies(&b)), (vec!["a1", "a2", "a3"], vec!["b1"]));
}

pub async fn while_the_head_of_a_group_is_in_flight_the_group_waits_and_others_do_not<B: FifoBench>() {
    let bench = two_groups::<B>(LONG, 5).await;
    let head = receive(bench.queue(), 1).await;
    assert_eq!(bodies(&head), ["a1"]);
    assert_eq!(bodies(&receive(bench.queue(), 10).await), ["b1"]);
    nothing(bench.queue(), seconds(1)).await;
    let receipt = head.into_iter().next().expect("one").receipt;
    assert_eq!(delete(bench.queue(), receipt).await, None);
    assert_eq!(bodies(&receive(bench.queue(), 10).await), ["a2", "a3"]);
}

/// Head and followers of group a are received; the head is hidden for some seconds, the others are shown.
pub async fn a_retried_head<B: FifoBench>() -> B {
    let bench = two_groups::<B>(LONG, 5).await;
    let mut taken = receive(bench.queue(), 3).await;
    assert_eq!(bodies(&taken), ["a1", "a2", "a3"]);
    let behind: Vec<_> = taken.split_off(1);
    assert_eq!(hide(bench.queue(), taken.remove(0).receipt, 3 * short::<B>()).await, None);
    for delivery in behind {
        assert_eq!(hide(bench.queue(), delivery.receipt, Duration::ZERO).await, None);
    }
    bench
}

pub async fn a_hidden_head_holds_up_its_group<B: FifoBench>() {
    let bench = a_retried_head::<B>().await;
    assert_eq!(bodies(&receive(bench.queue(), 10).await), ["b1"]);
    nothing(bench.queue(), seconds(1)).await;
    let again = bench.queue().receive(10, 3 * short::<B>()).await.expect("an answer");
    assert_eq!(bodies(&again), ["a1", "a2", "a3"]);
    assert_eq!(again.iter().map(|d| d.attempt.get()).collect::<Vec<_>>(), [2, 2, 2]);
}

pub async fn the_same_deduplication_id_is_taken_once<B: FifoBench>() {
    let bench = B::open_fifo(LONG, 5).await;
    for body in ["first", "again"] {
        bench.send_in_group(body, "g", "same").await;
    }
    assert_eq!(bodies(&receive(bench.queue(), 10).await), ["first"]);
    nothing(bench.queue(), seconds(1)).await;
}

pub async fn a_letter_keeps_its_group_in_the_dlq<B: FifoBench>() {
    let bench = two_groups::<B>(LONG, 5).await;
    let original = receive(bench.queue(), 1).await.remove(0);
    let failure = Failure { reason: "x", handler: "test", history: String::new(), detail: String::new() };
    let letter = DeadLetter::new(&original, bench.queue().name(), &failure).expect("it fits");
    bench.queue().send_to_dlq(&letter).await.expect("taken");
    // Its answer lost, a letter is sent twice: a FIFO DLQ takes it once.
    bench.queue().send_to_dlq(&letter).await.expect("taken");
    let dead = dead(&bench).await;
    assert_eq!((dead.body.as_str(), dead.group.as_deref()), ("a1", Some("a")));
    assert_eq!(dead.attributes["failure.message_id"].value, original.message_id);
}
