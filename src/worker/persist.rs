//! One event, until something is known of it: claim it, handle it, record it; and again, in its turn, while what every event
//! needs is down.
//!
//! Enters: an event that was opened, and its slot. Leaves: what came of it. Promises: a pause costs a delivery that is held no
//! receive and no attempt; who waits gives its slot back, so that a message that has not tried yet can, too.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::breaker::Who;
use super::lease::Held;
use super::process::{Corridor, Slot};
use super::reaction::{Beats, Reacted, Reaction};
use super::word::Word;
use crate::event::UserSignedUp;
use crate::handlers::Handler;
use crate::idempotency::Ledger;
use crate::queue::{Delivery, Queue};

/// How long a delivery waits for its turns, before it is given back: the pause may be long, and a process that holds it may end.
const LONGEST: Duration = Duration::from_secs(900);

impl<Q: Queue, L: Ledger, H: Handler> Corridor<Q, L, H> {
    pub(super) async fn persist(
        &self,
        event: &UserSignedUp,
        delivery: &Delivery,
        held: &Held,
        slot: &mut Slot,
    ) -> Reacted {
        let until = Instant::now() + LONGEST;
        loop {
            let reacted = react(&self.reaction, event, &delivery.message_id, held.beats()).await;
            self.breaker.heard(Word::of(&reacted.outcome, &reacted.detail, H::RECEIVER));
            if !reacted.outcome.may_pass() {
                return reacted;
            }
            let Some(place) = self.breaker.place(self.settings.concurrency) else { return reacted };
            *slot = None;
            let turn = self.stop.run_until_cancelled(self.breaker.turn(Who::Held, &*self.reaction));
            if !matches!(timeout_at(until, turn).await, Ok(Some(()))) {
                return reacted;
            }
            drop(place);
            // Not within that time: whoever has the turn owes a word. Slots fall free by themselves.
            *slot = self.slots.clone().acquire_owned().await.ok();
            held.begins_anew();
        }
    }
}

/// One event, without a message around it: claim it, handle it, record it.
pub(crate) async fn react<L: Ledger, H: Handler>(
    reaction: &Reaction<L, H>,
    event: &UserSignedUp,
    message_id: &str,
    beats: impl Beats,
) -> Reacted {
    let lease = match reaction.claim(event, message_id).await {
        Ok(lease) => lease,
        Err(outcome) => return outcome.into(),
    };
    let ran = reaction.handle(event, &lease, beats).await;
    reaction.record(lease, ran, message_id).await
}
