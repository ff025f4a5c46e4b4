//! Where memory is stricter than SQS, and LocalStack otherwise than AWS: what a stale receipt does, and what is taken.
//!
//! Of an overtaken receipt AWS says yes and does nothing; memory says no; LocalStack does as it is told.
//! The engine must be right with all three.

use aws_sdk_sqs::types::MessageAttributeValue;

use super::letters::unfit;
use super::*;
use crate::world::World;

/// A message received twice, with the receipts of both.
async fn received_twice<B: Bench>() -> (B, ReceiptHandle, ReceiptHandle) {
    let bench = B::open(short(), 5).await;
    bench.send("x", Attributes::new()).await;
    let first = one(bench.queue(), seconds(2)).await;
    let second = one(bench.queue(), seconds(5)).await;
    (bench, first.receipt, second.receipt)
}

#[tokio::test(start_paused = true)]
async fn in_memory_a_stale_receipt_settles_nothing_and_says_so() {
    let (bench, stale, _latest) = received_twice::<InMemory>().await;
    assert_eq!(hide(bench.queue(), copy(&stale), LONG).await, Some(QueueError::NotInFlight));
    assert_eq!(delete(bench.queue(), stale).await, Some(QueueError::NotInFlight));
    assert_eq!(one(bench.queue(), seconds(5)).await.attempt.get(), 3);
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
