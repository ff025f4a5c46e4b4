//! The in-process bus: the same handlers, without a broker.
//!
//! Enters: an event. Leaves: the outcome of each reaction. Promises: reactions run side by side, and one that fails
//! does not disturb another; a failure that may pass is tried again, up to 4 tries. Nothing is stored: work that is not
//! done when the process ends is lost. If that matters, use a queue.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::backoff::Backoff;
use crate::envelope::Refusal;
use crate::event::{Arrival, EventError, Opened, Published, Timestamp, read};
use crate::handler::Handler;
use crate::idempotency::{Ledger, Setbacks};
use crate::queue::{Attempt, Verdict};
use crate::worker::record::CommitRetry;
use crate::worker::retry::react;
use crate::worker::{Limits, Outcome, Patience, Reaction, Tries};

/// Tries of each reaction, after which its outcome is returned as it is.
const TRIES: u32 = 4;
/// For how long a commit is retried while the ledger is away: the publisher waits during this time.
const RECORD_WITHIN: Duration = Duration::from_secs(60);

/// Publishes and reacts in one process.
#[derive(Default)]
pub struct Bus {
    reactions: Vec<Subscriber>,
}

/// The outcome of one reaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactionOutcome {
    /// What the reaction is called.
    pub handler: &'static str,
    /// Its outcome after the last try.
    pub outcome: Outcome,
}

type Reacting = Pin<Box<dyn Future<Output = ReactionOutcome> + Send>>;
/// Returns `None` for an event whose type it does not take.
type Subscriber = Box<dyn Fn(&str, &Arrival<'_>) -> Option<Reacting> + Send + Sync>;

impl Bus {
    /// A bus without reactions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a reaction.
    #[must_use]
    pub fn react<L: Ledger, H: Handler>(mut self, reaction: Reaction<L, H>) -> Self {
        let reaction = Arc::new(reaction);
        self.reactions.push(Box::new(move |text, arrival| {
            let (reaction, row) = (reaction.clone(), reaction.row());
            let event = match read::<H::Event>(text, arrival, row.types) {
                Ok(Opened::Ours(event)) => Ok(event),
                Ok(Opened::Foreign(_)) | Err(EventError::Foreign { .. }) => return None,
                Err(error) => Err(Outcome::Refused(Refusal::Event(error))),
            };
            Some(Box::pin(async move {
                let outcome = match event {
                    Ok(event) => react_with_retries(&reaction, &event).await,
                    Err(refused) => refused,
                };
                ReactionOutcome { handler: row.name, outcome }
            }))
        }));
        self
    }

    /// Hands the event to every reaction that takes its type, and waits for all of them. Each reads the event's text by
    /// itself.
    pub async fn publish<E: Published>(&self, event: &E) -> Vec<ReactionOutcome> {
        let text = event.to_json();
        let arrival = Arrival::wrapped(event.head().id.as_str(), Timestamp::now());
        join_all(self.reactions.iter().filter_map(|reaction| reaction(&text, &arrival))).await
    }
}

async fn react_with_retries<L: Ledger, H: Handler>(reaction: &Reaction<L, H>, event: &H::Event) -> Outcome {
    let mut tried = 1;
    loop {
        let retry = CommitRetry::lasting(RECORD_WITHIN);
        let reacted = react(reaction, event, "", reaction.own_beats(), &retry, || {}).await;
        // The publisher cannot wait for hours: a deferral and an outage are retried like a failure.
        let outcome = match &reacted.outcome {
            Outcome::Deferred { .. } | Outcome::Doubted { .. } | Outcome::Unavailable(_) => &Outcome::Transient,
            other => other,
        };
        let patience = Patience { retry_for: Duration::ZERO, retention: None };
        let limits = Limits { attempts: TRIES, receives: Some(TRIES), patience };
        let tries = Tries { setbacks: Setbacks::default(), receives: Attempt::new(tried), age: Duration::ZERO, limits };
        match outcome.verdict(&tries, &Backoff::ENTRY, reaction.row().name, "") {
            Verdict::RetryIn(delay) if tried < TRIES => tokio::time::sleep(delay).await,
            _ => return reacted.outcome,
        }
        tried += 1;
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bus({} reactions)", self.reactions.len())
    }
}
