//! Goes through a DLQ and does one thing with each selected letter: send it back, drop it, or only count it.
//!
//! Enters: the DLQ, the selection, what to do, and who hears how many letters were looked at. Leaves: what was done, by
//! reason. Promises: a letter that is sent back leaves the DLQ only after the source queue confirmed its original. So
//! after a kill at any moment it is in one of the two, perhaps in both. Letters that are not selected stay. Knows no
//! terminal.

use std::collections::BTreeMap;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::browse::Browser;
use super::letter::Letter;
use super::select::Selection;
use crate::ops::until_due;
use crate::reactions::EventType;
use engine::failpoint::{self, Step};
use engine::queue::sqs::admin::SqsAdmin;
use engine::queue::{DeadLetter, MAX_BATCH, MAX_MESSAGE_BYTES, Queue, QueueError, ReceiptHandle};

/// What to do with a letter.
pub(super) enum LetterAction<'a> {
    /// Nothing: a dry run, of redriver or of dropping.
    Count { sends: bool },
    /// Delete it for good.
    Drop,
    /// Send its original to this queue, then delete it. `rate`: the most letters a second.
    Send { admin: &'a SqsAdmin, url: &'a str, rate: Option<u32> },
    /// The same with this message in place of the original. For a selection of one letter.
    Replace { admin: &'a SqsAdmin, url: &'a str, with: &'a DeadLetter },
}

/// What was done. Its `sealed` says why selected letters were not moved.
#[derive(Debug, Default)]
pub(super) struct LetterReport {
    /// Selected letters.
    pub(super) selected: u64,
    /// Selected letters that were moved or deleted.
    pub(super) moved: u64,
    /// Letters that were looked at and not selected.
    pub(super) left: u64,
    /// Letters that are still in the DLQ because their delete failed: sent back all the same, or to be dropped.
    pub(super) doubled: u64,
    /// Letters that stay because they cannot be opened, or because their queue refuses them for good. By the reason.
    pub(super) sealed: BTreeMap<String, u64>,
    /// Selected letters, by reason.
    pub(super) reasons: BTreeMap<String, u64>,
    /// The first error. It ends the work.
    pub(super) error: Option<QueueError>,
}

/// A selected letter, and the receipt to delete it with.
type Chosen = (Letter, ReceiptHandle);

/// Goes through the DLQ until its end, until `limit` letters were selected, or until `stop`.
pub(super) async fn act<Q: Queue>(
    queue: Q,
    event_type: EventType,
    selection: &Selection,
    limit: u64,
    action: &LetterAction<'_>,
    stop: &CancellationToken,
    looked_at: &(dyn Fn(u64) + Sync),
) -> LetterReport {
    let mut browser = Browser::new(queue);
    let mut report = LetterReport::default();
    let started = Instant::now();
    while !stop.is_cancelled() && report.selected < limit && report.error.is_none() {
        let batch = match browser.next().await {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            Err(error) => {
                report.error = Some(error);
                break;
            }
        };
        looked_at(batch.len() as u64);
        let mut chosen = Vec::new();
        for delivery in batch {
            let (letter, receipt) = Letter::new(delivery, event_type);
            if report.selected < limit && selection.takes(&letter) {
                report.selected += 1;
                *report.reasons.entry(letter.reason().to_owned()).or_default() += 1;
                chosen.push((letter, receipt));
            } else {
                report.left += 1;
                browser.keep(receipt);
            }
        }
        match action {
            LetterAction::Count { sends } => {
                for (letter, receipt) in chosen {
                    match letter.original() {
                        Err(error) if *sends => report.seal(error.to_string(), receipt, &mut browser),
                        _ => browser.keep(receipt),
                    }
                }
            }
            LetterAction::Drop if chosen.is_empty() => {}
            LetterAction::Drop => {
                let count = chosen.len() as u64;
                let doubled = browser.delete(chosen.into_iter().map(|(_, receipt)| receipt).collect()).await as u64;
                report.moved += count - doubled;
                report.doubled += doubled;
            }
            LetterAction::Send { admin, url, rate } => {
                let mut redriver = Redriver { admin, url, rate: *rate, started, report: &mut report, stop };
                redriver.send(chosen, &mut browser).await;
            }
            LetterAction::Replace { admin, url, with } => {
                let mut redriver = Redriver { admin, url, rate: None, started, report: &mut report, stop };
                for (_, receipt) in chosen {
                    redriver.move_group(vec![((*with).clone(), receipt)], &mut browser).await;
                }
            }
        }
    }
    browser.finish().await;
    report
}

