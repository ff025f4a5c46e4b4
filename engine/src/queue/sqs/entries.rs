//! What an answer says of the entries of a batch.
//!
//! Enters: how many entries were asked for, and those that the answer names. Leaves: the ones that are not done, each with
//! its error. Promises: an entry counts as done if the answer says so, and never for want of another word. Pure.

use aws_sdk_sqs::types::BatchResultErrorEntry;

use super::error::settle_entry_error;
use crate::queue::{QueueError, ReceiptHandle, Unsettled};

/// The entries of a batch that its answer does not say to be done, by position: an entry of which it says nothing is one.
/// Entry ids are positions in the batch. Message ids would clash if a batch holds two copies of a message.
pub(super) fn undone<'a>(
    asked: usize,
    done: impl Iterator<Item = &'a str>,
    failed: &[BatchResultErrorEntry],
) -> Vec<(usize, QueueError)> {
    let done: Vec<usize> = done.filter_map(|id| id.parse().ok()).collect();
    let error =
        |n: usize| failed.iter().find(|entry| entry.id == n.to_string()).map_or_else(no_word, settle_entry_error);
    (0..asked).filter(|n| !done.contains(n)).map(|n| (n, error(n))).collect()
}

pub(super) fn no_word() -> QueueError {
    QueueError::Unavailable("no word of this entry".to_owned())
}

pub(super) fn unsettled(receipts: Vec<ReceiptHandle>, undone: Vec<(usize, QueueError)>) -> Vec<Unsettled> {
    let mut undone = undone.into_iter().peekable();
    let pair = |(n, receipt)| Some(Unsettled { receipt, error: undone.next_if(|(of, _)| *of == n)?.1 });
    receipts.into_iter().enumerate().filter_map(pair).collect()
}

pub(super) fn all_unsettled(receipts: Vec<ReceiptHandle>, error: &QueueError) -> Vec<Unsettled> {
    receipts.into_iter().map(|receipt| Unsettled { receipt, error: error.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_done_if_the_answer_says_so_and_else_has_its_error() {
        let failed =
            BatchResultErrorEntry::builder().id("1").code("InternalError").sender_fault(false).build().expect("whole");
        let undone = undone(3, ["0", "x", "9"].into_iter(), &[failed]);
        assert_eq!(undone, [(1, QueueError::Unavailable("InternalError".to_owned())), (2, no_word())]);
    }
}
