//! Lets SQS itself move every letter back, and watches its progress.
//!
//! Enters: a DLQ in SQS, who hears how far it is. Leaves: how the move ended, or that SQS does not do it. SQS moves letters
//! as they are, with `failure.*` attributes and packed bodies; the worker opens those when it receives them. Told to
//! stop, it cancels the move; letters that SQS has moved stay moved.

use std::time::Duration;

use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use super::sqs::SqsDlq;
use engine::queue::sqs::admin::MoveTask;
use engine::queue::{QueueError, RefusalCode};

/// The time between two looks at the task.
const LOOK: Duration = Duration::from_millis(500);

/// What became of a move.
pub(crate) enum Move {
    /// It ended; its status says how.
    Ended(MoveTask),
    /// One was at work already. Nothing was begun.
    AtWork(MoveTask),
    /// SQS does not move these letters, such as those of a DLQ that no redrive policy names. Nothing was begun.
    NotBySqs(RefusalCode),
}

/// Moves every letter. `moved` hears how many went so far.
///
/// # Errors
/// The queue's error.
pub(crate) async fn move_all(
    dlq: &SqsDlq,
    rate: Option<u32>,
    stop: &CancellationToken,
    moved: &(dyn Fn(u64) + Sync),
) -> Result<Move, QueueError> {
    let (admin, from) = (&dlq.source.admin, &dlq.source.dead.arn);
    match admin.latest_move(from).await {
        Ok(Some(task)) if task.is_running() => return Ok(Move::AtWork(task)),
        Ok(_) | Err(QueueError::Refused(_)) => {}
        Err(error) => return Err(error),
    }
    match admin.start_move(from, &dlq.source.facts.arn, rate).await {
        Ok(()) => watch(dlq, stop, moved).await.map(Move::Ended),
        Err(QueueError::Refused(code)) => Ok(Move::NotBySqs(code)),
        Err(error) => Err(error),
    }
}

async fn watch(dlq: &SqsDlq, stop: &CancellationToken, moved: &(dyn Fn(u64) + Sync)) -> Result<MoveTask, QueueError> {
    let admin = &dlq.source.admin;
    let mut looks = interval(LOOK);
    let mut cancelled = false;
    loop {
        looks.tick().await;
        let task = match admin.latest_move(&dlq.source.dead.arn).await {
            Ok(Some(task)) => task,
            // The task has just started, and SQS does not list it yet.
            Ok(None) => continue,
            Err(error) if error.is_passing() => continue,
            Err(error) => return Err(error),
        };
        moved(task.moved);
        if !task.is_running() {
            return Ok(task);
        }
        if let (true, false, Some(handle)) = (stop.is_cancelled(), cancelled, &task.handle) {
            // SQS refuses this if the task has just ended. The next look shows it.
            cancelled = admin.cancel_move(handle).await.is_ok();
        }
    }
}
