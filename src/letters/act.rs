//! Goes through a DLQ and does one thing with each selected letter: send it back, drop it, or only count it.
//!
//! Enters: the DLQ, the selection, what to do, and who hears how far it is. Leaves: what was done, by reason. Promises: a
//! letter that is sent back leaves the DLQ only after the source queue confirmed its original. So after a kill at any
//! moment it is in one of the two, perhaps in both. Letters that are not selected stay. Knows no terminal and no page.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::browse::Browser;
use super::letter::Letter;
use super::select::Selection;
use super::{OpenedDlq, Source};
use crate::rate::until_due;
use engine::failpoint::{self, Step};
use engine::queue::{DeadLetter, MAX_BATCH, MAX_MESSAGE_BYTES, Queue, QueueError, ReceiptHandle};

/// What to do with a letter.
pub(crate) enum LetterAction<'a> {
    /// Nothing: a dry run, of sending or of dropping.
    Count { sends: bool },
    /// Delete it for good.
    Drop,
    /// Send its original to the source queue, then delete it. `rate`: the most letters a second.
    Send { rate: Option<u32> },
    /// The same with this message in place of the original. For a selection of one letter.
    Replace { with: &'a DeadLetter },
}

/// What was done. Its `sealed` says why selected letters were not moved.
#[derive(Debug, Default)]
pub(crate) struct LetterReport {
    /// Selected letters.
    pub(crate) selected: u64,
    /// Selected letters that were moved or deleted.
    pub(crate) moved: u64,
    /// The ids of letters that surely are no longer in the DLQ.
    pub(crate) gone: BTreeSet<String>,
    /// Letters that were looked at and not selected.
    pub(crate) left: u64,
    /// Letters that are still in the DLQ because their delete failed: sent back all the same, or to be dropped.
    pub(crate) doubled: u64,
    /// Letters that stay because they cannot be opened, or because their queue refuses them for good. By the reason.
    pub(crate) sealed: BTreeMap<String, u64>,
    /// Selected letters, by reason.
    pub(crate) reasons: BTreeMap<String, u64>,
    /// The first error. It ends the work.
    pub(crate) error: Option<QueueError>,
}

/// A selected letter, and the receipt to delete it with.
type Chosen = (Letter, ReceiptHandle);

/// Goes through the DLQ until its end, until `limit` letters were selected, or until `stop`.
///
/// `told` hears of it after every few letters.
pub(crate) async fn act<Q: Queue + Clone, S: Source>(
    dlq: &OpenedDlq<Q, S>,
    selection: &Selection,
    limit: u64,
    action: &LetterAction<'_>,
    stop: &CancellationToken,
    told: &(dyn Fn(&LetterReport) + Sync),
) -> LetterReport {
    let mut browser = Browser::new(dlq.queue.clone());
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
        let mut chosen = Vec::new();
        for delivery in batch {
            let (letter, receipt) = Letter::new(delivery, dlq.event_type);
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
                let (ids, receipts): (Vec<_>, _) =
                    chosen.into_iter().map(|(letter, receipt)| (letter.id, receipt)).unzip();
                report.moved += ids.len() as u64;
                let doubled = report.delete(ids, receipts, &mut browser).await;
                report.moved -= doubled;
            }
            LetterAction::Send { rate } => {
                let mut redriver = Redriver { source: &dlq.source, rate: *rate, started, report: &mut report, stop };
                redriver.send(chosen, &mut browser).await;
            }
            LetterAction::Replace { with } => {
                let mut redriver = Redriver { source: &dlq.source, rate: None, started, report: &mut report, stop };
                for (_, receipt) in chosen {
                    redriver.move_group(vec![((*with).clone(), receipt)], &mut browser).await;
                }
            }
        }
        told(&report);
    }
    browser.finish().await;
    report
}

impl LetterReport {
    /// How many letters were looked at.
    pub(crate) fn looked_at(&self) -> u64 {
        self.selected + self.left
    }

    /// How it ended, for others to hear.
    pub(crate) fn ended(&self, is_cut: bool) -> String {
        let end = match &self.error {
            Some(error) => format!("stopped early: {error}"),
            None if is_cut => "interrupted".to_owned(),
            None => "done".to_owned(),
        };
        let rest = [(self.sealed(), "sealed"), (self.doubled, "not deleted")].into_iter();
        let rest = rest.filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        [end].into_iter().chain(rest).collect::<Vec<_>>().join(", ")
    }

    /// How many selected letters stay for good.
    pub(crate) fn sealed(&self) -> u64 {
        self.sealed.values().sum()
    }

    /// Deletes letters. Answers how many could not be deleted; which ones, the queue does not say.
    async fn delete<Q: Queue>(
        &mut self,
        ids: Vec<String>,
        receipts: Vec<ReceiptHandle>,
        browser: &mut Browser<Q>,
    ) -> u64 {
        let doubled = browser.delete(receipts).await as u64;
        self.doubled += doubled;
        if doubled == 0 {
            self.gone.extend(ids);
        }
        doubled
    }

    /// Leaves a letter in the DLQ, for this reason.
    fn seal<Q: Queue>(&mut self, why: String, receipt: ReceiptHandle, browser: &mut Browser<Q>) {
        *self.sealed.entry(why).or_default() += 1;
        browser.keep(receipt);
    }
}

struct Redriver<'a, S> {
    source: &'a S,
    rate: Option<u32>,
    started: Instant,
    report: &'a mut LetterReport,
    stop: &'a CancellationToken,
}

impl<S: Source> Redriver<'_, S> {
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
        let ids: Vec<_> = messages.iter().map(|message| message.message_id.clone()).collect();
        let results = self.source.send(&messages).await;
        failpoint::reach(Step::Redriven);
        let (mut sent, mut confirmed) = (Vec::new(), Vec::new());
        for ((result, receipt), id) in results.into_iter().zip(receipts).zip(ids) {
            match result {
                Ok(()) => {
                    sent.push(id);
                    confirmed.push(receipt);
                }
                Err(error @ QueueError::Unfit(_)) => self.report.seal(error.to_string(), receipt, browser),
                Err(error) => {
                    self.report.error.get_or_insert(error);
                    browser.keep(receipt);
                }
            }
        }
        if !confirmed.is_empty() {
            self.report.moved += confirmed.len() as u64;
            self.report.delete(sent, confirmed, browser).await;
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
    fn a_report_says_how_it_ended_and_what_stayed() {
        assert_eq!(LetterReport::default().ended(false), "done");
        let report = LetterReport { sealed: [("x".to_owned(), 2)].into(), doubled: 1, ..LetterReport::default() };
        assert_eq!(report.ended(true), "interrupted, 2 sealed, 1 not deleted");
    }

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
