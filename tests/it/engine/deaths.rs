//! A worker dies at its message again and again: the message is stopped, unless the ledger was away each time.

use ::engine::testing::Away;

use super::*;

/// One message on a queue that is patient; five workers die at it, one after the other. If `goes_away`, the ledger
/// goes first, and comes back two minutes after the next worker has started. Answers a worker that would do it.
async fn five_deaths(goes_away: bool) -> (Running, Arc<AtomicUsize>, MemoryQueue) {
    let dlq = MemoryQueue::new("work-dlq", VISIBILITY);
    let queue = MemoryQueue::with_dlq("work", VISIBILITY, &dlq, 100);
    send_events(&queue, 1);
    let (remote, entered) = (Away::<MemoryLedger>::default(), Arc::new(Barrier::new(2)));
    let return_of_the_ledger = async || {
        tokio::time::sleep(seconds(120)).await;
        remote.comes_back();
    };
    // While the ledger's return is waited for, runs time out: that is not what this is about.
    let settings = settings().with_max_attempts(Some(99));
    for _ in 0..5 {
        let worker = Running::with_ledger(queue.clone(), never_leaving(&entered), settings, remote.clone());
        return_of_the_ledger().await;
        entered.wait().await;
        if goes_away {
            remote.goes_away(1000 * HOUR);
        }
        worker.task.abort();
    }
    let calls = Arc::default();
    let worker = Running::with_ledger(queue, counting(&calls), settings, remote.clone());
    return_of_the_ledger().await;
    (worker, calls, dlq)
}

#[tokio::test(start_paused = true)]
async fn the_sixth_worker_does_not_touch_what_five_died_of() {
    let (worker, calls, dlq) = five_deaths(false).await;
    worker.counted("kills_its_worker", 1).await;
    let letters = letters(&dlq).await;
    assert_eq!(letters.iter().map(reason).collect::<Vec<_>>(), ["kills_its_worker"]);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_is_not_blamed_for_claims_that_a_ledger_gone_away_let_run_out() {
    let (worker, calls, dlq) = five_deaths(true).await;
    worker.counted("done", 1).await;
    assert_eq!((calls.load(Ordering::SeqCst), dlq.depth()), (1, EMPTY));
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_lost_before_the_fence_again_and_again_is_not_blamed_for_a_death() {
    let dlq = MemoryQueue::new("work-dlq", VISIBILITY);
    let queue = MemoryQueue::with_dlq("work", VISIBILITY, &dlq, 100);
    // No heartbeat gets through: each run is cut when its message is shown to others.
    queue.set_faults(|call| (call == Call::Extend).then_some(Fault::Throttled));
    send_events(&queue, 1);
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let handler = Does(move |_| {
        let is_slow = counted.fetch_add(1, Ordering::SeqCst) < 8;
        async move {
            if is_slow {
                tokio::time::sleep(10 * VISIBILITY).await;
            }
            Ok(())
        }
    });
    let reaction = Reaction::recorded(handler, MemoryLedger::default(), terms(), 20 * VISIBILITY);
    let worker = Running::of(Worker::new(queue.clone(), reaction, settings()));
    worker.counted("done", 1).await;
    assert_eq!((worker.tally.read().of("lease_lost"), dlq.depth()), (8, EMPTY));
}
