//! Stops 4 to 8: one delivery, from open to settle, on one screen.
//!
//! Enters: a delivery. Leaves: nothing; its verdict is carried out and its slot is free. Promises: one
//! closing line in the log for each delivery, and no word of an address or a body in it.

use std::time::Instant;

use tracing::{Span, field, info};

use super::lease::Held;
use super::outcome::{Outcome, UnknownEvents};
use super::reaction::{Beats, Reaction};
use super::settle::Settler;
use super::{Settings, Tally};
use crate::envelope;
use crate::event::{Arrival, EventKind, Timestamp, UserSignedUp};
use crate::handlers::Handler;
use crate::idempotency::Ledger;
use crate::queue::{Delivery, Queue};

/// One delivery: open it, claim it, handle it, record it, settle it.
pub(super) async fn process<Q: Queue, L: Ledger, H: Handler>(
    delivery: Delivery,
    held: Held,
    reaction: &Reaction<L, H>,
    settings: &Settings,
    settler: &Settler<Q>,
    tally: &Tally,
) -> Outcome {
    let started = Instant::now();
    let outcome = match open(&delivery, settings.unknown_events, tally) {
        Ok(event) => react(reaction, &event, held.beats()).await,
        Err(outcome) => outcome,
    };
    let verdict = outcome.verdict(delivery.attempt, &settings.backoff, H::NAME);
    info!(outcome = outcome.name(), %verdict, seconds = started.elapsed().as_secs_f64(), "delivery");
    tally.count(&outcome);
    settler.settle(delivery, verdict, held).await;
    outcome
}

/// One event, without a message around it: claim it, handle it, record it.
pub(crate) async fn react<L: Ledger, H: Handler>(
    reaction: &Reaction<L, H>,
    event: &UserSignedUp,
    beats: impl Beats,
) -> Outcome {
    let lease = match reaction.claim(event).await {
        Ok(lease) => lease,
        Err(outcome) => return outcome,
    };
    let ran = reaction.handle(event, &lease, beats).await;
    reaction.record(lease, ran).await
}

fn open(delivery: &Delivery, unknown: UnknownEvents, tally: &Tally) -> Result<UserSignedUp, Outcome> {
    let sent_at = Timestamp::from_unix_millis(delivery.sent_at_millis).unwrap_or_else(Timestamp::now);
    match envelope::open(delivery.body.as_str(), &Arrival { message_id: &delivery.message_id, sent_at }) {
        Ok(EventKind::UserSignedUp(event)) => {
            Span::current().record("event_id", field::display(&event.event_id));
            Span::current().record("user", event.user_id.log_hash());
            if event.is_newer_than_known() {
                tally.newer_version();
            }
            Ok(event)
        }
        Ok(EventKind::Unknown(_)) if unknown == UnknownEvents::Ignore => Err(Outcome::Ignored),
        Ok(EventKind::Unknown(_)) => Err(Outcome::UnknownType),
        Err(refusal) => Err(Outcome::Refused(refusal)),
    }
}
