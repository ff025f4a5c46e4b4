//! The worker receives deliveries from one queue and settles each of them with a verdict.
//!
//! Promises, to whoever embeds it with any [`Queue`], [`Ledger`] and [`Handler`]:
//! * a message is deleted only after its handler succeeded, or when there is nothing left to do;
//! * it receives no more messages than it has free slots: no message waits while its visibility timeout runs;
//! * a message that will never succeed goes to the DLQ with its reason, and does not affect other messages;
//! * a message stays hidden from other workers from its receive to its confirmed delete. If its hold is lost all the
//!   same, its handler does not pass the fence;
//! * while a dependency of all messages is down, the worker pauses and spends no attempts: it keeps the messages it
//!   holds, and tries them one at a time, by turns with a new message;
//! * while a person has paused it, it receives nothing and works on what it has;
//! * a refusal may concern all events and not this one: how many refusals it believes depends on whether others are
//!   accepted;
//! * after a stop it receives nothing more, finishes what runs, gives back the rest, and reports how many.
//!
//! The modules, in a message's order: `gate`, `pace`, `pause`, `breaker` and `rights` (may we receive, and how many), `poll`
//! (the loop), `holds` (keeps held messages hidden), `lane` (side by side, or one after the other), `process` (one
//! delivery from open to settle), `retry` (one event, until its outcome is known), `reaction` (claim and handle;
//! `listening` remembers when its ledger last failed), `record` (writes the outcome to the ledger), `witness` (does a
//! refusal concern one event or all), `evidence` (what an outcome says about the dependency), `outcome` and `patience`
//! (from outcome to verdict), `settle`; and `drain`, the shutdown. To watch a worker, read `vitals` or implement an
//! `observer`.
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
//! let terms = Terms::new(20 * second, 3600 * second);
//! let reaction = Reaction::recorded(Receipt, MemoryLedger::default(), terms, 10 * second);
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
mod evidence;
mod foreign;
mod gate;
mod holds;
mod lane;
mod listening;
mod observer;
mod oldest;
mod outcome;
mod pace;
mod patience;
mod pause;
mod poll;
mod process;
mod pulse;
mod reaction;
pub(crate) mod record;
pub(crate) mod retry;
mod retrying;
mod rights;
mod settings;
mod settle;
mod tally;
mod vitals;
mod witness;

use std::sync::Arc;

pub use drain::Summary;
pub use duty::Duty;
pub use observer::{Ended, Observer};
pub use outcome::{Limits, Missing, Outcome, Tries, UnknownEvents};
pub use patience::Patience;
pub use pause::{Pause, PauseSwitch};
pub use pulse::Pulse;
pub use reaction::Reaction;
pub use retrying::{Retried, Retries};
pub use settings::Settings;
pub use tally::{Count, Tally};
pub use vitals::Vitals;

use crate::envelope::Topics;
use crate::handler::Handler;
use crate::idempotency::Ledger;
use crate::queue::Queue;

/// Works one queue with one reaction.
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
    /// A worker that receives from `queue` and runs `reaction`. Nothing runs until [`Worker::run`].
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

    /// Accepts SNS notifications of these topics only.
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

    /// Receives nothing while `switch` says so.
    #[must_use]
    pub fn paused_by(mut self, switch: &PauseSwitch) -> Self {
        self.vitals.switch = switch.clone();
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

    /// Its state, for health checks and metrics.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        self.vitals.clone()
    }
}
