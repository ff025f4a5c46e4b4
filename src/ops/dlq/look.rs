//! `dlq show` and `dlq export`: letters are shown, none is moved.
//!
//! Enters: opened DLQs. Leaves: one letter, or JSON lines. Promises: `show` masks addresses and hides bodies unless
//! asked for. If Ctrl-C or a limit cut the look short, the command says so.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::chosen;
use super::found::{each, failed, find};
use crate::cli::Filter;
use crate::letters::sqs::SqsDlq;
use crate::letters::{Failed, Letter, shown};
use crate::ops::table::{counted, hanging};
use crate::ops::{CommandResult, Exit, complain, say, terminal};
use crate::plain;

pub(super) async fn show(
    dlqs: &[SqsDlq],
    id: &str,
    body: bool,
    addresses: bool,
    as_json: bool,
    stop: &CancellationToken,
) -> CommandResult {
    for (dlq, letter) in find(dlqs, &[id.to_owned()], stop).await? {
        if as_json {
            say(letter.export(dlq.name, body));
        } else {
            print(dlq.name, &letter, body, addresses);
        }
    }
    Ok(Exit::Clean)
}

fn print(reaction: &str, letter: &Letter, body: bool, addresses: bool) {
    let whole = letter.export(reaction, body);
    let line = |name: &str, value: &str| say(hanging(&format!("{name:<16}  "), &plain::line(value)));
    line("id", &letter.id);
    line("reaction", reaction);
    line("reason", letter.reason());
    for (name, value) in whole["failure"].as_object().into_iter().flatten().filter(|(name, _)| *name != "reason") {
        if name != "history" {
            line(name, value.as_str().unwrap_or_default());
            continue;
        }
        for (n, Failed { at, outcome }) in letter.history().into_iter().enumerate() {
            let told = at.map_or(outcome.clone(), |at| format!("{at} {outcome}"));
            line(if n == 0 { name } else { "" }, &told);
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

pub(super) async fn export(dlq: &SqsDlq, filter: &Filter, file: Option<&Path>, stop: &CancellationToken) -> Exit {
    let selection = chosen(filter);
    let mut out: Box<dyn Write + Send> = match file.map(create) {
        None => Box::new(terminal::out()),
        Some(Ok(file)) => Box::new(BufWriter::new(file)),
        Some(Err(error)) => {
            complain(format_args!("the file cannot be written: {}", plain::said(&error)));
            return Exit::Usage;
        }
    };
    let (mut count, mut broken) = (0, None);
    let limit = filter.limit.unwrap_or(u64::MAX);
    let outcome = each(dlq, stop, |letter| {
        if count < limit && selection.takes(&letter) {
            count += 1;
            broken = writeln!(out, "{}", plain::json(&letter.export(dlq.name, true).to_string())).err();
        }
        broken.is_none() && count < limit
    });
    let complete = match outcome.await {
        Ok(whole) => whole || count == limit,
        Err(error) => return failed(dlq.name, &error),
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
