//! `dlq show` and `dlq export`, and the look through a DLQ that `list` shares: letters are shown, none is moved.
//!
//! Enters: opened DLQs. Leaves: one letter, or JSON lines. Promises: `show` masks addresses and hides bodies unless
//! asked for. If Ctrl-C or a limit cut the look short, the command says so.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::iter::repeat;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::browse::Browser;
use super::letter::{Letter, Selection, shown};
use super::{OpenedDlq, progress};
use crate::cli::Which;
use crate::ops::table::counted;
use crate::ops::{Exit, complain, say, terminal};
use crate::plain;
use engine::event::Timestamp;
use engine::queue::{QueueError, RefusalCode};

pub(super) async fn show(
    dlqs: &[OpenedDlq],
    id: &str,
    body: bool,
    addresses: bool,
    as_json: bool,
    stop: &CancellationToken,
) -> Exit {
    let mut found: Vec<(&OpenedDlq, Letter)> = Vec::new();
    for dlq in dlqs {
        let outcome = each(dlq, None, stop, |letter| {
            let hit = letter.id.starts_with(id);
            let exact = letter.id == id;
            if hit {
                found.push((dlq, letter));
            }
            !exact
        });
        if let Err(error) = outcome.await {
            return failed(dlq, &error);
        }
    }
    if stop.is_cancelled() {
        return Exit::Interrupted;
    }
    match found.as_slice() {
        [(dlq, letter)] if as_json => say(letter.export(dlq.name, body)),
        [(dlq, letter)] => print(dlq.name, letter, body, addresses),
        [] => {
            complain("no letter has an id that begins so; `dlq list` shows them");
            return Exit::Usage;
        }
        several => {
            complain(format_args!("{} letters have an id that begins so: give more of it", several.len()));
            return Exit::Usage;
        }
    }
    Exit::Clean
}

fn print(reaction: &str, letter: &Letter, body: bool, addresses: bool) {
    let whole = letter.export(reaction, body);
    let line = |name: &str, value: &str| say(format_args!("{name:<16}  {}", plain::line(value)));
    line("id", &letter.id);
    line("reaction", reaction);
    line("reason", letter.reason());
    for (name, value) in whole["failure"].as_object().into_iter().flatten().filter(|(name, _)| *name != "reason") {
        let value = value.as_str().unwrap_or_default();
        match name.as_str() {
            "history" => {
                history(value).zip([name.as_str()].into_iter().chain(repeat(""))).for_each(|(at, name)| line(name, &at))
            }
            _ => line(name, value),
        }
    }
    line("in the DLQ since", letter.died_at().as_deref().unwrap_or("-"));
    line("receives there", &letter.receives.to_string());
    line("bytes", &format!("{}{}", letter.size(), if letter.is_packed() { ", packed" } else { "" }));
    if let Some(contents) = letter.contents() {
        line("type", &contents.kind);
        line("subject", contents.subject.as_deref().unwrap_or("-"));
        line("email", &contents.email.map_or("-".to_owned(), |email| shown(&email, addresses)));
    }
    let names: Vec<String> = match &whole["attributes"] {
        Value::Object(all) => {
            all.iter().map(|(name, a)| format!("{name}={}", a["Value"].as_str().unwrap_or_default())).collect()
        }
        Value::Array(names) => names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    line("attributes", if names.is_empty() { "-".to_owned() } else { names.join(", ") }.as_str());
    match whole["body"].as_str() {
        // Control characters are escaped here; `dlq export` keeps every byte.
        Some(body) => say(format_args!("\n{body}")),
        None => line("body", "hidden: --body shows it, with its address"),
    }
}

/// The failures of a history, one line each, with a time in RFC 3339.
fn history(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().map(|failure| {
        let known = failure.rsplit_once('@').and_then(|(outcome, millis)| {
            let at = Timestamp::from_unix_millis(millis.parse().ok()?)?;
            Some(format!("{at} {outcome}"))
        });
        known.unwrap_or_else(|| failure.to_owned())
    })
}

pub(super) async fn export(dlq: &OpenedDlq, which: &Which, file: Option<&Path>, stop: &CancellationToken) -> Exit {
    let selection = Selection { not_after: None, ..Selection::new(&which.reason, which.since) };
    let mut out: Box<dyn Write + Send> = match file.map(create) {
        None => Box::new(terminal::out()),
        Some(Ok(file)) => Box::new(BufWriter::new(file)),
        Some(Err(error)) => {
            complain(format_args!("the file cannot be written: {}", plain::said(&error)));
            return Exit::Usage;
        }
    };
    let (mut count, mut broken) = (0, None);
    let limit = which.limit.unwrap_or(u64::MAX);
    let outcome = each(dlq, None, stop, |letter| {
        if count < limit && selection.takes(&letter) {
            count += 1;
            broken = writeln!(out, "{}", plain::json(&letter.export(dlq.name, true).to_string())).err();
        }
        broken.is_none() && count < limit
    });
    let complete = match outcome.await {
        Ok(whole) => whole || count == limit,
        Err(error) => return failed(dlq, &error),
    };
    if !terminal::remember(broken.map_or_else(|| out.flush(), Err)) {
        return Exit::Clean;
    }
    let rest = if complete { "" } else { "; not all were looked at" };
    complain(format_args!("{} written{rest}", counted(count, "letter")));
    if stop.is_cancelled() { Exit::Interrupted } else { Exit::Clean }
}

/// Creates a file that only its owner can read: it will hold addresses.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Shows each letter to `see` until that answers `false`. Answers whether all letters were looked at.
pub(super) async fn each(
    dlq: &OpenedDlq,
    limit: Option<u64>,
    stop: &CancellationToken,
    mut see: impl FnMut(Letter) -> bool,
) -> Result<bool, QueueError> {
    let bar = progress(dlq.depth);
    let mut browser = Browser::new(dlq.dlq.clone());
    let (mut seen, mut enough) = (0, false);
    let outcome = loop {
        if stop.is_cancelled() || enough || limit.is_some_and(|limit| seen >= limit) {
            break Ok(false);
        }
        match browser.next().await {
            Ok(None) => break Ok(true),
            // SQS hides 120,000 messages at once at most. Report the letters seen so far, and that there are more.
            Err(QueueError::Refused(RefusalCode::OverLimit)) => break Ok(false),
            Err(error) => break Err(error),
            Ok(Some(batch)) => {
                bar.inc(batch.len() as u64);
                for delivery in batch {
                    let (letter, receipt) = Letter::new(delivery, dlq.event_type);
                    browser.keep(receipt);
                    if !enough && limit.is_none_or(|limit| seen < limit) {
                        seen += 1;
                        enough = !see(letter);
                    }
                }
            }
        }
    };
    browser.finish().await;
    bar.finish_and_clear();
    outcome
}

pub(super) fn failed(dlq: &OpenedDlq, error: &QueueError) -> Exit {
    complain(format_args!("the dead-letter queue of `{}`: {error}", dlq.name));
    Exit::Unavailable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_told_in_a_time_that_people_read() {
        let told: Vec<_> = history("permanent@1795721586687 timed_out@1795721600000 odd@x").collect();
        assert_eq!(told, ["2026-11-26T19:33:06.687Z permanent", "2026-11-26T19:33:20.000Z timed_out", "odd@x"]);
        assert_eq!(history("").count(), 0);
    }
}
