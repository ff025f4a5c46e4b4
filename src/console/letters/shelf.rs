//! What was last seen in a DLQ: the console looks once, and its pages show that until somebody looks again.
//!
//! Enters: letters, as a look sees them; the ids of those that went. Leaves: what was seen, newest first, with its number
//! and its time. Promises: all of one number show the same letters. Whole letters are kept up to [`ROOM`] bytes a
//! reaction; of the others there is all but the body.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::letters::{Gist, Letter};
use engine::event::Timestamp;

/// How many bytes of letters are kept, of each reaction: ten thousand letters of 1.6 KB.
const ROOM: usize = 16 * 1024 * 1024;

/// How many letters are kept that were looked for one by one.
const FOUND: usize = 8;

/// What one look saw.
pub(super) struct Seen {
    /// Changes whenever other letters are shown.
    pub(super) number: u64,
    pub(super) at: Timestamp,
    /// Was every letter looked at?
    pub(super) is_whole: bool,
    /// Newest first.
    pub(super) gists: Vec<Arc<Gist>>,
    letters: HashMap<String, Arc<Letter>>,
}

impl Seen {
    pub(super) fn gist(&self, id: &str) -> Option<&Arc<Gist>> {
        self.gists.iter().find(|gist| gist.id == id)
    }
}

/// The letters of a look that is not over.
#[derive(Default)]
pub(super) struct Gathered {
    gists: Vec<Arc<Gist>>,
    letters: HashMap<String, Arc<Letter>>,
    bytes: usize,
}

impl Gathered {
    pub(super) fn add(&mut self, letter: Letter) {
        self.gists.push(Arc::new(Gist::of(&letter)));
        self.bytes += letter.size();
        if self.bytes <= ROOM {
            self.letters.insert(letter.id.clone(), Arc::new(letter));
        } else {
            self.bytes -= letter.size();
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.gists.len() as u64
    }
}

/// The shelf of one reaction.
pub(super) struct Shelf {
    state: Mutex<State>,
    /// How many looks have ended.
    ended: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    seen: Option<Arc<Seen>>,
    /// The last number.
    number: u64,
    /// Letters that were looked for one by one, the last one first.
    found: VecDeque<Arc<Letter>>,
    /// Why the last look failed.
    failure: Option<String>,
}

impl Shelf {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), ended: watch::Sender::new(0) }
    }

    /// What was last seen.
    pub(super) fn seen(&self) -> Option<Arc<Seen>> {
        self.state().seen.clone()
    }

    /// Why the last look failed. Told once.
    pub(super) fn take_failure(&self) -> Option<String> {
        self.state().failure.take()
    }

    /// How many looks have ended.
    pub(super) fn ended(&self) -> u64 {
        *self.ended.borrow()
    }

    /// Waits until more looks than `before` have ended, for `patience` at most.
    pub(super) async fn await_end(&self, before: u64, patience: Duration) {
        let mut ended = self.ended.subscribe();
        // In the other case the page says that the look goes on.
        let _ = timeout(patience, ended.wait_for(|ended| *ended > before)).await;
    }

    /// Keeps what a look saw.
    pub(super) fn put(&self, gathered: Gathered, is_whole: bool) {
        let Gathered { mut gists, letters, .. } = gathered;
        gists.sort_by(|one, other| other.died_at.cmp(&one.died_at).then_with(|| one.id.cmp(&other.id)));
        let mut state = self.state();
        state.number += 1;
        state.failure = None;
        let (number, at) = (state.number, Timestamp::now());
        state.seen = Some(Arc::new(Seen { number, at, is_whole, gists, letters }));
        drop(state);
        self.ended.send_modify(|ended| *ended += 1);
    }

    /// Remembers that a look failed.
    pub(super) fn fail(&self, why: String) {
        self.state().failure = Some(why);
        self.ended.send_modify(|ended| *ended += 1);
    }

    /// Takes letters away that are no longer in the DLQ.
    pub(super) fn remove(&self, gone: &BTreeSet<String>) {
        if gone.is_empty() {
            return;
        }
        let mut state = self.state();
        let Some(seen) = state.seen.clone() else { return };
        let gists = seen.gists.iter().filter(|gist| !gone.contains(&gist.id)).cloned().collect();
        let mut letters = seen.letters.clone();
        gone.iter().for_each(|id| drop(letters.remove(id)));
        state.found.retain(|letter| !gone.contains(&letter.id));
        state.number += 1;
        let number = state.number;
        state.seen = Some(Arc::new(Seen { number, at: seen.at, is_whole: seen.is_whole, gists, letters }));
    }

    /// A letter: of the last look, or one that was found since.
    pub(super) fn letter(&self, id: &str) -> Option<Arc<Letter>> {
        let state = self.state();
        let found = state.found.iter().find(|letter| letter.id == id);
        found.or_else(|| state.seen.as_ref()?.letters.get(id)).cloned()
    }

    /// Keeps a letter that was looked for.
    pub(super) fn keep(&self, letter: Letter) {
        let mut state = self.state();
        state.found.truncate(FOUND - 1);
        state.found.push_front(Arc::new(letter));
        drop(state);
        self.ended.send_modify(|ended| *ended += 1);
    }

    /// Forgets what was seen: it is not true any more.
    pub(super) fn clear(&self) {
        self.state().seen = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one field: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
