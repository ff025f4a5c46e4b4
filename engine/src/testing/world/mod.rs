//! A world for one handler: the whole engine around it, in memory and in virtual time.
//!
//! Enters: a [`Handler`], bodies as they lie on a queue, and what is to go wrong. Leaves: what each delivery came to,
//! and the dead letters. Promises: the worker is the one that runs in production, on a queue with a DLQ and with a
//! ledger; a kill leaves behind what a killed process does: a hidden message, and a claim that nobody gives back. Knows
//! no event: what the handler does is counted by whatever the test gave it.
//!
//! The clock must stand still unless all wait: `#[tokio::test(start_paused = true)]`. Then hours pass in milliseconds,
//! and a handler whose effects go to doubles in this process too. A message's *age* alone goes by the machine's clock,
//! and stays 0.

mod life;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::life::{Diary, Life, Mortal};
use super::{Away, Call, Fault};
use crate::handler::Handler;
use crate::idempotency::memory::MemoryLedger;
use crate::idempotency::{AtomicEffect, Ledger, Terms};
use crate::queue::memory::{Depth, MemoryQueue};
use crate::queue::{Attributes, DeadLetter, Delivery, MAX_BATCH, Queue};
use crate::worker::{Outcome, Reaction, Settings, Worker};

/// How often the queue is looked at. In a second of virtual time whatever can go on has gone on.
const LOOK: Duration = Duration::from_secs(1);
/// No message stays longer on a queue: SQS's usual retention, 4 days.
const AT_MOST: Duration = Duration::from_secs(4 * 24 * 3600);
/// After this much time by the test's clock, that clock must be paused: then hours pass in milliseconds.
const ASKED_AFTER: Duration = Duration::from_secs(60);
const EMPTY: Depth = Depth { visible: 0, in_flight: 0 };

/// The world's settings. The defaults are those of `infra/reaction.yaml` and of the worker.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// For how long the queue hides what it hands out: 60 s.
    pub visibility: Duration,
    /// After how many receives the queue itself moves a message to the DLQ: 100, and 5 for [`World::atomic`].
    pub max_receive_count: u32,
    /// The ledger's: a lease of 45 s, and 2 sends.
    pub terms: Terms,
    /// After which a run is cut, counted anew behind the fence: 60 s.
    pub timeout: Duration,
    /// The worker's.
    pub settings: Settings,
}

impl Default for Rules {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        let terms = Terms::new(seconds(45), AT_MOST);
        let (visibility, timeout, settings) = (seconds(60), seconds(60), Settings::default());
        Self { visibility, max_receive_count: 100, terms, timeout, settings }
    }
}

/// One handler with its queue, DLQ, ledger and worker.
pub struct World<H, L = MemoryLedger> {
    handler: Arc<H>,
    rules: Rules,
    /// The queue, for faults of your own: [`MemoryQueue::set_faults`].
    pub queue: MemoryQueue,
    /// Its DLQ.
    pub dlq: MemoryQueue,
    /// The ledger, which can [go away](Away::goes_away).
    pub ledger: Away<L>,
    diary: Arc<Diary>,
    kills: Arc<AtomicUsize>,
    worker: Option<Life>,
}

impl<H: Handler> World<H> {
    /// For a handler whose effects a ledger keeps single.
    #[must_use]
    pub fn new(handler: H) -> Self {
        Self::with(handler, MemoryLedger::default(), Rules::default())
    }
}

impl<H: Handler> World<H, AtomicEffect> {
    /// For a handler whose effect and mark are one atomic step.
    #[must_use]
    pub fn atomic(handler: H) -> Self {
        Self::with(handler, AtomicEffect(()), Rules { max_receive_count: 5, ..Rules::default() })
    }
}

impl<H: Handler, L: Ledger + Clone> World<H, L> {
    /// By rules of your own.
    #[must_use]
    pub fn with(handler: H, ledger: L, rules: Rules) -> Self {
        let dlq = MemoryQueue::new("world-dlq", rules.visibility);
        let queue = MemoryQueue::with_dlq("world", rules.visibility, &dlq, rules.max_receive_count);
        let (handler, ledger) = (Arc::new(handler), Away::new(ledger));
        let (diary, kills) = (Arc::default(), Arc::default());
        Self { handler, rules, queue, dlq, ledger, diary, kills, worker: None }
    }

