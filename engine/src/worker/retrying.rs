//! What is being retried: events that were deferred or failed, and come again.
//!
//! Enters: the ends of deliveries. Leaves: the newest [`KEPT`] such events of the last hour, and the messages of which this
//! worker knows that they are through. Promises: no address, no body, no subject but as its hash. A message that is
//! through at its first receive costs nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::outcome::{Outcome, Reacted};
use crate::event::{Head, Timestamp, log_hash};
use crate::queue::{Delivery, Verdict};

/// How many are remembered, of each kind.
const KEPT: usize = 100;
/// For how long.
const LASTING: Duration = Duration::from_secs(3600);

/// One event that comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// The message that carries it.
    pub message_id: String,
    /// Its id; `None`: the message could not be opened.
    pub event_id: Option<String>,
    /// Its type.
    pub kind: Option<String>,
    /// Whom or what it is about, as the log names them.
    pub subject: Option<String>,
    /// What came of its last try: [`Outcome::name`].
    pub outcome: &'static str,
    /// Why: what the handler said, or a text for the outcome.
    pub detail: String,
    /// How often it was deferred or failed; where that is not counted, how often it was received.
    pub tries: u32,
    /// How often its message was received.
    pub receives: u32,
    /// When its last try ended.
    pub at: Timestamp,
    /// When it is due again; `None`: once its visibility timeout is over.
    pub due: Option<Timestamp>,
}

/// What a worker knows at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retries {
    /// What comes again, the newest first.
    pub again: Vec<Retried>,
    /// Messages that came more than once and are through, by their ids.
    pub over: Vec<String>,
}

/// Remembers them. Clones share the memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Retrying(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    again: VecDeque<(Instant, Retried)>,
    over: VecDeque<(Instant, String)>,
}

impl Retrying {
    /// A delivery has ended. `event`: its event's head and subject, if it could be opened.
    pub(super) fn heard(
        &self,
        delivery: &Delivery,
        verdict: &Verdict,
        reacted: &Reacted,
        event: impl FnOnce() -> Option<(Head, Option<String>)>,
    ) {
        let delay = match verdict {
            Verdict::Delete | Verdict::Quarantine(_) if delivery.attempt.get() == 1 => return,
            Verdict::Delete | Verdict::Quarantine(_) => return self.lock().is_over(&delivery.message_id),
            // Nothing is wrong with it: another delivery is at it, or its worker stops.
            _ if matches!(reacted.outcome, Outcome::Busy(_) | Outcome::NotBegun) => return,
            Verdict::RetryIn(delay) => Some(*delay),
            Verdict::Leave => None,
        };
        let (now, event, setbacks) = (Timestamp::now(), event(), &reacted.setbacks);
        let counted = setbacks.failures + setbacks.deferrals;
        let (head, subject) = event.map_or((None, None), |(head, subject)| (Some(head), subject));
        self.lock().comes_again(Retried {
            message_id: delivery.message_id.clone(),
            event_id: head.as_ref().map(|head| head.id.to_string()),
            kind: head.map(|head| head.kind.into_owned()),
            subject: subject.map(|subject| log_hash(&subject).to_string()),
            outcome: reacted.outcome.name(),
            detail: reacted.detail(),
            tries: if counted > 0 { counted } else { delivery.attempt.get() },
            receives: delivery.attempt.get(),
            at: now,
            due: delay.and_then(|delay| after(now, delay)),
        });
    }

    pub(super) fn read(&self) -> Retries {
        let mut memory = self.lock();
        memory.forget();
        let again = memory.again.iter().rev().map(|(_, retried)| retried.clone()).collect();
        Retries { again, over: memory.over.iter().map(|(_, id)| id.clone()).collect() }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // Each change leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn comes_again(&mut self, retried: Retried) {
        self.again.retain(|(_, other)| other.message_id != retried.message_id);
        self.again.push_back((Instant::now(), retried));
        self.forget();
    }

    fn is_over(&mut self, message_id: &str) {
        self.again.retain(|(_, other)| other.message_id != message_id);
        self.over.push_back((Instant::now(), message_id.to_owned()));
        self.forget();
    }

