//! Shutdown: give back what was not begun, finish what runs, report the rest.
//!
//! Enters: what runs and what was not begun. Leaves: a [`Summary`]. Promises: it ends at the deadline at the latest, or
//! 3 s later if the queue does not answer. A delivery that still runs at the deadline is shown again after 5 s (if the
//! queue does not answer: after its visibility timeout), and the log names its message id.

use std::fmt;
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::error;

use super::holds::Holds;
use super::lane::{Job, give_back};
use super::process::Processor;
use crate::handler::Handler;
use crate::idempotency::Ledger;
use crate::queue::Queue;

/// A delivery that still runs at the deadline is shown again after this time. Its handler ends before that: the drain
/// returns at most 3 s after the deadline, and what still runs is aborted.
const ABANDONED: Duration = Duration::from_secs(5);
/// How long before the deadline `closing` is cancelled: a delivery that still waits (for the ledger, another delivery
/// or a turn) then settles with what it knows. If a quarter of the shutdown time is shorter, that is used instead.
const CLOSING_AHEAD: Duration = Duration::from_secs(3);

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

/// Ends a worker. `running`: its lanes. After a stop a lane finishes only the delivery that it works on, so each lane
/// counts as one. `unworked`: deliveries that were not begun, and those that the last receives still bring.
pub(super) async fn drain<Q: Queue, L: Ledger, H: Handler>(
    mut running: JoinSet<Vec<Job>>,
    unworked: impl Stream<Item = Vec<Job>>,
    processor: &Processor<Q, L, H>,
    holds: &Holds,
    queue: &Q,
    deadline: Instant,
) -> Summary {
    let at_stop = running.len();
    let closing = processor.closing.clone();
    let closing_at = deadline - CLOSING_AHEAD.min(processor.settings.shutdown / 4);
    let _closing = AbortOnDropHandle::new(tokio::spawn(async move {
        sleep_until(closing_at).await;
        closing.cancel();
    }));
    let mut returned = 0;
    let all_done = async {
        let unworked = unworked.concat().await;
        returned += unworked.len();
        give_back(unworked.into_iter(), processor).await;
        while let Some(lane) = running.join_next().await {
            let rest = lane.unwrap_or_default();
            returned += rest.len();
            give_back(rest.into_iter(), processor).await;
        }
    };
    if timeout_at(deadline, all_done).await.is_err() {
        let left = holds.abandon(queue, ABANDONED).await;
        error!(messages = ?left, "the time to stop is up: these were left running and will come again");
    }
    Summary { drained: at_stop - running.len(), returned, abandoned: running.len() }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "drained {}, returned {}, abandoned {}", self.drained, self.returned, self.abandoned)
    }
}
