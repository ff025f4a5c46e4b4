//! The breaker: pauses one reaction while something all its messages need is down.
//!
//! Enters: what came of each message, and of each look at what it needs. Leaves: who may try, and when. Promises: a pause
//! costs no message an attempt; while it lasts one tries at a time, ever more rarely, each time another: a fresh one and one that
//! failed by turns, those that failed in the order in which they did; one that succeeds ends it for all. Other reactions have
//! breakers of their own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::outcome::Missing;
use super::word::Word;
use crate::backoff::Outage;
use crate::event::Timestamp;

/// So many deliveries may wait beside those that fill all slots when a pause begins: each try in vain may add one, and in the
/// quarter of an hour for which the first is held there are no more tries than this.
const PLACES: usize = 25;

/// One reaction's breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    inside: Mutex<Inside>,
    changed: watch::Sender<()>,
    /// Those who want to try queue here.
    turns: tokio::sync::Mutex<()>,
    /// Deliveries that wait for their turn.
    waiting: AtomicUsize,
    /// The loop waits for a turn, to receive a message that has not failed yet.
    wants_fresh: AtomicBool,
}

/// Who tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// A message that is yet to be received.
    Fresh,
    /// A delivery that failed, and is held.
    Held,
}

#[derive(Debug)]
struct Inside {
    state: State,
    pause: Option<Pause>,
    /// Who tried last.
    last: Who,
    /// What the reaction needs was looked at once since the start.
    has_looked: bool,
    /// How often it paused, by dependency.
    trips: BTreeMap<&'static str, u64>,
}

/// Who may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everybody.
    Closed,
    /// One, from then on.
    Open { until: Instant },
    /// One is at it: what comes of that decides.
    Trying,
}

/// Why it is not closed; without one it is only careful: one at a time.
#[derive(Debug)]
struct Pause {
    missing: Missing,
    since: Instant,
    since_when: Timestamp,
    /// Tries in vain.
    tries: u32,
    /// It answers when asked; whether it works a message tells.
    answers: bool,
}

/// The loop's wish for a turn. Over when dropped.
struct Wish<'a>(&'a AtomicBool);

impl<'a> Wish<'a> {
    fn of(wish: &'a AtomicBool) -> Self {
        wish.store(true, Ordering::Relaxed);
        Self(wish)
    }
}

impl Drop for Wish<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// What a reaction needs, as it can be looked at without a message.
pub(super) trait Needs: Sync {
    /// Is all of it there? If not, what is not.
    fn look(&self) -> impl Future<Output = Result<(), Missing>> + Send;
}

/// A delivery's place among those that wait. Given back when dropped.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a AtomicUsize);

/// A start looks first, so that without a dependency it burns no attempt.
impl Default for Inside {
    fn default() -> Self {
        let state = State::Open { until: Instant::now() };
        Self { state, pause: None, last: Who::Held, has_looked: false, trips: BTreeMap::new() }
    }
}

impl Breaker {
    /// May everybody try?
    pub(super) fn is_closed(&self) -> bool {
        self.lock().state == State::Closed
    }

    /// What is waited for, why and since when; `None`: nothing. Where it has answered and only a message is wanted to
    /// prove it, nothing is: on an empty queue there may be none for days. But one that refuses messages answers too.
    pub(super) fn missing(&self) -> Option<String> {
        let inside = self.lock();
        match (&inside.pause, inside.has_looked) {
            (Some(pause), _) if pause.answers && pause.missing.outage == Outage::Down => None,
            (Some(pause), _) => Some(pause.told()),
            (None, true) => None,
            (None, false) => Some("the first look at what it needs".to_owned()),
        }
    }