impl LetterReport {
    /// How many selected letters stay for good.
    pub(super) fn sealed(&self) -> u64 {
        self.sealed.values().sum()
    }

    /// Leaves a letter in the DLQ, for this reason.
    fn seal<Q: Queue>(&mut self, why: String, receipt: ReceiptHandle, browser: &mut Browser<Q>) {
        *self.sealed.entry(why).or_default() += 1;
        browser.keep(receipt);
    }
}

struct Redriver<'a> {
    admin: &'a SqsAdmin,
    url: &'a str,
    rate: Option<u32>,
    started: Instant,
    report: &'a mut LetterReport,
    stop: &'a CancellationToken,
}

impl Redriver<'_> {
    async fn send<Q: Queue>(&mut self, chosen: Vec<Chosen>, browser: &mut Browser<Q>) {
        let mut originals = Vec::new();
        for (letter, receipt) in chosen {
            match letter.original() {
                Ok(original) => originals.push((original, receipt)),
                Err(error) => self.report.seal(error.to_string(), receipt, browser),
            }
        }
        let most = self.rate.map_or(MAX_BATCH, |rate| MAX_BATCH.min(rate as usize));
        for group in groups(originals, most) {
            if let Some(rate) = self.rate {
                until_due(rate, self.started, self.report.moved, self.stop).await;
            }
            if self.stop.is_cancelled() || self.report.error.is_some() {
                group.into_iter().for_each(|(_, receipt)| browser.keep(receipt));
                continue;
            }
            self.move_group(group, browser).await;
        }
    }

    async fn move_group<Q: Queue>(&mut self, group: Vec<(DeadLetter, ReceiptHandle)>, browser: &mut Browser<Q>) {
        let (messages, receipts): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let results = self.admin.send(self.url, &messages).await;
        failpoint::reach(Step::Redriven);
        let mut confirmed = Vec::new();
        for (result, receipt) in results.into_iter().zip(receipts) {
            match result {
                Ok(()) => confirmed.push(receipt),
                Err(error @ QueueError::Unfit(_)) => self.report.seal(error.to_string(), receipt, browser),
                Err(error) => {
                    self.report.error.get_or_insert(error);
                    browser.keep(receipt);
                }
            }
        }
        if !confirmed.is_empty() {
            self.report.moved += confirmed.len() as u64;
            self.report.doubled += browser.delete(confirmed).await as u64;
        }
    }
}

/// Groups that one call can carry: at most `most` messages and 1 MiB each.
fn groups(all: Vec<(DeadLetter, ReceiptHandle)>, most: usize) -> Vec<Vec<(DeadLetter, ReceiptHandle)>> {
    let (mut groups, mut bytes) = (Vec::<Vec<_>>::new(), 0);
    for (message, receipt) in all {
        let size = message.size();
        match groups.last_mut() {
            Some(group) if group.len() < most && bytes + size <= MAX_MESSAGE_BYTES => {
                bytes += size;
                group.push((message, receipt));
            }
            _ => {
                bytes = size;
                groups.push(vec![(message, receipt)]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_what_one_call_can_carry() {
        let sizes = |bytes: &[usize], most| {
            let entry = |n: &usize| {
                let letter = DeadLetter { body: "x".repeat(*n), ..DeadLetter::default() };
                (letter, ReceiptHandle::new(String::new()))
            };
            groups(bytes.iter().map(entry).collect(), most).iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[1; 23], 10), [10, 10, 3]);
        assert_eq!(sizes(&[1; 3], 1), [1, 1, 1]);
        assert_eq!(sizes(&[MAX_MESSAGE_BYTES, 1, MAX_MESSAGE_BYTES - 1, 1], 10), [1, 2, 1]);
        assert_eq!(sizes(&[], 10), [0; 0]);
    }
}
