//! While something that every message needs is down, the worker pauses: messages wait in the queue, where
//! they cost nothing, and no receive count grows towards the DLQ.

use std::sync::atomic::AtomicBool;

use super::last_words::Remoter;
use super::*;

/// Needs something that a test can take away.
struct Needs {
    dependency: Arc<Dependency>,
}

#[derive(Default)]
struct Dependency {
    is_up: AtomicBool,
    /// Answers probes although it does no work.
    answers_probes: AtomicBool,
    probes: AtomicUsize,
    handled: AtomicUsize,
}

impl Dependency {
    fn set(&self, is_up: bool) {
        self.is_up.store(is_up, Ordering::SeqCst);
    }

    fn is_up(&self) -> bool {
        self.is_up.load(Ordering::SeqCst)
    }

    fn down(&self) -> HandlerError {
        HandlerError::unavailable("test", "down")
    }

    async fn probed(&self, times: usize) {
        let until = self.probes.load(Ordering::SeqCst) + times;
        let look = async || (self.probes.load(Ordering::SeqCst) >= until).then_some(());
        eventually("the probes", HOUR, look).await;
    }
}

impl Handler for Needs {
    type Event = UserSignedUp;
    const NAME: &'static str = "needs";

    async fn handle(&self, _event: &UserSignedUp, _fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        if !self.dependency.is_up() {
            return Err(self.dependency.down());
        }
        self.dependency.handled.fetch_add(1, Ordering::SeqCst);
        Ok(Handled::Applied)
    }

    async fn probe(&self) -> Result<(), HandlerError> {
        self.dependency.probes.fetch_add(1, Ordering::SeqCst);
        let answers = self.dependency.answers_probes.load(Ordering::SeqCst);
        if answers || self.dependency.is_up() { Ok(()) } else { Err(self.dependency.down()) }
    }
}

/// Five messages, a worker with so many slots, and what it needs, which is there at the start.
fn stage(concurrency: usize, is_up: bool) -> (Tapped, Arc<Dependency>, Running) {
    let (queue, _dlq) = queue_and_dlq();
    let dependency = Arc::new(Dependency::default());
    dependency.set(is_up);
    let tapped = Tapped::new(&queue);
    let handler = Needs { dependency: dependency.clone() };
    let worker = Running::start(tapped.clone(), handler, settings().with_concurrency(concurrency));
    (tapped, dependency, worker)
}

