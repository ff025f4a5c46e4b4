//! Lanes: which deliveries of a receive run side by side, and which one after the other.
//!
//! Enters: what one receive has brought. Leaves: lanes, each of which runs as one task. Promises: a delivery without a
//! group has a lane of its own. A group's deliveries share one lane, in order; if one of them stays on the queue, the
//! lane ends and gives back the rest, not begun. When a delivery ends in any way (also by a panic), its slot is free.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument, Span, field, info_span};

use super::holds::Held;
use super::outcome::{Outcome, Reacted};
use super::process::{Processor, Slot};
use super::settle::Settled;
use crate::failpoint::{self, Step};
use crate::handler::Handler;
use crate::idempotency::Ledger;
use crate::queue::{Delivery, Queue};

/// A delivery with its hold, its slot, its place, and the span of all its log lines.
pub(super) struct Job {
    delivery: Delivery,
    held: Held,
    slot: Slot,
    /// One of twice as many as there are slots, until the delivery is settled.
    place: Option<OwnedSemaphorePermit>,
    span: Span,
}

/// Deliveries that run one after the other.
pub(super) struct Lane(Vec<Job>);

impl Job {
    /// Makes one job of each delivery and gives it one of the slots and one of the places. What is left over becomes free.
    pub(super) fn each(
        deliveries: impl Iterator<Item = (Held, Delivery)>,
        (mut slots, mut places): (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
        queue: &str,
        handler: &'static str,
    ) -> Vec<Self> {
        let job = |(held, delivery): (Held, Delivery)| {
            let (attempt, message_id) = (delivery.attempt.get(), &delivery.message_id);
            let (event_id, subject, trace_id) = (field::Empty, field::Empty, field::Empty);
            let span = info_span!("message", queue, handler, message_id, attempt, event_id, subject, trace_id);
            let place = places.as_mut().and_then(|places| places.split(1));
            Self { delivery, held, slot: slots.split(1), place, span }
        };
        deliveries.map(job).collect()
    }
}

/// Puts the jobs of one group into one lane, in the order received, and each job without a group into its own lane.
pub(super) fn lanes(jobs: Vec<Job>) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::with_capacity(jobs.len());
    for one in jobs {
        let group = one.delivery.group.clone();
        let same = |lane: &&mut Lane| group.is_some() && lane.0[0].delivery.group == group;
        match lanes.iter_mut().find(same) {
            Some(lane) => lane.0.push(one),
            None => lanes.push(Lane(vec![one])),
        }
    }
    lanes
}

impl Lane {
    /// Works through the lane. After a stop, returns the deliveries that were not begun. They are not given back
    /// here: a receive that still waits at the queue would receive them again at once.
    pub(super) async fn walk<Q: Queue, L: Ledger, H: Handler>(self, processor: Arc<Processor<Q, L, H>>) -> Vec<Job> {
        let mut rest = self.0.into_iter();
        while let Some(next) = rest.next() {
            let settled = next.work(&processor).await;
            if processor.stop.is_cancelled() {
                return rest.collect();
            }
            if settled == Settled::Remains {
                break;
            }
        }
        give_back(rest, &processor).await;
        Vec::new()
    }
}

/// Gives deliveries that were not begun back to the queue, all at the same time, so that they share batch calls.
pub(super) async fn give_back<Q: Queue, L: Ledger, H: Handler>(
    unworked: impl Iterator<Item = Job>,
    processor: &Processor<Q, L, H>,
) {
    let each = |Job { delivery, held, slot, place, span }| async move {
        // This delivery may have the breaker's turn, and will not use it: another message may have it.
        processor.breaker.untried();
        let not_begun = Reacted::from(Outcome::NotBegun);
        let verdict =
            not_begun.verdict(&delivery, processor.limits, &processor.settings.backoff, processor.reaction.row().name);
        processor.settler.settle(delivery, verdict, held).instrument(span).await;
        drop((slot, place));
    };
    join_all(unworked.map(each)).await;
}

impl Job {
    async fn work<Q: Queue, L: Ledger, H: Handler>(self, processor: &Processor<Q, L, H>) -> Settled {
        let Self { delivery, held, mut slot, place: _place, span } = self;
        let _at_work = processor.duty.at_work();
        failpoint::reach(Step::Received);
        let followed = processor.observer.begins(&delivery, &span);
        let process = processor.process(delivery, held, &mut slot).instrument(span);
        let (ended, settled) = process.instrument(followed.clone()).await;
        processor.observer.ends(&followed, &ended, settled == Settled::Gone);
        settled
    }
}
