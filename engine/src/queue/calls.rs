//! The calls that a queue makes to its server: what the server bills.
//!
//! Enters: each call, by its action; a call that is tried again counts again, because it is billed again. Leaves: how
//! many there were, what is billed of them, and how many receives brought nothing. Promises: counts only grow. Knows no
//! price and no server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bytes that are billed as one call: SQS bills each 64 KiB of a call that were begun.
const CHUNK: usize = 64 * 1024;

/// Counts the calls of one queue. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    count: Arc<Mutex<CallCount>>,
}

/// The counts at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallCount {
    /// Calls by their action, as the server names it: `ReceiveMessage`.
    pub actions: BTreeMap<&'static str, u64>,
    /// What the server bills: one for each call, and one for each further 64 KiB of it.
    pub billed: u64,
    /// Receives that brought nothing.
    pub empty_receives: u64,
}

impl Calls {
    /// Counts from zero. Each of these actions has a count from the start.
    #[must_use]
    pub fn of(actions: &[&'static str]) -> Self {
        let actions = actions.iter().map(|action| (*action, 0)).collect();
        Self { count: Arc::new(Mutex::new(CallCount { actions, ..CallCount::default() })) }
    }

    /// The counts now.
    #[must_use]
    pub fn read(&self) -> CallCount {
        self.lock().clone()
    }

    /// A call of this many bytes goes out.
    pub fn sent(&self, action: &'static str, bytes: usize) {
        let mut count = self.lock();
        *count.actions.entry(action).or_default() += 1;
        count.billed += chunks(bytes);
    }

    /// The answer to a call came, of this many bytes. No call is long in both directions.
    pub fn answered(&self, bytes: usize) {
        self.lock().billed += chunks(bytes) - 1;
    }

    /// A receive brought nothing.
    pub fn brought_nothing(&self) {
        self.lock().empty_receives += 1;
    }

    fn lock(&self) -> MutexGuard<'_, CallCount> {
        // Counting cannot panic half way.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallCount {
    /// All calls, of whatever action.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.actions.values().sum()
    }
}

fn chunks(bytes: usize) -> u64 {
    bytes.div_ceil(CHUNK).max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_64_kib_of_a_call_is_billed_as_one_whichever_way_it_went() {
        let calls = Calls::of(&["Receive", "Delete"]);
        for (sent, received, billed) in [(0, 0, 1), (CHUNK, 10, 1), (CHUNK + 1, 10, 2), (10, 4 * CHUNK, 4)] {
            let before = calls.read().billed;
            calls.sent("Receive", sent);
            calls.answered(received);
            assert_eq!(calls.read().billed - before, billed, "{sent} bytes there, {received} back");
        }
        assert_eq!(calls.read().actions, [("Delete", 0), ("Receive", 4)].into());
    }
}
