//! Looks through DLQs before a person: with a bar, and in words if something is not found.
//!
//! Enters: opened DLQs; the beginnings of ids. Leaves: each letter; for each beginning its one letter and where it lies, or
//! the exit of the command that asked.

use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use crate::letters::sqs::{SqsDlq, SqsSource};
use crate::letters::{self, FindError, Found, Letter};
use crate::ops::table::counted;
use crate::ops::{Exit, complain};
use engine::queue::QueueError;
use engine::queue::sqs::SqsQueue;

/// [`letters::find`] with a bar. A fault was printed.
pub(super) async fn find<'d>(
    dlqs: &'d [SqsDlq],
    beginnings: &[String],
    stop: &CancellationToken,
) -> Result<Vec<Found<'d, SqsQueue, SqsSource>>, Exit> {
    let progress = Progress::new(dlqs.iter().map(|dlq| dlq.depth).sum());
    let found = letters::find(dlqs, beginnings, stop, &|count| progress.reach(count)).await;
    drop(progress);
    found.map_err(|error| match error {
        FindError::Interrupted => Exit::Interrupted,
        FindError::Queue(name, error) => failed(name, &error),
        FindError::Unclear(all) => {
            for (id, count) in all {
                match count {
                    0 => complain(format_args!("no letter has an id that begins with {id}; `dlq list` shows them")),
                    _ => complain(format_args!(
                        "{} have ids that begin with {id}: give more of it",
                        counted(count, "letter")
                    )),
                }
            }
            Exit::Usage
        }
    })
}

/// [`letters::each`] with a bar.
pub(super) async fn each(
    dlq: &SqsDlq,
    stop: &CancellationToken,
    see: impl FnMut(Letter) -> bool,
) -> Result<bool, QueueError> {
    let progress = Progress::new(dlq.depth);
    letters::each(dlq, stop, see, &|count| progress.reach(count)).await
}

/// Says that the DLQ of this reaction failed.
pub(super) fn failed(name: &str, error: &QueueError) -> Exit {
    complain(format_args!("the dead-letter queue of `{name}`: {error}"));
    Exit::Unavailable
}
