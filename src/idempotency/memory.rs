//! The ledger in memory: the same steps as the scripts beside it, on tokio's clock.
//!
//! Enters: the port's calls. Leaves: the port's answers. Promises: the port's contract while the
//! process lives; a process that ends forgets, so records need no retention. For the in-process bus, the
//! embedded default and tests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::{Begin, Claim, Failed, Failures, Fingerprint, Key, Lease, Ledger, LedgerError, Request, Terms};

/// A ledger in memory. Clones share the records.
#[derive(Debug, Clone, Default)]
pub struct MemoryLedger {
    records: Arc<Mutex<HashMap<Key, Record>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Sending,
    Done,
    Parked,
}

#[derive(Debug)]
struct Record {
    state: State,
    fingerprint: Fingerprint,
    token: String,
    generation: u64,
    begun: Option<u64>,
    sends: u32,
    deadline: Instant,
    failing: Option<(String, Failures)>,
}

impl Record {
    fn is_owned_by(&self, lease: &Lease) -> bool {
        let open = matches!(self.state, State::Pending | State::Sending);
        open && self.token == lease.token && self.generation == lease.generation
    }

    fn failed(&mut self, failed: Failed<'_>) -> Failures {
        let earlier = self.failing.take().filter(|(message_id, _)| message_id == failed.message_id);
        let mut failures = earlier.map(|(_, failures)| failures).unwrap_or_default();
        failures.count += 1;
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let space = if failures.history.is_empty() { "" } else { " " };
        failures.history.push_str(&format!("{space}{}@{millis}", failed.outcome));
        if failures.history.len() > 1000 {
            failures.history = failures.history.split_once(' ').map_or_else(String::new, |(_, later)| later.to_owned());
        }
        self.failing = Some((failed.message_id.to_owned(), failures.clone()));
        failures
    }
}

impl MemoryLedger {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Record>> {
        // No step panics half way, so a poisoned lock still guards whole records.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for MemoryLedger {
    async fn claim(&self, request: &Request, token: &str, terms: &Terms) -> Result<Claim, LedgerError> {
        let now = Instant::now();
        let mut records = self.lock();
        let record = records.entry(request.key.clone()).or_insert_with(|| Record {
            state: State::Pending,
            fingerprint: request.fingerprint.clone(),
            token: String::new(),
            generation: 0,
            begun: None,
            sends: 0,
            deadline: now,
            failing: None,
        });
        if record.fingerprint != request.fingerprint {
            return Ok(Claim::Conflict);
        }
        let again = record.token == token;
        match record.state {
            State::Done => return Ok(Claim::Done),
            State::Parked => return Ok(Claim::Parked),
            _ if !again && record.deadline > now => return Ok(Claim::Busy(record.deadline - now)),
            State::Sending if !again && record.sends >= terms.max_sends => {
                record.state = State::Parked;
                return Ok(Claim::Parked);
            }
            State::Pending | State::Sending => {}
        }
        if !again {
            record.generation += 1;
        }
        token.clone_into(&mut record.token);
        record.deadline = now + terms.lease;
        let lease = Lease {
            key: request.key.clone(),
            fingerprint: request.fingerprint.clone(),
            token: token.to_owned(),
            generation: record.generation,
        };
        Ok(if record.state == State::Sending { Claim::Ambiguous(lease) } else { Claim::Acquired(lease) })
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
        record.state = State::Sending;
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
            record.failing = None;
        }
        Ok(())
    }

    async fn release(&self, lease: &Lease, failed: Option<Failed<'_>>) -> Result<Failures, LedgerError> {
        let mut records = self.lock();
        let Some(record) = records.get_mut(&lease.key).filter(|r| r.is_owned_by(lease)) else {
            return Ok(Failures::default());
        };
        if record.begun.take() == Some(lease.generation) {
            record.sends -= 1;
        }
        record.state = if record.sends > 0 { State::Sending } else { State::Pending };
        record.token.clear();
        record.deadline = Instant::now();
        Ok(failed.map(|failed| record.failed(failed)).unwrap_or_default())
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}
