//! Stop 3: the loop. Slots first, then messages, then tasks.
//!
//! Enters: a token that says stop. Leaves: a [`Summary`]. Promises: asks for no more messages than slots are free. A
//! receive that was sent is awaited: if it were dropped, messages that the queue has already handed over would stay
//! hidden. A stop interrupts waiting, never work. `gate` and `pace` decide when to receive; `drain` does the shutdown.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::Worker;
use super::drain::{Summary, drain};
use super::gate::{Gate, Pass};
use super::holds::Holds;
use super::lane::{Job, lanes};
use super::oldest::Oldest;
use super::outcome::Limits;
use super::pace::{Asked, Pace};
use super::pause::PauseSwitch;
use super::process::Processor;
use super::pulse::Pulse;
use super::rights::Rights;
use super::settle::Settler;
use super::vitals::Vitals;
use crate::handler::Handler;
use crate::idempotency::Ledger;
use crate::queue::{Delivery, Queue, QueueError};

/// How long after the shutdown deadline a handler may go on closing what it keeps open.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// How long a receive may wait for a new message to try with, while held deliveries wait for a turn too.
const HURRY: Duration = Duration::from_secs(1);

/// One receive that is over: what it asked, for which slots, and what it brought.
struct EndedReceive {
    asked: Asked,
    slots: OwnedSemaphorePermit,
    places: Option<OwnedSemaphorePermit>,
    is_trial: bool,
    result: Result<Vec<Delivery>, QueueError>,
}

/// The loop's state.
struct Poller<Q, L, H> {
    queue: Arc<Q>,
    processor: Arc<Processor<Q, L, H>>,
    holds: Arc<Holds>,
    rights: Arc<Rights>,
    switch: PauseSwitch,
    oldest: Oldest,
    visibility: Duration,
    pulse: Pulse,
    pace: Pace,
    running: JoinSet<Vec<Job>>,
    /// What the lanes that a stop ended have not begun.
    unworked: Vec<Job>,
}

impl<Q: Queue, L: Ledger, H: Handler> Worker<Q, L, H> {
    /// Works until `stop`, then drains. Neither a failing queue nor a panicking handler ends it.
    pub async fn run(self, stop: CancellationToken) -> Summary {
        let queue = self.queue.clone();
        let mut poller = Poller::new(self, stop);
        let _beating = poller.keep_holds();
        let mut polls = FuturesUnordered::new();
        loop {
            poller.collect_ended();
            let is_idle = polls.is_empty();
            let pass = tokio::select! {
                biased;
                () = poller.processor.stop.cancelled() => break,
                Some(received) = polls.next() => {
                    poller.begin(received);
                    continue;
                }
                pass = poller.pass(is_idle), if polls.len() < poller.pace.pollers() => pass,
            };
            let Some(pass) = pass else { break };
            polls.push(receive(&*queue, pass, poller.wait()));
        }
        poller.end(polls).await
    }
}

impl<Q: Queue, L: Ledger, H: Handler> Poller<Q, L, H> {
    fn new(worker: Worker<Q, L, H>, stop: CancellationToken) -> Self {
        let Worker { queue, reaction, settings, topics, vitals, duty, observer } = worker;
        let Vitals { pulse, tally, breaker, holds, rights, switch, oldest, .. } = vitals;
        let (facts, handler) = (queue.facts(), reaction.row().name);
        info!(queue = queue.name(), handler, settings.concurrency, visibility = ?facts.visibility, "started");
        if !facts.has_dlq {
            warn!(
                queue = queue.name(),
                "no DLQ: what will never succeed comes again and again; give the queue a redrive policy"
            );
        }
        let limits = Limits::new(settings.max_attempts, settings.retry_for_on(queue.name()), &facts);
        let settler = Settler::start(queue.clone(), &rights);
        let slots = Arc::new(Semaphore::new(settings.concurrency));
        // A slot is free before its delivery is settled: a queue that answers receives and no deletes must not fill the memory.
        let places = Arc::new(Semaphore::new(2 * settings.concurrency));
        let closing = CancellationToken::new();
        let pace = Pace::new(settings.concurrency, Q::SERVER);
        let processor = Processor {
            reaction,
            settler,
            settings,
            topics,
            limits,
            tally,
            duty,
            observer,
            breaker,
            slots,
            places,
            stop,
            closing,
        };
        let (processor, running, unworked) = (Arc::new(processor), JoinSet::new(), Vec::new());
        let visibility = facts.visibility;
        Self { queue, processor, holds, rights, switch, oldest, visibility, pulse, pace, running, unworked }
    }

