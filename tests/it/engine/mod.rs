//! The engine: one worker on the queue in memory, on a clock that stands still unless all wait.
//!
//! Enters: a handler made in the test, often held in mid-flight by a barrier so that the test can look at
//! the queue meanwhile. Leaves: what the queue, its DLQ and the tally show. Hours pass in milliseconds.

mod broken;
mod copies;
mod deaths;
mod fifo;
mod flow;
mod last_words;
mod latency;
mod limits;
mod outages;
mod paused;
mod pollers;
mod receivers;
mod retried;
mod settling;
mod stopping;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::engine::testing::{Call, Fault};
use tokio::sync::Barrier;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use user_events::backoff::Backoff;
use user_events::events::UserSignedUp;
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::idempotency::memory::MemoryLedger;
use user_events::idempotency::{Fence, Ledger, Terms};
use user_events::queue::memory::{Depth, MemoryQueue};
use user_events::queue::{
    Attributes, DeadLetter, Delivery, Facts, Hide, Hold, MAX_MESSAGE_BYTES, Queue, QueueError, ReceiptHandle, Unsettled,
};
use user_events::worker::{Count, Pulse, Reaction, Settings, Summary, Tally, Worker};

use crate::world::{event, eventually};

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

const VISIBILITY: Duration = seconds(60);
const LEASE: Duration = seconds(45);
const TIMEOUT: Duration = seconds(30);
/// Longer than anything that is waited for.
const HOUR: Duration = seconds(3600);
const EMPTY: Depth = Depth { visible: 0, in_flight: 0 };

/// A handler that is one function; its effect needs no fence.
struct Does<F>(F);

impl<F, R> Handler for Does<F>
where
    F: Fn(UserSignedUp) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), HandlerError>> + Send,
{
    type Event = UserSignedUp;
    const NAME: &'static str = "does";

    async fn handle(&self, event: &UserSignedUp, _fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        (self.0)(event.clone()).await.map(|()| Handled::Applied)
    }
}

/// Holds its event until the test lets it go.
struct Held {
    entered: Arc<Barrier>,
    leave: Arc<Barrier>,
}

impl Held {
    fn new() -> Self {
        Self { entered: Arc::new(Barrier::new(2)), leave: Arc::new(Barrier::new(2)) }
    }

    fn handler(&self) -> impl Handler + use<> {
        let (entered, leave) = (self.entered.clone(), self.leave.clone());
        Does(move |_| {
            let (entered, leave) = (entered.clone(), leave.clone());
            async move {
                entered.wait().await;
                leave.wait().await;
                Ok(())
            }
        })
    }
}

/// A handler that meets the test at `entered` and never ends.
fn never_leaving(entered: &Arc<Barrier>) -> impl Handler + use<> {
    let entered = entered.clone();
    Does(move |_| {
        let entered = entered.clone();
        async move {
            entered.wait().await;
            std::future::pending().await
        }
    })
}

/// A handler that counts its calls and succeeds.
fn counting(calls: &Arc<AtomicUsize>) -> impl Handler<Event = UserSignedUp> {
    let calls = calls.clone();
    Does(move |_| {
        calls.fetch_add(1, Ordering::SeqCst);
        async { Ok(()) }
    })
}

fn transient() -> HandlerError {
    HandlerError::Transient("not now".to_owned())
}

/// A queue whose DLQ takes what was received five times.
fn queue_and_dlq() -> (MemoryQueue, MemoryQueue) {
    let dlq = MemoryQueue::new("work-dlq", VISIBILITY);
    (MemoryQueue::with_dlq("work", VISIBILITY, &dlq, 5), dlq)
}

fn send(queue: &MemoryQueue, body: &str) {
    queue.send(body, Attributes::new()).expect("it fits");
}

fn send_events(queue: &MemoryQueue, count: usize) {
    (0..count).for_each(|n| send(queue, &event(&format!("user-{n}"))));
}

async fn emptied(queue: &MemoryQueue) {
    eventually("the queue is empty", HOUR, async || (queue.depth() == EMPTY).then_some(())).await;
}

/// Takes the DLQ's letters.
async fn letters(dlq: &MemoryQueue) -> Vec<Delivery> {
    dlq.receive(10, Duration::ZERO).await.expect("an answer")
}

fn reason(letter: &Delivery) -> &str {
    &letter.attributes["failure.reason"].value
}

/// One at a time, retried within 10 s.
fn settings() -> Settings {
    let backoff = Backoff::try_new(seconds(10), seconds(10)).expect("sound");
    Settings::default().with_concurrency(1).with_backoff(backoff)
}

fn terms() -> Terms {
    Terms::new(LEASE, HOUR)
}

/// A worker that runs.
struct Running {
    tally: Tally,
    pulse: Pulse,
    stop: CancellationToken,
    task: JoinHandle<Summary>,
}

impl Running {
    fn start(queue: impl Queue, handler: impl Handler, settings: Settings) -> Self {
        Self::with_terms(queue, handler, settings, terms())
    }

    fn with_terms(queue: impl Queue, handler: impl Handler, settings: Settings, terms: Terms) -> Self {
        Self::of(Worker::new(queue, Reaction::recorded(handler, MemoryLedger::default(), terms, TIMEOUT), settings))
    }

