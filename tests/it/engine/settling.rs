//! What becomes of one message: deleted, tried again, or moved to the DLQ with its reason.

use std::future::pending;
use std::panic::panic_any;
use std::sync::atomic::AtomicBool;

use tokio::{sync::mpsc, time::advance};
use user_events::idempotency::{Crossing, OnAmbiguous};
use user_events::worker::UnknownEvents;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_message_is_deleted_once_its_handler_succeeded_and_not_before() {
    let (queue, _dlq) = queue_and_dlq();
    let held = Held::new();
    send_events(&queue, 1);
    let worker = Running::start(queue.clone(), held.handler(), settings());
    held.entered.wait().await;
    advance(seconds(10)).await;
    assert_eq!(queue.depth(), Depth { visible: 0, in_flight: 1 });
    held.leave.wait().await;
    emptied(&queue).await;
    assert_eq!(worker.tally.read().of("done"), 1);
}

/// Fails always, and tells when it was called.
fn failing(error: fn() -> HandlerError) -> (impl Handler, mpsc::UnboundedReceiver<Instant>) {
    let (called, calls) = mpsc::unbounded_channel();
    let handler = Does(move |_| {
        called.send(Instant::now()).unwrap();
        async move { Err(error()) }
    });
    (handler, calls)
}

/// Fails always.
fn says(error: fn() -> HandlerError) -> impl Handler {
    Does(move |_| async move { Err(error()) })
}