    /// Extends the holds until what it returns is dropped.
    fn keep_holds(&self) -> AbortOnDropHandle<()> {
        let (holds, queue, rights) = (self.holds.clone(), self.queue.clone(), self.rights.clone());
        let visibility = self.visibility;
        AbortOnDropHandle::new(tokio::spawn(async move { holds.keep(&*queue, visibility, &rights).await }))
    }

    fn collect_ended(&mut self) {
        while let Some(lane) = self.running.try_join_next() {
            self.unworked.extend(lane.unwrap_or_default());
        }
    }

    /// Waits until the loop may receive; `None`: stop. Beats only if no receive is under way: a receive must end by
    /// itself, or the loop does not turn.
    async fn pass(&self, is_idle: bool) -> Option<Pass> {
        let Self { processor, rights, switch, queue, .. } = self;
        let gate = Gate { processor, rights, switch, queue: &**queue };
        if is_idle { self.pulse.beating(gate.opens(&self.pace)).await } else { gate.opens(&self.pace).await }
    }

    /// How long the next receive may wait.
    fn wait(&self) -> Duration {
        let wait = self.processor.settings.wait;
        // Held deliveries wait for a turn too, or for a slot after a pause.
        if self.processor.breaker.is_waited_for() { wait.min(HURRY) } else { wait }
    }

    /// Holds what a receive has brought.
    fn take(&mut self, EndedReceive { asked, slots, places, is_trial, result }: EndedReceive) -> Vec<Job> {
        self.pulse.received(result.as_ref().err());
        let deliveries = self.pace.heard(&asked, result);
        self.oldest.received(&deliveries);
        if is_trial && deliveries.is_empty() {
            self.processor.breaker.untried();
        }
        let hold = |delivery| (self.holds.hold(&delivery, asked.at, self.visibility), delivery);
        let held = deliveries.into_iter().map(hold);
        Job::each(held, (slots, places), self.queue.name(), self.processor.reaction.row().name)
    }

    fn begin(&mut self, received: EndedReceive) {
        for lane in lanes(self.take(received)) {
            // Boxed: a task is moved several times before it runs, and this one is large.
            self.running.spawn(Box::pin(lane.walk(self.processor.clone())));
        }
    }

    /// Drains. `polls`: the receives that are still under way.
    async fn end(mut self, polls: impl Stream<Item = EndedReceive>) -> Summary {
        let (queue, processor, holds, pulse) =
            (self.queue.clone(), self.processor.clone(), self.holds.clone(), self.pulse.clone());
        // Counted from the stop, not from the end of the long polls that are still awaited.
        let deadline = Instant::now() + processor.settings.shutdown;
        let (running, unworked) = (std::mem::take(&mut self.running), std::mem::take(&mut self.unworked));
        let unworked = stream::iter([unworked]).chain(polls.map(|received| self.take(received)));
        // A slow drain is alive, so the pulse beats.
        let summary = pulse.beating(drain(running, unworked, &processor, &holds, &*queue, deadline)).await;
        // A handler limits this itself; the timeout is for one that does not.
        let _ = timeout_at(deadline + CLOSE_LIMIT, processor.reaction.close()).await;
        let (handler, outcomes) = (processor.reaction.row().name, processor.tally.read().outcomes);
        info!(queue = queue.name(), handler, ?outcomes, "stopped: {summary}");
        summary
    }
}

async fn receive<Q: Queue>(queue: &Q, Pass { slots, places, is_trial }: Pass, wait: Duration) -> EndedReceive {
    let asked = Asked { at: Instant::now(), at_most: slots.num_permits() };
    let result = queue.receive(asked.at_most, wait).await;
    EndedReceive { asked, slots, places, is_trial, result }
}
