//! The gate before each receive: may we, when, and with which slots?
//!
//! Enters: the breaker's state, the pace, the duty, the rights, the switch. Leaves: slots and places to receive for, or
//! "stop". Promises: no receive goes out before the pace allows it or without a slot. While a dependency of all messages
//! is down, one message at a time is received, in its turn. A stop is noticed at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep_until, timeout};

use super::breaker::{Breaker, Who};
use super::pace::Pace;
use super::pause::PauseSwitch;
use super::process::Processor;
use super::rights::Rights;
use crate::handler::Handler;
use crate::idempotency::Ledger;
use crate::queue::{MAX_BATCH, Queue};

/// One worker's gate.
pub(super) struct Gate<'a, Q, L, H> {
    pub(super) processor: &'a Processor<Q, L, H>,
    pub(super) rights: &'a Rights,
    pub(super) switch: &'a PauseSwitch,
    pub(super) queue: &'a Q,
}

/// A turn at the breaker that is not used yet. Dropped, it goes to somebody else.
struct Turn<'a>(&'a Breaker);

impl Turn<'_> {
    /// From now on the message that is received for it must report its outcome to the breaker.
    fn goes_to_a_message(self) {
        std::mem::forget(self);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.untried();
    }
}

/// The right to receive.
pub(super) struct Pass {
    pub(super) slots: OwnedSemaphorePermit,
    /// As many as slots; none for a trial.
    pub(super) places: Option<OwnedSemaphorePermit>,
    /// The breaker is open: the outcome of this message decides whether it closes.
    pub(super) is_trial: bool,
}

impl<Q: Queue, L: Ledger, H: Handler> Gate<'_, Q, L, H> {
    /// Waits until the loop may receive; `None`: stop.
    pub(super) async fn opens(&self, pace: &Pace) -> Option<Pass> {
        let Processor { duty, stop, breaker, reaction, .. } = self.processor;
        loop {
            if stop.is_cancelled() {
                return None;
            }
            stop.run_until_cancelled(self.no_pause_holds()).await?;
            stop.run_until_cancelled(duty.allowed()).await?;
            stop.run_until_cancelled(self.rights.granted(self.queue)).await?;
            stop.run_until_cancelled(sleep_until(pace.not_before())).await?;
            let mut turn = None;
            let (slots, places) = if breaker.is_closed() {
                stop.run_until_cancelled(self.slots_for_a_batch(pace.full_batch_wait())).await??
            } else {
                stop.run_until_cancelled(breaker.wait_for_turn(Who::Fresh, &**reaction)).await?;
                turn = Some(Turn(breaker));
                (stop.run_until_cancelled(self.take(1)).await??, None)
            };
            // Everything may have changed during the waits above.
            match (breaker.is_closed(), turn) {
                _ if !(duty.takes() && self.rights.are_whole() && self.switch.current().is_none()) => {}
                (true, None) => return Some(Pass { slots, places, is_trial: false }),
                (false, Some(turn)) => {
                    turn.goes_to_a_message();
                    return Some(Pass { slots, places: None, is_trial: true });
                }
                _ => {}
            }
        }
    }

    /// Waits for the end of a pause by hand. Looks first at what a message would need: whoever ends the pause wants to know.
    async fn no_pause_holds(&self) {
        let Processor { breaker, reaction, .. } = self.processor;
        if self.switch.current().is_some() {
            breaker.wait_for_turn(Who::Fresh, &**reaction).await;
            drop(Turn(breaker));
            self.switch.over().await;
        }
    }

    /// Waits for one slot, then up to `full_batch_wait` for all that one receive may use, then takes those that are
    /// free.
    async fn slots_for_a_batch(
        &self,
        full_batch_wait: Duration,
    ) -> Option<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>)> {
        let more = MAX_BATCH.min(self.processor.settings.concurrency) - 1;
        // Places first: who waits for one holds no slot that a held delivery may need.
        let mut places = permits(&self.processor.places, 1 + more).await?;
        let mut slots = self.take(1).await?;
        if let Ok(rest) = timeout(full_batch_wait, self.take(more)).await {
            slots.merge(rest?);
            return Some((slots, Some(places)));
        }
        let free = self.slots().available_permits().min(more);
        if let Ok(rest) = self.slots().clone().try_acquire_many_owned(u32::try_from(free).ok()?) {
            slots.merge(rest);
        }
        let places = places.split(slots.num_permits());
        Some((slots, places))
    }

    fn slots(&self) -> &Arc<Semaphore> {
        &self.processor.slots
    }

    async fn take(&self, slots: usize) -> Option<OwnedSemaphorePermit> {
        permits(self.slots(), slots).await
    }
}

async fn permits(of: &Arc<Semaphore>, many: usize) -> Option<OwnedSemaphorePermit> {
    of.clone().acquire_many_owned(u32::try_from(many).ok()?).await.ok()
}
