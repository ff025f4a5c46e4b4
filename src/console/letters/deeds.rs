//! Letters go back, or are dropped: a page that repeats their number, then a job.
//!
//! Enters: a filter; the number of letters as a person typed it, and the number of what they saw. Leaves: a job. Promises:
//! the deed is done to the letters that this person saw; if another look or deed has changed that, they are asked anew.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::Path;
use axum::http::StatusCode;
use serde_json::json;

use super::desk::{Desk, View};
use super::filter::Asked;
use super::list::{asked, busy, faults, linked};
use crate::audit;
use crate::console::form::Form;
use crate::console::jobs::{Ended, Progress};
use crate::console::refusal::Refusal;
use crate::console::visit::{Answer, Visit};
use crate::letters::{LetterDeed, LetterReport, Selection, Source, act};
use crate::words::counted;

pub(super) async fn ask_to_redrive(visit: Visit, Path(reaction): Path<String>) -> Answer {
    ask(LetterDeed::Redrive, &visit, &reaction, &asked(&visit), None).await
}

pub(super) async fn ask_to_drop(visit: Visit, Path(reaction): Path<String>) -> Answer {
    ask(LetterDeed::Drop, &visit, &reaction, &asked(&visit), None).await
}

pub(super) async fn redrive(visit: Visit, Path(reaction): Path<String>, form: Form) -> Answer {
    begin(LetterDeed::Redrive, &visit, &reaction, &form).await
}

pub(super) async fn drop(visit: Visit, Path(reaction): Path<String>, form: Form) -> Answer {
    begin(LetterDeed::Drop, &visit, &reaction, &form).await
}

/// The page that asks. `problem`: why the answer to it was none.
async fn ask(deed: LetterDeed, visit: &Visit, reaction: &str, asked: &Asked, problem: Option<&str>) -> Answer {
    let desk = Desk::of(visit, reaction)?;
    let title = match deed {
        LetterDeed::Redrive => format!("Redrive letters of {}", desk.name),
        LetterDeed::Drop => format!("Drop letters of {}", desk.name),
    };
    let seen = match desk.view(visit, None).await? {
        View::Seen(seen) => seen,
        View::Busy(words) => return busy(visit, &title, &words),
    };
    let dlq = desk.dlq().await?;
    let mut reasons = BTreeMap::<&str, u64>::new();
    for gist in seen.gists.iter().filter(|gist| asked.takes(gist)) {
        *reasons.entry(&gist.reason).or_default() += 1;
    }
    let letters: u64 = reasons.values().sum();
    let reasons: Vec<_> = reasons.iter().map(|(name, count)| json!({ "name": name, "count": count })).collect();
    let fields: Vec<_> = asked.fields().iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    visit.page_of(
        status,
        "letters_confirm.html",
        &title,
        json!({
            "deed": deed.name(), "action": linked(desk, deed.name(), &Asked::default(), &[]), "reaction": desk.name,
            "source": dlq.source.name(), "back": linked(desk, "", asked, &[]), "letters": letters, "of": seen.gists.len(),
            "reasons": reasons, "fields": fields, "look": seen.number, "problem": problem, "faults": faults(asked),
            "is_barred": deed.needs_sqs(&dlq.source),
        }),
    )
}

/// The answer to that page.
async fn begin(deed: LetterDeed, visit: &Visit, reaction: &str, form: &Form) -> Answer {
    let desk = Desk::of(visit, reaction)?;
    let asked = Asked::read(|name| form.all(name).map(str::to_owned).collect());
    let (dlq, seen) = (desk.dlq().await?.clone(), desk.shelf.seen());
    if deed.needs_sqs(&dlq.source) {
        return Err(Refusal::conflict("a FIFO queue's letters keep their groups only when SQS moves them"));
    }
    let number = form.text("look").and_then(|number| number.parse().ok());
    let Some(seen) = seen.filter(|seen| Some(seen.number) == number) else {
        let problem =
            "The letters have changed since this page was shown. Nothing was done: look, and write the number anew.";
        return ask(deed, visit, reaction, &asked, Some(problem)).await;
    };
    let ids: BTreeSet<String> =
        seen.gists.iter().filter(|gist| asked.takes(gist)).map(|gist| gist.id.clone()).collect();
    let typed = form.text("letters").and_then(|typed| typed.parse().ok());
    if ids.is_empty() || typed != Some(ids.len()) {
        let problem = "That is another number: nothing was done.";
        return ask(deed, visit, reaction, &asked, Some(problem)).await;
    }
    let rate = match form.text("rate").map(str::parse::<u32>) {
        None => None,
        Some(Ok(rate @ 1..=500)) => Some(rate),
        Some(_) => return ask(deed, visit, reaction, &asked, Some("rate: must be a number from 1 to 500")).await,
    };
    let letters = counted(ids.len() as u64, "letter");
    let what = format!("{} of {letters} of {}", deed.name(), desk.name);
    let (console, desk, words) = (visit.console.clone(), desk.clone(), asked.words());
    let job = visit.console.jobs.start(desk.name, what, desk.address(), |progress, stop| async move {
        progress.of(ids.len() as u64);
        let (action, selection, most) = (deed.action(rate), Selection::only(ids.iter().cloned()), ids.len() as u64);
        let report = act(&dlq, &selection, most, &action, &stop, &|report| progress.at(report.moved)).await;
        let outcome = told(deed, &report, most, &dlq.source, stop.is_cancelled());
        settle(&desk, &report, most, stop.is_cancelled(), &progress);
        let told = audit::Deed::new(&console.who, deed.name(), desk.name).to(&words).of(report.moved);
        console.audit.say(&told.ended(&report.ended(stop.is_cancelled()))).await;
        outcome
    })?;
    visit.go(&job)
}

/// Takes from the shelf what went.
pub(super) fn settle(desk: &Desk, report: &LetterReport, asked: u64, is_stopped: bool, progress: &Progress) {
    progress.at(report.moved);
    desk.shelf.remove(&report.gone);
    let is_missing = report.selected < asked && report.error.is_none() && !is_stopped;
    if is_missing || report.doubled > 0 {
        // Others were at work here, too.
        desk.shelf.clear();
    }
}

/// How a deed ended, in words.
pub(super) fn told(
    deed: LetterDeed,
    report: &LetterReport,
    asked: u64,
    source: &impl Source,
    is_stopped: bool,
) -> Ended {
    let mut words = format!("{} {}", counted(report.moved, "letter"), deed.did(report.moved, source));
    for (why, count) in &report.sealed {
        words.push_str(&format!("; {count} stayed: {why}"));
    }
    if report.doubled > 0 {
        words.push_str(&format!("; {} could not be deleted and is there as well", report.doubled));
    }
    let missing = asked.saturating_sub(report.selected);
    match &report.error {
        Some(error) => words.push_str(&format!("; it ended early: {error}")),
        None if is_stopped => words.push_str(&format!("; stopped, {} stay", counted(asked - report.moved, "letter"))),
        None if missing > 0 => words.push_str(&format!("; {missing} were no longer there")),
        None => {}
    }
    let is_well = report.moved == asked && report.doubled == 0 && report.error.is_none();
    Ended { is_well, words }
}