#[tokio::test(start_paused = true)]
async fn a_failing_handler_never_deletes() {
    let queue = MemoryQueue::new("without-redrive", VISIBILITY);
    send_events(&queue, 1);
    let (handler, mut calls) = failing(transient);
    let queue = Tapped::new(&queue);
    let _worker = Running::start(queue.clone(), handler, settings());
    for _ in 0..100 {
        calls.recv().await.unwrap();
    }
    assert_eq!(queue.deletes().len(), 0);
    assert_eq!(queue.queue.depth().visible + queue.queue.depth().in_flight, 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_returns_after_its_backoff() {
    let queue = MemoryQueue::new("without-redrive", VISIBILITY);
    send_events(&queue, 1);
    let (handler, mut calls) = failing(transient);
    let _worker = Running::start(queue, handler, settings());
    let mut last = calls.recv().await.unwrap();
    for _ in 0..20 {
        let next = calls.recv().await.unwrap();
        let gap = next - last;
        assert!((seconds(1)..=seconds(10) + Duration::from_millis(60)).contains(&gap), "{gap:?}");
        last = next;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_too_often_is_quarantined_with_its_history_before_the_queue_moves_it() {
    let (queue, dlq) = queue_and_dlq();
    send_events(&queue, 1);
    let (handler, _calls) = failing(transient);
    let worker = Running::start(queue.clone(), handler, settings());
    emptied(&queue).await;
    assert_eq!(worker.tally.read().of("transient"), 4);
    let letter = letters(&dlq).await.remove(0);
    assert_eq!((letter.body.as_str(), reason(&letter)), (event("user-0").as_str(), "attempts_exhausted"));
    let history = &letter.attributes["failure.history"].value;
    assert_eq!(history.split(' ').filter(|failure| failure.starts_with("transient@")).count(), 4, "{history}");
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_across_workers_and_nothing_else_is() {
    let dlq = MemoryQueue::new("work-dlq", VISIBILITY);
    let queue = MemoryQueue::with_dlq("work", VISIBILITY, &dlq, 100);
    let ledger = MemoryLedger::default();
    send_events(&queue, 1);
    let settings = settings().with_max_attempts(Some(3));
    for _ in 0..2 {
        // Two receives a round that are not the message's fault: a deploy gives it back, an outage hides it.
        let given_back = queue.receive(1, HOUR).await.expect("an answer").remove(0);
        queue.hide(vec![Hide { receipt: given_back.receipt, delay: Duration::ZERO }]).await;
        let down = || HandlerError::unavailable("test", "");
        let worker = Running::with_ledger(queue.clone(), says(down), settings, ledger.clone());
        worker.counted("unavailable", 1).await;
        worker.stopped().await;
        let worker = Running::with_ledger(queue.clone(), says(transient), settings, ledger.clone());
        worker.counted("transient", 1).await;
        worker.stopped().await;
    }
    assert_eq!(dlq.depth(), EMPTY, "two failures of three");
    let _worker = Running::with_ledger(queue.clone(), says(transient), settings, ledger);
    emptied(&queue).await;
    let letter = letters(&dlq).await.remove(0);
    let history = &letter.attributes["failure.history"].value;
    assert_eq!((reason(&letter), history.matches("transient@").count()), ("attempts_exhausted", 3));
    let receives: u32 = letter.attributes["failure.attempts"].value.parse().expect("a number");
    assert!(receives >= 7, "received more often than it failed: {receives}");
}

#[tokio::test(start_paused = true)]
async fn without_a_count_the_last_receive_that_the_queue_allows_is_the_last_attempt() {
    let (queue, dlq) = queue_and_dlq();
    send_events(&queue, 1);
    let _worker = Running::of(Worker::new(queue.clone(), Reaction::atomic(says(transient), TIMEOUT), settings()));
    emptied(&queue).await;
    let letter = letters(&dlq).await.remove(0);
    assert_eq!((reason(&letter), letter.attributes["failure.attempts"].value.as_str()), ("attempts_exhausted", "5"));
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_is_quarantined_with_its_reason_on_the_first_receive() {
    let (queue, dlq) = queue_and_dlq();
    send_events(&queue, 1);
    let broken = || HandlerError::Permanent { reason: "no_such_plan", detail: "for the log".to_owned() };
    let (handler, mut calls) = failing(broken);
    let _worker = Running::start(queue.clone(), handler, settings());
    emptied(&queue).await;
    let letters = letters(&dlq).await;
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(letter.body.as_str(), event("user-0"));
    let told = ["reason", "handler", "attempts", "source_queue"]
        .map(|name| &letter.attributes[&format!("failure.{name}")].value);
    assert_eq!(told, ["no_such_plan", "does", "1", "work"]);
    assert!(calls.recv().await.is_some() && calls.try_recv().is_err(), "called once");
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_body_is_quarantined_and_its_neighbours_are_done() {
    let (queue, dlq) = queue_and_dlq();
    send_events(&queue, 4);
    send(&queue, "<xml/>");
    send_events(&queue, 9);
    let calls = Arc::default();
    let worker = Running::start(queue.clone(), counting(&calls), settings().with_concurrency(10));
    emptied(&queue).await;
    let letters = letters(&dlq).await;
    assert_eq!((letters.len(), reason(&letters[0]), letters[0].body.as_str()), (1, "not_json", "<xml/>"));
    assert_eq!((calls.load(Ordering::SeqCst), worker.tally.read().of("refused")), (9, 1));
}

#[tokio::test(start_paused = true)]
async fn without_a_dlq_what_will_never_succeed_is_left_to_the_queue() {
    let queue = MemoryQueue::new("without-dlq", VISIBILITY);
    send(&queue, "<xml/>");
    let worker = Running::start(queue.clone(), counting(&Arc::default()), settings());
    let started = Instant::now();
    worker.counted("refused", 3).await;
    assert!(started.elapsed() >= 2 * VISIBILITY, "it comes again by its visibility, {:?}", started.elapsed());
    assert_eq!(queue.depth(), Depth { visible: 0, in_flight: 1 });
}

#[tokio::test(start_paused = true)]
async fn the_original_is_deleted_only_after_its_letter_was_taken() {
    let (queue, dlq) = queue_and_dlq();
    send(&queue, "<xml/>");
    let tapped = Tapped::new(&queue);
    // Each is tried four times before the message is shown again.
    tapped.tap.failing_letters.store(8, Ordering::SeqCst);
    let worker = Running::start(tapped.clone(), counting(&Arc::default()), settings());
    worker.counted("refused", 2).await;
    assert_eq!((tapped.deletes().len(), dlq.depth()), (0, EMPTY));
    emptied(&queue).await;
    assert_eq!((tapped.attempts(), letters(&dlq).await.len()), (vec![1, 2, 3], 1));
}

#[tokio::test(start_paused = true)]
async fn other_teams_events_are_ignored_or_quarantined_by_the_setting() {
    for (unknown_events, letters_left) in [(UnknownEvents::Ignore, 0), (UnknownEvents::Quarantine, 1)] {
        let (queue, dlq) = queue_and_dlq();
        let calls = Arc::default();
        send(&queue, r#"{"type":"invoice.paid","userId":"1"}"#);
        let _worker = Running::start(queue.clone(), counting(&calls), settings().with_unknown_events(unknown_events));
        emptied(&queue).await;
        let letters = letters(&dlq).await;
        assert_eq!((calls.load(Ordering::SeqCst), letters.len()), (0, letters_left), "{unknown_events:?}");
        assert!(letters.iter().all(|letter| reason(letter) == "unknown_type"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_that_the_carriers_stands_in_for_is_counted_and_one_that_is_left_out_is_not() {
    let (queue, _dlq) = queue_and_dlq();
    for (n, time) in
        [r#""no time""#, r#""2999-01-01T00:00:00Z""#, "null", r#""2026-01-02T03:04:05Z""#].iter().enumerate()
    {
        let body =
            format!(r#"{{"type":"user.signed_up","userId":"u{n}","email":"u{n}@example.com","timestamp":{time}}}"#);
        send(&queue, &body);
    }
    let worker = Running::start(queue.clone(), Does(|_| async { Ok(()) }), settings());
    emptied(&queue).await;
    assert_eq!((worker.tally.read().of("done"), worker.tally.read().stand_in_time), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_is_handled_and_counted() {
    let (queue, _dlq) = queue_and_dlq();
    send(&queue, &event("user-1").replace(r#""version":"2""#, r#""version":"7","new":{"a":[1]}"#));
    let worker = Running::start(queue.clone(), counting(&Arc::default()), settings());
    emptied(&queue).await;
    assert_eq!((worker.tally.read().of("done"), worker.tally.read().newer_version), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn one_user_ordered_twice_with_other_content_is_a_conflict_and_quarantined() {
    let (queue, dlq) = queue_and_dlq();
    let calls = Arc::default();
    send(&queue, &event("user-1"));
    send(&queue, &event("user-1").replace("user-1@example.com", "other@example.com"));
    let _worker = Running::start(queue.clone(), counting(&calls), settings());
    emptied(&queue).await;
    let letters = letters(&dlq).await;
    assert_eq!((calls.load(Ordering::SeqCst), letters.len(), reason(&letters[0])), (1, 1, "conflict"));
}

#[tokio::test(start_paused = true)]
async fn copies_of_one_event_are_handled_once_even_while_the_first_is_at_it() {
    let (queue, _dlq) = queue_and_dlq();
    let calls = Arc::new(AtomicUsize::new(0));
    let leave = Arc::new(Barrier::new(2));
    let handler = {
        let (calls, leave) = (calls.clone(), leave.clone());
        Does(move |_| {
            let leave = leave.clone();
            calls.fetch_add(1, Ordering::SeqCst);
            async move {
                leave.wait().await;
                Ok(())
            }
        })
    };
    (0..3).for_each(|_| send(&queue, &event("user-1")));
    let worker = Running::start(queue.clone(), handler, settings().with_concurrency(3));
    worker.counted("busy", 2).await;
    leave.wait().await;
    emptied(&queue).await;
    assert_eq!((calls.load(Ordering::SeqCst), worker.tally.read().of("duplicate")), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_panicking_handler_costs_one_attempt_and_the_worker_lives() {
    let (queue, _dlq) = queue_and_dlq();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let handler = Does(move |_| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move { if call == 0 { panic_any("a bug") } else { Ok(()) } }
    });
    send_events(&queue, 2);
    let tapped = Tapped::new(&queue);
    let worker = Running::start(tapped.clone(), handler, settings());
    emptied(&queue).await;
    let tally = worker.tally.read();
    assert_eq!((tally.of("panicked"), tally.of("done"), calls.load(Ordering::SeqCst)), (1, 2, 3));
    assert_eq!(tapped.attempts().iter().max(), Some(&2));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_overruns_its_timeout_is_retried() {
    let (queue, _dlq) = queue_and_dlq();
    let (called, mut calls) = mpsc::unbounded_channel();
    let is_first = AtomicBool::new(true);
    let handler = Does(move |_| {
        called.send(Instant::now()).unwrap();
        let is_first = is_first.swap(false, Ordering::SeqCst);
        async move { if is_first { pending().await } else { Ok(()) } }
    });
    send_events(&queue, 1);
    let worker = Running::start(queue.clone(), handler, settings());
    emptied(&queue).await;
    let (first, second) = (calls.recv().await.unwrap(), calls.recv().await.unwrap());
    assert!((TIMEOUT + seconds(1)..TIMEOUT + seconds(11)).contains(&(second - first)), "{:?}", second - first);
    assert_eq!(worker.tally.read().of("timed_out"), 1);
}

/// Crosses the fence, then panics: it may have sent.
struct Vanishes(Arc<AtomicUsize>);

impl Handler for Vanishes {
    type Event = UserSignedUp;
    const NAME: &'static str = "vanishes";

    async fn handle(&self, _event: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        let _: Crossing = fence.cross().await?;
        self.0.fetch_add(1, Ordering::SeqCst);
        panic_any("between fence and record");
    }
}

#[tokio::test(start_paused = true)]
async fn a_send_whose_end_is_unknown_is_repeated_at_most_max_sends_times_then_quarantined() {
    for max_sends in [1, 2] {
        let (queue, dlq) = queue_and_dlq();
        let sends = Arc::new(AtomicUsize::new(0));
        send_events(&queue, 1);
        let terms = terms().on_ambiguous(OnAmbiguous::ResendUpTo(max_sends));
        let started = Instant::now();
        let worker = Running::with_terms(queue.clone(), Vanishes(sends.clone()), settings(), terms);
        emptied(&queue).await;
        assert_eq!(sends.load(Ordering::SeqCst), max_sends as usize);
        assert_eq!(worker.tally.read().of("outcome_unknown"), u64::from(max_sends));
        assert_eq!(reason(&letters(&dlq).await[0]), "outcome_unknown");
        assert!(started.elapsed() >= max_sends * VISIBILITY, "each time its visibility ran out first");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_beside_which_no_reason_fits_is_quarantined_without_one_on_its_first_receive() {
    let (queue, dlq) = queue_and_dlq();
    let noise: String = std::iter::repeat_with(|| fastrand::char('!'..='~')).take(MAX_MESSAGE_BYTES).collect();
    send(&queue, &noise);
    let _worker = Running::start(queue.clone(), says(transient), settings());
    emptied(&queue).await;
    let letter = letters(&dlq).await.remove(0);
    assert_eq!((letter.body.as_str() == noise, letter.attributes.len(), letter.moved_by_queue), (true, 0, false));
}

#[tokio::test(start_paused = true)]
async fn a_dlq_that_takes_less_gets_the_letter_packed_and_what_is_too_large_even_so_stays_with_the_queue() {
    let (queue, dlq) = queue_and_dlq();
    dlq.set_max_bytes(1_500);
    let (plain, dense) =
        ("x".repeat(4_000), std::iter::repeat_with(fastrand::alphanumeric).take(4_000).collect::<String>());
    send(&queue, &plain);
    send(&queue, &dense);
    let worker = Running::start(queue.clone(), says(transient), settings());
    emptied(&queue).await;
    let mut letters = letters(&dlq).await;
    letters.sort_by_key(|letter| letter.body.as_str().len());
    let [packed, moved] = &letters[..] else { panic!("{letters:?}") };
    let (body, attributes) = (packed.body.as_str().to_owned(), packed.attributes.clone());
    let letter = DeadLetter { body, attributes, ..DeadLetter::default() };
    assert_eq!((letter.reason(), letter.original().expect("ours").0), ("not_json", plain));
    assert_eq!((moved.body.as_str(), moved.moved_by_queue), (&*dense, true), "by the queue's own redrive");
    assert_eq!(worker.tally.read().of("refused"), 6, "one once, the other as often as the queue shows it");
}
