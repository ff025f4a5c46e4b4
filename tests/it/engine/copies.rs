//! Copies of an event whose effect happens once for each event: told by what the event says, never by the queue's ids.

use user_events::event::Once;
use user_events::handler::Row;

use super::*;

/// Takes what is in the DLQ back to the queue, under an id of its own.
async fn redrive(dlq: &MemoryQueue, queue: &MemoryQueue) {
    let letters = letters(dlq).await;
    assert!(!letters.is_empty(), "nothing to send back");
    letters.iter().for_each(|letter| send(queue, letter.body.as_str()));
    dlq.delete(letters.into_iter().map(|letter| letter.receipt).collect()).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_without_an_id_that_is_redriven_twice_is_one_event_and_another_about_the_same_user_is_another() {
    let own = r#"{"type":"user.signed_up","userId":"1","email":"a@example.com"}"#;
    let cloud = r#"{"specversion":"1.0","source":"/auth","type":"user.signed_up","data":{"userId":"1","email":"a@example.com"}}"#;
    for body in [own, cloud] {
        let (queue, dlq) = queue_and_dlq();
        let calls = Arc::default();
        let reaction = Reaction::recorded(counting(&calls), MemoryLedger::default(), terms(), TIMEOUT);
        let row = Row { name: "copies", once: Once::Event, ..reaction.row() };
        let reaction = reaction.with_row(row);
        let worker = Running::of(Worker::new(queue.clone(), reaction, settings()));
        send(&queue, body);
        emptied(&queue).await;
        for _ in 0..2 {
            send(&dlq, body);
            redrive(&dlq, &queue).await;
            emptied(&queue).await;
        }
        assert_eq!((calls.load(Ordering::SeqCst), worker.tally.read().of("duplicate")), (1, 2), "{body}");
        send(&queue, &body.replace("example.com", "example.org"));
        emptied(&queue).await;
        assert_eq!(calls.load(Ordering::SeqCst), 2, "{body}");
    }
}
