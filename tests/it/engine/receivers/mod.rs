//! What a receiver says of one event and of all, and how long the others wait for it: in virtual time.
//!
//! The receiver is a handler that says what a mail server might, by the user and the hour; what it accepted, when, and on
//! which receive, is what counts.

use std::collections::{BTreeMap, BTreeSet};

use user_events::backoff::Outage;
use user_events::queue::Attribute;
use user_events::worker::Vitals;

mod elsewhere;
mod fault;
mod patience;

use super::*;

/// What it says to a user's event, so long after the start; `Ok`: it takes it.
type Says = dyn Fn(usize, Duration) -> Result<(), HandlerError> + Send + Sync;

#[derive(Clone)]
struct Receiver(Arc<Inside>);

struct Inside {
    started: Instant,
    says: Box<Says>,
    /// Each event asked about, in order.
    asked: Mutex<Vec<(usize, Duration)>>,
    /// When each was taken, as often as it was.
    taken: Mutex<BTreeMap<usize, Vec<Duration>>>,
    /// How often it was looked at without an event.
    looks: Mutex<Vec<Duration>>,
    looks_are: Box<dyn Fn(Duration) -> Result<(), HandlerError> + Send + Sync>,
}

impl Receiver {
    fn new(says: impl Fn(usize, Duration) -> Result<(), HandlerError> + Send + Sync + 'static) -> Self {
        Self::with_looks(says, |_| Ok(()))
    }

    fn with_looks(
        says: impl Fn(usize, Duration) -> Result<(), HandlerError> + Send + Sync + 'static,
        looks: impl Fn(Duration) -> Result<(), HandlerError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inside {
            started: Instant::now(),
            says: Box::new(says),
            asked: Mutex::default(),
            taken: Mutex::default(),
            looks: Mutex::default(),
            looks_are: Box::new(looks),
        }))
    }

    fn taken(&self) -> BTreeMap<usize, Vec<Duration>> {
        self.0.taken.lock().unwrap().clone()
    }

    fn asked(&self) -> Vec<(usize, Duration)> {
        self.0.asked.lock().unwrap().clone()
    }
}

impl Handler for Receiver {
    type Event = UserSignedUp;
    const NAME: &'static str = "receiver";

    async fn handle(&self, event: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        let user = number(event.user_id.as_str());
        // What a mail takes.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = self.0.started.elapsed();
        self.0.asked.lock().unwrap().push((user, now));
        (self.0.says)(user, now)?;
        let crossing = fence.cross().await?;
        self.0.taken.lock().unwrap().entry(user).or_default().push(now);
        Ok(Handled::done(crossing))
    }

    async fn probe(&self) -> Result<(), HandlerError> {
        let now = self.0.started.elapsed();
        self.0.looks.lock().unwrap().push(now);
        (self.0.looks_are)(now)
    }
}

fn number(user: &str) -> usize {
    user.strip_prefix("user-").expect("user-N").parse().expect("a number")
}

fn busy(detail: &str) -> HandlerError {
    HandlerError::Unavailable { dependency: "smtp", detail: detail.to_owned(), outage: Outage::Busy }
}

fn refusing(detail: &str) -> HandlerError {
    HandlerError::Unavailable { dependency: "smtp", detail: detail.to_owned(), outage: Outage::Refusing }
}

fn suspect(detail: &str) -> HandlerError {
    HandlerError::Suspect { reason: "mail_refused", detail: detail.to_owned() }
}

fn bad_recipient() -> HandlerError {
    HandlerError::Permanent { reason: "mail_refused", detail: "501 5.1.3 at RCPT".to_owned() }
}

fn deferred(detail: &str) -> HandlerError {
    HandlerError::deferred(detail)
}

/// A worker at work on a queue that allows so many receives.
struct Scene {
    queue: Tapped,
    dlq: MemoryQueue,
    vitals: Vitals,
    _worker: Running,
}

fn scene(receiver: &Receiver, concurrency: usize, receives: u32) -> Scene {
    scene_for(receiver, concurrency, receives, HOUR * 24)
}

fn scene_for(receiver: &Receiver, concurrency: usize, receives: u32, retry_for: Duration) -> Scene {
    let dlq = MemoryQueue::new("work-dlq", VISIBILITY);
    let queue = Tapped::new(&MemoryQueue::with_dlq("work", VISIBILITY, &dlq, receives));
    let settings = Settings::default().with_concurrency(concurrency).with_retry_for(Some(retry_for));
    let reaction = Reaction::recorded(receiver.clone(), MemoryLedger::default(), terms(), TIMEOUT);
    let worker = Worker::new(queue.clone(), reaction, settings);
    let vitals = worker.vitals();
    Scene { queue, dlq, vitals, _worker: Running::of(worker) }
}

impl Scene {
    async fn emptied(&self) {
        let empty = async || (self.queue.queue.depth() == EMPTY).then_some(());
        eventually("the queue is empty", HOUR * 48, empty).await;
    }

    /// Reason, detail and user of each dead letter.
    async fn dead(&self) -> Vec<(String, String, usize)> {
        let (mut dead, text) = (Vec::new(), |letter: &Delivery, name: &str| {
            letter.attributes.get(name).map_or(String::new(), |Attribute { value, .. }| value.clone())
        });
        loop {
            let letters = self.dlq.receive(10, Duration::ZERO).await.expect("an answer");
            if letters.is_empty() {
                return dead;
            }
            for letter in letters {
                let body: serde_json::Value = serde_json::from_str(letter.body.as_str()).expect("an event");
                let user = number(body["userId"].as_str().expect("a user"));
                dead.push((text(&letter, "failure.reason"), text(&letter, "failure.detail"), user));
            }
        }
    }

    fn most_receives(&self) -> u32 {
        self.queue.attempts().into_iter().max().unwrap_or(0)
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

fn each_once(taken: &BTreeMap<usize, Vec<Duration>>) -> bool {
    taken.values().all(|times| times.len() == 1)
}
