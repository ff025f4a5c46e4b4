//! The way out: give back, finish, and name what is left behind.
//!
//! Enters: what runs and what was not begun. Leaves: a [`Summary`]. Promises: it ends at the deadline; what
//! still runs then comes again soon, and is named.

use std::fmt;
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::error;

use super::lane::{Taken, give_back};
use super::lease::Leases;
use super::settle::Settler;
use crate::queue::Queue;

/// What is left running when the time to stop is up comes again after this: its handler is cut by then.
const ABANDONED: Duration = Duration::from_secs(5);

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Deliveries that ran when stop came, and were finished.
    pub drained: usize,
    /// Deliveries that were not begun when stop came, and were given back.
    pub returned: usize,
    /// Deliveries that still ran when the time was up; they will come again.
    pub abandoned: usize,
}

/// Ends a worker. `unworked`: what was never begun, with what the last receives bring. A lane that is told to stop finishes the one delivery it is at.
pub(super) async fn drain<Q: Queue>(
    mut running: JoinSet<Vec<Taken>>,
    unworked: impl Stream<Item = Vec<Taken>>,
    settler: &Settler<Q>,
    leases: &Leases,
    queue: &Q,
    deadline: Instant,
) -> Summary {
    let at_stop = running.len();
    let unworked = unworked.concat().await;
    let mut returned = unworked.len();
    let all_done = async {
        give_back(unworked.into_iter(), settler).await;
        while let Some(lane) = running.join_next().await {
            let rest = lane.unwrap_or_default();
            returned += rest.len();
            give_back(rest.into_iter(), settler).await;
        }
    };
    if timeout_at(deadline, all_done).await.is_err() {
        let left = leases.abandon(queue, ABANDONED).await;
        error!(messages = ?left, "the time to stop is up: these were left running and will come again");
    }
    Summary { drained: at_stop - running.len(), returned, abandoned: running.len() }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "drained {}, returned {}, abandoned {}", self.drained, self.returned, self.abandoned)
    }
}
