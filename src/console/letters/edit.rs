//! A letter's event, edited in a page's form, goes back in place of the letter.
//!
//! Enters: a letter's id, the edited text. Leaves: a job that sends it and then deletes the letter. Promises: what the
//! worker would refuse is not sent, and the page says which field broke which rule, with the text as it was written; the
//! same text for the same letter is the same event, however often it is sent.

use axum::extract::Path;
use uuid::Uuid;

use super::deeds::{settle, told};
use super::desk::Desk;
use super::letter::{Unsent, page};
use crate::audit;
use crate::console::form::Form;
use crate::console::jobs::Ended;
use crate::console::refusal::Refusal;
use crate::console::visit::{Answer, Visit};
use crate::letters::{Edited, LetterAction, LetterDeed, LetterReport, Selection, Source, act, edited};

pub(super) async fn edit(visit: Visit, Path((reaction, id)): Path<(String, String)>, form: Form) -> Answer {
    let desk = Desk::of(&visit, &reaction)?;
    let Some(letter) = desk.letter(&visit, &id).await? else { return visit.go(&desk.address()) };
    let dlq = desk.dlq().await?.clone();
    if dlq.source.is_fifo() {
        return Err(Refusal::conflict("a FIFO queue's letters keep their groups only when SQS moves them"));
    }
    // A browser sends each line break as two characters.
    let text = form.get("event").unwrap_or_default().replace("\r\n", "\n");
    let (message, event) = match edited(&letter, &text, &desk.topics).map_err(Refusal::conflict)? {
        Edited::Ready(message, event) => (message, event),
        Edited::Refused(rule) => {
            let why = format!("the worker would refuse it: {rule}");
            return page(&visit, desk, &letter, true, Some(Unsent { text: &text, why })).await;
        }
        Edited::Unchanged => {
            let words = "Nothing was edited: the letter stays. Redrive sends it as it first came.";
            return visit.not_done(&format!("{}/{id}", desk.address()), words);
        }
    };
    let (console, own) = (visit.console.clone(), desk.clone());
    let what = format!("edited redrive of letter {id} of {}", desk.name);
    let begun = visit.console.jobs.start(desk.name, what, desk.address(), |progress, stop| async move {
        progress.of(1);
        let (only, action) = (Selection::only([id.clone()]), LetterAction::Replace { with: &message });
        let report = act(&dlq, &only, 1, &action, &stop, &|report| progress.at(report.moved)).await;
        let outcome = in_words(&report, &dlq.source, event, stop.is_cancelled());
        settle(&own, &report, 1, stop.is_cancelled(), &progress);
        let told = audit::Deed::new(&console.who, "edit", own.name).to(&format!("id={id}")).of(report.moved);
        console.audit.say(&told.ended(&report.ended(stop.is_cancelled()))).await;
        outcome
    });
    match begun {
        Ok(job) => visit.go(&job),
        // Another job is at work: what was written stays.
        Err(refusal) => page(&visit, desk, &letter, true, Some(Unsent { text: &text, why: refusal.words })).await,
    }
}

fn in_words(report: &LetterReport, source: &impl Source, event: Uuid, is_stopped: bool) -> Ended {
    if report.selected == 0 && report.error.is_none() && !is_stopped {
        return Ended { is_well: false, words: "the letter is no longer there: nothing was sent".to_owned() };
    }
    let mut outcome = told(LetterDeed::Redrive, report, 1, source, is_stopped);
    if report.moved > 0 {
        outcome.words.push_str(&format!("; edited, it is the event {event}"));
    }
    outcome
}