    /// Kills the worker at the end of each of the next `runs` of the handler: what it did has happened, and is not on
    /// record.
    ///
    /// Another worker starts at once. A killed run leaves a hidden message and a claim that runs out; whatever the
    /// worker had settled of *other* messages in that moment may still go through.
    pub fn kill_before_the_record(&self, runs: usize) {
        self.kills.store(runs, Ordering::SeqCst);
    }

    /// From now on no heartbeat reaches the queue: while the handler is slower than the visibility, its message is
    /// shown again.
    pub fn lose_heartbeats(&self) {
        self.queue.set_faults(|call| (call == Call::Extend).then_some(Fault::Throttled));
    }

    /// Puts one message on the queue, and waits until it is gone from it: done, or in the DLQ. Answers what each of its
    /// deliveries came to, in order; a killed one came to nothing.
    ///
    /// # Panics
    /// If the message is still there after 4 days, or SQS would not take the body.
    pub async fn deliver(&mut self, body: &str) -> Vec<Outcome> {
        self.deliver_all(&[body]).await
    }

    /// The same of one message that comes twice, side by side: SQS makes such copies, and so does a publisher that
    /// tries again.
    ///
    /// # Panics
    /// As [`World::deliver`] does.
    pub async fn deliver_twice(&mut self, body: &str) -> Vec<Outcome> {
        self.deliver_all(&[body, body]).await
    }

    /// The same of several messages at once.
    ///
    /// # Panics
    /// As [`World::deliver`] does.
    pub async fn deliver_all(&mut self, bodies: &[&str]) -> Vec<Outcome> {
        for body in bodies {
            self.queue.send(body, Attributes::new()).expect("what SQS takes");
        }
        loop {
            let life = self.worker.take().unwrap_or_else(|| self.start());
            tokio::select! {
                biased;
                // Dropped: what a process leaves behind that ends here.
                () = life.killed() => continue,
                () = self.emptied() => {}
            }
            self.worker = Some(life);
            return std::mem::take(&mut *self.diary.lock());
        }
    }

    /// Takes the DLQ's letters: each is answered once, and says [why](DeadLetter::reason) it is there.
    pub async fn letters(&self) -> Vec<DeadLetter> {
        let (mut letters, mut spent) = (Vec::new(), Vec::new());
        while self.dlq.depth().visible > 0 {
            let taken = self.dlq.receive(MAX_BATCH, Duration::ZERO).await.expect("it is in memory");
            for Delivery { body, attributes, group, fairness, message_id, receipt, .. } in taken {
                letters.push(DeadLetter { body: body.as_str().to_owned(), attributes, group, fairness, message_id });
                spent.push(receipt);
            }
        }
        let _ = self.dlq.delete(spent).await;
        letters
    }

    fn start(&self) -> Life {
        let (handler, killed) = Mortal::new(&self.handler, &self.kills);
        let Rules { terms, timeout, settings, .. } = self.rules;
        let reaction = Reaction::recorded(handler, self.ledger.clone(), terms, timeout);
        Life::of(Worker::new(self.queue.clone(), reaction, settings).observed(self.diary.clone()), killed)
    }

    async fn emptied(&self) {
        let (began, really) = (Instant::now(), std::time::Instant::now());
        while self.queue.depth() != EMPTY {
            sleep(LOOK).await;
            let so_far = self.diary.lock();
            assert!(began.elapsed() < AT_MOST, "the message is still there: {so_far:?}");
            let is_quicker = began.elapsed() < ASKED_AFTER || really.elapsed() < began.elapsed() / 2;
            assert!(is_quicker, "does the clock stand? #[tokio::test(start_paused = true)]: {so_far:?}");
        }
        // Whoever made it empty has told of it by then.
        sleep(LOOK).await;
    }
}
