//! Looks through DLQs: at each letter, or for those with certain ids.
//!
//! Enters: opened DLQs; the beginnings of ids; who hears how far it is. Leaves: each letter; for each beginning its one
//! letter and where it lies. Promises: a look leaves every letter where it was. A beginning that no letter has, or several
//! have, is a fault, and nothing is done to any letter before that is known. Knows no terminal and no page.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::OpenedDlq;
use super::browse::Browser;
use super::letter::Letter;
use engine::queue::{Queue, QueueError, RefusalCode};

/// A letter, and the DLQ that it lies in.
pub(crate) type Found<'d, Q, S> = (&'d OpenedDlq<Q, S>, Letter);

/// Why letters were not found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FindError {
    /// Beginnings that do not have one letter each. Holds how many each of them has: none, or several.
    Unclear(Vec<(String, u64)>),
    /// The DLQ of this reaction cannot be read.
    Queue(&'static str, QueueError),
    /// It was told to stop.
    Interrupted,
}

/// The letters whose ids begin so, in the order of the DLQs. A letter that two beginnings name is there once.
///
/// `looked_at` hears how many letters were looked at so far, of all DLQs together.
///
/// # Errors
/// [`FindError`].
pub(crate) async fn find<'d, Q: Queue + Clone, S>(
    dlqs: &'d [OpenedDlq<Q, S>],
    beginnings: &[String],
    stop: &CancellationToken,
    looked_at: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Found<'d, Q, S>>, FindError> {
    let mut found = Vec::<Found<'d, Q, S>>::new();
    let mut missing: BTreeSet<&String> = beginnings.iter().collect();
    let mut seen = 0;
    for dlq in dlqs {
        let before = seen;
        let see = |letter: Letter| {
            seen += 1;
            if beginnings.iter().any(|id| letter.id.starts_with(id)) {
                missing.remove(&letter.id);
                found.push((dlq, letter));
            }
            // A whole id has one letter at most.
            !missing.is_empty()
        };
        let so_far = |count| looked_at(before + count);
        each(dlq, stop, see, &so_far).await.map_err(|error| FindError::Queue(dlq.name, error))?;
    }
    if stop.is_cancelled() {
        return Err(FindError::Interrupted);
    }
    let count = |id: &String| found.iter().filter(|(_, letter)| letter.id.starts_with(id)).count() as u64;
    let counts = beginnings.iter().map(|id| (id.clone(), count(id)));
    let unclear: Vec<_> = counts.filter(|(_, count)| *count != 1).collect();
    if unclear.is_empty() { Ok(found) } else { Err(FindError::Unclear(unclear)) }
}

/// Shows each letter to `see` until that answers `false`. Answers whether all letters were looked at.
///
/// # Errors
/// The queue's error. Letters that `see` has seen stay where they were.
pub(crate) async fn each<Q: Queue + Clone, S>(
    dlq: &OpenedDlq<Q, S>,
    stop: &CancellationToken,
    mut see: impl FnMut(Letter) -> bool,
    looked_at: &(dyn Fn(u64) + Sync),
) -> Result<bool, QueueError> {
    let mut browser = Browser::new(dlq.queue.clone());
    let (mut enough, mut count) = (false, 0);
    let outcome = loop {
        if stop.is_cancelled() || enough {
            break Ok(false);
        }
        match browser.next().await {
            Ok(None) => break Ok(true),
            // SQS hides 120,000 messages at once at most. Report the letters seen so far, and that there are more.
            Err(QueueError::Refused(RefusalCode::OverLimit)) => break Ok(false),
            Err(error) => break Err(error),
            Ok(Some(batch)) => {
                count += batch.len() as u64;
                looked_at(count);
                for delivery in batch {
                    let (letter, receipt) = Letter::new(delivery, dlq.event_type);
                    browser.keep(receipt);
                    enough = enough || !see(letter);
                }
            }
        }
    };
    browser.finish().await;
    outcome
}
