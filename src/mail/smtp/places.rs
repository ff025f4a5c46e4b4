//! How many connections the server allows at once. It tells only by refusing one more.
//!
//! Enters: connections that are used, and refusals of one more. Leaves: whether one more may be opened, or a wait until
//! one is free. Promises: while none is in use, one may always be opened. Knows no connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// For how long a refusal is believed. After it one more is tried.
const BELIEVED: Duration = Duration::from_secs(60);

/// The connections in use, and the most that were allowed.
#[derive(Default)]
pub(super) struct Places {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Default)]
struct State {
    in_use: usize,
    most: Option<(usize, Instant)>,
}

/// A connection in use. Dropped when it is kept, or when it has ended.
pub(super) struct Place(Arc<Places>);

impl Places {
    /// A connection is used from now on.
    pub(super) fn take(self: &Arc<Self>) -> Place {
        self.lock().in_use += 1;
        Place(self.clone())
    }

    /// May one more be opened?
    pub(super) fn allow_one_more(&self) -> bool {
        let state = self.lock();
        !matches!(state.most, Some((most, until)) if state.in_use >= most && Instant::now() < until)
    }

    /// The server has refused one more. `true`: others are in use, so it is worth to wait for one of them.
    pub(super) fn refused_one_more(&self) -> bool {
        let mut state = self.lock();
        let in_use = state.in_use;
        state.most = (in_use > 0).then(|| (in_use, Instant::now() + BELIEVED));
        in_use > 0
    }

    /// Waits until one is free.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().in_use -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_believed_for_a_minute_and_only_while_as_many_are_in_use() {
        let places = Arc::new(Places::default());
        assert!(!places.refused_one_more() && places.allow_one_more(), "nothing to wait for");
        let two = (places.take(), places.take());
        assert!(places.allow_one_more() && places.refused_one_more() && !places.allow_one_more());
        drop(two.0);
        assert!(places.allow_one_more(), "one has ended");
        places.freed().await;
        let _again = places.take();
        assert!(!places.allow_one_more());
        tokio::time::advance(BELIEVED).await;
        assert!(places.allow_one_more(), "it may allow more by now");
    }
}
