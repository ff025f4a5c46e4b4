//! Keeps connections whose last mail ended cleanly, and spreads mails under a rate limit.
//!
//! Enters: connections that have carried no mail yet, or whose last mail ended cleanly. A connection that timed out,
//! broke or was left in the middle is dropped by its user instead. Leaves: the connection used last that is still
//! quiet. Promises: keeps no more connections than were in use at once; closes an idle one by QUIT. Knows no mail.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until, timeout};

use super::conversation::Connection;

/// Servers close idle connections after a minute or more. Closing them earlier ourselves saves a try on a dead one.
const IDLE: Duration = Duration::from_secs(30);
/// Time limit for all QUITs together.
const GOODBYE: Duration = Duration::from_secs(5);

/// Idle connections, the one used last at the end. There are as many as were in use at once: a fresh one is opened
/// only while all others are in use.
pub(super) struct Pool {
    /// Host and port of the server that all of them lead to, for errors.
    pub(super) server: String,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    kept: Vec<(Connection, Instant)>,
    is_watched: bool,
}

/// A limit of mails a second, evenly spread.
#[derive(Debug)]
pub(super) struct Rate {
    between: Duration,
    next: Mutex<Instant>,
}

impl Pool {
    pub(super) fn to(server: String) -> Self {
        Self { server, idle: Mutex::default() }
    }

    /// The connection used last that is quiet. Others are dropped: the server has closed them, or is about to.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut idle = self.lock();
        loop {
            let (mut connection, _) = idle.kept.pop()?;
            if connection.is_quiet() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection that is fresh, or whose last mail ended cleanly.
    pub(super) fn put(self: &Arc<Self>, connection: Connection) {
        let mut idle = self.lock();
        idle.kept.push((connection, Instant::now()));
        if !std::mem::replace(&mut idle.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Closes all idle connections by QUIT.
    pub(super) async fn close(&self) {
        let all = std::mem::take(&mut self.lock().kept);
        goodbye(all).await;
    }

    /// When the oldest connection has idled for [`IDLE`]. `None`: nothing idles, and [`Pool::put`] starts a new watch.
    fn next_to_go(&self) -> Option<Instant> {
        let mut idle = self.lock();
        let oldest = idle.kept.first().map(|(_, since)| *since + IDLE);
        idle.is_watched = oldest.is_some();
        oldest
    }

    fn idled_enough(&self) -> Vec<(Connection, Instant)> {
        let mut idle = self.lock();
        let many = idle.kept.iter().take_while(|(_, since)| since.elapsed() >= IDLE).count();
        idle.kept.drain(..many).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        // A poisoned lock is safe: every change is one push or one removal.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes idle connections. Ends when nothing idles, or with the pool.
async fn watch(pool: Weak<Pool>) {
    while let Some(next) = pool.upgrade().and_then(|pool| pool.next_to_go()) {
        sleep_until(next).await;
        let Some(idled) = pool.upgrade().map(|pool| pool.idled_enough()) else { return };
        goodbye(idled).await;
    }
}

async fn goodbye(connections: Vec<(Connection, Instant)>) {
    let quits = connections.into_iter().map(|(connection, _)| connection.quit());
    let _ = timeout(GOODBYE, join_all(quits)).await;
}

impl Rate {
    pub(super) fn per_second(mails: u32) -> Self {
        Self { between: Duration::from_secs(1) / mails.max(1), next: Mutex::new(Instant::now()) }
    }

    /// Waits for the next turn.
    pub(super) async fn turn(&self) {
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(Instant::now());
            *next = turn + self.between;
            turn
        };
        sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_are_spread_evenly_and_time_not_used_is_not_saved_up() {
        let rate = Rate::per_second(10);
        let start = Instant::now();
        for _ in 0..11 {
            rate.turn().await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(60)).await;
        let later = Instant::now();
        rate.turn().await;
        rate.turn().await;
        assert_eq!(later.elapsed(), Duration::from_millis(100));
    }
}
