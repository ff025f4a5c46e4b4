//! The gate before each receive: may we, when, and with which slots?
//!
//! Enters: the breaker's state, the pace, the duty. Leaves: slots to receive for, or "stop". Promises:
//! nothing is received while what every message needs is down, before the pace allows it, or without a
//! slot; stop is heard at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, sleep_until, timeout};

use super::breaker::{State, pause};
use super::lane::Road;
use super::pace::Pace;
use crate::backoff::Backoff;
use crate::handlers::Handler;
use crate::idempotency::Ledger;
use crate::queue::{MAX_BATCH, Queue};

/// One worker's gate.
pub(super) struct Gate<'a, Q, L, H> {
    pub(super) road: &'a Road<Q, L, H>,
    pub(super) slots: Arc<Semaphore>,
}

impl<Q: Queue, L: Ledger, H: Handler> Gate<'_, Q, L, H> {
    /// Waits until the loop may receive; `None`: stop.
    pub(super) async fn opens(&self, pace: &Pace) -> Option<OwnedSemaphorePermit> {
        let Road { stop, breaker, duty, corridor, .. } = self.road;
        loop {
            if stop.is_cancelled() {
                return None;
            }
            stop.run_until_cancelled(duty.allowed()).await?;
            stop.run_until_cancelled(sleep_until(pace.not_before())).await?;
            match breaker.state() {
                State::Closed => {
                    let slots = stop.run_until_cancelled(self.slots_for_a_batch(pace.patience())).await??;
                    // Both may have changed while the slots were waited for.
                    if breaker.state() == State::Closed && duty.takes() {
                        return Some(slots);
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
                    breaker.probed(corridor.reaction.probe().await);
                }
                State::HalfOpen { .. } => {
                    // What the last message came to must be known before the next is risked.
                    let mut all = stop.run_until_cancelled(self.take(corridor.settings.concurrency)).await??;
                    if let State::HalfOpen { .. } = breaker.state() {
                        return all.split(1);
                    }
                }
            }
        }
    }

    /// At least one slot; after `patience` as many as there are then, up to what one receive may bring.
    async fn slots_for_a_batch(&self, patience: Duration) -> Option<OwnedSemaphorePermit> {
        let mut slots = self.take(1).await?;
        let more = MAX_BATCH.min(self.road.corridor.settings.concurrency) - 1;
        if let Ok(rest) = timeout(patience, self.take(more)).await {
            slots.merge(rest?);
            return Some(slots);
        }
        let free = self.slots.available_permits().min(more);
        if let Ok(rest) = self.slots.clone().try_acquire_many_owned(u32::try_from(free).ok()?) {
            slots.merge(rest);
        }
        Some(slots)
    }

    async fn take(&self, slots: usize) -> Option<OwnedSemaphorePermit> {
        self.slots.clone().acquire_many_owned(u32::try_from(slots).ok()?).await.ok()
    }
}
