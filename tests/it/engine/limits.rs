//! How long a run may take: on the way to the fence, without the time spent connecting, and behind it.

use super::*;

/// Takes its time on the way to the fence, at the fence, and behind it.
struct Slow {
    connecting: Duration,
    before: Duration,
    behind: Duration,
    limit: Option<Duration>,
    sends: Arc<AtomicUsize>,
}

impl Handler for Slow {
    type Event = UserSignedUp;
    const NAME: &'static str = "slow";

    async fn handle(&self, _event: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        fence.uncounted(tokio::time::sleep(self.connecting)).await;
        tokio::time::sleep(self.before).await;
        let crossing = fence.cross().await?;
        self.sends.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.behind).await;
        Ok(Handled::done(crossing))
    }

    fn limit_behind_the_fence(&self) -> Option<Duration> {
        self.limit
    }
}

#[tokio::test(start_paused = true)]
async fn a_scanner_that_answers_the_dot_after_eight_minutes_gets_one_mail_and_one_send() {
    let sends = Arc::new(AtomicUsize::new(0));
    let (queue, dlq) = queue_and_dlq();
    let tapped = Tapped::new(&queue);
    send_events(&queue, 1);
    let limit = Some(seconds(630));
    let slow = Slow { connecting: seconds(50), before: seconds(20), behind: seconds(480), limit, sends: sends.clone() };
    let worker = Running::start(tapped.clone(), slow, settings());
    emptied(&queue).await;
    assert_eq!((worker.tally.read().of("done"), sends.load(Ordering::SeqCst)), (1, 1));
    assert_eq!((tapped.attempts(), dlq.depth()), (vec![1], EMPTY));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_behind_the_fence_is_cut_and_its_slot_is_free() {
    let sends = Arc::new(AtomicUsize::new(0));
    let (queue, _dlq) = queue_and_dlq();
    send_events(&queue, 1);
    let hangs = Slow { connecting: seconds(0), before: TIMEOUT - seconds(1), behind: HOUR * 24, limit: None, sends };
    let started = Instant::now();
    let worker = Running::start(queue.clone(), hangs, settings());
    worker.counted("outcome_unknown", 1).await;
    // As long behind the fence as before it, counted anew.
    let cut = started.elapsed();
    assert!((2 * TIMEOUT - seconds(1)..2 * TIMEOUT + seconds(1)).contains(&cut), "{cut:?}");
    assert_eq!(worker.stopped().await.abandoned, 0, "nothing runs any more");
}

#[tokio::test(start_paused = true)]
async fn the_time_spent_connecting_is_not_the_events() {
    let sends = Arc::new(AtomicUsize::new(0));
    let (queue, _dlq) = queue_and_dlq();
    send_events(&queue, 1);
    let slow = Slow { connecting: 3 * TIMEOUT, before: seconds(1), behind: seconds(1), limit: None, sends };
    let worker = Running::start(queue.clone(), slow, settings());
    emptied(&queue).await;
    assert_eq!((worker.tally.read().of("done"), worker.tally.read().of("timed_out")), (1, 0));
}
