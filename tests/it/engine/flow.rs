//! How messages flow through a worker: never more than there are slots, deletes in company, and a loop
//! that nothing ends.

use super::*;

#[tokio::test(start_paused = true)]
async fn never_more_handlers_run_than_there_are_slots_and_twice_as_many_messages_are_unsettled_at_most() {
    let (queue, _dlq) = queue_and_dlq();
    let counts = || Arc::new(AtomicUsize::new(0));
    let (together, running, most_running, most_unsettled) = (Arc::new(Barrier::new(3)), counts(), counts(), counts());
    let handler = {
        let (queue, most_running, most_unsettled) = (queue.clone(), most_running.clone(), most_unsettled.clone());
        Does(move |_| {
            most_running.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            most_unsettled.fetch_max(queue.depth().in_flight, Ordering::SeqCst);
            let (together, running) = (together.clone(), running.clone());
            async move {
                // Opens only if three are at work at once.
                together.wait().await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
        })
    };
    send_events(&queue, 30);
    let worker = Running::start(queue.clone(), handler, settings().with_concurrency(3));
    emptied(&queue).await;
    assert_eq!((most_running.load(Ordering::SeqCst), worker.tally.read().of("done")), (3, 30));
    assert!((4..=6).contains(&most_unsettled.load(Ordering::SeqCst)), "a slot is free before its message is settled");
}

#[tokio::test(start_paused = true)]
async fn a_receive_asks_for_as_many_as_there_are_free_slots() {
    let (queue, _dlq) = queue_and_dlq();
    let entered = Arc::new(Barrier::new(5));
    let handler = never_leaving(&entered);
    send_events(&queue, 4);
    let tapped = Tapped::new(&queue);
    let _worker = Running::start(tapped.clone(), handler, settings().with_concurrency(6));
    entered.wait().await;
    eventually("a second receive", seconds(1), async || tapped.receives().get(1).copied()).await;
    let asked: Vec<_> = tapped.receives().iter().map(|(_, at_most)| *at_most).collect();
    assert_eq!(asked, [6, 2]);
}

#[tokio::test(start_paused = true)]
async fn deletes_go_out_in_batches() {
    let (queue, _dlq) = queue_and_dlq();
    send_events(&queue, 100);
    let tapped = Tapped::new(&queue);
    let _worker = Running::start(tapped.clone(), counting(&Arc::default()), settings().with_concurrency(10));
    emptied(&queue).await;
    let sizes: Vec<_> = tapped.deletes().iter().map(Vec::len).collect();
    assert!(sizes.len() <= 20 && sizes.iter().all(|size| *size <= 10), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), 100);
}

#[tokio::test(start_paused = true)]
async fn deletes_a_few_milliseconds_apart_go_out_together() {
    let (queue, _dlq) = queue_and_dlq();
    send_events(&queue, 10);
    let handler = Does(async |event: UserSignedUp| {
        let n: u64 = event.user_id.as_str().trim_start_matches("user-").parse().expect("a number");
        tokio::time::sleep(Duration::from_millis(4 * n)).await;
        Ok(())
    });
    let tapped = Tapped::new(&queue);
    let _worker = Running::start(tapped.clone(), handler, settings().with_concurrency(10));
    emptied(&queue).await;
    assert_eq!(tapped.deletes().iter().map(Vec::len).collect::<Vec<_>>(), [10]);
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_fails_for_one_entry_is_retried_for_that_entry_alone() {
    let (queue, _dlq) = queue_and_dlq();
    send_events(&queue, 10);
    let tapped = Tapped::new(&queue);
    tapped.fail_deletes(2, QueueError::Unavailable("test".to_owned()));
    let calls = Arc::default();
    let _worker = Running::start(tapped.clone(), counting(&calls), settings().with_concurrency(10));
    emptied(&queue).await;
    let deletes = tapped.deletes();
    assert_eq!(deletes.iter().map(Vec::len).collect::<Vec<_>>(), [10, 1, 1]);
    assert!(deletes[1] == deletes[2] && deletes[0].ends_with(&deletes[1]), "the entry that failed");
    assert_eq!(calls.load(Ordering::SeqCst), 10);
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_delete_is_refused_comes_again_and_is_a_duplicate() {
    let (queue, _dlq) = queue_and_dlq();
    send_events(&queue, 1);
    let tapped = Tapped::new(&queue);
    tapped.fail_deletes(1, QueueError::Refused("AccessDenied".into()));
    let calls = Arc::default();
    let worker = Running::start(tapped.clone(), counting(&calls), settings());
    emptied(&queue).await;
    assert_eq!((calls.load(Ordering::SeqCst), worker.tally.read().of("duplicate")), (1, 1));
    assert_eq!(tapped.deletes().len(), 2, "what was refused is not asked again");
}

#[tokio::test(start_paused = true)]
async fn a_failing_receive_backs_off_and_never_ends_the_loop() {
    for error in [QueueError::Unavailable("test".to_owned()), QueueError::Refused("AccessDenied".into())] {
        let (queue, _dlq) = queue_and_dlq();
        send_events(&queue, 1);
        let tapped = Tapped::new(&queue);
        tapped.fail_receives(50, error);
        let _worker = Running::start(tapped.clone(), counting(&Arc::default()), settings());
        emptied(&queue).await;
        let asked: Vec<_> = tapped.receives().iter().map(|(at, _)| *at).collect();
        let gaps: Vec<_> = asked[..51].windows(2).map(|pair| pair[1] - pair[0]).collect();
        let within = Duration::from_millis(500)..=seconds(30) + Duration::from_millis(2);
        assert!(gaps.iter().all(|gap| within.contains(gap)), "{gaps:?}");
        assert!(gaps.iter().sum::<Duration>() > 5 * seconds(50), "they grow: {gaps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_slots_are_all_at_work_looks_alive() {
    let (queue, _dlq) = queue_and_dlq();
    send_events(&queue, 20);
    let handler = Does(|_| std::future::pending());
    let worker = Running::start(queue, handler, settings().with_wait(seconds(1)));
    let pulse = worker.pulse.clone();
    let busy = worker.counted("timed_out", 10);
    always_alive(&pulse, busy).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_queue_does_not_answer_looks_alive() {
    let (queue, _dlq) = queue_and_dlq();
    send_events(&queue, 1);
    let tapped = Tapped::new(&queue);
    tapped.fail_receives(100, QueueError::Unavailable("test".to_owned()));
    let worker = Running::start(tapped, counting(&Arc::default()), settings().with_wait(Duration::ZERO));
    always_alive(&worker.pulse, emptied(&queue)).await;
}

/// Looks at the pulse every second until `meanwhile` is over.
async fn always_alive<T>(pulse: &Pulse, meanwhile: impl Future<Output = T>) -> T {
    let mut meanwhile = std::pin::pin!(meanwhile);
    let mut ticks = tokio::time::interval(seconds(1));
    let started = Instant::now();
    loop {
        tokio::select! {
            over = &mut meanwhile => return over,
            _ = ticks.tick() => assert!(pulse.is_alive(), "taken for dead after {:?}", started.elapsed()),
        }
    }
}
