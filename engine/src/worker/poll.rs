//! Stop 3: the loop. Slots first, then messages, then tasks.
//!
//! Enters: a token that says stop. Leaves: a [`Summary`]. Promises: never more messages than slots; a receive that
//! was sent is awaited, because dropping it strands messages that the queue has already handed over; a stop
//! interrupts waiting, never work. `gate` and `pace` decide when to receive; `drain` does the shutdown.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, FuturesUnordered, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::Worker;
use super::drain::{Summary, drain};
use super::gate::{Gate, Pass};
use super::lane::{Job, lanes};
use super::outcome::Limits;
use super::pace::{Asked, Pace};
use super::process::Processor;
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
struct Received {
    asked: Asked,
    slots: OwnedSemaphorePermit,
    is_trial: bool,
    result: Result<Vec<Delivery>, QueueError>,
}

impl<Q: Queue, L: Ledger, H: Handler> Worker<Q, L, H> {
    /// Works until `stop`, then drains. Neither a failing queue nor a panicking handler ends it.
    pub async fn run(self, stop: CancellationToken) -> Summary {
        let Self { queue, reaction, settings, topics, vitals, duty, observer } = self;
        let Vitals { pulse, tally, breaker, holds, rights, .. } = vitals;
        let (facts, handler) = (queue.facts(), reaction.row().name);
        info!(queue = queue.name(), handler, settings.concurrency, visibility = ?facts.visibility, "started");
        if !facts.has_dlq {
            warn!(queue = queue.name(), "no DLQ: what will never succeed is left to the queue and logged each time");
        }
        let limits = Limits::new(settings.max_attempts, settings.retry_for(queue.name()), &facts);
        let settler = Settler::start(queue.clone(), &rights);
        let slots = Arc::new(Semaphore::new(settings.concurrency));
        let processor = Arc::new(Processor {
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
            stop,
            closing: CancellationToken::new(),
        });
        let _beating = AbortOnDropHandle::new(tokio::spawn({
            let (holds, queue, rights) = (holds.clone(), queue.clone(), rights.clone());
            async move { holds.keep(&*queue, facts.visibility, &rights).await }
        }));
        let gate = Gate { processor: &processor, rights: &rights, queue: &*queue };
        let take = |Received { asked, slots, is_trial, result }: Received, pace: &mut Pace| {
            pulse.received(result.as_ref().err());
            let deliveries = pace.heard(&asked, result);
            if is_trial && deliveries.is_empty() {
                processor.breaker.untried();
            }
            let hold = |delivery| (holds.hold(&delivery, asked.at, facts.visibility), delivery);
            Job::each(deliveries.into_iter().map(hold), slots, queue.name(), handler)
        };
        let (mut pace, mut polls) = (Pace::new(settings.concurrency, Q::SERVER), FuturesUnordered::new());
        let (mut running, mut unworked) = (JoinSet::new(), Vec::new());

        loop {
            while let Some(lane) = running.try_join_next() {
                unworked.extend(lane.unwrap_or_default());
            }
            let is_idle = polls.is_empty();
            let pass = tokio::select! {
                biased;
                () = processor.stop.cancelled() => break,
                Some(received) = polls.next() => {
                    for lane in lanes(take(received, &mut pace)) {
                        // Boxed: a task is moved several times before it runs, and this one is large.
                        running.spawn(Box::pin(lane.walk(processor.clone())));
                    }
                    continue;
                }
                pass = async {
                    // Beats only if no receive is under way: a receive must end by itself, or the loop does not turn.
                    if is_idle { pulse.beating(gate.opens(&pace)).await } else { gate.opens(&pace).await }
                }, if polls.len() < pace.pollers() => pass,
            };
            match pass {
                Some(pass) => {
                    // Held deliveries wait for a turn too, or for a slot after a pause.
                    let hurries = processor.breaker.is_waited_for();
                    polls.push(receive(&*queue, pass, if hurries { settings.wait.min(HURRY) } else { settings.wait }));
                }
                None => break,
            }
        }
        // Counted from the stop, not from the end of the long polls that are still awaited.
        let deadline = Instant::now() + settings.shutdown;
        let unworked = stream::iter([unworked]).chain(polls.map(|received| take(received, &mut pace)));
        // A slow drain is alive, so the pulse beats.
        let drained = drain(running, unworked, &processor, &holds, &*queue, deadline);
        let summary = pulse.beating(drained).await;
        // A handler limits this itself; the timeout is for one that does not.
        let _ = timeout_at(deadline + CLOSE_LIMIT, processor.reaction.close()).await;
        info!(queue = queue.name(), handler, outcomes = ?processor.tally.read().outcomes, "stopped: {summary}");
        summary
    }
}

async fn receive<Q: Queue>(queue: &Q, Pass { slots, is_trial }: Pass, wait: Duration) -> Received {
    let asked = Asked { at: Instant::now(), at_most: slots.num_permits() };
    let result = queue.receive(asked.at_most, wait).await;
    Received { asked, slots, is_trial, result }
}