    fn with_ledger(queue: impl Queue, handler: impl Handler, settings: Settings, ledger: impl Ledger) -> Self {
        Self::of(Worker::new(queue, Reaction::recorded(handler, ledger, terms(), TIMEOUT), settings))
    }

    fn of<Q: Queue, L: Ledger, H: Handler>(worker: Worker<Q, L, H>) -> Self {
        let (tally, pulse, stop) = (worker.tally(), worker.pulse(), CancellationToken::new());
        Self { tally, pulse, task: tokio::spawn(worker.run(stop.clone())), stop }
    }

    /// Waits until so many deliveries had this outcome.
    async fn counted(&self, outcome: &str, times: u64) -> Count {
        let look = async || Some(self.tally.read()).filter(|count| count.of(outcome) >= times);
        eventually(&format!("{outcome} {times} times"), HOUR, look).await
    }

    async fn stopped(self) -> Summary {
        self.stop.cancel();
        self.task.await.expect("the loop ends well")
    }
}

/// A queue that keeps a diary, and fails where the test says so.
#[derive(Clone)]
struct Tapped {
    queue: MemoryQueue,
    tap: Arc<Tap>,
}

#[derive(Default)]
struct Tap {
    /// When each receive was asked for, and for how many.
    receives: Mutex<Vec<(Instant, usize)>>,
    /// The attempt that each delivery was.
    attempts: Mutex<Vec<u32>>,
    /// Receives under way now, and at most.
    under_way: AtomicUsize,
    most: AtomicUsize,
    /// The receipts in each delete.
    deletes: Mutex<Vec<Vec<String>>>,
    /// So many receives fail, and like this.
    failing_receives: Mutex<(usize, Option<QueueError>)>,
    /// So many deletes fail for their last entry, and like this.
    failing_deletes: Mutex<(usize, Option<QueueError>)>,
    /// So many letters are not taken.
    failing_letters: AtomicUsize,
}

impl Tapped {
    fn new(queue: &MemoryQueue) -> Self {
        Self { queue: queue.clone(), tap: Arc::default() }
    }

    fn receives(&self) -> Vec<(Instant, usize)> {
        self.tap.receives.lock().unwrap().clone()
    }

    fn receives_under_way(&self) -> usize {
        self.tap.under_way.load(Ordering::SeqCst)
    }

    fn most_receives(&self) -> usize {
        self.tap.most.load(Ordering::SeqCst)
    }

    fn attempts(&self) -> Vec<u32> {
        self.tap.attempts.lock().unwrap().clone()
    }

    fn deletes(&self) -> Vec<Vec<String>> {
        self.tap.deletes.lock().unwrap().clone()
    }

    fn fail_receives(&self, times: usize, error: QueueError) {
        *self.tap.failing_receives.lock().unwrap() = (times, Some(error));
    }

    fn fail_deletes(&self, times: usize, error: QueueError) {
        *self.tap.failing_deletes.lock().unwrap() = (times, Some(error));
    }
}

/// The error, while there are failures left.
fn due(failing: &Mutex<(usize, Option<QueueError>)>) -> Option<QueueError> {
    let mut failing = failing.lock().unwrap();
    failing.0 = failing.0.checked_sub(1)?;
    failing.1.clone()
}

impl Queue for Tapped {
    const SERVER: &'static str = MemoryQueue::SERVER;

    fn name(&self) -> &str {
        self.queue.name()
    }

    fn facts(&self) -> Facts {
        self.queue.facts()
    }

    async fn receive(&self, at_most: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.tap.receives.lock().unwrap().push((Instant::now(), at_most));
        if let Some(error) = due(&self.tap.failing_receives) {
            return Err(error);
        }
        let now = self.tap.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.tap.most.fetch_max(now, Ordering::SeqCst);
        let deliveries = self.queue.receive(at_most, wait).await;
        self.tap.under_way.fetch_sub(1, Ordering::SeqCst);
        let deliveries = deliveries?;
        self.tap.attempts.lock().unwrap().extend(deliveries.iter().map(|d| d.attempt.get()));
        Ok(deliveries)
    }

    async fn delete(&self, mut spent: Vec<ReceiptHandle>) -> Vec<Unsettled> {
        self.tap.deletes.lock().unwrap().push(spent.iter().map(|r| r.as_str().to_owned()).collect());
        let failed =
            due(&self.tap.failing_deletes).and_then(|error| spent.pop().map(|receipt| Unsettled { receipt, error }));
        self.queue.delete(spent).await.into_iter().chain(failed).collect()
    }

    async fn hide(&self, entries: Vec<Hide>) -> Vec<Unsettled> {
        self.queue.hide(entries).await
    }

    async fn extend(&self, holds: &[Hold], visibility: Duration) -> Vec<(usize, QueueError)> {
        self.queue.extend(holds, visibility).await
    }

    async fn send_to_dlq(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let failing = &self.tap.failing_letters;
        if failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(QueueError::Unavailable("test".to_owned()));
        }
        self.queue.send_to_dlq(letter).await
    }
}
