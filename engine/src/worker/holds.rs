//! The holds: what a worker has received stays hidden from others until its confirmed delete.
//!
//! Enters: deliveries as they are received. Leaves: beats, each saying "hidden for longer" or "lost". Promises:
//! extensions go out in batches, a third of the visibility timeout apart. A failed extension is not a loss: a hold is
//! lost only if the queue says so, or if its visibility timeout ran out meanwhile. A delivery that is frozen is
//! extended no more, not even by a call under way. No run is extended for longer than [`LONGEST`]. Knows no handler
//! and no event.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::warn;

use super::reaction::Beats;
use super::rights::{Right, Rights};
use crate::event::Timestamp;
use crate::idempotency::COMMIT_RETRY_FOR;
use crate::queue::{Delivery, Hold, MAX_BATCH, Queue, QueueError};

/// A run that takes longer has hung: the slowest mail servers may take 10 min to scan one mail. SQS itself would
/// allow 12 h.
pub(super) const LONGEST: Duration = COMMIT_RETRY_FOR;
/// How long the last call to the queue may take, after the shutdown deadline.
const LAST_CALL: Duration = Duration::from_secs(3);
/// The visibility timeout begins in SQS, before the answer reaches us: this much earlier at most. If the visibility
/// timeout is under 12 s, a sixth of it is assumed (12 s / 6 = 2 s).
const TRANSIT: Duration = Duration::from_secs(2);

/// Everything one worker holds.
#[derive(Debug, Default)]
pub(super) struct Holds {
    held: Mutex<BTreeMap<u64, HeldMessage>>,
    last_id: AtomicU64,
    lost: AtomicU64,
    /// The sender of extensions has this lock during its calls: whoever gets the lock knows that no call is under way.
    beating: tokio::sync::Mutex<()>,
    /// Notifies that some hold has changed. All holders share it: most deliveries end before its first notification.
    news: watch::Sender<()>,
}

#[derive(Debug)]
struct HeldMessage {
    hold: Hold,
    message_id: String,
    sent_at: Option<i64>,
    run_since: Instant,
    until: Instant,
    beat: Beat,
}

/// What the holder of a delivery is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beat {
    /// Hidden for longer, for the n-th time.
    Extended(u32),
    /// No longer ours.
    Lost,
}

/// One delivery's hold. Ends when dropped.
#[derive(Debug)]
pub(super) struct Held {
    id: u64,
    holds: Arc<Holds>,
}

/// Receives the beats of one delivery's hold.
#[derive(Debug)]
pub(super) struct Heartbeat {
    id: u64,
    holds: Arc<Holds>,
    news: watch::Receiver<()>,
    heard: Beat,
}

impl Holds {
    /// Begins to hold a delivery. `asked`: when its receive was sent.
    pub(super) fn hold(self: &Arc<Self>, delivery: &Delivery, asked: Instant, visibility: Duration) -> Held {
        let now = Instant::now();
        let transit = TRANSIT.min(visibility / 6);
        let hidden_since = asked.max(now.checked_sub(transit).unwrap_or(now));
        let (hold, message_id, until) =
            (delivery.receipt.hold(), delivery.message_id.clone(), hidden_since + visibility);
        let sent_at = delivery.sent_at();
        let message = HeldMessage { hold, message_id, sent_at, run_since: now, until, beat: Beat::NONE };
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(id, message);
        Held { id, holds: self.clone() }
    }

    /// Extends all holds again and again, until this future is dropped.
    pub(super) async fn keep<Q: Queue>(&self, queue: &Q, visibility: Duration, rights: &Rights) {
        let mut beat = Instant::now();
        loop {
            // Jittered by 10 %, so that many workers do not send at the same moment. Counted from the last beat, not
            // from now: a call that fails slowly must not move the next beat past the end of the visibility timeout.
            beat = Instant::now().max(beat + visibility.mul_f64((0.9 + 0.2 * fastrand::f64()) / 3.0));
            sleep_until(beat).await;
            let _beating = self.beating.lock().await;
            let due = self.due(visibility);
            self.news.send_replace(());
            for batch in due.chunks(MAX_BATCH) {
                let holds: Vec<Hold> = batch.iter().map(|(_, hold)| hold.clone()).collect();
                let asked = Instant::now();
                let failed = queue.extend(&holds, visibility).await;
                failed.iter().for_each(|(_, error)| rights.heard(Right::Hide, error));
                for (n, (id, _)) in batch.iter().enumerate() {
                    let error = failed.iter().find(|(index, _)| *index == n).map(|(_, error)| error);
                    self.heard(*id, error, asked + visibility);
                }
                self.news.send_replace(());
            }
        }
    }

