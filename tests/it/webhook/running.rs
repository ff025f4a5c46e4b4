//! A webhook at work on a queue in memory.
//!
//! Enters: how it works, then events. Leaves: what it waits for, its letters, its failures.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use user_events::idempotency::memory::MemoryLedger;
use user_events::idempotency::{OnAmbiguous, Terms};
use user_events::queue::memory::{Depth, MemoryQueue};
use user_events::queue::{Attributes, Delivery, Queue};
use user_events::worker::{Reaction, Settings, Summary, Tally, Vitals, Worker};

use super::{SECOND, row, settings, webhook};
use crate::world::eventually;
use crate::world::patience::at_this_pace;

const SOON: Duration = Duration::from_secs(30);
const EMPTY: Depth = Depth { visible: 0, in_flight: 0 };

/// How it works.
pub struct Way {
    /// The field that its calls are made single by.
    pub field: Option<&'static str>,
    pub on_ambiguous: OnAmbiguous,
    /// The longest run, in seconds of this machine's pace.
    pub timeout: u32,
    /// How often its queue hands out an event.
    pub receives: u32,
    pub settings: Settings,
}

/// A worker that runs.
pub struct Running {
    pub queue: MemoryQueue,
    dlq: MemoryQueue,
    vitals: Vitals,
    tally: Tally,
    stop: CancellationToken,
    task: JoinHandle<Summary>,
}

impl Running {
    pub fn start(url: &str, way: Way) -> Self {
        let Way { field, on_ambiguous, timeout, receives, settings: how } = way;
        let (second, timeout) = (at_this_pace(SECOND), at_this_pace(SECOND) * timeout);
        let dlq = MemoryQueue::new("crm-dlq", 3 * timeout);
        let queue = MemoryQueue::with_dlq("crm", 3 * timeout, &dlq, receives);
        let terms = Terms::new(2 * timeout, 600 * second).on_ambiguous(on_ambiguous);
        let handler = webhook(settings(url), field);
        let reaction = Reaction::recorded(handler, MemoryLedger::default(), terms, timeout).with_row(row(field));
        let (worker, stop) = (Worker::new(queue.clone(), reaction, how.with_wait(SECOND)), CancellationToken::new());
        let (vitals, tally) = (worker.vitals(), worker.tally());
        Self { queue, dlq, vitals, tally, task: tokio::spawn(worker.run(stop.clone())), stop }
    }

    pub fn send(&self, body: &str) {
        self.queue.send(body, Attributes::new()).expect("it fits");
    }

    pub async fn emptied(&self) {
        let is_empty = async || (self.queue.depth() == EMPTY).then_some(());
        eventually("the queue is empty", SOON, is_empty).await;
    }

    /// What it waits for.
    pub async fn paused(&self) -> String {
        eventually("it pauses", SOON, async || self.vitals.missing().filter(|told| told.contains("webhook"))).await
    }

    /// Ends it when its queue is empty. Answers the reasons and details of the letters.
    pub async fn letters(self) -> Vec<String> {
        self.emptied().await;
        self.stop.cancel();
        self.task.await.expect("it ends well");
        let letters = self.dlq.receive(10, Duration::ZERO).await.expect("an answer");
        let field = |letter: &Delivery, name: &str| letter.attributes[name].value.clone();
        letters.iter().map(|l| format!("{}: {}", field(l, "failure.reason"), field(l, "failure.detail"))).collect()
    }

    /// Ends it, and demands that no event is dead and nothing is waited for. Answers how many attempts failed.
    pub async fn burnt(self) -> u64 {
        let (vitals, tally) = (self.vitals.clone(), self.tally.clone());
        assert_eq!(self.letters().await, [""; 0], "no event is dead");
        assert_eq!(vitals.missing(), None);
        let outcomes = tally.read().outcomes;
        outcomes.iter().filter(|(name, _)| !["done", "unavailable"].contains(name)).map(|(_, times)| times).sum()
    }
}
