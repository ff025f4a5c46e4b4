//! Looks through DLQs: at each letter, or for those with certain ids.
//!
//! Enters: opened DLQs; the beginnings of ids. Leaves: each letter; for each beginning its one letter and where it lies.
//! Promises: a look leaves every letter where it was. A beginning that no letter has, or several have, is a fault, and
//! nothing is done to any letter before that is known.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::OpenedDlq;
use super::browse::Browser;
use super::letter::Letter;
use super::progress::Progress;
use crate::ops::table::counted;
use crate::ops::{Exit, complain};
use engine::queue::{QueueError, RefusalCode};

/// A letter, and the DLQ that it lies in.
pub(super) type Found<'d> = (&'d OpenedDlq, Letter);

/// The letters whose ids begin so, in the order of the DLQs. A letter that two beginnings name is there once.
pub(super) async fn find<'d>(
    dlqs: &'d [OpenedDlq],
    beginnings: &[String],
    stop: &CancellationToken,
) -> Result<Vec<Found<'d>>, Exit> {
    let mut found = Vec::<Found<'d>>::new();
    let mut missing: BTreeSet<&String> = beginnings.iter().collect();
    for dlq in dlqs {
        let outcome = each(dlq, stop, |letter| {
            if beginnings.iter().any(|id| letter.id.starts_with(id)) {
                missing.remove(&letter.id);
                found.push((dlq, letter));
            }
            // A whole id has one letter at most.
            !missing.is_empty()
        });
        outcome.await.map_err(|error| failed(dlq, &error))?;
    }
    if stop.is_cancelled() {
        return Err(Exit::Interrupted);
    }
    let mut is_clear = true;
    for id in beginnings {
        match found.iter().filter(|(_, letter)| letter.id.starts_with(id)).count() {
            1 => continue,
            0 => complain(format_args!("no letter has an id that begins with {id}; `dlq list` shows them")),
            n => {
                complain(format_args!("{} have ids that begin with {id}: give more of it", counted(n as u64, "letter")))
            }
        }
        is_clear = false;
    }
    if is_clear { Ok(found) } else { Err(Exit::Usage) }
}

/// Shows each letter to `see` until that answers `false`. Answers whether all letters were looked at.
pub(super) async fn each(
    dlq: &OpenedDlq,
    stop: &CancellationToken,
    mut see: impl FnMut(Letter) -> bool,
) -> Result<bool, QueueError> {
    let progress = Progress::new(dlq.depth);
    let mut browser = Browser::new(dlq.dlq.clone());
    let mut enough = false;
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
                progress.add(batch.len() as u64);
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

pub(super) fn failed(dlq: &OpenedDlq, error: &QueueError) -> Exit {
    complain(format_args!("the dead-letter queue of `{}`: {error}", dlq.name));
    Exit::Unavailable
}
