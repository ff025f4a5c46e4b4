//! `dlq list`: one line for each letter, or one line for all letters of the same reason, or reason and detail.
//!
//! Enters: opened DLQs, the selection, the order. Leaves: a table that fits a terminal, or JSON. Promises: addresses are
//! masked unless asked for; if not all letters were looked at, or are shown, it says so.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::found::{each, failed};
use crate::cli::Sort;
use crate::letters::sqs::SqsDlq;
use crate::letters::{Letter, Selection, shown};
use crate::ops::table::{age, counted, narrow, table, width, wrap_to};
use crate::ops::{Exit, complain, say};
use crate::plain;
use engine::event::Timestamp;

/// The column of the subject.
const SUBJECT: usize = 4;
/// The width of a reason in a table. Our reasons are shorter; another tool's may be longer, and is cut.
const REASON_WIDTH: usize = 22;
/// A detail of fewer characters tells nothing: the column of the subject makes room.
const DETAIL_WIDTH: usize = 16;

/// What the list shows, and how.
pub(super) struct ListOptions {
    pub(super) which: Selection,
    pub(super) lines: Lines,
    /// `None`: newest first, and a limit ends the look.
    pub(super) sort: Option<Sort>,
    /// The most letters, of all queues together.
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

/// One line, and what lines are sorted by.
struct Line {
    died_at: i64,
    reason: (String, String),
    kind: Option<String>,
    receives: u32,
    text: Text,
}

enum Text {
    Json(Value),
    Row([String; 6]),
}

pub(super) async fn list(dlqs: &[SqsDlq], options: &ListOptions, stop: &CancellationToken) -> Exit {
    let now = Timestamp::now().unix_millis();
    let mut groups = Groups::new();
    let (mut lines, mut complete) = (Vec::new(), true);
    let most = options.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let (mut seen, mut taken) = (0_u64, 0);
    for dlq in dlqs {
        let is_enough = |taken| options.sort.is_none() && taken >= most;
        if is_enough(taken) {
            complete = false;
            break;
        }
        let outcome = each(dlq, stop, |letter| {
            seen += 1;
            if options.which.takes(&letter) {
                taken += 1;
                match options.lines {
                    Lines::Letter => lines.push(line(dlq.name, &letter, options, now)),
                    Lines::Reason => count(&mut groups, dlq.name, &letter, ""),
                    Lines::Detail => count(&mut groups, dlq.name, &letter, letter.detail()),
                }
            }
            !is_enough(taken)
        });
        match outcome.await {
            Ok(whole) => complete &= whole,
            Err(error) => return failed(dlq.name, &error),
        }
    }
    if stop.is_cancelled() {
        complain(format_args!("{} looked at and left as they were", counted(seen, "letter")));
        return Exit::Interrupted;
    }
    sort(&mut lines, options.sort.unwrap_or(Sort::Newest));
    let left_out = lines.len().saturating_sub(most);
    lines.truncate(most);
    let whole = complete && left_out == 0;
    if options.json {
        let (name, value) = match options.lines {
            Lines::Letter => ("letters", lines.into_iter().filter_map(Line::json).collect()),
            Lines::Reason => ("reasons", as_json(&groups, false)),
            Lines::Detail => ("details", as_json(&groups, true)),
        };
        say(json!({ name: Value::Array(value), "complete": whole }));
    } else if lines.is_empty() && groups.is_empty() {
        say(if seen == 0 { "no dead letters".to_owned() } else { format!("none of {}", counted(seen, "dead letter")) });
    } else {
        match options.lines {
            Lines::Letter => print_letters(lines.into_iter().filter_map(Line::row).collect(), options.addresses),
            Lines::Reason => print_reasons(&groups, now),
            Lines::Detail => print_details(&groups),
        }
    }
    if !complete {
        complain("not all letters were looked at");
    } else if left_out > 0 {
        complain(format_args!("{} not shown", counted(left_out as u64, "further letter")));
    }
    Exit::Clean
}

fn line(reaction: &str, letter: &Letter, options: &ListOptions, now: i64) -> Line {
    Line {
        died_at: letter.died_at,
        reason: (letter.reason().to_owned(), letter.detail().to_owned()),
        kind: (options.sort == Some(Sort::Type)).then(|| letter.identity().map(|event| event.kind)).flatten(),
        receives: letter.receives,
        text: match options.json {
            true => Text::Json(letter.summary(reaction, options.addresses)),
            false => Text::Row(row(reaction, letter, options.addresses, now)),
        },
    }
}

impl Line {
    fn json(self) -> Option<Value> {
        if let Text::Json(value) = self.text { Some(value) } else { None }
    }

