//! What happened goes on record however long the ledger is away; and on its last receive no message is given back.

use ::engine::testing::Away;
use user_events::idempotency::{Begin, Claim, Key, Lease, LedgerError, OnAmbiguous, Release, Request, Setbacks};

use super::*;

/// Effects take so long behind the fence.
struct Takes {
    time: Duration,
    effects: Arc<AtomicUsize>,
    /// Met when the effect has happened.
    done: Option<Arc<Barrier>>,
}

impl Handler for Takes {
    type Event = UserSignedUp;
    const NAME: &'static str = "takes";

    async fn handle(&self, _event: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        let crossing = fence.cross().await?;
        tokio::time::sleep(self.time).await;
        self.effects.fetch_add(1, Ordering::SeqCst);
        if let Some(done) = &self.done {
            done.wait().await;
        }
        Ok(Handled::done(crossing))
    }

    fn limit_behind_the_fence(&self) -> Option<Duration> {
        Some(seconds(600))
    }
}

fn takes(time: Duration) -> (Takes, Arc<AtomicUsize>) {
    let effects = Arc::new(AtomicUsize::new(0));
    (Takes { time, effects: effects.clone(), done: None }, effects)
}

/// A queue whose DLQ takes what was received so often.
fn queue_of(receives: u32) -> (MemoryQueue, MemoryQueue) {
    let dlq = MemoryQueue::new("work-dlq", VISIBILITY);
    (MemoryQueue::with_dlq("work", VISIBILITY, &dlq, receives), dlq)
}

/// Another worker's claim on it.
async fn claimed(ledger: &MemoryLedger, handler: &impl Handler<Event = UserSignedUp>, terms: &Terms) -> Lease {
    fn key<H: Handler>(_: &H) -> Key {
        Key::new(H::NAME, "user-1")
    }
    let address = "user-1@example.com".parse().unwrap();
    let request = Request {
        key: key(handler),
        fingerprint: handler.fingerprint(&UserSignedUp::new("user-1".parse().unwrap(), address, None)),
        message_id: "another".to_owned(),
        ledger_failed_ago: Some(Duration::ZERO),
    };
    match ledger.claim(&request, "another", terms).await {
        Ok(Claim::Acquired(lease)) => lease,
        other => panic!("{other:?}"),
    }
}

/// A worker whose first effect has happened just after its ledger went away: it is on no record yet.
async fn effect_without_a_ledger(
    queue: &MemoryQueue,
    terms: Terms,
    settings: Settings,
) -> (Running, Away<MemoryLedger>, Arc<AtomicUsize>) {
    let (ledger, done) = (Away::<MemoryLedger>::default(), Arc::new(Barrier::new(2)));
    let (handler, effects) = takes(seconds(1));
    let handler = Takes { done: Some(done.clone()), ..handler };
    send(queue, &event("user-1"));
    let reaction = Reaction::recorded(handler, ledger.clone(), terms, TIMEOUT);
    let worker = Running::of(Worker::new(queue.clone(), reaction, settings));
    tokio::time::sleep(seconds(5)).await;
    ledger.goes_away(1000 * HOUR);
    done.wait().await;
    (worker, ledger, effects)
}

fn side_by_side() -> Settings {
    settings().with_concurrency(10)
}

