//! What has happened so far, and every rule that it broke.
//!
//! Enters: each step as the doubles see it. Leaves: lines, counts, violations. Knows the rules of the engine
//! and nothing of how it keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use user_events::idempotency::MAX_EXPIRED_CLAIMS;

use crate::answers::Answers;

/// One worker's life, from its start to its end.
pub type Life = usize;

/// An extension that takes longer may come too late.
pub const LATE: Duration = Duration::from_millis(500);

/// A message on its last receive is held for about a quarter of an hour.
const HELD: Duration = Duration::from_secs(840);

/// A worker settles what it knows this long before its time to stop is up.
const CLOSING: Duration = Duration::from_secs(4);

#[derive(Clone)]
pub struct Story(Arc<Mutex<Told>>);

pub struct Told {
    pub started: Instant,
    pub lines: Vec<String>,
    pub violations: Vec<String>,
    pub seen: BTreeMap<&'static str, u64>,
    pub effects: BTreeMap<String, Vec<Duration>>,
    /// Failures of its own, by user.
    pub failures: BTreeMap<String, u32>,
    /// Message ids that a letter was taken for.
    pub letters: BTreeSet<String>,
    pub answers: Answers,
    /// How often an event has killed its worker.
    kills: BTreeMap<String, u32>,
    receipts: BTreeMap<String, Receipt>,
    crossings: BTreeMap<String, Vec<Crossing>>,
    running: BTreeMap<Life, usize>,
    dead: BTreeSet<Life>,
    killed: BTreeSet<Life>,
    /// Since when a worker has only so much time to stop.
    stopping: BTreeMap<Life, (Instant, Duration)>,
    /// Extensions under way, since when.
    extending: BTreeMap<String, Instant>,
}

struct Receipt {
    life: Life,
    message_id: String,
    user: Option<String>,
    /// Asked to be deleted or hidden.
    is_settled: bool,
    /// Nothing may extend it from then on.
    over: Option<Instant>,
    /// An extension failed or was late, or it was left on purpose: it may come again.
    is_excused: bool,
    received: Instant,
    is_deleting: bool,
    /// Taken from its worker, or left behind by it.
    is_lost: bool,
}

/// One pass through the fence.
struct Crossing {
    life: Life,
    end: CrossingEnd,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CrossingEnd {
    Open,
    /// The handler has said that it is done.
    Done,
    /// The record was asked for, and something went wrong.
    Unrecorded,
    Recorded,
    /// Cut, panicked, or unknown to the handler itself.
    Unknown,
}

impl Story {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Told {
            started: Instant::now(),
            lines: Vec::new(),
            violations: Vec::new(),
            seen: BTreeMap::new(),
            effects: BTreeMap::new(),
            failures: BTreeMap::new(),
            letters: BTreeSet::new(),
            answers: Answers::default(),
            kills: BTreeMap::new(),
            receipts: BTreeMap::new(),
            crossings: BTreeMap::new(),
            running: BTreeMap::new(),
            dead: BTreeSet::new(),
            killed: BTreeSet::new(),
            stopping: BTreeMap::new(),
            extending: BTreeMap::new(),
        })))
    }

    /// One step at a time.
    pub fn tell<T>(&self, step: impl FnOnce(&mut Told) -> T) -> T {
        step(&mut self.0.lock().unwrap())
    }
}

impl Told {
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn line(&mut self, what: String) {
        self.lines.push(format!("{:9.3} {what}", self.now().as_secs_f64()));
    }

    pub fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub fn broke(&mut self, rule: &str, what: &str) {
        self.line(format!("BROKEN: {rule}: {what}"));
        self.violations.push(format!("{rule}: {what}"));
    }

    pub fn asked(&mut self, life: Life, at_most: usize, concurrency: usize) {
        let running = self.running.get(&life).copied().unwrap_or(0);
        if running + at_most > concurrency {
            self.broke("never more than the slots", &format!("asked for {at_most} with {running} running"));
        }
    }

