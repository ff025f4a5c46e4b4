//! One lease from receive to confirmed delete: whatever the worker holds stays hidden from others.
//!
//! Enters: deliveries as they are received. Leaves: beats, each saying "hidden for longer" or "lost".
//! Promises: extensions go out in batches, a third of the visibility timeout apart; an error is not a
//! loss, only the queue's word is, or a visibility that ran out meanwhile; a held delivery that is frozen
//! is extended no more, not even by a call under way; nothing is held for longer than [`LONGEST`]. Knows
//! no handler and no event.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::warn;

use super::reaction::Beats;
use super::rights::{Change, Rights};
use crate::idempotency::INSISTS;
use crate::queue::{Delivery, Hold, MAX_BATCH, Queue, QueueError};

/// A run that is held for longer has hung: the slowest of mail servers may take ten minutes to scan one mail. Far below
/// SQS's own end of 12 hours.
pub(super) const LONGEST: Duration = INSISTS;
/// How long the last word to the queue may take, when the time to stop is already up.
const LAST_CALL: Duration = Duration::from_secs(3);
/// SQS hides a message before its answer reaches us, by this much at most. On a short visibility less is assumed: a sixth
/// of it.
const TRANSIT: Duration = Duration::from_secs(2);

/// Everything one worker holds.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: Mutex<BTreeMap<u64, Entry>>,
    last_id: AtomicU64,
    lost: AtomicU64,
    /// Locked while extensions are sent: whoever gets the lock knows that none is under way.
    beating: tokio::sync::Mutex<()>,
    /// Rings when any lease has changed. One bell for all holders: most deliveries end before it rings at all.
    news: watch::Sender<()>,
}

#[derive(Debug)]
struct Entry {
    hold: Hold,
    message_id: String,
    since: Instant,
    until: Instant,
    beat: Beat,
}

/// What a holder hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beat {
    /// Hidden for longer, for the n-th time.
    Extended(u32),
    /// No longer ours.
    Lost,
}

/// One delivery's lease. Ends when dropped.
#[derive(Debug)]
pub(super) struct Held {
    id: u64,
    leases: Arc<Leases>,
}

/// Hears the beats of one delivery's lease.
#[derive(Debug)]
pub(super) struct Heartbeat {
    id: u64,
    leases: Arc<Leases>,
    news: watch::Receiver<()>,
    heard: Beat,
}

impl Leases {
    /// Holds a delivery that a receive begun at `asked` has brought.
    pub(super) fn hold(self: &Arc<Self>, delivery: &Delivery, asked: Instant, visibility: Duration) -> Held {
        let now = Instant::now();
        let transit = TRANSIT.min(visibility / 6);
        let hidden_since = asked.max(now.checked_sub(transit).unwrap_or(now));
        let (hold, message_id) = (delivery.receipt.hold(), delivery.message_id.clone());
        let entry = Entry { hold, message_id, since: now, until: hidden_since + visibility, beat: Beat::NONE };
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(id, entry);
        Held { id, leases: self.clone() }
    }

    /// Extends what is held, until dropped.
    pub(super) async fn keep<Q: Queue>(&self, queue: &Q, visibility: Duration, rights: &Rights) {
        let mut beat = Instant::now();
        loop {
            // Jittered: many workers must not send at the same moment. Planned from the last beat, not from now: a call
            // that fails slowly must not move the next beat past the end of the visibility.
            beat = Instant::now().max(beat + visibility.mul_f64((0.9 + 0.2 * fastrand::f64()) / 3.0));
            sleep_until(beat).await;
            let _beating = self.beating.lock().await;
            let due = self.due(visibility);
            self.news.send_replace(());
            for batch in due.chunks(MAX_BATCH) {
                let holds: Vec<Hold> = batch.iter().map(|(_, hold)| hold.clone()).collect();
                let asked = Instant::now();
                let failed = queue.extend(&holds, visibility).await;
                failed.iter().for_each(|(_, error)| rights.heard(Change::Hide, error));
                for (n, (id, _)) in batch.iter().enumerate() {
                    let error = failed.iter().find(|(index, _)| *index == n).map(|(_, error)| error);
                    self.heard(*id, error, asked + visibility);
                }
                self.news.send_replace(());
            }
        }
    }