#[tokio::test(start_paused = true)]
async fn while_a_dependency_is_down_nothing_is_received() {
    let (tapped, dependency, worker) = stage(1, true);
    eventually("the first receive", HOUR, async || tapped.receives().first().copied()).await;
    dependency.set(false);
    send_events(&tapped.queue, 5);
    worker.counted("unavailable", 1).await;
    let receives = tapped.receives().len();
    dependency.probed(1000).await;
    assert_eq!((tapped.receives().len(), tapped.attempts()), (receives, vec![1]));
    dependency.set(true);
    emptied(&tapped.queue).await;
    let mut attempts = tapped.attempts();
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 1, 1, 1, 1, 2], "one message has paid for the outage");
    assert_eq!(dependency.handled.load(Ordering::SeqCst), 5);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_slots_meet_an_outage_although_the_ledger_answers_late() {
    let (queue, _dlq) = queue_and_dlq();
    let calls = Arc::new(AtomicUsize::new(0));
    let refused = {
        let calls = calls.clone();
        Does(move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
            async { Err(HandlerError::unavailable("test", "down")) }
        })
    };
    send_events(&queue, 40);
    let worker = Running::with_ledger(queue.clone(), refused, settings().with_concurrency(10), Remoter::default());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(calls.load(Ordering::SeqCst), 10, "the breaker hears of it before a slot is free");
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn the_return_of_a_dependency_is_noticed_within_seconds() {
    let (tapped, dependency, worker) = stage(1, true);
    eventually("the first receive", HOUR, async || tapped.receives().first().copied()).await;
    dependency.set(false);
    send_events(&tapped.queue, 2);
    worker.counted("unavailable", 1).await;
    dependency.probed(100).await;
    dependency.set(true);
    let back = Instant::now();
    emptied(&tapped.queue).await;
    assert!(back.elapsed() < seconds(3), "{:?}", back.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_start_without_a_dependency_takes_nothing_until_it_is_there() {
    let (tapped, dependency, _worker) = stage(10, false);
    send_events(&tapped.queue, 5);
    dependency.probed(1000).await;
    assert_eq!(tapped.receives().len(), 0);
    dependency.set(true);
    emptied(&tapped.queue).await;
    assert_eq!(tapped.attempts(), [1; 5]);
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_answers_probes_and_does_no_work_costs_one_message_at_a_time() {
    let (tapped, dependency, worker) = stage(10, false);
    dependency.answers_probes.store(true, Ordering::SeqCst);
    eventually("the first receive", HOUR, async || tapped.receives().first().copied()).await;
    send_events(&tapped.queue, 5);
    worker.counted("unavailable", 8).await;
    let asked: Vec<_> = tapped.receives().iter().map(|(_, at_most)| *at_most).collect();
    assert!(asked[0] == 10 && asked[1..].len() >= 3 && asked[1..].iter().all(|n| *n <= 9), "{asked:?}");
    let last = &asked[asked.len() - 2..];
    assert_eq!(last, [1, 1], "{asked:?}");
    dependency.set(true);
    emptied(&tapped.queue).await;
    assert_eq!(dependency.handled.load(Ordering::SeqCst), 5);
}

#[tokio::test(start_paused = true)]
async fn a_paused_worker_stops_at_once() {
    let (tapped, dependency, worker) = stage(1, false);
    send_events(&tapped.queue, 1);
    dependency.probed(10).await;
    let told = Instant::now();
    assert_eq!(worker.stopped().await, Summary::default());
    assert!(told.elapsed() < Duration::from_millis(100), "{:?}", told.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_paused_worker_looks_alive() {
    let (_tapped, dependency, worker) = stage(1, false);
    for _ in 0..100 {
        dependency.probed(1).await;
        assert!(worker.pulse.is_alive());
    }
}

/// Three events of which the first fails once; what one right less comes to. Answers how the deliveries ended.
async fn without_a_right(denied: fn(Call) -> bool, right: &str) -> Count {
    let (queue, dlq) = queue_and_dlq();
    let (is_denied, fails) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    queue.set_faults({
        let is_denied = is_denied.clone();
        move |call| (denied(call) && is_denied.load(Ordering::SeqCst)).then_some(Fault::Denied)
    });
    let handler = Does(move |_| {
        let fails = fails.swap(false, Ordering::SeqCst);
        async move { if fails { Err(transient()) } else { Ok(()) } }
    });
    let tapped = Tapped::new(&queue);
    send_events(&queue, 3);
    let reaction = Reaction::recorded(handler, MemoryLedger::default(), terms(), TIMEOUT);
    let worker = Worker::new(tapped.clone(), reaction, settings());
    let (vitals, worker) = (worker.vitals(), Running::of(worker));
    let missing = async || vitals.missing().filter(|told| told.contains(right));
    let told = eventually("a right is missing", HOUR, missing).await;
    assert!(
        told.starts_with(&format!("paused: waiting for memory (the right to {right} is missing) since ")),
        "{told}"
    );
    let received = tapped.receives().len();
    tokio::time::sleep(seconds(900)).await;
    assert!(tapped.receives().len() <= received + 1 && worker.pulse.is_alive(), "it goes on to receive");
    assert!(vitals.is_paused() && vitals.pauses() == [("memory", 1)].into(), "{:?}", vitals.pauses());

    is_denied.store(false, Ordering::SeqCst);
    let mended = Instant::now();
    eventually("it goes on", HOUR, async || vitals.missing().is_none().then_some(())).await;
    assert!(mended.elapsed() <= seconds(31), "after {:?}", mended.elapsed());
    emptied(&queue).await;
    assert_eq!(dlq.depth(), EMPTY);
    worker.tally.read()
}

#[tokio::test(start_paused = true)]
async fn while_a_right_at_the_queue_is_missing_nothing_more_is_received_and_what_is_in_hand_comes_to_its_end() {
    let hidden = without_a_right(|call| matches!(call, Call::Hide | Call::Extend), "sqs:ChangeMessageVisibility").await;
    assert_eq!((hidden.of("transient"), hidden.of("done")), (1, 3));
    let deleted = without_a_right(|call| call == Call::Delete, "sqs:DeleteMessage").await;
    assert_eq!((deleted.of("done"), deleted.of("duplicate") > 0), (3, true), "{deleted:?}");
}
