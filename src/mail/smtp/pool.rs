//! Connections that ended their last mail cleanly, and turns under a rate limit.
//!
//! Enters: connections that have carried no mail yet, or whose last one ended cleanly: one that timed out, broke or was refused
//! something is dropped by whoever held it. Leaves: the freshest of them. Knows no mail.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::time::{Instant, sleep_until};

/// Kept for the next mail. More are opened as needed, and dropped when idle.
const MOST_IDLE: usize = 4;
/// Servers close idle connections after a minute or more; a shorter time here saves the wasted try.
const IDLE: Duration = Duration::from_secs(30);

/// Idle connections.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

/// So many mails a second at most, evenly spread.
#[derive(Debug)]
pub(super) struct Rate {
    between: Duration,
    next: Mutex<Instant>,
}

impl Pool {
    /// The connection used last, if it is fresh.
    pub(super) fn take(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.lock();
        idle.retain(|(_, since)| since.elapsed() < IDLE);
        idle.pop().map(|(connection, _)| connection)
    }

    /// Keeps a connection that is fresh, or whose last mail ended with a 2xx.
    pub(super) fn put(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.lock();
        if idle.len() < MOST_IDLE {
            idle.push((connection, Instant::now()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(AsyncSmtpConnection, Instant)>> {
        // Every change is one push or one removal.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
