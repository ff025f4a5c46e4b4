//! Where memory is stricter than SQS, and LocalStack otherwise than AWS: what a stale receipt does, and what is taken.
//!
//! Of an overtaken receipt AWS says yes and does nothing; memory says no; LocalStack does as it is told.
//! The engine must be right with all three.

use aws_sdk_sqs::types::MessageAttributeValue;
use engine::testing::queue::fifo::{a_retried_head, bodies, receive};
use engine::testing::queue::{Bench, InMemory, LONG, copy, delete, hide, nothing, one, received_twice, unfit};
use user_events::queue::{Attribute, QueueError};

use super::bench::OnLocalStack;
use crate::world::World;

const fn seconds(n: u64) -> std::time::Duration {
    std::time::Duration::from_secs(n)
}

#[tokio::test(start_paused = true)]
async fn in_memory_a_stale_receipt_settles_nothing_and_says_so() {
    let (bench, stale, _latest) = received_twice::<InMemory>().await;
    assert_eq!(hide(bench.queue(), copy(&stale), LONG).await, Some(QueueError::NotInFlight));
    assert_eq!(delete(bench.queue(), stale).await, Some(QueueError::NotInFlight));
    assert_eq!(one(&bench, seconds(5)).await.attempt.get(), 3);
}

#[tokio::test]
async fn on_localstack_a_stale_receipt_hides_where_aws_would_do_nothing() {
    let (bench, stale, _latest) = received_twice::<OnLocalStack>().await;
    assert_eq!(hide(bench.queue(), stale, LONG).await, None);
    nothing(bench.queue(), seconds(2)).await;
}

#[tokio::test]
async fn on_localstack_a_stale_receipt_deletes_where_aws_would_keep_the_message() {
    let (bench, stale, _latest) = received_twice::<OnLocalStack>().await;
    assert_eq!(delete(bench.queue(), stale).await, None);
    nothing(bench.queue(), seconds(2)).await;
}

#[tokio::test]
async fn on_localstack_a_hidden_head_is_overtaken_where_aws_would_hold_up_its_group() {
    let bench = a_retried_head::<OnLocalStack>().await;
    assert_eq!(bodies(&receive(bench.queue(), 10).await), ["b1", "a2", "a3"]);
}

/// Sent past the adapter, which asks `rules` before it asks the server.
#[tokio::test]
async fn localstack_itself_refuses_what_the_rules_refuse_but_for_four_that_only_aws_does() {
    let world = World::start().await;
    let queue = world.queue("unfit", LONG).await;
    let mut taken = Vec::new();
    // On the wire a binary value cannot be anything else.
    for (rule, letter) in unfit().into_iter().filter(|(rule, _)| !rule.contains("binary")) {
        let attribute = |a: &Attribute| {
            let value = MessageAttributeValue::builder().data_type(&a.data_type);
            value.string_value(&a.value).build().expect("a type")
        };
        let attributes = letter.attributes.iter().map(|(name, a)| (name.clone(), attribute(a))).collect();
        let call = world.sqs.send_message().queue_url(&queue.url).message_body(&letter.body);
        if call.set_message_attributes(Some(attributes)).send().await.is_ok() {
            taken.push(rule);
        }
    }
    assert_eq!(taken, ["too many attributes", "an empty name", "two dots", "a number that is none"]);
}
