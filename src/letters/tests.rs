//! The room on queues in memory: what is found, what goes back, and what stays where it was.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

use super::*;
use crate::events::UserSignedUp;
use engine::queue::Attributes;
use engine::queue::memory::MemoryQueue;

/// A source queue in memory; its DLQ is `dlq`.
struct MemorySource {
    queue: MemoryQueue,
    dlq: MemoryQueue,
}

impl Source for MemorySource {
    fn name(&self) -> &str {
        "q"
    }

    async fn send(&self, messages: &[DeadLetter]) -> Vec<Result<(), QueueError>> {
        let send = |message: &DeadLetter| self.queue.send(&message.body, message.attributes.clone()).map(drop);
        messages.iter().map(send).collect()
    }

    async fn letters(&self) -> Result<u64, QueueError> {
        Ok(self.dlq.depth().visible as u64)
    }
}

type MemoryDlq = OpenedDlq<MemoryQueue, MemorySource>;

/// A DLQ with so many letters, and their ids.
fn dlq(name: &'static str, letters: usize) -> (MemoryDlq, Vec<String>) {
    let (queue, dlq) = (MemoryQueue::new("q", HIDDEN), MemoryQueue::new("q-dlq", HIDDEN));
    let send = |n: usize| dlq.send(&format!("letter {n}"), Attributes::new()).expect("it fits");
    let ids = (0..letters).map(send).collect();
    let source = MemorySource { queue, dlq: dlq.clone() };
    (OpenedDlq { name, event_type: EventType::of::<UserSignedUp>(), queue: dlq, source, depth: letters as u64 }, ids)
}

/// How many are in the source queue, in the DLQ, and hidden there.
fn depths(dlq: &MemoryDlq) -> (usize, usize, usize) {
    let (source, dead) = (dlq.source.queue.depth(), dlq.queue.depth());
    (source.visible, dead.visible, dead.in_flight)
}

#[tokio::test(start_paused = true)]
async fn a_beginning_that_no_letter_has_or_several_have_is_named_with_their_number() {
    let ((email, ids), (profile, others)) = (dlq("email", 30), dlq("profile", 3));
    let (dlqs, stop) = ([email, profile], CancellationToken::new());
    let seen = AtomicU64::new(0);
    let looked_at = |count| seen.store(count, Ordering::Relaxed);
    let find = async |beginnings: &[&str]| {
        let beginnings: Vec<String> = beginnings.iter().map(|id| (*id).to_owned()).collect();
        let found = find(&dlqs, &beginnings, &stop, &looked_at).await?;
        Ok::<_, FindError>(found.into_iter().map(|(dlq, letter)| (dlq.name, letter.id)).collect::<Vec<_>>())
    };
    let both = find(&[&others[1], &ids[7]]).await;
    assert_eq!(both, Ok(vec![("email", ids[7].clone()), ("profile", others[1].clone())]));
    assert_eq!(
        find(&["no-such", ""]).await,
        Err(FindError::Unclear(vec![("no-such".to_owned(), 0), (String::new(), 33)]))
    );
    assert_eq!(seen.load(Ordering::Relaxed), 33, "of all DLQs together");
    assert_eq!(dlqs.each_ref().map(depths), [(0, 30, 0), (0, 3, 0)], "a look leaves them where they were");
    stop.cancel();
    assert_eq!(find(&[&ids[0]]).await, Err(FindError::Interrupted));
}

#[tokio::test(start_paused = true)]
async fn letters_go_back_as_selected_and_the_report_names_those_that_are_gone() {
    let (dlq, ids) = dlq("email", 30);
    let (stop, chosen) = (CancellationToken::new(), &ids[10..25]);
    let selection = Selection::only(chosen.iter().cloned());
    let report = act(&dlq, &selection, 15, &LetterAction::Send { rate: None }, &stop, &|_| {}).await;
    assert_eq!((report.selected, report.moved, report.gone), (15, 15, chosen.iter().cloned().collect::<BTreeSet<_>>()));
    assert_eq!(depths(&dlq), (15, 15, 0));
    let report = act(&dlq, &selection, 15, &LetterAction::Drop, &stop, &|_| {}).await;
    assert_eq!((report.selected, report.gone.len()), (0, 0), "they are no longer there");
    let report = act(&dlq, &Selection::default(), 4, &LetterAction::Drop, &stop, &|_| {}).await;
    assert_eq!((report.moved, report.gone.len(), depths(&dlq)), (4, 4, (15, 11, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_redrive_told_to_stop_gives_back_what_it_did_not_send() {
    let (dlq, _) = dlq("email", 100);
    let (stop, told) = (CancellationToken::new(), AtomicU64::new(0));
    let hear = |report: &LetterReport| {
        told.store(report.moved, Ordering::Relaxed);
        if report.moved >= 20 {
            stop.cancel();
        }
    };
    let report = act(&dlq, &Selection::default(), 100, &LetterAction::Send { rate: Some(10) }, &stop, &hear).await;
    assert_eq!((report.moved, told.load(Ordering::Relaxed), report.ended(true).as_str()), (20, 20, "interrupted"));
    assert_eq!(depths(&dlq), (20, 80, 0));
}