    /// What runs when the time to stop is up: shown again soon, and named. Never waits longer than
    /// [`LAST_CALL`] for the queue: the process must end.
    pub(super) async fn abandon<Q: Queue>(&self, queue: &Q, soon: Duration) -> Vec<String> {
        let left = std::mem::take(&mut *self.lock()).into_values();
        self.news.send_replace(());
        let (holds, named): (Vec<Hold>, Vec<String>) = left.map(|entry| (entry.hold, entry.message_id)).unzip();
        let show_again = async {
            let _beating = self.beating.lock().await;
            for batch in holds.chunks(MAX_BATCH) {
                queue.extend(batch, soon).await;
            }
        };
        if timeout(LAST_CALL, show_again).await.is_err() {
            warn!("the queue does not answer: what is left comes again when its visibility is over");
        }
        named
    }

    /// What has used up a quarter of its visibility; younger ones wait for the next beat. What has used up
    /// all of it is lost without asking: of an expired receipt SQS may say yes and do nothing.
    fn due(&self, visibility: Duration) -> Vec<(u64, Hold)> {
        let now = Instant::now();
        let due = |entry: &&Entry| entry.until.saturating_duration_since(now) <= visibility * 3 / 4;
        let young = |entry: &&Entry| now.saturating_duration_since(entry.since) < LONGEST;
        let mut held = self.lock();
        for entry in held.values_mut().filter(|entry| entry.until <= now) {
            self.lose(entry);
        }
        let due = held.iter().filter(|(_, entry)| due(entry) && young(entry) && entry.until > now);
        due.map(|(id, entry)| (*id, entry.hold.clone())).collect()
    }

    fn heard(&self, id: u64, error: Option<&QueueError>, until: Instant) {
        let mut held = self.lock();
        // Gone meanwhile: it was settled.
        let Some(entry) = held.get_mut(&id) else { return };
        match error {
            None => {
                entry.until = until;
                if let Beat::Extended(times) = &mut entry.beat {
                    *times += 1;
                }
            }
            Some(QueueError::NotInFlight) => self.lose(entry),
            Some(_) if entry.until <= Instant::now() => self.lose(entry),
            Some(error) => warn!(%error, message_id = entry.message_id, "not extended; tried again at the next beat"),
        }
    }

    fn lose(&self, entry: &mut Entry) {
        if std::mem::replace(&mut entry.beat, Beat::Lost) != Beat::Lost {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many deliveries are held.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// For how long the oldest of them has been.
    pub(super) fn oldest(&self) -> Duration {
        self.lock().values().map(|entry| entry.since.elapsed()).max().unwrap_or_default()
    }

    /// How many were lost while they were held.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        // Every change is one insertion, one removal or one field.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beat {
    const NONE: Self = Self::Extended(0);
}

impl Held {
    /// Hears the beats since the receive.
    pub(super) fn beats(&self) -> Heartbeat {
        Heartbeat { id: self.id, leases: self.leases.clone(), news: self.leases.news.subscribe(), heard: Beat::NONE }
    }

    /// Has the queue not taken it back?
    pub(super) fn is_ours(&self) -> bool {
        self.leases.lock().get(&self.id).is_some_and(|entry| entry.beat != Beat::Lost)
    }

    /// A run begins: it may be held as long as the first.
    pub(super) fn begins_anew(&self) {
        if let Some(entry) = self.leases.lock().get_mut(&self.id) {
            entry.since = Instant::now();
        }
    }

    /// Ends the lease so that nothing extends it any more. Before a backoff: a late beat would undo it.
    pub(super) async fn freeze(self) {
        let leases = self.leases.clone();
        drop(self);
        drop(leases.beating.lock().await);
    }
}

impl Beats for Heartbeat {
    async fn next(&mut self) -> bool {
        loop {
            // What is no longer held has ended with its delivery.
            let beat = self.leases.lock().get(&self.id).map_or(Beat::Lost, |entry| entry.beat);
            if beat == Beat::Lost {
                return false;
            }
            if std::mem::replace(&mut self.heard, beat) != beat {
                return true;
            }
            // The bell is in `self`: the wait cannot fail.
            let _ = self.news.changed().await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.leases.lock().remove(&self.id);
    }
}
