//! Stops 4 to 8: one delivery, from open to settle, on one screen.
//!
//! Enters: a delivery. Leaves: its end; its verdict is carried out. Promises: one closing line without address or body.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::{Span, field, info};

use super::breaker::Breaker;
use super::duty::Duty;
use super::evidence::Evidence;
use super::foreign;
use super::holds::Held;
use super::observer::{Ended, Observer};
use super::outcome::{Limits, Outcome};
use super::reaction::Reaction;
use super::settings::Settings;
use super::settle::{Settled, Settler};
use super::tally::Tally;
use crate::envelope::{self, Topics};
use crate::event::{Event, Timestamp, log_hash};
use crate::handler::Handler;
use crate::idempotency::Ledger;
use crate::queue::{Delivery, Queue};

/// Processes deliveries: what all deliveries of one worker share.
pub(super) struct Processor<Q, L, H> {
    pub(super) reaction: Arc<Reaction<L, H>>,
    pub(super) settler: Settler<Q>,
    pub(super) settings: Settings,
    pub(super) topics: Topics,
    pub(super) limits: Limits,
    pub(super) tally: Tally,
    pub(super) duty: Duty,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) breaker: Arc<Breaker>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) places: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
    /// Cancelled shortly before the shutdown deadline: a delivery that can be settled is settled now.
    pub(super) closing: CancellationToken,
}

/// A delivery's slot: the right to run a handler. `None` while it waits for a turn, and once it is only to be settled.
pub(super) type Slot = Option<OwnedSemaphorePermit>;

impl<Q: Queue, L: Ledger, H: Handler> Processor<Q, L, H> {
    /// One delivery: open it, claim it, handle it, record it, settle it.
    pub(super) async fn process(&self, delivery: Delivery, held: Held, slot: &mut Slot) -> (Ended, Settled) {
        let started = Instant::now();
        let opened = self.open(&delivery);
        let reacted = match &opened {
            Ok(event) => self.react_until_known(event, &delivery, &held, slot).await,
            Err(outcome) => outcome.clone().into(),
        };
        let detail = Some(reacted.detail()).filter(|detail| !detail.is_empty());
        let verdict = reacted.verdict(&delivery, self.limits, &self.settings.backoff, self.reaction.row().name);
        self.tally.retries(&delivery, &verdict, &reacted, opened.ok().as_ref(), &self.reaction);
        let ended = Ended::new(reacted.outcome, &verdict, &delivery, started.elapsed());
        info!(outcome = ended.outcome.name(), %verdict, detail, seconds = ended.handling.as_secs_f64(), "delivery");
        self.tally.count(&ended);
        *slot = None;
        (ended, self.settler.settle(delivery, verdict, held).await)
    }

    fn open(&self, delivery: &Delivery) -> Result<H::Event, Outcome> {
        let sent_at = delivery.sent_at().and_then(Timestamp::from_unix_millis).unwrap_or_else(Timestamp::now);
        let types = self.reaction.row().types;
        let opened = envelope::open_from(delivery.body.as_str(), sent_at, &self.topics, types);
        let event: H::Event = foreign::judge(opened, types, self.settings.unknown_events)
            .inspect_err(|_| self.breaker.weigh(Evidence::Nothing))?;
        Span::current().record("event_id", field::display(&event.head().id));
        Span::current().record("subject", field::display(log_hash(&self.reaction.subject(&event).unwrap_or_default())));
        self.tally.oddities(&event);
        Ok(event)
    }
}