    /// Gives up what still runs at the shutdown deadline: shows it again after `soon`, and returns its message ids.
    /// Waits [`LAST_CALL`] for the queue at most: the process must end.
    pub(super) async fn abandon<Q: Queue>(&self, queue: &Q, soon: Duration) -> Vec<String> {
        let left = std::mem::take(&mut *self.lock()).into_values();
        self.news.send_replace(());
        let (holds, named): (Vec<Hold>, Vec<String>) = left.map(|message| (message.hold, message.message_id)).unzip();
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

    /// The holds to extend now: those that have used a quarter of their visibility timeout or more. Younger ones wait
    /// for the next beat. A hold that has used all of it is lost without a call: SQS may say yes to an expired
    /// receipt and do nothing.
    fn due(&self, visibility: Duration) -> Vec<(u64, Hold)> {
        let now = Instant::now();
        let due = |message: &&HeldMessage| message.until.saturating_duration_since(now) <= visibility * 3 / 4;
        let young = |message: &&HeldMessage| now.saturating_duration_since(message.run_since) < LONGEST;
        let mut held = self.lock();
        for message in held.values_mut().filter(|message| message.until <= now) {
            self.lose(message);
        }
        let due = held.iter().filter(|(_, message)| due(message) && young(message) && message.until > now);
        due.map(|(id, message)| (*id, message.hold.clone())).collect()
    }

    fn heard(&self, id: u64, error: Option<&QueueError>, until: Instant) {
        let mut held = self.lock();
        // Settled meanwhile.
        let Some(message) = held.get_mut(&id) else { return };
        match error {
            None => {
                message.until = until;
                if let Beat::Extended(times) = &mut message.beat {
                    *times += 1;
                }
            }
            Some(QueueError::NotInFlight) => self.lose(message),
            Some(_) if message.until <= Instant::now() => self.lose(message),
            Some(error) => {
                warn!(%error, message_id = message.message_id, "the message's visibility was not extended; tried again")
            }
        }
    }

    fn lose(&self, message: &mut HeldMessage) {
        if std::mem::replace(&mut message.beat, Beat::Lost) != Beat::Lost {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many deliveries are held.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// How long the longest of their runs has lasted so far.
    pub(super) fn longest_run(&self) -> Duration {
        self.lock().values().map(|message| message.run_since.elapsed()).max().unwrap_or_default()
    }

    /// How long ago the queue took the oldest of them.
    pub(super) fn oldest(&self) -> Option<Duration> {
        let sent_at = self.lock().values().filter_map(|message| message.sent_at).min()?;
        Some(Duration::from_millis(u64::try_from(Timestamp::now().unix_millis() - sent_at).unwrap_or(0)))
    }

    /// How many holds were lost.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, HeldMessage>> {
        // Every change is one insertion, one removal or one field: a panic cannot leave it half changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beat {
    const NONE: Self = Self::Extended(0);
}

impl Held {
    /// The beats since the receive.
    pub(super) fn beats(&self) -> Heartbeat {
        Heartbeat { id: self.id, holds: self.holds.clone(), news: self.holds.news.subscribe(), heard: Beat::NONE }
    }

    /// Is the hold not lost?
    pub(super) fn is_ours(&self) -> bool {
        self.holds.lock().get(&self.id).is_some_and(|message| message.beat != Beat::Lost)
    }

    /// A further run begins: it may be held for [`LONGEST`] again.
    pub(super) fn begins_anew(&self) {
        if let Some(message) = self.holds.lock().get_mut(&self.id) {
            message.run_since = Instant::now();
        }
    }

    /// Ends the hold, and returns when no extension is under way. Needed before a backoff: a late extension would
    /// undo it.
    pub(super) async fn freeze(self) {
        let holds = self.holds.clone();
        drop(self);
        drop(holds.beating.lock().await);
    }
}

impl Beats for Heartbeat {
    async fn next(&mut self) -> bool {
        loop {
            // A message that is gone has ended with its delivery.
            let beat = self.holds.lock().get(&self.id).map_or(Beat::Lost, |message| message.beat);
            if beat == Beat::Lost {
                return false;
            }
            if std::mem::replace(&mut self.heard, beat) != beat {
                return true;
            }
            // The sender is in `self.holds`: the wait cannot fail.
            let _ = self.news.changed().await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.holds.lock().remove(&self.id);
    }
}
