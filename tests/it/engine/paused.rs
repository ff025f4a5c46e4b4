//! Paused by a person: nothing is received, what was received is worked on, and the end comes by itself.

use user_events::event::Timestamp;
use user_events::worker::{Pause, PauseSwitch};

use super::*;

fn pause(length: Duration) -> Option<Pause> {
    let since = Timestamp::now();
    let until = Timestamp::from_unix_millis(since.unix_millis() + i64::try_from(length.as_millis()).unwrap()).unwrap();
    Some(Pause { by: "the on-call".to_owned(), why: "a deploy".to_owned(), since, until })
}

/// A queue, its tap, a worker that counts, its calls and its switch.
fn stage() -> (Tapped, Arc<AtomicUsize>, PauseSwitch, Running) {
    let (queue, _dlq) = queue_and_dlq();
    let (tapped, calls, switch) = (Tapped::new(&queue), Arc::default(), PauseSwitch::default());
    let reaction = Reaction::atomic(counting(&calls), TIMEOUT);
    let worker = Worker::new(tapped.clone(), reaction, settings()).paused_by(&switch);
    (tapped, calls, switch, Running::of(worker))
}

#[tokio::test(start_paused = true)]
async fn an_open_receive_is_the_last_one_until_a_person_ends_the_pause() {
    let (tapped, calls, switch, worker) = stage();
    eventually("a long poll", HOUR, async || (tapped.receives_under_way() > 0).then_some(())).await;
    switch.set(pause(24 * HOUR));
    send_events(&tapped.queue, 1);
    worker.counted("done", 1).await;

    let receives = tapped.receives().len();
    send_events(&tapped.queue, 5);
    tokio::time::sleep(HOUR).await;
    assert_eq!((tapped.receives().len(), calls.load(Ordering::SeqCst)), (receives, 1));
    assert_eq!(tapped.queue.depth(), Depth { visible: 5, in_flight: 0 });

    switch.set(None);
    worker.counted("done", 6).await;
    assert_eq!(tapped.attempts(), [1; 6], "waiting cost no receive");
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_with_an_end_is_over_by_itself_and_one_that_is_longer_replaces_it() {
    let (tapped, _calls, switch, worker) = stage();
    switch.set(pause(HOUR));
    switch.set(pause(2 * HOUR));
    send_events(&tapped.queue, 1);
    let paused = Instant::now();
    eventually("the end", 3 * HOUR, async || tapped.receives().first().copied()).await;
    assert!(paused.elapsed() >= 2 * HOUR - seconds(1), "{:?}", paused.elapsed());
    assert_eq!(switch.current(), None);
    worker.counted("done", 1).await;
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_worker_that_is_paused() {
    let (_tapped, _calls, switch, worker) = stage();
    switch.set(pause(HOUR));
    assert_eq!(worker.stopped().await, Summary { drained: 0, returned: 0, abandoned: 0 });
}
