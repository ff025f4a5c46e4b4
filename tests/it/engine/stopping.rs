//! Told to stop: nothing more is taken, what runs is finished, the rest is given back, all in good time.

use super::*;

#[tokio::test(start_paused = true)]
async fn in_flight_work_finishes_after_stop() {
    let (queue, _dlq) = queue_and_dlq();
    send_events(&queue, 2);
    let held = Held::new();
    let worker = Running::start(queue.clone(), held.handler(), settings());
    held.entered.wait().await;
    worker.stop.cancel();
    held.leave.wait().await;
    let summary = worker.stopped().await;
    assert_eq!(summary, Summary { drained: 1, returned: 0, abandoned: 0 });
    assert_eq!(queue.depth(), Depth { visible: 1, in_flight: 0 }, "the next was not taken");
}

#[tokio::test(start_paused = true)]
async fn what_the_last_receive_brought_is_given_back_unworked() {
    let (queue, _dlq) = queue_and_dlq();
    let tapped = Tapped::new(&queue);
    let calls = Arc::default();
    let worker = Running::start(tapped.clone(), counting(&calls), settings().with_concurrency(10));
    eventually("a long poll", seconds(1), async || tapped.receives().first().copied()).await;
    worker.stop.cancel();
    send_events(&queue, 3);
    assert_eq!(worker.stopped().await, Summary { drained: 0, returned: 3, abandoned: 0 });
    assert_eq!(queue.depth(), Depth { visible: 3, in_flight: 0 });
    assert_eq!((calls.load(Ordering::SeqCst), tapped.attempts()), (0, vec![1, 1, 1]));
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_stops_when_its_long_poll_ends() {
    let (queue, _dlq) = queue_and_dlq();
    let tapped = Tapped::new(&queue);
    let worker = Running::start(tapped.clone(), counting(&Arc::default()), settings());
    eventually("a long poll", seconds(1), async || tapped.receives().first().copied()).await;
    let told = Instant::now();
    worker.stopped().await;
    assert!(told.elapsed() <= settings().wait, "{:?}", told.elapsed());
    assert_eq!(tapped.receives().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_outlives_the_shutdown_time_is_abandoned_and_its_message_not_deleted() {
    let (queue, _dlq) = queue_and_dlq();
    send_events(&queue, 1);
    let held = Held::new();
    let tapped = Tapped::new(&queue);
    let worker = Running::start(tapped.clone(), held.handler(), settings().with_shutdown(seconds(10)));
    held.entered.wait().await;
    let told = Instant::now();
    assert_eq!(worker.stopped().await, Summary { drained: 0, returned: 0, abandoned: 1 });
    assert!(told.elapsed() <= seconds(11), "{:?}", told.elapsed());
    let again = queue.receive(1, VISIBILITY).await.expect("an answer");
    assert_eq!((again[0].attempt.get(), tapped.deletes().len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_answer_does_not_hold_up_the_end() {
    let (queue, _dlq) = queue_and_dlq();
    send_events(&queue, 1);
    let entered = Arc::new(Barrier::new(2));
    queue.set_faults(|call| (call == Call::Extend).then_some(Fault::Slow(HOUR)));
    let worker = Running::start(queue.clone(), never_leaving(&entered), settings().with_shutdown(seconds(21)));
    entered.wait().await;
    // The first heartbeat hangs by then.
    tokio::time::sleep(seconds(25)).await;
    let told = Instant::now();
    assert_eq!(worker.stopped().await, Summary { drained: 0, returned: 0, abandoned: 1 });
    assert!(told.elapsed() <= seconds(25), "{:?}", told.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_shutdown_time_counts_from_stop_though_a_long_poll_is_waited_for() {
    let (queue, _dlq) = queue_and_dlq();
    let tapped = Tapped::new(&queue);
    let entered = Arc::new(Barrier::new(2));
    let handler = never_leaving(&entered);
    send_events(&queue, 1);
    let settings = settings().with_concurrency(2).with_shutdown(seconds(21));
    let worker = Running::start(tapped.clone(), handler, settings);
    entered.wait().await;
    eventually("a long poll beside it", seconds(1), async || tapped.receives().get(1).copied()).await;
    let told = Instant::now();
    worker.stopped().await;
    assert!(told.elapsed() <= settings.shutdown + seconds(1), "{:?}", told.elapsed());
}

#[tokio::test(start_paused = true)]
async fn stop_is_heard_while_a_failing_receive_is_waited_out() {
    let (queue, _dlq) = queue_and_dlq();
    let tapped = Tapped::new(&queue);
    tapped.fail_receives(1000, QueueError::Unavailable("test".to_owned()));
    let worker = Running::start(tapped.clone(), counting(&Arc::default()), settings());
    eventually("many failures", HOUR, async || tapped.receives().get(20).copied()).await;
    let told = Instant::now();
    worker.stopped().await;
    assert!(told.elapsed() < Duration::from_millis(100), "{:?}", told.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_was_done_is_deleted_before_the_worker_has_stopped() {
    let (queue, _dlq) = queue_and_dlq();
    send_events(&queue, 50);
    let calls: Arc<AtomicUsize> = Arc::default();
    let worker = Running::start(queue.clone(), counting(&calls), settings().with_concurrency(7));
    worker.counted("done", 20).await;
    let summary = worker.stopped().await;
    let depth = queue.depth();
    assert_eq!(depth.visible, 50 - calls.load(Ordering::SeqCst), "{summary}");
    assert_eq!((depth.in_flight, summary.abandoned), (0, 0));
}
