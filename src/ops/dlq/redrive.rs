//! `dlq redrive` and `dlq drop`, letter by letter: a dry run unless `--yes`, then the result.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::act::{LetterAction, LetterReport, act};
use super::letter::Selection;
use super::{OpenedDlq, progress};
use crate::cli::Which;
use crate::ops::table::{counted, table};
use crate::ops::{Exit, complain, say};
use crate::plain;

/// How the command was called.
pub(super) struct ActOptions {
    pub(super) yes: bool,
    pub(super) json: bool,
    pub(super) rate: Option<u32>,
}

pub(super) async fn redrive(dlq: &OpenedDlq, which: &Which, options: &ActOptions, stop: &CancellationToken) -> Exit {
    if dlq.source.is_fifo() {
        complain("a FIFO queue's letters keep their groups only when SQS moves them: use --all");
        return Exit::Usage;
    }
    let send = LetterAction::Send { admin: &dlq.admin, url: &dlq.url, rate: options.rate };
    run(dlq, which, options, stop, send, ("go back", "went back")).await
}

pub(super) async fn drop(dlq: &OpenedDlq, which: &Which, options: &ActOptions, stop: &CancellationToken) -> Exit {
    run(dlq, which, options, stop, LetterAction::Drop, ("be dropped", "were dropped")).await
}

async fn run(
    dlq: &OpenedDlq,
    which: &Which,
    options: &ActOptions,
    stop: &CancellationToken,
    action: LetterAction<'_>,
    words: (&str, &str),
) -> Exit {
    let selection = Selection::new(&which.reason, which.since);
    let bar = progress(dlq.depth);
    let action =
        if options.yes { action } else { LetterAction::Count { sends: matches!(action, LetterAction::Send { .. }) } };
    let limit = which.limit.unwrap_or(u64::MAX);
    let report = act(dlq.dlq.clone(), &selection, limit, &action, stop, &bar).await;
    bar.finish_and_clear();
    let sealed: u64 = report.sealed.values().sum();
    if options.json {
        say(json!({
            "reaction": dlq.name, "dryRun": !options.yes, "by": "us", "selected": report.selected, "moved": report.moved,
            "failed": if options.yes { report.selected - report.moved } else { 0 }, "sealed": sealed, "left": report.left,
            "reasons": report.reasons,
        }));
    } else {
        print(dlq, &report, options.yes, words);
    }
    if sealed > 0 {
        complain(format_args!("{} sealed and passed over:", counted(sealed, "letter")));
        report.sealed.iter().for_each(|(why, count)| complain(format_args!("{count:>7}  {why}")));
    }
    if report.doubled > 0 {
        complain(format_args!("{} could not be deleted: still there as well", counted(report.doubled, "letter")));
    }
    if let Some(error) = &report.error {
        complain(format_args!("stopped early: {error}"));
    } else if stop.is_cancelled() {
        return Exit::Interrupted;
    }
    let whole = !options.yes || report.selected == report.moved;
    if report.error.is_none() && report.doubled == 0 && whole { Exit::Clean } else { Exit::Unavailable }
}

fn print(dlq: &OpenedDlq, report: &LetterReport, done: bool, (would, did): (&str, &str)) {
    if report.selected > 0 {
        let mut table = table(["reason", "letters"], &[1]);
        for (reason, count) in &report.reasons {
            table.add_row([&*plain::line(reason), &count.to_string()]);
        }
        say(format_args!("{}\n", table.trim_fmt()));
    }
    let (name, source) = (dlq.name, dlq.source_name());
    let to = if would == "go back" { format!(" to {source}") } else { String::new() };
    if done {
        let (moved, left) = (counted(report.moved, "letter"), counted(report.left, "other"));
        say(format_args!("{name}: {moved} {did}{to}; {left} looked at and left"));
    } else {
        let sealed: u64 = report.sealed.values().sum();
        let (open, left) = (counted(report.selected - sealed, "letter"), counted(report.left, "other"));
        say(format_args!("{name}: {open} would {would}{to}; {left} would stay"));
        say("A dry run: nothing was changed. --yes does it.");
    }
}
