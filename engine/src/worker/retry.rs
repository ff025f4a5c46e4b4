//! One event, until its outcome is known: claim it, handle it, record it. It is tried again in its turn while a
//! dependency of all events is down; and on its last receive while another delivery holds the claim.
//!
//! Enters: an event that was opened, and its slot. Leaves: its outcome. Promises: a pause costs a held delivery no
//! receive and no attempt; a delivery whose handler has succeeded, or that waits for a turn, gives its slot back, so that a
//! new message can be handled; a message on its last receive is held for as long as it may be.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::breaker::Who;
use super::evidence::Evidence;
use super::holds::{Held, LONGEST};
use super::outcome::{Outcome, Reacted};
use super::process::{Processor, Slot};
use super::reaction::{Beats, Reaction};
use super::record::CommitRetry;
use crate::handler::Handler;
use crate::idempotency::{COMMIT_RETRY_FOR, Ledger};
use crate::queue::{Delivery, Queue};

/// How soon a busy effect is claimed again if the message cannot be given back. The other delivery may finish long
/// before its claim ends.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl<Q: Queue, L: Ledger, H: Handler> Processor<Q, L, H> {
    pub(super) async fn react_until_known(
        &self,
        event: &H::Event,
        delivery: &Delivery,
        held: &Held,
        slot: &mut Slot,
    ) -> Reacted {
        let until = Instant::now() + LONGEST;
        let is_last = self.limits.are_used_up(delivery.attempt);
        loop {
            // No time limit here: a turn must not be left without its report, and slots become free by themselves.
            if slot.is_none() {
                *slot = self.slots.clone().acquire_owned().await.ok();
            }
            let retry = CommitRetry::lasting(COMMIT_RETRY_FOR).or_until(&self.closing, &self.breaker);
            let reacted =
                react(&self.reaction, event, &delivery.message_id, held.beats(), &retry, || *slot = None).await;
            self.breaker.weigh(Evidence::of(&reacted.outcome, &reacted.said, self.reaction.row().receiver));
            let tries_again = match &reacted.outcome {
                outcome if outcome.may_pass() => self.turn_comes(until, is_last, slot).await,
                Outcome::Busy(left) if is_last && held.is_ours() => self.waits((*left).min(LOOK_AGAIN), until).await,
                // Only the claim was lost. A new claim tells what the other delivery did, or gets it if it is free.
                Outcome::LeaseLost if held.is_ours() => Instant::now() < until,
                _ => false,
            };
            match reacted.outcome {
                _ if tries_again => {}
                // The queue would move the message without a reason; the record may tell one.
                Outcome::LeaseLost if is_last => {
                    return self.reaction.look_up(event, &delivery.message_id).await.into();
                }
                _ => return reacted,
            }
            held.begins_anew();
        }
    }

    /// Waits for its turn to try; `false`: it got none in time.
    async fn turn_comes(&self, until: Instant, is_last: bool, slot: &mut Slot) -> bool {
        let place = self.breaker.waiting_place(self.settings.concurrency);
        if place.is_none() && !is_last {
            return false;
        }
        *slot = None;
        let end = if is_last { &self.closing } else { &self.stop };
        let turn = end.run_until_cancelled(self.breaker.wait_for_turn(Who::Held, &*self.reaction));
        if !matches!(timeout_at(until, turn).await, Ok(Some(()))) {
            return false;
        }
        drop(place);
        true
    }

    /// Waits and keeps its slot; `false`: no time is left.
    async fn waits(&self, delay: Duration, until: Instant) -> bool {
        let delay = delay + Duration::from_millis(fastrand::u64(100..1000));
        matches!(timeout_at(until, self.closing.run_until_cancelled(sleep(delay))).await, Ok(Some(())))
    }
}

/// One try of one event, without a message: claim it, handle it, record it. Calls `succeeded` when the handler has: what it
/// needed is free. After a failure somebody else may have it only once the breaker has heard why.
pub(crate) async fn react<L: Ledger, H: Handler>(
    reaction: &Reaction<L, H>,
    event: &H::Event,
    message_id: &str,
    beats: impl Beats,
    retry: &CommitRetry<'_>,
    succeeded: impl FnOnce(),
) -> Reacted {
    let lease = match reaction.claim(event, message_id).await {
        Ok(lease) => lease,
        Err(outcome) => return outcome.into(),
    };
    let ran = reaction.handle(event, &lease, beats).await;
    if ran.result.is_ok() {
        succeeded();
    }
    reaction.record(lease, ran, message_id, retry).await
}
