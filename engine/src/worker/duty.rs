//! Duty: does this process work on a delivery now, and may it receive more?
//!
//! Enters: deliveries as they begin and end, from every worker that shares it; and from outside, whether more may be
//! received. Leaves: both, to whoever watches. Knows nothing of who watches, or why.

use tokio::sync::watch;

/// Shared by the workers of one process. Clones share the state.
#[derive(Debug, Clone)]
pub struct Duty {
    running: watch::Sender<usize>,
    may_take: watch::Sender<bool>,
}

/// One delivery at work. Ends when dropped.
#[derive(Debug)]
pub(super) struct AtWork(watch::Sender<usize>);

impl Default for Duty {
    fn default() -> Self {
        Self { running: watch::Sender::new(0), may_take: watch::Sender::new(true) }
    }
}

impl Duty {
    /// How many deliveries are at work now. Notifies only when the first begins and when the last ends.
    #[must_use]
    pub fn running(&self) -> watch::Receiver<usize> {
        self.running.subscribe()
    }

    /// `false`: no worker receives until it is `true` again. What runs goes on.
    pub fn may_take(&self, may: bool) {
        self.may_take.send_if_modified(|now| std::mem::replace(now, may) != may);
    }

    /// May a worker receive now?
    #[must_use]
    pub fn takes(&self) -> bool {
        *self.may_take.borrow()
    }

    pub(super) fn at_work(&self) -> AtWork {
        self.running.send_if_modified(|running| {
            *running += 1;
            *running == 1
        });
        AtWork(self.running.clone())
    }

    /// Waits until a worker may receive.
    pub(super) async fn allowed(&self) {
        // The sender is in `self`: the wait cannot fail.
        let _ = self.may_take.subscribe().wait_for(|may| *may).await;
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.send_if_modified(|running| {
            *running -= 1;
            *running == 0
        });
    }
}
