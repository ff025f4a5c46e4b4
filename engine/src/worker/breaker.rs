//! The breaker pauses one reaction while a dependency of all its messages is down.
//!
//! Enters: the outcome of each message, and the result of each check of the dependencies. Leaves: who may try, and
//! when. Promises: a pause costs no message an attempt. During a pause one message at a time tries, less and less
//! often: a new message and a held one by turns, the held ones in the order in which they failed. One success ends
//! the pause for all. Each reaction has a breaker of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::evidence::Evidence;
use super::outcome::Missing;
use crate::event::Timestamp;

/// During a pause, this many deliveries may wait for a turn beside those that filled the slots when it began. Each
/// failed try may add one, and a delivery is held for 15 min at most. `Outage::Busy` allows 4 tries in the first
/// 67.5 s of them and then one each 40.5 s at the fastest: 4 + 832.5 s / 40.5 s = 24.6.
const PLACES: usize = 25;

/// One reaction's breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: Mutex<BreakerState>,
    changed: watch::Sender<()>,
    /// Whoever wants to try waits for this lock; tokio grants it in the order of asking.
    line: tokio::sync::Mutex<()>,
    /// Deliveries that wait for their turn.
    waiting: AtomicUsize,
    /// The poll loop waits for a turn, to receive a new message.
    wants_fresh: AtomicBool,
}

/// Who tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// A new message, not received yet.
    Fresh,
    /// A delivery that failed, and is held.
    Held,
}

#[derive(Debug)]
struct BreakerState {
    circuit: Circuit,
    pause: Option<Pause>,
    /// Who tried last.
    last: Who,
    /// The dependencies were checked at least once since the start.
    has_looked: bool,
    /// How often the reaction paused, by dependency.
    pauses: BTreeMap<&'static str, u64>,
}

/// The circuit, as of a circuit breaker: who may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circuit {
    /// Everybody.
    Closed,
    /// One message may try, from `until` on.
    Open { until: Instant },
    /// One message tries now. Its outcome decides what comes next.
    Trying,
}

/// Why the breaker is open. A breaker that is open without a pause is only careful: one message at a time tries.
#[derive(Debug)]
struct Pause {
    missing: Missing,
    since: Instant,
    since_when: Timestamp,
    /// Failed tries at this kind of outage.
    tries: u32,
    /// The dependency answered a check. Only a message can show that it works.
    answers: bool,
}

/// The poll loop wants a turn. Ends when dropped.
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

/// A reaction's dependencies, which can be checked without a message.
pub(super) trait Needs: Sync {
    /// Are all of them there? The error names the one that is not.
    fn look(&self) -> impl Future<Output = Result<(), Missing>> + Send;
}

/// A delivery's place among those that wait. Given back when dropped.
#[derive(Debug)]
pub(super) struct WaitingPlace<'a>(&'a AtomicUsize);

/// The dependencies are checked first at a start: while one is missing, no message spends an attempt.
impl Default for BreakerState {
    fn default() -> Self {
        let circuit = Circuit::Open { until: Instant::now() };
        Self { circuit, pause: None, last: Who::Held, has_looked: false, pauses: BTreeMap::new() }
    }
}

impl Breaker {
    /// May every message try?
    pub(super) fn is_closed(&self) -> bool {
        self.lock().circuit == Circuit::Closed
    }

    /// What the reaction waits for, why and since when; `None`: nothing. Also `None` once a dependency that was down
    /// answers again: only a message can prove that it works, and an empty queue may bring none for days. A
    /// dependency that is busy or refuses is always reported: it answers anyway, so an answer proves nothing.
    pub(super) fn missing(&self) -> Option<String> {
        let state = self.lock();
        match (&state.pause, state.has_looked) {
            (Some(pause), _) if pause.answers && pause.missing.outage.is_down() => None,
            (Some(pause), _) => Some(pause.told()),
            (None, true) => None,
            (None, false) => Some("the first look at what it needs".to_owned()),
        }
    }