    fn forget(&mut self) {
        let now = Instant::now();
        while self.again.front().is_some_and(|(at, _)| is_old(*at, now)) || self.again.len() > KEPT {
            self.again.pop_front();
        }
        while self.over.front().is_some_and(|(at, _)| is_old(*at, now)) || self.over.len() > KEPT {
            self.over.pop_front();
        }
    }
}

fn is_old(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) >= LASTING
}

fn after(now: Timestamp, delay: Duration) -> Option<Timestamp> {
    Timestamp::from_unix_millis(now.unix_millis().saturating_add(i64::try_from(delay.as_millis()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::idempotency::Setbacks;
    use crate::queue::{Attempt, Attributes, Body, Failure, ReceiptHandle};

    fn delivery(id: &str, receive: u32) -> Delivery {
        Delivery {
            group: None,
            fairness: None,
            moved_by_queue: false,
            trace_header: None,
            message_id: id.to_owned(),
            body: Body::new("{}".to_owned()),
            attributes: Attributes::new(),
            attempt: Attempt::new(receive),
            sent_at_millis: 1_000,
            receipt: ReceiptHandle::new(id.to_owned()),
        }
    }

    fn ends(retrying: &Retrying, id: &str, receive: u32, verdict: &Verdict, reacted: &Reacted) {
        retrying.heard(&delivery(id, receive), verdict, reacted, || None);
    }

    fn again(retrying: &Retrying) -> Vec<String> {
        retrying.read().again.into_iter().map(|retried| retried.message_id).collect()
    }

    const SOON: Verdict = Verdict::RetryIn(Duration::from_secs(30));

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_told_once_by_its_last_try_until_it_is_through_or_an_hour_is_over() {
        let retrying = Retrying::default();
        let setbacks = Setbacks { failures: 2, deferrals: 1, ..Setbacks::default() };
        let deferred = Outcome::Deferred { in_a_row: 1, at_least: Duration::ZERO };
        let reacted = Reacted { outcome: deferred, setbacks, said: "421 4.7.0".to_owned() };
        ends(&retrying, "a", 1, &SOON, &Outcome::Transient.into());
        ends(&retrying, "b", 1, &Verdict::Leave, &Outcome::OutcomeUnknown.into());
        ends(&retrying, "a", 2, &SOON, &reacted);
        let told = retrying.read().again;
        let words: Vec<_> = told.iter().map(|one| (&*one.message_id, one.outcome, &*one.detail, one.tries)).collect();
        let unknown = "handler: no answer came past the point of no return";
        assert_eq!(words, [("a", "deferred", "421 4.7.0", 3), ("b", "outcome_unknown", unknown, 1)]);
        let wait = told[0].due.map(|due| due.unix_millis() - told[0].at.unix_millis());
        assert_eq!((wait, told[1].due, told[0].receives), (Some(30_000), None, 2));

        ends(&retrying, "a", 3, &Verdict::Delete, &Outcome::Done.into());
        assert_eq!((again(&retrying), retrying.read().over), (vec!["b".to_owned()], vec!["a".to_owned()]));
        tokio::time::advance(LASTING).await;
        assert_eq!(retrying.read(), Retries::default());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_through_at_its_first_receive_or_is_not_to_blame_leaves_no_trace() {
        let retrying = Retrying::default();
        let failure = Failure { reason: "conflict", handler: "x", history: String::new(), detail: String::new() };
        ends(&retrying, "a", 1, &Verdict::Delete, &Outcome::Done.into());
        ends(&retrying, "b", 1, &Verdict::Quarantine(failure), &Outcome::Conflict.into());
        ends(&retrying, "c", 1, &SOON, &Outcome::Busy(Duration::ZERO).into());
        ends(&retrying, "d", 2, &SOON, &Outcome::NotBegun.into());
        assert_eq!(retrying.read(), Retries::default());
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_hundred_are_remembered() {
        let retrying = Retrying::default();
        for n in 0..KEPT + 5 {
            ends(&retrying, &n.to_string(), 1, &SOON, &Outcome::Transient.into());
            ends(&retrying, &format!("over-{n}"), 2, &Verdict::Delete, &Outcome::Done.into());
        }
        let told = retrying.read();
        assert_eq!((told.again.len(), told.over.len()), (KEPT, KEPT));
        assert_eq!((&*told.again[0].message_id, &*told.over[0]), ("104", "over-5"));
    }
}
