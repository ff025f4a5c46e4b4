//! Leases: what is worked on stays hidden, for as long as it is worked on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use user_events::events::UserSignedUp;
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::idempotency::memory::MemoryLedger;
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Fence, Terms};
use user_events::queue::memory::{Depth, MemoryQueue};
use user_events::queue::sqs::SqsQueue;
use user_events::queue::{
    Attributes, DeadLetter, Delivery, Facts, Hide, Hold, Queue, QueueError, ReceiptHandle, Unsettled,
};
use user_events::worker::{Reaction, Settings, Summary, Tally, Worker};

use crate::world::patience::at_this_pace;
use crate::world::{World, event, eventually, redis};

/// Takes its time, before the fence or behind it; counts its starts and its effects.
#[derive(Clone)]
struct Slow {
    before: Duration,
    behind: Duration,
    starts: Arc<AtomicUsize>,
    effects: Arc<AtomicUsize>,
}

impl Handler for Slow {
    type Event = UserSignedUp;
    const NAME: &'static str = "slow";

    async fn handle(&self, _event: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        self.starts.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.before).await;
        let crossing = fence.cross().await?;
        tokio::time::sleep(self.behind).await;
        self.effects.fetch_add(1, Ordering::SeqCst);
        Ok(Handled::done(crossing))
    }
}

fn slow(time: Duration) -> Slow {
    Slow { before: time / 2, behind: time / 2, starts: Arc::default(), effects: Arc::default() }
}

fn terms(visibility: Duration) -> Terms {
    Terms::new(visibility * 3 / 4, Duration::from_secs(600))
}

const EMPTY: Depth = Depth { visible: 0, in_flight: 0 };