    /// How often the reaction paused, by what was down.
    pub(super) fn pauses(&self) -> BTreeMap<&'static str, u64> {
        self.lock().pauses.clone()
    }

    /// A place to wait for a turn, if there is one left.
    pub(super) fn waiting_place(&self, slots: usize) -> Option<WaitingPlace<'_>> {
        let more = |waiting| (waiting < slots + PLACES).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(WaitingPlace(&self.waiting))
    }

    /// Does a delivery wait for its turn?
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits until the caller may try: at once if the breaker is closed, else when it is the caller's turn and the
    /// dependency has answered. A caller that is let in while the breaker is open must report the outcome to
    /// [`Breaker::weigh`]: until then nobody else may try.
    pub(super) async fn wait_for_turn(&self, who: Who, needs: &impl Needs) {
        let _wish = (who == Who::Fresh).then(|| Wish::of(&self.wants_fresh));
        loop {
            // A held delivery that gives way to a new message waits again, at the end.
            let _turn = self.line.lock().await;
            if self.is_let_in(who, needs).await {
                return;
            }
        }
    }

    /// The caller is first in line: waits until it may try. `false`: it must give way.
    async fn is_let_in(&self, who: Who, needs: &impl Needs) -> bool {
        let mut changed = self.changed.subscribe();
        loop {
            // Marked before the state is read, so that a later change is not missed.
            changed.mark_unchanged();
            let circuit = self.lock().circuit;
            // The sender is in `self`: waiting for a change cannot fail.
            match circuit {
                Circuit::Closed => return true,
                Circuit::Trying => drop(changed.changed().await),
                Circuit::Open { until } => tokio::select! {
                    biased;
                    () = sleep_until(until) => match self.wants_a_look() {
                        true => self.looked(needs.look().await),
                        false => return self.takes_turn(who),
                    },
                    _ = changed.changed() => {}
                },
            }
        }
    }

    /// Lets the caller try, unless a new message waits and it is that one's turn.
    fn takes_turn(&self, who: Who) -> bool {
        let mut state = self.lock();
        if who == Who::Held && state.last == Who::Held && self.wants_fresh.load(Ordering::Relaxed) {
            return false;
        }
        (state.circuit, state.last) = (Circuit::Trying, who);
        true
    }

    fn wants_a_look(&self) -> bool {
        let state = self.lock();
        state.pause.as_ref().map_or(!state.has_looked, |pause| !pause.answers)
    }

    /// Takes the result of a check of the dependencies.
    fn looked(&self, answer: Result<(), Missing>) {
        let mut state = self.lock();
        let is_first = !std::mem::replace(&mut state.has_looked, true);
        match answer {
            Ok(()) => match &mut state.pause {
                Some(pause) => pause.answers = true,
                None => state.circuit = Circuit::Closed,
            },
            Err(missing) => {
                if is_first {
                    let Missing { dependency, detail, .. } = &missing;
                    tracing::warn!(dependency, detail, "waiting: something this reaction needs is not there yet");
                }
                state.schedule_next_try(Some(missing));
            }
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// The turn was not used: another message may have it.
    pub(super) fn untried(&self) {
        self.weigh(Evidence::Nothing);
    }

    /// A caller without a turn met an outage, such as a ledger that takes no record. It opens a pause, and changes
    /// none.
    pub(super) fn noticed(&self, missing: Missing) {
        if self.lock().pause.is_none() {
            self.weigh(Evidence::Fails(missing));
        }
    }

    /// Takes what a message's outcome says about the dependency.
    pub(super) fn weigh(&self, evidence: Evidence) {
        let mut state = self.lock();
        let before = state.circuit;
        state.weigh(evidence);
        if state.circuit != before {
            drop(state);
            self.changed.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BreakerState> {
        // A panic cannot leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BreakerState {
    fn weigh(&mut self, evidence: Evidence) {
        let is_down = self.pause.as_ref().is_some_and(|pause| pause.missing.outage.is_down());
        let is_trying = self.circuit == Circuit::Trying;
        match (evidence, is_trying) {
            // During a pause, a message that was at work before it proves nothing. Without a pause, it does.
            (Evidence::Works, true) => self.close(),
            (Evidence::Works, false) if self.pause.is_none() && self.has_looked => self.close(),
            (Evidence::Fails(missing), _) if self.pause.is_none() => self.open(missing),
            (Evidence::Fails(missing), true) => self.schedule_next_try(Some(missing)),
            // The dependency was down and has answered this message: it is back.
            (Evidence::Answers, true) if is_down => self.close(),
            (Evidence::Doubts, true) if is_down => {
                self.close();
                self.next_now();
            }
            (Evidence::Doubts, true) if self.pause.is_some() => self.schedule_next_try(None),
            (Evidence::Doubts, false) if self.circuit == Circuit::Closed => self.next_now(),
            (Evidence::NoResult, true) if self.pause.is_some() => self.schedule_next_try(None),
            (Evidence::Nothing | Evidence::Answers | Evidence::Doubts | Evidence::NoResult, true) => self.next_now(),
            (_, false) => {}
        }
    }

    fn close(&mut self) {
        if let Some(pause) = self.pause.take() {
            tracing::info!(dependency = pause.missing.dependency, after = ?pause.since.elapsed(), "resumed");
        }
        self.circuit = Circuit::Closed;
    }

    fn next_now(&mut self) {
        self.circuit = Circuit::Open { until: Instant::now() };
    }

    /// Begins a pause; there was none.
    fn open(&mut self, missing: Missing) {
        let Missing { dependency, detail, .. } = &missing;
        tracing::warn!(dependency, detail, "paused: nothing is received until it is back");
        *self.pauses.entry(missing.dependency).or_default() += 1;
        self.schedule_next_try(Some(missing));
    }

    /// A try or a check failed: who tries next has to wait. `missing`: what is missing now; `None`: the same as before.
    fn schedule_next_try(&mut self, missing: Option<Missing>) {
        let now = Instant::now();
        let (since, since_when, tries) = match (&self.pause, &missing) {
            // Each kind of outage has its own pace: a new kind counts its tries from 0.
            (Some(pause), Some(missing)) if pause.missing.outage != missing.outage => {
                (pause.since, pause.since_when, 0)
            }
            (Some(pause), _) => (pause.since, pause.since_when, pause.tries),
            (None, _) => (now, Timestamp::now(), 0),
        };
        let Some(missing) = missing.or_else(|| self.pause.take().map(|pause| pause.missing)) else { return };
        let tries = tries.saturating_add(1);
        let wait = missing.outage.wait(tries, now - since);
        if tries > 1 && !missing.outage.is_down() {
            let Missing { dependency, detail, .. } = &missing;
            tracing::warn!(dependency, detail, tries, next_in = ?rounded(wait), "still paused: the next event tries later");
        }
        self.pause = Some(Pause { missing, since, since_when, tries, answers: false });
        self.circuit = Circuit::Open { until: now + wait };
    }
}

impl Pause {
    fn told(&self) -> String {
        let Missing { dependency, detail, .. } = &self.missing;
        format!("waiting for {dependency} ({detail}) since {}", self.since_when)
    }
}

impl Drop for WaitingPlace<'_> {
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