    /// How often it paused, by what was down.
    pub(super) fn trips(&self) -> BTreeMap<&'static str, u64> {
        self.lock().trips.clone()
    }

    /// A place to wait for a turn, if there is one left.
    pub(super) fn place(&self, slots: usize) -> Option<Place<'_>> {
        let more = |waiting| (waiting < slots + PLACES).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Place(&self.waiting))
    }

    /// Does a delivery wait for its turn?
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits until the caller may try: at once while all is well, else when it is its turn and what is missing has
    /// answered. Whoever was let in while it is not closed owes a word: [`Breaker::heard`].
    pub(super) async fn turn(&self, who: Who, needs: &impl Needs) {
        let _wish = (who == Who::Fresh).then(|| Wish::of(&self.wants_fresh));
        loop {
            // Those who give way queue anew, behind the one they give way to.
            let _turn = self.turns.lock().await;
            if self.comes(who, needs).await {
                return;
            }
        }
    }

    /// First in the queue. Is it to be its turn?
    async fn comes(&self, who: Who, needs: &impl Needs) -> bool {
        let mut changed = self.changed.subscribe();
        loop {
            // Before looking: what changes after it is news.
            changed.mark_unchanged();
            let state = self.lock().state;
            // The bell is in `self`: waiting for it cannot fail.
            match state {
                State::Closed => return true,
                State::Trying => drop(changed.changed().await),
                State::Open { until } => tokio::select! {
                    biased;
                    () = sleep_until(until) => match self.wants_a_look() {
                        true => self.looked(needs.look().await),
                        false => return self.goes(who),
                    },
                    _ = changed.changed() => {}
                },
            }
        }
    }

    /// It tries, unless it is for a fresh one to do so.
    fn goes(&self, who: Who) -> bool {
        let mut inside = self.lock();
        if who == Who::Held && inside.last == Who::Held && self.wants_fresh.load(Ordering::Relaxed) {
            return false;
        }
        (inside.state, inside.last) = (State::Trying, who);
        true
    }

    fn wants_a_look(&self) -> bool {
        let inside = self.lock();
        inside.pause.as_ref().map_or(!inside.has_looked, |pause| !pause.answers)
    }

    /// What the reaction needs has answered, or has not.
    fn looked(&self, answer: Result<(), Missing>) {
        let mut inside = self.lock();
        let is_first = !std::mem::replace(&mut inside.has_looked, true);
        match answer {
            Ok(()) => match &mut inside.pause {
                Some(pause) => pause.answers = true,
                None => inside.state = State::Closed,
            },
            Err(missing) => {
                if is_first {
                    let Missing { dependency, detail, .. } = &missing;
                    tracing::warn!(dependency, detail, "waiting: something this reaction needs is not there yet");
                }
                inside.in_vain(Some(missing));
            }
        }
        drop(inside);
        self.changed.send_replace(());
    }

    /// Nothing came to be tried: somebody else may.
    pub(super) fn untried(&self) {
        self.heard(Word::Nothing);
    }

    /// It is missing, says one that is not asked whether it may try: that opens a pause, and decides nothing in one.
    pub(super) fn noticed(&self, missing: Missing) {
        if self.lock().pause.is_none() {
            self.heard(Word::Fails(missing));
        }
    }

    /// What came of a message says this.
    pub(super) fn heard(&self, word: Word) {
        let mut inside = self.lock();
        let before = inside.state;
        inside.hear(word);
        if inside.state != before {
            drop(inside);
            self.changed.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Every change leaves a whole state.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn hear(&mut self, word: Word) {
        let is_down = self.pause.as_ref().is_some_and(|pause| pause.missing.outage == Outage::Down);
        let is_trying = self.state == State::Trying;
        match (word, is_trying) {
            // One that was at work before the pause proves nothing; where it is only careful, it does.
            (Word::Works, true) => self.close(),
            (Word::Works, false) if self.pause.is_none() && self.has_looked => self.close(),
            (Word::Fails(missing), _) if self.pause.is_none() => self.open(missing),
            (Word::Fails(missing), true) => self.in_vain(Some(missing)),
            // Whoever answers is there.
            (Word::Answers, true) if is_down => self.close(),
            (Word::Doubts, true) if is_down => {
                self.close();
                self.next_now();
            }
            (Word::Doubts, true) if self.pause.is_some() => self.in_vain(None),
            (Word::Doubts, false) if self.state == State::Closed => self.next_now(),
            (Word::Vain, true) if self.pause.is_some() => self.in_vain(None),
            (Word::Nothing | Word::Answers | Word::Doubts | Word::Vain, true) => self.next_now(),
            (Word::Nothing | Word::Works | Word::Answers | Word::Doubts | Word::Vain | Word::Fails(_), false) => {}
        }
    }

    fn close(&mut self) {
        if let Some(pause) = self.pause.take() {
            tracing::info!(dependency = pause.missing.dependency, after = ?pause.since.elapsed(), "resumed");
        }
        self.state = State::Closed;
    }

    fn next_now(&mut self) {
        self.state = State::Open { until: Instant::now() };
    }

    /// All was well until now.
    fn open(&mut self, missing: Missing) {
        let Missing { dependency, detail, .. } = &missing;
        tracing::warn!(dependency, detail, "paused: nothing is received until it is back");
        *self.trips.entry(missing.dependency).or_default() += 1;
        self.in_vain(Some(missing));
    }

    /// It was tried, and is missing still; or, if it is told, this is what is missing now.
    fn in_vain(&mut self, missing: Option<Missing>) {
        let now = Instant::now();
        let (since, since_when, tries) = match (&self.pause, &missing) {
            // Another kind of outage is asked in its own rhythm.
            (Some(pause), Some(missing)) if pause.missing.outage != missing.outage => {
                (pause.since, pause.since_when, 0)
            }
            (Some(pause), _) => (pause.since, pause.since_when, pause.tries),
            (None, _) => (now, Timestamp::now(), 0),
        };
        let Some(missing) = missing.or_else(|| self.pause.take().map(|pause| pause.missing)) else { return };
        let tries = tries.saturating_add(1);
        let wait = missing.outage.wait(tries, now - since);
        if tries > 1 && missing.outage != Outage::Down {
            let Missing { dependency, detail, .. } = &missing;
            tracing::warn!(dependency, detail, tries, next_in = ?rounded(wait), "still paused: the next event tries later");
        }
        self.pause = Some(Pause { missing, since, since_when, tries, answers: false });
        self.state = State::Open { until: now + wait };
    }
}

impl Pause {
    fn told(&self) -> String {
        let Missing { dependency, detail, .. } = &self.missing;
        format!("waiting for {dependency} ({detail}) since {}", self.since_when)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn rounded(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs_f64().round() as u64)
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
