//! `dlq list`: one line for each letter, or one line for all letters of the same reason, or reason and detail.
//!
//! Enters: opened DLQs, the selection. Leaves: a table that fits a terminal, or JSON. Promises: addresses are masked
//! unless asked for; if not all letters were looked at, it says so.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::OpenedDlq;
use super::letter::{Letter, Selection, shown};
use super::look::{each, failed};
use crate::ops::table::{WIDTH, age, table, wrap_to};
use crate::ops::{Exit, complain, say};
use crate::plain;
use engine::event::Timestamp;

/// The width of a reason in a table. Our reasons are shorter; another tool's may be longer, and is cut.
const REASON_WIDTH: usize = 22;

/// What the list shows, and how.
pub(super) struct ListOptions {
    pub(super) which: Selection,
    pub(super) lines: Lines,
    pub(super) limit: Option<u64>,
    pub(super) addresses: bool,
    pub(super) json: bool,
}

/// What one line stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    Letter,
    Reason,
    Detail,
}

/// Letters with the same reason, or the same reason and detail.
struct Group {
    count: u64,
    oldest: i64,
    newest: i64,
}

/// By reaction, reason and detail. The detail is empty if the lines are by reason.
type Groups<'p> = BTreeMap<(&'p str, String, String), Group>;

pub(super) async fn list(dlqs: &[OpenedDlq], options: &ListOptions, stop: &CancellationToken) -> Exit {
    let now = Timestamp::now().unix_millis();
    let mut groups = Groups::new();
    let (mut lines, mut rows, mut complete) = (Vec::new(), Vec::new(), true);
    for dlq in dlqs {
        let outcome = each(dlq, options.limit, stop, |letter| {
            if !options.which.takes(&letter) {
                return true;
            }
            match options.lines {
                Lines::Letter if options.json => lines.push(letter.summary(dlq.name, options.addresses)),
                Lines::Letter => rows.push(row(dlq.name, &letter, options.addresses, now)),
                Lines::Reason => count(&mut groups, dlq.name, &letter, ""),
                Lines::Detail => count(&mut groups, dlq.name, &letter, letter.detail()),
            }
            true
        });
        match outcome.await {
            Ok(whole) => complete &= whole,
            Err(error) => return failed(dlq, &error),
        }
    }
    if stop.is_cancelled() {
        return Exit::Interrupted;
    }
    match (options.json, options.lines) {
        (true, Lines::Letter) => say(json!({ "letters": lines, "complete": complete })),
        (true, Lines::Reason) => say(json!({ "reasons": as_json(&groups, false), "complete": complete })),
        (true, Lines::Detail) => say(json!({ "details": as_json(&groups, true), "complete": complete })),
        (false, _) if rows.is_empty() && groups.is_empty() => say("no dead letters"),
        (false, Lines::Letter) => print_letters(rows, options.addresses),
        (false, Lines::Reason) => print_reasons(&groups, now),
        (false, Lines::Detail) => print_details(&groups),
    }
    if !complete {
        complain("not all letters were looked at");
    }
    Exit::Clean
}

fn count<'p>(groups: &mut Groups<'p>, reaction: &'p str, letter: &Letter, detail: &str) {
    let group = groups.entry((reaction, letter.reason().to_owned(), detail.to_owned()));
    let group = group.or_insert(Group { count: 0, oldest: letter.died_at, newest: letter.died_at });
    group.count += 1;
    group.oldest = group.oldest.min(letter.died_at);
    group.newest = group.newest.max(letter.died_at);
}

fn as_json(groups: &Groups<'_>, with_detail: bool) -> Vec<Value> {
    let moment = |millis| Timestamp::from_unix_millis(millis).map(|at| at.to_string());
    let line = |((reaction, reason, detail), group): (&(&str, String, String), &Group)| {
        let mut line = json!({ "reaction": reaction, "reason": reason, "count": group.count,
            "oldest": moment(group.oldest), "newest": moment(group.newest) });
        if with_detail {
            line["detail"] = detail.as_str().into();
        }
        line
    };
    groups.iter().map(line).collect()
}

fn print_reasons(groups: &Groups<'_>, now: i64) {
    let mut table = table(["reaction", "reason", "letters", "oldest", "newest"], &[2, 3, 4]);
    for ((reaction, reason, _), group) in groups {
        let [oldest, newest] = [group.oldest, group.newest].map(|at| age(now - at));
        table.add_row([*reaction, &cut(reason, REASON_WIDTH), &group.count.to_string(), &oldest, &newest]);
    }
    say(table.trim_fmt());
}

fn print_details(groups: &Groups<'_>) {
    let header = ["reaction", "reason", "letters", "detail"];
    let rows = groups.iter().map(|((reaction, reason, detail), group)| {
        [(*reaction).to_owned(), cut(reason, REASON_WIDTH), group.count.to_string(), or_dash(detail)]
    });
    let rows: Vec<_> = rows.collect();
    let (room, mut table) = (room(header, &rows), table(header, &[2]));
    for [reaction, reason, count, detail] in rows {
        table.add_row([reaction, reason, count, wrap_to(&cut(&detail, usize::MAX), 0, room).join("\n")]);
    }
    say(table.trim_fmt());
}

/// Prints a line for each letter. The last column is cut to the width that the others leave.
fn print_letters(rows: Vec<[String; 6]>, addresses: bool) {
    let header = ["id", "reaction", "reason", "died", "subject", if addresses { "email" } else { "detail" }];
    let (room, mut table) = (room(header, &rows), table(header, &[3]));
    for [id, reaction, reason, died, subject, last] in rows {
        // An address that was asked for is not cut.
        let last = if addresses { last } else { cut(&last, room) };
        table.add_row([id, reaction, reason, died, subject, last]);
    }
    say(table.trim_fmt());
}

fn row(reaction: &str, letter: &Letter, addresses: bool, now: i64) -> [String; 6] {
    let (subject, email) = letter.contents().map_or((None, None), |contents| (contents.subject, contents.email));
    let email = email.map(|email| shown(&email, addresses)).unwrap_or_default();
    [
        letter.id.chars().take(8).collect(),
        reaction.to_owned(),
        cut(letter.reason(), REASON_WIDTH),
        age(now - letter.died_at),
        or_dash(&subject.unwrap_or_default()),
        or_dash(if addresses { &email } else { letter.detail() }),
    ]
}

/// The width left for the last column. Each column before it has a space on both sides.
fn room<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> usize {
    let width = |n: usize| rows.iter().map(|row| row[n].chars().count()).chain([header[n].len()]).max().unwrap_or(0);
    let others: usize = (0..N - 1).map(|n| width(n) + 2).sum();
    WIDTH.saturating_sub(others + 1).max(header[N - 1].len())
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

fn cut(text: &str, most: usize) -> String {
    plain::line(text).chars().take(most).collect()
}