#[tokio::test]
async fn a_handler_of_8_s_on_a_visibility_of_2_s_is_received_once_and_done_once() {
    let world = World::start().await;
    let visibility = at_this_pace(Duration::from_secs(2));
    let test_queue = world.queue("slow", visibility).await;
    world.send(&test_queue, &event(&format!("{}-u", world.id))).await;
    let wait = Duration::from_secs(1);
    let open = async || SqsQueue::open(&world.aws, test_queue.url.clone(), None, wait).await.unwrap();
    let handler = slow(4 * visibility);
    let reaction =
        || Reaction::recorded(handler.clone(), RedisLedger::new(redis()), terms(visibility), 15 * visibility);
    let settings = Settings::default().with_wait(wait);
    let stop = CancellationToken::new();
    // Two workers: if the message were shown again, the idle one would take it.
    let workers = [Worker::new(open().await, reaction(), settings), Worker::new(open().await, reaction(), settings)];
    let tallies = workers.each_ref().map(Worker::tally);
    let running: Vec<_> = workers.into_iter().map(|worker| tokio::spawn(worker.run(stop.clone()))).collect();

    eventually("the effect", 10 * visibility, || async { (handler.effects.load(Ordering::SeqCst) > 0).then_some(()) })
        .await;
    world.drained(&test_queue, Duration::from_secs(10)).await;
    stop.cancel();
    for worker in running {
        worker.await.unwrap();
    }
    let received: u64 = tallies.iter().flat_map(|tally| tally.read().outcomes.into_values()).sum();
    let (starts, effects) = (handler.starts.load(Ordering::SeqCst), handler.effects.load(Ordering::SeqCst));
    assert_eq!((received, starts, effects), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_nine_minutes_keeps_its_message_and_its_claim() {
    let visibility = Duration::from_secs(60);
    let queue = MemoryQueue::new("slow", visibility);
    queue.send(&event("u"), Attributes::new()).unwrap();
    let handler = slow(Duration::from_secs(540));
    let ledger = MemoryLedger::default();
    let reaction = || Reaction::recorded(handler.clone(), ledger.clone(), terms(visibility), Duration::from_secs(3600));
    let stop = CancellationToken::new();
    let workers = [(); 2].map(|()| Worker::new(queue.clone(), reaction(), Settings::default()));
    let running = workers.map(|worker| tokio::spawn(worker.run(stop.clone())));

    let start = Instant::now();
    while handler.effects.load(Ordering::SeqCst) == 0 {
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(start.elapsed() < Duration::from_secs(600), "never done");
    }
    eventually("the queue is empty", Duration::from_secs(5), || async { (queue.depth() == EMPTY).then_some(()) }).await;
    stop.cancel();
    for worker in running {
        worker.await.unwrap();
    }
    assert_eq!(handler.starts.load(Ordering::SeqCst), 1);
}

/// One worker at one event, on a visibility of a minute.
struct One {
    started: Instant,
    tally: Tally,
    stop: CancellationToken,
    worker: JoinHandle<Summary>,
}

impl One {
    fn start<Q: Queue>(handler: &Slow, queue: impl FnOnce(MemoryQueue) -> Q) -> Self {
        let (visibility, day) = (Duration::from_secs(60), Duration::from_secs(86_400));
        let memory = MemoryQueue::new("one", visibility);
        memory.send(&event("u"), Attributes::new()).unwrap();
        let reaction = Reaction::recorded(handler.clone(), MemoryLedger::default(), terms(visibility), day);
        let worker = Worker::new(queue(memory), reaction, Settings::default());
        let (tally, stop) = (worker.tally(), CancellationToken::new());
        Self { started: Instant::now(), tally, worker: tokio::spawn(worker.run(stop.clone())), stop }
    }

    /// Lets time pass until the first delivery has ended; answers how it did, and when.
    async fn ended(self) -> (&'static str, Duration) {
        while self.tally.read().outcomes.is_empty() {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(self.started.elapsed() < Duration::from_secs(1200), "still held");
        }
        let (outcomes, after) = (self.tally.read().outcomes, self.started.elapsed());
        self.stop.cancel();
        self.worker.await.unwrap();
        (outcomes.into_keys().next().unwrap(), after)
    }
}

/// A queue that has taken its messages away.
fn taken(queue: MemoryQueue) -> Deaf {
    Deaf(queue, Some(QueueError::NotInFlight))
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_has_hung_loses_its_message_after_a_quarter_of_an_hour() {
    let handler = slow(Duration::from_secs(10_000));
    let (outcome, after) = One::start(&handler, |queue| queue).ended().await;
    assert_eq!(outcome, "lease_lost");
    assert!((900..1100).contains(&after.as_secs()), "cut after {after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_taken_away_cancels_its_handler_before_the_fence() {
    let handler = slow(Duration::from_secs(100));
    let (outcome, _) = One::start(&handler, taken).ended().await;
    assert_eq!((outcome, handler.effects.load(Ordering::SeqCst)), ("lease_lost", 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_taken_away_behind_the_fence_does_not_cut_its_handler() {
    // The first beat that finds the message gone falls behind the fence, and the end long after it.
    let handler = Slow { before: Duration::from_secs(5), ..slow(Duration::from_secs(70)) };
    let (outcome, _) = One::start(&handler, taken).ended().await;
    // Had it been cut, its mail might be out and nobody would know.
    assert_eq!((outcome, handler.effects.load(Ordering::SeqCst)), ("done", 1));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_was_frozen_for_longer_than_the_visibility_gives_its_message_up() {
    let handler = slow(Duration::from_secs(1000));
    let one = One::start(&handler, |queue| Deaf(queue, None));
    while handler.starts.load(Ordering::SeqCst) == 0 {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    tokio::time::advance(Duration::from_secs(200)).await;
    let (outcome, after) = one.ended().await;
    assert_eq!((outcome, handler.effects.load(Ordering::SeqCst)), ("lease_lost", 0));
    assert!(after < Duration::from_secs(240), "noticed after {after:?}");
}

/// Extends nothing, and says this of it; none: says that it did, as SQS may of an expired receipt.
struct Deaf(MemoryQueue, Option<QueueError>);

impl Queue for Deaf {
    const SERVER: &'static str = MemoryQueue::SERVER;

    fn name(&self) -> &str {
        self.0.name()
    }

    fn facts(&self) -> Facts {
        self.0.facts()
    }

    async fn receive(&self, at_most: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.0.receive(at_most, wait).await
    }

    async fn delete(&self, spent: Vec<ReceiptHandle>) -> Vec<Unsettled> {
        self.0.delete(spent).await
    }

    async fn hide(&self, entries: Vec<Hide>) -> Vec<Unsettled> {
        self.0.hide(entries).await
    }

    async fn extend(&self, holds: &[Hold], _visibility: Duration) -> Vec<(usize, QueueError)> {
        (0..holds.len()).filter_map(|n| Some((n, self.1.clone()?))).collect()
    }

    async fn send_to_dlq(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        self.0.send_to_dlq(letter).await
    }
}
