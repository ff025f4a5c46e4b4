//! `dlq redrive` and `dlq drop`, letter by letter: a dry run unless `--yes`, then the result.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::act::{Deed, Told, act};
use super::letter::Selection;
use super::{Place, progress};
use crate::cli::Which;
use crate::ops::table::{counted, table};
use crate::ops::{Exit, complain, say};
use crate::plain;

/// How the command was called.
pub(super) struct How {
    pub(super) yes: bool,
    pub(super) json: bool,
    pub(super) rate: Option<u32>,
}

pub(super) async fn redrive(place: &Place, which: &Which, how: &How, stop: &CancellationToken) -> Exit {
    if place.source.is_fifo() {
        complain("a FIFO queue's letters keep their groups only when SQS moves them: use --all");
        return Exit::Usage;
    }
    let send = Deed::Send { admin: &place.admin, url: &place.url, rate: how.rate };
    run(place, which, how, stop, send, ("go back", "went back")).await
}

pub(super) async fn drop(place: &Place, which: &Which, how: &How, stop: &CancellationToken) -> Exit {
    run(place, which, how, stop, Deed::Drop, ("be dropped", "were dropped")).await
}

async fn run(
    place: &Place,
    which: &Which,
    how: &How,
    stop: &CancellationToken,
    deed: Deed<'_>,
    words: (&str, &str),
) -> Exit {
    let selection = Selection::new(&which.reason, which.since);
    let bar = progress(place.depth);
    let deed = if how.yes { deed } else { Deed::Count { sends: matches!(deed, Deed::Send { .. }) } };
    let limit = which.limit.unwrap_or(u64::MAX);
    let told = act(place.dlq.clone(), &selection, limit, &deed, stop, &bar).await;
    bar.finish_and_clear();
    let sealed: u64 = told.sealed.values().sum();
    if how.json {
        say(json!({
            "reaction": place.name, "dryRun": !how.yes, "by": "us", "selected": told.selected, "moved": told.moved,
            "failed": if how.yes { told.selected - told.moved } else { 0 }, "sealed": sealed, "left": told.left,
            "reasons": told.reasons,
        }));
    } else {
        print(place, &told, how.yes, words);
    }
    if sealed > 0 {
        complain(format_args!("{} sealed and passed over:", counted(sealed, "letter")));
        told.sealed.iter().for_each(|(why, count)| complain(format_args!("{count:>7}  {why}")));
    }
    if told.doubled > 0 {
        complain(format_args!("{} could not be deleted: still there as well", counted(told.doubled, "letter")));
    }
    if let Some(error) = &told.error {
        complain(format_args!("stopped early: {error}"));
    } else if stop.is_cancelled() {
        return Exit::Interrupted;
    }
    let whole = !how.yes || told.selected == told.moved;
    if told.error.is_none() && told.doubled == 0 && whole { Exit::Clean } else { Exit::Unavailable }
}

fn print(place: &Place, told: &Told, done: bool, (would, did): (&str, &str)) {
    if told.selected > 0 {
        let mut table = table(["reason", "letters"], &[1]);
        for (reason, count) in &told.reasons {
            table.add_row([&*plain::line(reason), &count.to_string()]);
        }
        say(format_args!("{}\n", table.trim_fmt()));
    }
    let (name, source) = (place.name, place.source_name());
    let to = if would == "go back" { format!(" to {source}") } else { String::new() };
    if done {
        let (moved, left) = (counted(told.moved, "letter"), counted(told.left, "other"));
        say(format_args!("{name}: {moved} {did}{to}; {left} looked at and left"));
    } else {
        let sealed: u64 = told.sealed.values().sum();
        let (open, left) = (counted(told.selected - sealed, "letter"), counted(told.left, "other"));
        say(format_args!("{name}: {open} would {would}{to}; {left} would stay"));
        say("A dry run: nothing was changed. --yes does it.");
    }
}
