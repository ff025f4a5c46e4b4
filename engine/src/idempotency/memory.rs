//! The ledger in memory: the same steps as the scripts beside it, on tokio's clock.
//!
//! Enters: the port's calls. Leaves: the port's answers. Promises: the port's contract while the process lives. When
//! the process ends the records are lost, so they need no retention. For the in-process bus, the embedded default and
//! tests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::{
    Begin, COMMIT_RETRY_FOR, Claim, Fingerprint, Key, Lease, Ledger, LedgerError, MAX_EXPIRED_CLAIMS, Release, Request,
    Setbacks, State, Terms,
};

/// A ledger in memory. Clones share the records.
#[derive(Debug, Clone, Default)]
pub struct MemoryLedger {
    records: Arc<Mutex<HashMap<Key, MemoryRecord>>>,
}

#[derive(Debug)]
struct MemoryRecord {
    state: State,
    fingerprint: Fingerprint,
    token: String,
    generation: u64,
    begun: Option<u64>,
    sends: u32,
    deadline: Instant,
    /// The id of the message that claimed last; empty: none.
    message: String,
    /// Claims that ran out without a release, by message.
    takeovers: HashMap<String, u32>,
    failing: Option<Failing>,
    deferring: Option<Deferring>,
}

#[derive(Debug)]
struct Failing {
    message: String,
    count: u32,
    history: String,
}

#[derive(Debug)]
struct Deferring {
    message: String,
    count: u32,
    since: Instant,
}

impl MemoryRecord {
    fn is_owned_by(&self, lease: &Lease) -> bool {
        let open = matches!(self.state, State::Claimed | State::Begun);
        open && self.token == lease.token && self.generation == lease.generation
    }

    /// Counts a claim that ran out without a release against its message, unless the ledger was away when it did.
    fn charge(&mut self, now: Instant, lease: Duration, failed_ago: Option<Duration>) {
        let ended = now.saturating_duration_since(self.deadline);
        let explained = failed_ago.is_some_and(|failed_ago| failed_ago <= ended + 2 * lease);
        if !self.token.is_empty() && !self.message.is_empty() && !explained {
            *self.takeovers.entry(self.message.clone()).or_default() += 1;
        }
    }

    /// The owner passed the fence, could not commit while the ledger was away, and may do so soon.
    fn may_be_about_to_commit(&self, now: Instant) -> bool {
        !self.token.is_empty() && now.saturating_duration_since(self.deadline) < COMMIT_RETRY_FOR
    }

    fn failed(&mut self, message: &str, outcome: &str) {
        let earlier = self.failing.take().filter(|failing| failing.message == message);
        let (count, mut history) = earlier.map_or((0, String::new()), |failing| (failing.count, failing.history));
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let space = if history.is_empty() { "" } else { " " };
        history.push_str(&format!("{space}{outcome}@{millis}"));
        if history.len() > 1000 {
            history = history.split_once(' ').map_or_else(String::new, |(_, later)| later.to_owned());
        }
        self.failing = Some(Failing { message: message.to_owned(), count: count + 1, history });
    }

    fn deferred(&mut self, message: &str) {
        let earlier = self.deferring.take().filter(|deferring| deferring.message == message);
        let (count, since) = earlier.map_or((0, Instant::now()), |deferring| (deferring.count, deferring.since));
        self.deferring = Some(Deferring { message: message.to_owned(), count: count + 1, since });
    }

    fn setbacks(&self, message: &str) -> Setbacks {
        let failing = self.failing.as_ref().filter(|failing| failing.message == message);
        let deferring = self.deferring.as_ref().filter(|deferring| deferring.message == message);
        Setbacks {
            failures: failing.map_or(0, |failing| failing.count),
            history: failing.map_or_else(String::new, |failing| failing.history.clone()),
            deferrals: deferring.map_or(0, |deferring| deferring.count),
            deferred_for: deferring.map_or(Duration::ZERO, |deferring| deferring.since.elapsed()),
        }
    }
}

impl MemoryLedger {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, MemoryRecord>> {
        // No step panics half way, so even a poisoned lock guards whole records.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for MemoryLedger {
    const SERVER: &'static str = "memory";

