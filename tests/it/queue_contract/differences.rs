//! What a stale receipt does: where memory is stricter than SQS, and LocalStack otherwise than AWS.
//!
//! Of an overtaken receipt AWS says yes and does nothing; memory says no; LocalStack does as it is told.
//! The engine must be right with all three.

use super::*;

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
