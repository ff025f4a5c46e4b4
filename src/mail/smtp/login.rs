//! One login at a time.
//!
//! Enters: a login that is not begun yet. Leaves: its end. Promises: if a login fails, each connection that was begun
//! before the failure gets the same failure and does not try. Reason: ten wrong passwords at once get an address banned.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::stop::Stop;

/// Lets one connection log in at a time, and remembers the last failure.
#[derive(Default)]
pub(super) struct Logins {
    turn: Mutex<Option<Stop>>,
    failed: AtomicU64,
}

/// How many logins had failed when this connection was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begun(u64);

impl Logins {
    pub(super) fn begin(&self) -> Begun {
        Begun(self.failed.load(Ordering::Acquire))
    }

    /// Waits for the turn of a connection that was begun at `begun`, and does its `login`.
    pub(super) async fn in_turn(
        &self,
        begun: Begun,
        login: impl Future<Output = Result<(), Stop>>,
    ) -> Result<(), Stop> {
        let mut last = self.turn.lock().await;
        if let (true, Some(failure)) = (self.begin() != begun, &*last) {
            return Err(failure.clone());
        }
        let login = login.await;
        if let Err(failure) = &login {
            *last = Some(failure.clone());
            self.failed.fetch_add(1, Ordering::Release);
        }
        login
    }
}