    async fn claim(&self, request: &Request, token: &str, terms: &Terms) -> Result<Claim, LedgerError> {
        let now = Instant::now();
        let mut records = self.lock();
        let record = records.entry(request.key.clone()).or_insert_with(|| MemoryRecord {
            state: State::Claimed,
            fingerprint: request.fingerprint.clone(),
            token: String::new(),
            generation: 0,
            begun: None,
            sends: 0,
            deadline: now,
            message: String::new(),
            takeovers: HashMap::new(),
            failing: None,
            deferring: None,
        });
        if !record.fingerprint.agrees_with(&request.fingerprint) {
            return Ok(Claim::Conflict);
        }
        let again = record.token == token;
        let failed_ago = request.ledger_failed_ago.unwrap_or(Duration::MAX);
        match record.state {
            State::Done => return Ok(Claim::Done),
            State::Parked => return Ok(Claim::Parked),
            _ if !again && record.deadline > now => return Ok(Claim::Busy(record.deadline - now)),
            State::Begun if !again && record.may_be_about_to_commit(now) && failed_ago < terms.lease => {
                return Ok(Claim::Busy(terms.lease - failed_ago));
            }
            State::Begun if !again && record.sends >= terms.on_ambiguous.max_sends() => {
                record.state = State::Parked;
                return Ok(Claim::Parked);
            }
            State::Claimed | State::Begun => {}
        }
        if !again {
            record.charge(now, terms.lease, request.ledger_failed_ago);
            if record.takeovers.get(&request.message_id).is_some_and(|count| *count >= MAX_EXPIRED_CLAIMS) {
                // The record has no owner from here on, so that the next claim does not count this one again.
                record.token.clear();
                return Ok(Claim::KillsItsWorker);
            }
            record.generation += 1;
        }
        token.clone_into(&mut record.token);
        request.message_id.clone_into(&mut record.message);
        record.deadline = now + terms.lease;
        let lease = Lease::new(request, token, record.generation);
        Ok(if record.state == State::Begun { Claim::Ambiguous(lease) } else { Claim::Acquired(lease) })
    }

    async fn begin(&self, lease: &Lease, terms: &Terms) -> Result<Begin, LedgerError> {
        let mut records = self.lock();
        let Some(record) = records.get_mut(&lease.key) else { return Ok(Begin::Lost) };
        if record.state == State::Done {
            return Ok(Begin::Done);
        }
        if !record.is_owned_by(lease) {
            return Ok(Begin::Lost);
        }
        if record.begun != Some(lease.generation) {
            record.sends += 1;
        }
        record.begun = Some(lease.generation);
        record.state = State::Begun;
        record.deadline = Instant::now() + terms.lease;
        Ok(Begin::Go)
    }

    async fn renew(&self, lease: &Lease, terms: &Terms) -> Result<bool, LedgerError> {
        let mut records = self.lock();
        let Some(record) = records.get_mut(&lease.key).filter(|r| r.is_owned_by(lease)) else { return Ok(false) };
        record.deadline = Instant::now() + terms.lease;
        Ok(true)
    }

    async fn commit(&self, lease: &Lease, _receipt: &str, _terms: &Terms) -> Result<(), LedgerError> {
        if let Some(record) = self.lock().get_mut(&lease.key).filter(|r| r.state != State::Done) {
            record.state = State::Done;
            record.token.clone_from(&lease.token);
            record.generation = lease.generation;
            record.fingerprint.clone_from(&lease.fingerprint);
            (record.failing, record.deferring) = (None, None);
            record.takeovers.clear();
        }
        Ok(())
    }

    async fn release(&self, lease: &Lease, why: Release<'_>) -> Result<Setbacks, LedgerError> {
        let mut records = self.lock();
        let Some(record) = records.get_mut(&lease.key).filter(|r| r.is_owned_by(lease)) else {
            return Ok(Setbacks::default());
        };
        let is_sent = matches!(why, Release::Unknown { .. });
        if record.begun.take() == Some(lease.generation) && !is_sent {
            record.sends -= 1;
        }
        record.state = if record.sends > 0 { State::Begun } else { State::Claimed };
        record.token.clear();
        record.deadline = Instant::now();
        Ok(match why {
            Release::Uncounted => Setbacks::default(),
            Release::Failed { message_id, outcome } | Release::Unknown { message_id, outcome } => {
                record.failed(message_id, outcome);
                record.setbacks(message_id)
            }
            Release::Deferred { message_id } => {
                record.deferred(message_id);
                record.setbacks(message_id)
            }
        })
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}