    pub fn received(&mut self, life: Life, receipt: &str, message_id: &str, user: Option<String>) {
        let number = |receipt: &str| receipt.split_once('#').map(|(number, _)| number.to_owned());
        // One that is late is an excuse from then on, and not only once it is over.
        let is_late = |receipt: &String| self.extending.get(receipt).is_some_and(|since| since.elapsed() >= LATE);
        let at_work = |(other, r): &(&String, &Receipt)| {
            let is_excused = r.is_excused || is_late(other);
            number(other) == number(receipt) && !r.is_settled && !is_excused && !self.dead.contains(&r.life)
        };
        let again = self.receipts.iter().find(at_work).map(|(other, _)| other.clone());
        if let Some(other) = again {
            self.broke("hidden while at work", &format!("{receipt} came while {other} was at work"));
        }
        self.line(format!("{life} received {receipt} {}", user.as_deref().unwrap_or("unreadable")));
        let (message_id, is_excused) = (message_id.to_owned(), false);
        let (is_settled, over, is_deleting, is_lost, received) = (false, None, false, false, Instant::now());
        let own = Receipt { life, message_id, user, is_settled, over, is_excused, received, is_deleting, is_lost };
        self.receipts.insert(receipt.to_owned(), own);
    }

    pub fn deleting(&mut self, receipt: &str) {
        let Some(entry) = self.receipts.get_mut(receipt) else { return };
        (entry.is_settled, entry.is_deleting) = (true, true);
        let (life, message_id, user) = (entry.life, entry.message_id.clone(), entry.user.clone());
        let is_done = user.as_ref().is_some_and(|user| self.effects.contains_key(user));
        if !is_done && !self.letters.contains(&message_id) {
            self.broke("nothing deleted before success", &format!("{receipt} {user:?}"));
        }
        let crossings = user.as_ref().and_then(|user| self.crossings.get(user));
        let has = |is: fn(&Crossing, Life) -> bool| crossings.is_some_and(|all| all.iter().any(|one| is(one, life)));
        let is_owed = has(|one, life| one.life == life && one.end == CrossingEnd::Unrecorded);
        if is_owed && !has(|one, _| one.end == CrossingEnd::Recorded) && !self.is_closing(life) {
            self.broke("what happened goes on record", &format!("{receipt} {user:?}"));
        }
        self.line(format!("deleting {receipt}"));
    }

    pub fn deleted(&mut self, receipt: &str) {
        if let Some(entry) = self.receipts.get_mut(receipt) {
            entry.over = Some(Instant::now());
        }
    }

    pub fn hiding(&mut self, receipt: &str, delay: Duration) {
        if self.extending.contains_key(receipt) {
            self.broke("no heartbeat after settle", &format!("{receipt} is hidden while an extension is under way"));
        }
        if let Some(entry) = self.receipts.get_mut(receipt) {
            entry.is_settled = true;
            entry.over = Some(Instant::now());
        }
        self.line(format!("hiding {receipt} for {:.1}", delay.as_secs_f64()));
    }

    pub fn extending(&mut self, receipt: &str) {
        let over = self.receipts.get(receipt).and_then(|entry| entry.over);
        if over.is_some_and(|over| over < Instant::now()) {
            self.broke("no heartbeat after settle", receipt);
        }
        self.extending.insert(receipt.to_owned(), Instant::now());
    }

    pub fn extended(&mut self, receipt: &str, is_good: bool) {
        self.extending.remove(receipt);
        if !is_good {
            self.excuse(receipt);
        }
    }

    fn excuse(&mut self, receipt: &str) {
        if let Some(entry) = self.receipts.get_mut(receipt) {
            (entry.is_excused, entry.is_lost) = (true, true);
        }
    }

    /// What a handler left without an answer is left on the queue.
    pub fn excuse_user(&mut self, life: Life, user: &str) {
        let own = |entry: &&mut Receipt| entry.life == life && entry.user.as_deref() == Some(user);
        self.receipts.values_mut().filter(own).for_each(|entry| entry.is_excused = true);
    }

    pub fn excuse_all_of(&mut self, life: Life) {
        let own = self.receipts.values_mut().filter(|entry| entry.life == life);
        own.for_each(|entry| (entry.is_excused, entry.is_lost) = (true, true));
    }

    pub fn begins(&mut self, life: Life, user: &str, concurrency: usize) {
        let running = self.running.entry(life).or_default();
        *running += 1;
        if *running > concurrency {
            let what = format!("{running} handlers on {concurrency} slots");
            self.broke("never more than the slots", &what);
        }
        self.line(format!("{life} begins {user}"));
    }

    pub fn ends(&mut self, life: Life) {
        *self.running.entry(life).or_default() -= 1;
    }

