//! Stop 3: the loop. A slot first, then a message, then a task; and the way out.
//!
//! Enters: a token that says stop. Leaves: a [`Summary`]. Promises: never more messages than slots;
//! never a hot loop; a receive that was sent is awaited, because dropping it strands what the queue had
//! already handed over; stop is heard while waiting, never while working.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span, error, field, info, info_span, warn};

use super::Worker;
use super::breaker::{Breaker, State, pause};
use super::lease::{Held, Leases};
use super::process::process;
use super::settle::Settler;
use crate::backoff::Backoff;
use crate::failpoint::{self, Step};
use crate::handlers::Handler;
use crate::idempotency::Ledger;
use crate::queue::{Delivery, MAX_BATCH, Queue, QueueError};

/// An empty queue is asked at most so often, even if it answers at once (`RECEIVE_WAIT=0s`).
const EMPTY: Duration = Duration::from_millis(200);

/// What is left running when the time to stop is up comes again after this: its handler is cut by then.
const ABANDONED: Duration = Duration::from_secs(5);

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Deliveries that ran when stop came, and were finished.
    pub drained: usize,
    /// Deliveries that came with the last receive, and were given back unworked.
    pub returned: usize,
    /// Deliveries that still ran when the time was up; they will come again.
    pub abandoned: usize,
}

impl<Q: Queue, L: Ledger, H: Handler> Worker<Q, L, H> {
    /// Works until `stop`, then drains. Neither a failing queue nor a panicking handler ends it.
    pub async fn run(self, stop: CancellationToken) -> Summary {
        let facts = self.queue.facts();
        let (queue, handler) = (self.queue.name().to_owned(), H::NAME);
        info!(queue, handler, concurrency = self.settings.concurrency, visibility = ?facts.visibility, "started");
        if !facts.has_dlq {
            warn!(queue, "no DLQ: what will never succeed is left to the queue and logged each time");
        }
        let slots = Arc::new(Semaphore::new(self.settings.concurrency));
        let settler = Arc::new(Settler::start(self.queue.clone()));
        let breaker = Arc::new(Breaker::default());
        let leases = Arc::new(Leases::default());
        let _beating = AbortOnDropHandle::new(tokio::spawn({
            let (leases, queue) = (leases.clone(), self.queue.clone());
            async move { leases.keep(&*queue, facts.visibility).await }
        }));
        // The time to stop runs from the signal, not from the end of the long poll that is waited for.
        let told = tokio::spawn(told_at(stop.clone()));
        let mut running = JoinSet::new();
        let mut failures = 0;
        let mut unworked = Vec::new();

        while let Some(at_most) = self.pulse.beating(self.allowance(&breaker, &slots, &stop)).await {
            while running.try_join_next().is_some() {}
            let asked = Instant::now();
            let received = self.queue.receive(at_most, self.settings.wait).await;
            self.pulse.beat();
            match received {
                Ok(deliveries) if stop.is_cancelled() => unworked = deliveries,
                Ok(deliveries) if deliveries.is_empty() => {
                    failures = 0;
                    stop.run_until_cancelled(sleep_until(asked + EMPTY)).await;
                }
                Ok(deliveries) => {
                    failures = 0;
                    for delivery in deliveries {
                        let span = span(&queue, handler, &delivery);
                        let held = leases.hold(&delivery, asked, facts.visibility);
                        running.spawn(self.task(delivery, held, &slots, &settler, &breaker).instrument(span));
                    }
                }
                Err(error) => {
                    failures += 1;
                    complain(&error, failures);
                    let pause = stop.run_until_cancelled(sleep(Backoff::POLL.delay(failures)));
                    self.pulse.beating(pause).await;
                }
            }
        }

        let deadline = told.await.unwrap_or_else(|_| Instant::now()) + self.settings.shutdown;
        let summary = drain(running, unworked, &settler, &leases, &*self.queue, deadline).await;
        info!(queue, handler, outcomes = ?self.tally.read().outcomes, "stopped: {summary}");
        summary
    }

    /// Waits until the loop may receive, and says how many; `None`: stop.
    async fn allowance(&self, breaker: &Breaker, slots: &Semaphore, stop: &CancellationToken) -> Option<usize> {
        loop {
            if stop.is_cancelled() {
                return None;
            }
            let all = u32::try_from(self.settings.concurrency).unwrap_or(u32::MAX);
            match breaker.state() {
                State::Closed => {
                    drop(stop.run_until_cancelled(slots.acquire()).await?);
                    if breaker.state() == State::Closed {
                        return Some(slots.available_permits().clamp(1, MAX_BATCH));
                    }
                }
                State::Open { failures } => {
                    stop.run_until_cancelled(sleep(pause(failures))).await?;
                    breaker.paused();
                }
                State::Probing { failures } => {
                    if failures > 0 {
                        stop.run_until_cancelled(sleep(Backoff::PROBE.delay(1))).await?;
                    }
                    breaker.probed(self.reaction.probe().await);
                }
                State::HalfOpen { .. } => {
                    // What the last message came to must be known before the next is risked.
                    drop(stop.run_until_cancelled(slots.acquire_many(all)).await?);
                    if let State::HalfOpen { .. } = breaker.state() {
                        return Some(1);
                    }
                }
            }
        }
    }

    /// One delivery's task. The slot is taken here, synchronously, and given back however the task ends.
    fn task(
        &self,
        delivery: Delivery,
        held: Held,
        slots: &Arc<Semaphore>,
        settler: &Arc<Settler<Q>>,
        breaker: &Arc<Breaker>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let slot = slots.clone().try_acquire_owned();
        let (reaction, settings, tally) = (self.reaction.clone(), self.settings, self.tally.clone());
        let (settler, breaker) = (settler.clone(), breaker.clone());
        async move {
            let _slot = slot;
            failpoint::reach(Step::Received);
            let outcome = process(delivery, held, &reaction, &settings, &settler, &tally).await;
            breaker.observe(&outcome);
        }
    }
}

/// The way out: give back, finish, and name what is left behind.
async fn drain<Q: Queue>(
    mut running: JoinSet<()>,
    unworked: Vec<Delivery>,
    settler: &Settler<Q>,
    leases: &Leases,
    queue: &Q,
    deadline: Instant,
) -> Summary {
    let returned = unworked.len();
    for delivery in unworked {
        settler.give_back(delivery).await;
    }
    while running.try_join_next().is_some() {}
    let at_stop = running.len();
    let all_done = async { while running.join_next().await.is_some() {} };
    if timeout_at(deadline, all_done).await.is_err() {
        let left = leases.abandon(queue, ABANDONED).await;
        error!(messages = ?left, "the time to stop is up: these were left running and will come again");
    }
    Summary { drained: at_stop - running.len(), returned, abandoned: running.len() }
}

async fn told_at(stop: CancellationToken) -> Instant {
    stop.cancelled().await;
    Instant::now()
}

/// The first failure and every further minute or so of it: an outage must not flood the log.
fn complain(error: &QueueError, failures: u32) {
    if failures == 1 || failures.is_multiple_of(10) {
        warn!(%error, failures, "receiving failed; trying again");
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "drained {}, returned {}, abandoned {}", self.drained, self.returned, self.abandoned)
    }
}

/// The span that every line about this delivery stands in.
fn span(queue: &str, handler: &str, delivery: &Delivery) -> Span {
    let attempt = delivery.attempt.get();
    info_span!(
        "message",
        queue,
        handler,
        message_id = delivery.message_id,
        attempt,
        event_id = field::Empty,
        user = field::Empty
    )
}