    fn row(self) -> Option<[String; 6]> {
        if let Text::Row(row) = self.text { Some(row) } else { None }
    }
}

/// Among equals those that died last come first.
fn sort(lines: &mut [Line], order: Sort) {
    lines.sort_by_key(|line| Reverse(line.died_at));
    match order {
        Sort::Newest => {}
        Sort::Oldest => lines.sort_by_key(|line| line.died_at),
        Sort::Reason => lines.sort_by(|one, other| one.reason.cmp(&other.reason)),
        Sort::Type => lines.sort_by(|one, other| one.kind.cmp(&other.kind)),
        Sort::Receives => lines.sort_by_key(|line| Reverse(line.receives)),
    }
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
    say(narrow(table, &[3]));
}

fn print_details(groups: &Groups<'_>) {
    let header = ["reaction", "reason", "letters", "detail"];
    let rows = groups.iter().map(|((reaction, reason, detail), group)| {
        [(*reaction).to_owned(), cut(reason, REASON_WIDTH), group.count.to_string(), or_dash(detail)]
    });
    let rows: Vec<_> = rows.collect();
    let (room, mut table) = (room(header, &rows).max(DETAIL_WIDTH), table(header, &[2]));
    for [reaction, reason, count, detail] in rows {
        table.add_row([reaction, reason, count, wrap_to(&cut(&detail, usize::MAX), 0, room).join("\n")]);
    }
    say(narrow(table, &[2]));
}

/// Prints a line for each letter. The last column is cut to the width that the others leave.
fn print_letters(rows: Vec<[String; 6]>, addresses: bool) {
    let header = ["id", "reaction", "reason", "died", "subject", if addresses { "email" } else { "detail" }];
    let (mut room, mut table) = (room(header, &rows), table(header, &[3]));
    if room < DETAIL_WIDTH {
        room += column_width(header, &rows, SUBJECT) + 2;
    }
    for [id, reaction, reason, died, subject, last] in rows {
        // An address that was asked for is not cut.
        let last = if addresses { last } else { cut(&last, room.max(header[5].len())) };
        table.add_row([id, reaction, reason, died, subject, last]);
    }
    say(narrow(table, &[SUBJECT]));
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
    let others: usize = (0..N - 1).map(|n| column_width(header, rows, n) + 2).sum();
    width().saturating_sub(others + 1)
}

fn column_width<const N: usize>(header: [&str; N], rows: &[[String; N]], n: usize) -> usize {
    rows.iter().map(|row| row[n].chars().count()).chain([header[n].len()]).max().unwrap_or(0)
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

fn cut(text: &str, most: usize) -> String {
    plain::line(text).chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sorted_as_asked_and_equals_newest_first() {
        let line = |died_at, reason: &str, kind: Option<&str>, receives| Line {
            died_at,
            reason: (reason.to_owned(), String::new()),
            kind: kind.map(str::to_owned),
            receives,
            text: Text::Json(Value::Null),
        };
        let mut lines = [line(2, "b", None, 1), line(3, "a", Some("x"), 7), line(1, "b", Some("w"), 1)];
        let mut of = |order| {
            sort(&mut lines, order);
            lines.each_ref().map(|line| line.died_at)
        };
        assert_eq!([of(Sort::Newest), of(Sort::Oldest)], [[3, 2, 1], [1, 2, 3]]);
        assert_eq!([of(Sort::Reason), of(Sort::Type), of(Sort::Receives)], [[3, 2, 1], [2, 1, 3], [3, 2, 1]]);
    }
}
