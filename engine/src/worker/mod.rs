//! The worker: takes deliveries from one queue and owes each of them a verdict.
//!
//! Promises, to whoever embeds it with any [`Queue`], [`Ledger`] and [`Handler`]:
//! * a message is deleted only after its handler succeeded, or when there is nothing left to do;
//! * no more messages are taken than there are free slots, so none waits for a hand with its clock running;
//! * a message that will never succeed goes to the DLQ with its reason, and its neighbours do not notice;
//! * a message is kept hidden from others from its receive to its confirmed delete, and a handler whose
//!   message is lost all the same does not pass the fence;
//! * while something every message needs is down, the worker pauses instead of burning attempts: what it has in hand is kept
//!   and tried in turn, one at a time, and a fresh message now and then;
//! * a refusal that may be everybody's fault is believed only as far as others were accepted;
//! * told to stop, it takes nothing more, finishes what runs, gives back the rest, and says how many.
//!
//! The rooms, in a message's order: `gate`, `pace`, `breaker` and `rights` (may we receive, and for how many), `poll` (the loop), `lease`
//! (what is held stays hidden), `lane` (side by side, or one after the other), `process` (one delivery on one screen), `persist`
//! (one event, until something is known of it), `reaction` (claim and handle; `listening` remembers when its ledger failed), `record`
//! (what is known is put on record),
//! `witness` (whose fault is a refusal), `word` (what an outcome says of what all need), `outcome` and `patience` (what happened →
//! what we do), `settle`; and `drain`, the way out. Who watches reads `vitals`, or listens as an `observer`.
//!
//! From publish to effect, with every server in memory:
//!
//! ```
//! use std::time::Duration;
//! use tokio_util::sync::CancellationToken;
//! use user_events_engine::event::{AnyEvent, Once};
//! use user_events_engine::handler::{Handled, Handler, HandlerError};
//! use user_events_engine::idempotency::{Fence, Terms, memory::MemoryLedger};
//! use user_events_engine::publisher::Publisher;
//! use user_events_engine::queue::memory::MemoryQueue;
//! use user_events_engine::topic::memory::MemoryTopic;
//! use user_events_engine::worker::{Reaction, Settings, Worker};
//!
//! struct Receipt;
//!
//! impl Handler for Receipt {
//!     type Event = AnyEvent;
//!     const NAME: &'static str = "receipt";
//!     const ONCE: Once = Once::Event;
//!
//!     async fn handle(&self, _event: &AnyEvent, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
//!         Ok(Handled::done(fence.cross().await?))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let second = Duration::from_secs(1);
//! let queue = MemoryQueue::new("receipts", 30 * second);
//! let publisher = Publisher::new(MemoryTopic::default().subscribe(&queue));
//! publisher.publish(&AnyEvent::with_fields("order.paid", r#"{"orderId":"7"}"#)?).await?;
//!
//! let terms = Terms { lease: 20 * second, retention: 3600 * second, max_sends: 2 };
//! let reaction = Reaction::new(Receipt, MemoryLedger::default(), terms, 10 * second);
//! let worker = Worker::new(queue.clone(), reaction, Settings::default());
//! let (tally, stop) = (worker.tally(), CancellationToken::new());
//! let running = tokio::spawn(worker.run(stop.clone()));
//! while tally.read().of("done") == 0 || queue.depth().in_flight > 0 {
//!     tokio::time::sleep(second).await;
//! }
//! stop.cancel();
//! running.await?;
//! assert_eq!(tally.read().of("done"), 1);
//! # Ok(())
//! # }
//! ```

mod breaker;
mod detail;
mod drain;
mod duty;
mod foreign;
mod gate;
mod lane;
mod lease;
mod listening;
mod observer;
mod outcome;
mod pace;
mod patience;
pub(crate) mod persist;
mod poll;
mod process;
mod pulse;
mod reaction;
pub(crate) mod record;
mod rights;
mod settle;
mod tally;
mod vitals;
mod witness;
mod word;

use std::sync::Arc;
use std::time::Duration;

pub use drain::Summary;
pub use duty::Duty;
pub use observer::{Ended, Observer};
pub use outcome::{Limits, Missing, Outcome, Tries, UnknownEvents};
pub use patience::Patience;
pub use pulse::Pulse;
pub use reaction::Reaction;
pub use tally::{Count, Tally};
pub use vitals::Vitals;

use crate::backoff::Backoff;
use crate::envelope::Topics;
use crate::handler::Handler;
use crate::idempotency::Ledger;
use crate::queue::{Queue, is_fifo};

/// How a worker works. The defaults are those of the README's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Messages handled at once.
    pub concurrency: usize,
    /// How long a receive waits for a message, 0 to 20 s.
    pub wait: Duration,
    /// The delay before a failed message is tried again.
    pub backoff: Backoff,
    /// What to do with other teams' events.
    pub unknown_events: UnknownEvents,
    /// Failures of its own after which a message is quarantined; `None`: one less than the receives that the
    /// queue's redrive policy allows, and eight at most. Anything that is not the message's fault counts nothing.
    pub max_attempts: Option<u32>,
    /// How long a message is tried that is told "not now"; `None`: a day, and on a FIFO queue, where a head stops its
    /// group, a quarter of an hour.
    pub retry_for: Option<Duration>,
    /// How long stopping may take before what still runs is left behind.
    pub shutdown: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 10,
            wait: Duration::from_secs(20),
            backoff: Backoff::HANDLER,
            unknown_events: UnknownEvents::Ignore,
            max_attempts: None,
            retry_for: None,
            // Below the 120 s after which ECS kills.
            shutdown: Duration::from_secs(110),
        }
    }
}

impl Settings {
    /// How long a message of this queue is tried that is told "not now".
    fn retry_for(&self, queue: &str) -> Duration {
        let usual = if is_fifo(queue) { Duration::from_secs(900) } else { Duration::from_secs(24 * 3600) };
        self.retry_for.unwrap_or(usual)
    }
}

/// Carries one reaction's queue to its handler.
#[derive(Debug)]
pub struct Worker<Q, L, H> {
    queue: Arc<Q>,
    reaction: Arc<Reaction<L, H>>,
    settings: Settings,
    topics: Topics,
    vitals: Vitals,
    duty: Duty,
    observer: Arc<dyn Observer>,
}

impl<Q: Queue, L: Ledger, H: Handler> Worker<Q, L, H> {
    /// A worker that takes from `queue` and does `reaction`. Nothing runs until [`Worker::run`].
    #[must_use]
    pub fn new(queue: Q, reaction: Reaction<L, H>, settings: Settings) -> Self {
        Self {
            queue: Arc::new(queue),
            reaction: Arc::new(reaction),
            settings,
            topics: Topics::default(),
            vitals: Vitals::new(Pulse::new(settings.wait), settings.concurrency, Q::SERVER),
            duty: Duty::default(),
            observer: Arc::new(observer::Nobody),
        }
    }

    /// Reads these topics' notifications alone.
    #[must_use]
    pub fn of_topics(mut self, topics: Topics) -> Self {
        self.topics = topics;
        self
    }

    /// Shares `duty` with other workers and with whoever watches it.
    #[must_use]
    pub fn on_duty(mut self, duty: &Duty) -> Self {
        self.duty = duty.clone();
        self
    }

    /// Tells `observer` of each delivery.
    #[must_use]
    pub fn observed(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// What has happened so far; clones go on counting.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.vitals.tally.clone()
    }

    /// Does the loop turn? For a health check.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.vitals.pulse.clone()
    }

    /// How it is, for whoever asks.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        self.vitals.clone()
    }
}