    pub fn crossed(&mut self, life: Life, user: &str) {
        let earlier = self.crossings.entry(user.to_owned()).or_default();
        let is_unexplained = |crossing: &Crossing| match crossing.end {
            CrossingEnd::Recorded => true,
            CrossingEnd::Done => !self.dead.contains(&crossing.life),
            CrossingEnd::Open | CrossingEnd::Unrecorded | CrossingEnd::Unknown => false,
        };
        let again = earlier.iter().any(is_unexplained);
        earlier.push(Crossing { life, end: CrossingEnd::Open });
        if again {
            self.broke("one effect per key", &format!("{user} crosses the fence again"));
        }
        self.line(format!("{life} crossed {user}"));
    }

    pub fn crossing_ended(&mut self, life: Life, user: &str, end: CrossingEnd) {
        let own = |crossing: &&mut Crossing| crossing.life == life && crossing.end != CrossingEnd::Recorded;
        if let Some(crossing) = self.crossings.get_mut(user).and_then(|all| all.iter_mut().rev().find(own)) {
            crossing.end = end;
        }
    }

    pub fn effect(&mut self, life: Life, user: &str, max_sends: usize) {
        let now = self.now();
        let effects = self.effects.entry(user.to_owned()).or_default();
        effects.push(now);
        if effects.len() > max_sends {
            self.broke("one effect per key", &format!("{user}: more than {max_sends}"));
        }
        self.line(format!("{life} effect {user}"));
    }

    /// Five takeovers, and the sixth claim is refused; another delivery's end may have been charged to it besides.
    pub fn kills_its_worker(&mut self, user: &str, all_are_counted: bool) {
        self.saw("an event that kills its worker");
        let kills = self.kills.entry(user.to_owned()).or_default();
        *kills += 1;
        let kills = *kills;
        self.line(format!("{user} kills its worker"));
        if all_are_counted && kills > MAX_EXPIRED_CLAIMS {
            self.broke("what kills its worker is set aside", &format!("{user}: {kills} times"));
        }
    }

    /// It was given up because it could not be worked on: then it was held for as long as it may be, or taken back.
    pub fn gave_up_waiting(&mut self, message_id: &str, reason: &str) {
        // The queue may have made copies of it: one of them is given up.
        let own = |entry: &&Receipt| entry.message_id == message_id && !entry.is_settled;
        let was_held = |one: &Receipt| one.received.elapsed() >= HELD || one.is_lost || self.is_closing(one.life);
        if !self.receipts.values().filter(own).any(was_held) {
            self.broke("a last receive is held", &format!("{message_id}: {reason}"));
        }
    }

    /// The queue has moved it, after so many receives: was it in the hands of a worker that could have said why?
    pub fn moved(&mut self, message_id: &str, receives: u32) {
        let is_last =
            |receipt: &str| receipt.split_once('#').is_some_and(|(_, n)| n.parse().is_ok_and(|n: u32| n >= receives));
        let could_tell = |(receipt, entry): &(&String, &Receipt)| {
            let was_killed = self.killed.contains(&entry.life);
            entry.message_id == message_id && is_last(receipt) && !was_killed && !entry.is_lost && !entry.is_deleting
        };
        if let Some((receipt, _)) = self.receipts.iter().find(could_tell) {
            let receipt = receipt.clone();
            self.broke("no letter without a reason", &receipt);
        }
    }

    /// Told to stop, with so much time for it.
    pub fn stopping(&mut self, life: Life, within: Duration) {
        self.stopping.insert(life, (Instant::now(), within));
    }

    /// Is its time to stop nearly up?
    fn is_closing(&self, life: Life) -> bool {
        self.stopping.get(&life).is_some_and(|(since, within)| since.elapsed() + CLOSING >= *within)
    }

    pub fn killed(&mut self, life: Life) {
        self.killed.insert(life);
        self.dead.insert(life);
        self.line(format!("{life} killed"));
    }

    /// A worker has come to its end by itself: it owes nothing any more.
    pub fn stopped(&mut self, life: Life, summary: &str) {
        self.line(format!("{life} stopped: {summary}"));
        let owed = |(_, entry): &(&String, &Receipt)| entry.life == life && !entry.is_settled && !entry.is_excused;
        let owed: Vec<String> = self.receipts.iter().filter(owed).map(|(receipt, _)| receipt.clone()).collect();
        if !owed.is_empty() {
            self.broke("every delivery settled or left on purpose", &format!("{owed:?}"));
        }
        self.dead.insert(life);
    }
}
