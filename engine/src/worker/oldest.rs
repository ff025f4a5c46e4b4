//! How old the oldest message is that a worker has received lately. SQS tells nobody the age of what it holds.
//!
//! Enters: deliveries as they are received. Leaves: the age that the oldest of the last minute had then. Promises: a receive
//! costs one look at each of its deliveries.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::queue::Delivery;

/// Two of them make the last minute, or more than half of it.
const WINDOW: Duration = Duration::from_secs(30);

/// The age of the oldest message received. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Oldest(Arc<Mutex<Windows>>);

#[derive(Debug, Default, Clone, Copy)]
struct Windows {
    /// `None`: nothing was received yet.
    since: Option<Instant>,
    now: Option<Duration>,
    before: Option<Duration>,
}

impl Oldest {
    pub(super) fn received(&self, deliveries: &[Delivery]) {
        let oldest =
            deliveries.iter().filter(|delivery| delivery.sent_at().is_some()).min_by_key(|one| one.sent_at_millis);
        if let Some(oldest) = oldest {
            self.note(oldest.age());
        }
    }

    /// `None`: there was no message within the last minute.
    pub(super) fn age(&self) -> Option<Duration> {
        let windows = self.change(|_| {});
        windows.now.max(windows.before)
    }

    fn note(&self, age: Duration) {
        self.change(|windows| windows.now = windows.now.max(Some(age)));
    }

    fn change(&self, change: impl FnOnce(&mut Windows)) -> Windows {
        // Each change leaves it whole.
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let lasted = windows.since.map_or(2 * WINDOW, |since| now.saturating_duration_since(since));
        if lasted >= WINDOW {
            let before = if lasted < 2 * WINDOW { windows.now } else { None };
            *windows = Windows { since: Some(now), now: None, before };
        }
        change(&mut windows);
        *windows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_of_the_last_minute_is_known_and_then_forgotten() {
        let (oldest, second) = (Oldest::default(), Duration::from_secs(1));
        assert_eq!(oldest.age(), None);
        oldest.received(&[]);
        oldest.note(5 * second);
        oldest.note(3 * second);
        assert_eq!(oldest.age(), Some(5 * second));
        tokio::time::advance(WINDOW).await;
        oldest.note(2 * second);
        assert_eq!(oldest.age(), Some(5 * second));
        tokio::time::advance(WINDOW).await;
        assert_eq!(oldest.age(), Some(2 * second));
        tokio::time::advance(2 * WINDOW).await;
        assert_eq!(oldest.age(), None);
    }
}
