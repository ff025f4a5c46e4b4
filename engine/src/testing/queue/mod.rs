//! The contract of [`Queue`], one sentence a function.
//!
//! Enters: a [`Bench`], which makes a queue with its DLQ. Leaves: nothing, or a panic that names the sentence.
//! Promises: every wait is the queue's own long poll, so the sentences read alike on a paused clock and on the real
//! one. `clauses` holds what every queue keeps, `letters` what may be sent to a DLQ, [`fifo`] what order adds. What is
//! public here beside them is for sentences of your own.

mod bench;
mod clauses;
pub mod fifo;
mod letters;

use std::time::Duration;

pub use bench::{Bench, FifoBench, InMemory};
pub use clauses::*;
pub use letters::*;

use super::{boxed, each};
use crate::queue::{Attribute, Attributes, Delivery, Hide, Queue, QueueError, ReceiptHandle};

/// Writes one test for each clause of the queue's contract, by the test attribute and the [`Bench`] that it is given:
///
/// ```text
/// mod in_memory {
///     user_events_engine::queue_contract! { #[tokio::test(start_paused = true)] super::InMemory }
/// }
/// ```
#[macro_export]
macro_rules! queue_contract {
    (#$test:tt $bench:ty) => {
        $crate::queue_contract! { @all tests [#$test $bench] }
    };
    (@all $then:ident $with:tt) => {
        $crate::queue_contract! { @$then $with
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
            a_receipt_that_a_later_receive_overtook_settles_nothing
            a_delayed_message_is_hidden_until_its_delay_is_over_and_that_is_no_receive
            deleting_twice_is_no_error
            a_blank_body_arrives_as_it_is
            what_breaks_a_rule_of_sqs_is_not_taken_and_what_keeps_it_is
            what_the_queue_itself_moved_says_so_and_what_was_sent_does_not
        }
    };
    (@tests [#$test:tt $bench:ty] $($clause:ident)*) => {
        $(#$test
        async fn $clause() {
            let excused = <$bench as $crate::testing::queue::Bench>::EXCUSED;
            let runs = $crate::testing::queue::$clause::<$bench>();
            $crate::testing::clause("Queue", stringify!($clause), excused, runs).await;
        })*
    };
    (@names [] $($clause:ident)*) => {
        &[$(stringify!($clause)),*]
    };
    (@boxed [$bench:ty] $($clause:ident)*) => {
        vec![$(boxed(stringify!($clause), $clause::<$bench>())),*]
    };
}

/// What [`queue_contract!`](crate::queue_contract) makes tests of.
pub const CLAUSES: &[&str] = queue_contract! { @all names [] };

/// Holds the bench's queue to every clause, one after the other. Answers the names of those that are kept.
///
/// # Panics
/// If any is broken: all that are, by name.
pub async fn contract<B: Bench>() -> Vec<&'static str> {
    each("Queue", B::EXCUSED, queue_contract! { @all boxed [B] }).await
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Longer than any clause lasts: a message that must not come back by itself.
pub const LONG: Duration = seconds(60);
/// The longest that one receive may wait. SQS's own limit.
const LONGEST_POLL: Duration = seconds(20);

/// A visibility that is to run out, long enough to ask for something before: 2 s, on a slow machine up to 6 s.
#[must_use]
pub fn short<B: Bench>() -> Duration {
    (seconds(2) * B::slowness().div_ceil(2).max(1)).min(seconds(6))
}

/// A deadline after which nothing more is expected to happen.
fn patience<B: Bench>(within: Duration) -> Duration {
    within * B::slowness().max(3)
}

/// The one message of the queue, which must come within `wait`.
pub async fn one<B: Bench>(bench: &B, wait: Duration) -> Delivery {
    only(bench.queue(), patience::<B>(wait)).await
}

/// The one message of the DLQ.
pub async fn dead<B: Bench>(bench: &B) -> Delivery {
    only(bench.dlq(), patience::<B>(seconds(2))).await
}

async fn only(queue: &impl Queue, wait: Duration) -> Delivery {
    let wait = wait.min(LONGEST_POLL);
    let mut deliveries = queue.receive(10, wait).await.expect("an answer");
    assert_eq!(deliveries.len(), 1, "messages within {wait:?}");
    deliveries.pop().expect("one")
}

/// No message comes within `wait`.
pub async fn nothing(queue: &impl Queue, wait: Duration) {
    let deliveries = queue.receive(10, wait).await.expect("an answer");
    assert!(deliveries.is_empty(), "{deliveries:?}");
}

/// Hides one message; what the queue said, if it did not.
pub async fn hide(queue: &impl Queue, receipt: ReceiptHandle, delay: Duration) -> Option<QueueError> {
    queue.hide(vec![Hide { receipt, delay }]).await.pop().map(|unsettled| unsettled.error)
}

/// Deletes one message; what the queue said, if it did not.
pub async fn delete(queue: &impl Queue, receipt: ReceiptHandle) -> Option<QueueError> {
    queue.delete(vec![receipt]).await.pop().map(|unsettled| unsettled.error)
}

/// What a careless caller could do: keep a receipt that it has spent.
#[must_use]
pub fn copy(receipt: &ReceiptHandle) -> ReceiptHandle {
    ReceiptHandle::new(receipt.as_str().to_owned())
}

/// A message received twice, with the receipts of both.
pub async fn received_twice<B: Bench>() -> (B, ReceiptHandle, ReceiptHandle) {
    let bench = B::open(short::<B>(), 5).await;
    bench.send("x", Attributes::new()).await;
    let first = one(&bench, seconds(2)).await;
    let second = one(&bench, seconds(5)).await;
    (bench, first.receipt, second.receipt)
}

fn attributes() -> Attributes {
    let number = Attribute { data_type: "Number".to_owned(), value: "42".to_owned() };
    Attributes::from([("eventType".to_owned(), Attribute::string("user.signed_up")), ("n".to_owned(), number)])
}