#[tokio::test(start_paused = true)]
async fn five_copies_of_an_event_whose_handler_takes_four_minutes_make_one_effect_and_no_letter() {
    for receives in [1, 2, 5, 100] {
        let (queue, dlq) = queue_of(receives);
        let ((handler, effects), tapped) = (takes(seconds(240)), Tapped::new(&queue));
        (0..5).for_each(|_| send(&queue, &event("user-1")));
        let worker = Running::start(tapped.clone(), handler, side_by_side());
        emptied(&queue).await;
        assert_eq!((effects.load(Ordering::SeqCst), dlq.depth()), (1, EMPTY), "{receives} receives");
        assert_eq!(worker.tally.read().of("duplicate"), 4);
        // Hidden for what is left of its holder's claim, 25 to 45 s, then for twice that, four times, eight times.
        assert!(tapped.attempts().iter().all(|attempt| *attempt <= 5), "{:?}", tapped.attempts());
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_whose_holder_never_ends_is_held_for_a_quarter_of_an_hour_and_then_says_so() {
    let (queue, dlq) = queue_of(1);
    let ledger = MemoryLedger::default();
    let (handler, effects) = takes(seconds(1));
    // Somebody else has the claim, and renews it for ever.
    claimed(&ledger, &handler, &Terms::new(HOUR, HOUR)).await;
    send(&queue, &event("user-1"));
    let (began, _worker) = (Instant::now(), Running::with_ledger(queue.clone(), handler, settings(), ledger));
    emptied(&queue).await;
    let held = began.elapsed();
    assert!((seconds(890)..seconds(960)).contains(&held), "{held:?}");
    assert_eq!((reason(&letters(&dlq).await[0]), effects.load(Ordering::SeqCst)), ("busy_too_long", 0));
}

#[tokio::test(start_paused = true)]
async fn an_effect_whose_ledger_is_away_for_ten_minutes_is_recorded_and_happens_once() {
    let (queue, dlq) = queue_of(2);
    let (worker, ledger, effects) = effect_without_a_ledger(&queue, terms(), settings()).await;
    tokio::time::sleep(seconds(600)).await;
    assert_eq!(queue.depth().in_flight, 1, "held, and on no record yet");
    ledger.comes_back();
    emptied(&queue).await;
    send(&queue, &event("user-1"));
    emptied(&queue).await;
    let count = worker.tally.read();
    assert_eq!((count.of("done"), count.of("duplicate"), count.of("done_unrecorded")), (1, 1, 0));
    assert_eq!((effects.load(Ordering::SeqCst), dlq.depth()), (1, EMPTY));
}

#[tokio::test(start_paused = true)]
async fn a_copy_in_hand_does_not_overtake_a_record_that_waited_for_the_ledger_longer_than_its_claim_lasts() {
    for max_sends in [1, 2] {
        let (queue, dlq) = queue_of(5);
        let terms = terms().on_ambiguous(OnAmbiguous::ResendUpTo(max_sends));
        let (worker, ledger, effects) = effect_without_a_ledger(&queue, terms, side_by_side()).await;
        send(&queue, &event("user-1"));
        tokio::time::sleep(3 * LEASE).await;
        ledger.comes_back();
        emptied(&queue).await;
        let count = worker.tally.read();
        assert_eq!((effects.load(Ordering::SeqCst), dlq.depth()), (1, EMPTY), "{max_sends} sends: {count:?}");
        assert_eq!((count.of("done"), count.of("duplicate")), (1, 1));
    }
}

/// A ledger that is well, and answers after a while, as one behind a network does.
#[derive(Default)]
pub(super) struct Remoter(MemoryLedger);

impl Ledger for Remoter {
    const SERVER: &'static str = MemoryLedger::SERVER;

    async fn claim(&self, request: &Request, token: &str, terms: &Terms) -> Result<Claim, LedgerError> {
        self.0.claim(request, token, terms).await
    }

    async fn begin(&self, lease: &Lease, terms: &Terms) -> Result<Begin, LedgerError> {
        self.0.begin(lease, terms).await
    }

    async fn renew(&self, lease: &Lease, terms: &Terms) -> Result<bool, LedgerError> {
        self.0.renew(lease, terms).await
    }

    async fn commit(&self, lease: &Lease, receipt: &str, terms: &Terms) -> Result<(), LedgerError> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.0.commit(lease, receipt, terms).await
    }

    async fn release(&self, lease: &Lease, why: Release<'_>) -> Result<Setbacks, LedgerError> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.0.release(lease, why).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        self.0.ping().await
    }
}

#[tokio::test(start_paused = true)]
async fn an_effect_in_a_stops_last_moments_is_recorded_where_the_ledger_is_well() {
    let (queue, _dlq) = queue_of(5);
    let (handler, effects) = takes(seconds(20));
    send(&queue, &event("user-1"));
    // Its effect happens a second before the time is up.
    let settings = settings().with_shutdown(seconds(16));
    let worker = Running::with_ledger(queue.clone(), handler, settings, Remoter::default());
    tokio::time::sleep(seconds(5)).await;
    let tally = worker.tally.clone();
    let summary = worker.stopped().await;
    assert_eq!((summary.abandoned, tally.read().of("done"), tally.read().of("done_unrecorded")), (0, 1, 0));
    assert_eq!((effects.load(Ordering::SeqCst), queue.depth()), (1, EMPTY));
}

#[tokio::test(start_paused = true)]
async fn a_stop_whose_time_ends_while_the_ledger_is_away_deletes_what_happened_and_says_that_it_is_on_no_record() {
    let (queue, _dlq) = queue_of(5);
    let settings = settings().with_shutdown(seconds(20));
    let (worker, _ledger, effects) = effect_without_a_ledger(&queue, terms(), settings).await;
    let (tally, began) = (worker.tally.clone(), Instant::now());
    let summary = worker.stopped().await;
    assert_eq!((summary.abandoned, tally.read().of("done_unrecorded")), (0, 1));
    assert!(began.elapsed() < seconds(20), "within its time: {:?}", began.elapsed());
    assert_eq!((effects.load(Ordering::SeqCst), queue.depth()), (1, EMPTY), "kept, it would happen again");
}

#[tokio::test(start_paused = true)]
async fn a_message_on_its_last_receive_waits_for_its_ledger_and_then_says_what_was_missing() {
    for (minutes, outcome) in [(10, None), (60, Some("unavailable"))] {
        let (queue, dlq) = queue_of(1);
        let ledger = Away::<MemoryLedger>::default();
        let (handler, effects) = takes(seconds(1));
        let worker = Running::with_ledger(queue.clone(), handler, settings(), ledger.clone());
        tokio::time::sleep(seconds(1)).await;
        ledger.goes_away(1000 * HOUR);
        send(&queue, &event("user-1"));
        tokio::time::sleep(seconds(60 * minutes)).await;
        ledger.comes_back();
        emptied(&queue).await;
        let letters = letters(&dlq).await;
        assert_eq!(letters.first().map(reason), outcome);
        assert_eq!(effects.load(Ordering::SeqCst), usize::from(outcome.is_none()));
        drop(worker);
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_was_lost_asks_the_record_and_costs_no_receive() {
    for is_done in [true, false] {
        let (queue, dlq) = queue_of(2);
        let (tapped, remote) = (Tapped::new(&queue), Away::<MemoryLedger>::default());
        let runs = Arc::new(AtomicUsize::new(0));
        // Its first run hangs, the next one is well.
        let handler = Does({
            let runs = runs.clone();
            move |_| {
                let is_first = runs.fetch_add(1, Ordering::SeqCst) == 0;
                async move { if is_first { std::future::pending().await } else { Ok(()) } }
            }
        });
        send(&queue, &event("user-1"));
        let stranger = counting(&runs);
        let short = Terms::new(seconds(20), HOUR);
        let reaction = Reaction::recorded(handler, remote.clone(), short, HOUR);
        let worker = Running::of(Worker::new(tapped.clone(), reaction, settings()));
        tokio::time::sleep(seconds(1)).await;
        // While the ledger was away the claim ran out; somebody else took it.
        remote.goes_away(1000 * HOUR);
        tokio::time::sleep(seconds(21)).await;
        let lease = claimed(&remote.ledger, &stranger, &terms()).await;
        if is_done {
            remote.ledger.commit(&lease, "", &terms()).await.expect("in memory");
        } else {
            remote.ledger.release(&lease, Release::Uncounted).await.expect("in memory");
        }
        remote.comes_back();
        emptied(&queue).await;
        let expected = if is_done { "duplicate" } else { "done" };
        assert_eq!(worker.tally.read().of(expected), 1, "{:?}", worker.tally.read());
        assert_eq!(runs.load(Ordering::SeqCst), if is_done { 1 } else { 2 });
        assert_eq!((tapped.attempts(), dlq.depth()), (vec![1], EMPTY));
    }
}
