//! `dlq redrive` and `dlq drop`, letter by letter: first what would be done, then the deed, then the result.
//!
//! Enters: which letters of which DLQs, and how the command was called. Leaves: a report for each DLQ. Promises: nothing
//! is done before `--yes`, or before a person has written the number of letters; no letter that came since is part of it.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::confirm::confirmed;
use super::progress::Progress;
use super::told::Teller;
use crate::letters::sqs::SqsDlq;
use crate::letters::{LetterAction, LetterDeed, LetterReport, Selection, act};
use crate::ops::table::{counted, on_terminal, table};
use crate::ops::{Exit, complain, say};
use crate::plain;

/// How the command was called.
pub(super) struct ActOptions {
    pub(super) yes: bool,
    pub(super) json: bool,
    pub(super) rate: Option<u32>,
}

/// Letters of one DLQ.
pub(super) struct Part<'d> {
    pub(super) dlq: &'d SqsDlq,
    pub(super) selection: Selection,
    /// The most of them.
    pub(super) limit: u64,
}

pub(super) async fn run(
    deed: LetterDeed,
    parts: Vec<Part<'_>>,
    options: &ActOptions,
    teller: &Teller,
    stop: &CancellationToken,
) -> Exit {
    if parts.iter().any(|part| deed.needs_sqs(&part.dlq.source)) {
        complain("a FIFO queue's letters keep their groups only when SQS moves them: use --all");
        return Exit::Usage;
    }
    if options.yes {
        return all(deed, &parts, options, teller, stop).await;
    }
    let (mut exit, mut open, mut further) = (Exit::Clean, 0, Vec::new());
    for Part { dlq, selection, limit } in parts {
        let count = LetterAction::Count { sends: deed == LetterDeed::Redrive };
        let report = look_through(dlq, &selection, limit, &count, stop).await;
        exit = worse(exit, tell(deed, dlq, &report, options, false, stop));
        open += report.selected - report.sealed();
        further.push(Part { dlq, selection, limit: report.selected });
    }
    if options.json || exit == Exit::Interrupted {
        return exit;
    }
    match confirmed(open, stop).await {
        Some(true) => all(deed, &further, options, teller, stop).await,
        Some(false) => exit,
        None => Exit::Interrupted,
    }
}

async fn all(
    deed: LetterDeed,
    parts: &[Part<'_>],
    options: &ActOptions,
    teller: &Teller,
    stop: &CancellationToken,
) -> Exit {
    let mut exit = Exit::Clean;
    for Part { dlq, selection, limit } in parts {
        let report = look_through(dlq, selection, *limit, &deed.action(options.rate), stop).await;
        teller.say(deed.name(), dlq.name, &report, stop.is_cancelled()).await;
        exit = worse(exit, tell(deed, dlq, &report, options, true, stop));
    }
    exit
}

/// The first that is not clean; that it was interrupted counts before all.
fn worse(one: Exit, other: Exit) -> Exit {
    if one == Exit::Clean || other == Exit::Interrupted { other } else { one }
}

/// [`act`] with its progress shown.
pub(super) async fn look_through(
    dlq: &SqsDlq,
    selection: &Selection,
    limit: u64,
    action: &LetterAction<'_>,
    stop: &CancellationToken,
) -> LetterReport {
    let progress = Progress::new(dlq.depth);
    act(dlq, selection, limit, action, stop, &|report| progress.reach(report.looked_at())).await
}

/// Reports what was done, or would be.
pub(super) fn tell(
    deed: LetterDeed,
    dlq: &SqsDlq,
    report: &LetterReport,
    options: &ActOptions,
    done: bool,
    stop: &CancellationToken,
) -> Exit {
    let is_cut = stop.is_cancelled();
    if options.json {
        say(json!({
            "reaction": dlq.name, "dryRun": !done, "by": "us", "selected": report.selected, "moved": report.moved,
            "failed": if done { report.selected - report.moved } else { 0 }, "sealed": report.sealed(), "left": report.left,
            "reasons": report.reasons,
        }));
    } else {
        print(deed, dlq, report, done, is_cut);
    }
    if report.sealed() > 0 {
        complain(format_args!("{} sealed and passed over:", counted(report.sealed(), "letter")));
        report.sealed.iter().for_each(|(why, count)| complain(format_args!("{count:>7}  {why}")));
    }
    if report.doubled > 0 {
        complain(format_args!("{} could not be deleted: still there as well", counted(report.doubled, "letter")));
    }
    if let Some(error) = &report.error {
        complain(format_args!("stopped early: {error}"));
    } else if is_cut {
        return Exit::Interrupted;
    }
    let whole = !done || report.selected == report.moved;
    if report.error.is_none() && report.doubled == 0 && whole { Exit::Clean } else { Exit::Unavailable }
}

fn print(deed: LetterDeed, dlq: &SqsDlq, report: &LetterReport, done: bool, is_cut: bool) {
    if report.selected > 0 {
        let mut table = table(["reason", "letters"], &[1]);
        for (reason, count) in &report.reasons {
            table.add_row([&*plain::line(reason), &count.to_string()]);
        }
        say(format_args!("{}\n", table.trim_fmt()));
    }
    let name = dlq.name;
    let rest = if is_cut { "; not all were looked at" } else { "" };
    if done {
        let (moved, left) = (counted(report.moved, "letter"), counted(report.left, "other"));
        let did = deed.did(report.moved, &dlq.source);
        say(on_terminal("", &format!("{name}: {moved} {did}; {left} looked at and left{rest}")));
    } else {
        let (open, left) = (counted(report.selected - report.sealed(), "letter"), counted(report.left, "other"));
        let would = deed.would(&dlq.source);
        say(on_terminal("", &format!("{name}: {open} would {would}; {left} would stay{rest}")));
        say("A dry run: nothing was changed. --yes does it.");
    }
}
