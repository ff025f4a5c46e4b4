//! What is being retried, and how old the oldest message is: what a worker tells of itself.

use user_events::event::{Timestamp, log_hash};
use user_events::worker::Vitals;

use super::*;

/// A worker whose handler fails so often for each event.
fn failing(queue: &MemoryQueue, times: usize) -> (Vitals, Running) {
    let calls = Arc::new(AtomicUsize::new(0));
    let handler = Does(move |_| {
        let fails = calls.fetch_add(1, Ordering::SeqCst) < times;
        async move { if fails { Err(transient()) } else { Ok(()) } }
    });
    let reaction = Reaction::recorded(handler, MemoryLedger::default(), terms(), TIMEOUT);
    let worker = Worker::new(queue.clone(), reaction, settings());
    (worker.vitals(), Running::of(worker))
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_is_told_with_its_reason_until_it_is_through() {
    let (queue, _dlq) = queue_and_dlq();
    let (vitals, worker) = failing(&queue, 2);
    assert_eq!(vitals.retries().again, []);
    send(&queue, &event("anna"));
    worker.counted("transient", 2).await;
    let told = vitals.retries();
    let [one] = told.again.as_slice() else { panic!("{told:?}") };
    assert_eq!((one.outcome, one.detail.as_str(), one.tries, one.receives), ("transient", "not now", 2, 2));
    assert_eq!(one.kind.as_deref(), Some("user.signed_up"));
    assert_eq!(one.subject, Some(log_hash("anna").to_string()));
    assert!(one.event_id.is_some() && one.due > Some(Timestamp::now()), "{one:?}");
    worker.counted("done", 1).await;
    let told = vitals.retries();
    assert_eq!((told.again.len(), told.over.len()), (0, 1));
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_goes_to_the_dlq_is_retried_no_more_and_one_that_succeeds_at_once_never_was() {
    let (queue, dlq) = queue_and_dlq();
    let (vitals, worker) = failing(&queue, usize::MAX);
    send(&queue, &event("anna"));
    eventually("it is given up", HOUR, async || (dlq.depth().visible > 0).then_some(())).await;
    assert_eq!((vitals.retries().again.len(), vitals.retries().over.len()), (0, 1));
    worker.stopped().await;

    let (vitals, worker) = failing(&queue, 0);
    send_events(&queue, 5);
    worker.counted("done", 5).await;
    assert_eq!(vitals.retries(), user_events::worker::Retries::default());
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_held_is_the_oldest_for_as_long_as_it_is_held() {
    let (queue, _dlq) = queue_and_dlq();
    let held = Held::new();
    let worker = Worker::new(queue.clone(), Reaction::atomic(held.handler(), HOUR), settings());
    let (vitals, worker) = (worker.vitals(), Running::of(worker));
    assert_eq!(vitals.oldest(), None);
    send_events(&queue, 1);
    held.entered.wait().await;
    tokio::time::sleep(seconds(300)).await;
    assert!(vitals.oldest().is_some(), "received long ago, and still at work");
    held.leave.wait().await;
    worker.counted("done", 1).await;
    emptied(&queue).await;
    assert_eq!(vitals.oldest(), None);
    worker.stopped().await;
}
