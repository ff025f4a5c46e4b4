//! `status --retrying`: the events that come again, and why; newest first.
//!
//! Enters: what was seen. Leaves: two lines an event that fit the terminal, or values. Pure, but for the terminal's width and
//! the time.

use serde_json::{Value, json};

use crate::fleet::Retrying;
use crate::ops::table::{age, narrow, table, wrap};
use crate::plain;
use crate::standing::{Reports, Standing};
use engine::event::Timestamp;

/// Each with its reaction's name.
fn all(rows: &[Standing]) -> Vec<(&'static str, Retrying)> {
    let of = |row: &Standing| row.reports().map(Reports::retrying).unwrap_or_default();
    rows.iter().flat_map(|row| of(row).into_iter().map(|one| (row.name, one)).collect::<Vec<_>>()).collect()
}

pub(super) fn values(rows: &[Standing]) -> Vec<Value> {
    let value = |(reaction, one): (&str, Retrying)| {
        let mut value = json!(one);
        value["reaction"] = reaction.into();
        value
    };
    all(rows).into_iter().map(value).collect()
}

pub(super) fn shown(rows: &[Standing]) -> String {
    let all = all(rows);
    if all.is_empty() {
        return "nothing is being retried".to_owned();
    }
    let now = Timestamp::now().unix_millis();
    let mut table = table(["reaction", "subject", "type", "outcome", "tries", "last", "next"], &[4, 5, 6]);
    for (reaction, one) in &all {
        let text = |text: &Option<String>| plain::line(text.as_deref().unwrap_or("-")).into_owned();
        let last = moment(&one.at).map_or("?".to_owned(), |at| age(now - at));
        table.add_row([
            (*reaction).to_owned(),
            text(&one.subject),
            text(&one.kind),
            plain::line(&one.outcome).into_owned(),
            one.tries.to_string(),
            last,
            next(one, now),
        ]);
    }
    let table = narrow(table, &[2, 5]);
    let mut lines = table.lines();
    let head = lines.next().unwrap_or_default().to_owned();
    let each = lines.zip(&all).map(|(line, (_, one))| format!("{line}\n{}", wrap(&why(one), 3).join("\n")));
    [head].into_iter().chain(each).collect::<Vec<_>>().join("\n")
}

/// When it is due: `now` if that is over, `-` if only the queue knows.
fn next(one: &Retrying, now: i64) -> String {
    match one.due.as_deref().map(moment) {
        None => "-".to_owned(),
        Some(None) => "?".to_owned(),
        Some(Some(due)) if due <= now => "now".to_owned(),
        Some(Some(due)) => age(due - now),
    }
}

fn moment(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::unix_millis)
}

fn why(one: &Retrying) -> String {
    let id = match &one.event_id {
        Some(id) => format!("event {id}"),
        None => format!("message {}", one.message_id),
    };
    plain::line(&format!("{id}: {}", one.detail)).into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fleet::{Report, Reported};
    use crate::ops::table::WIDTH;
    use engine::queue::sqs::admin::QueueFacts;

    fn standing(retrying: Vec<Retrying>) -> Standing {
        let report = Report { retrying, ..Report::default() };
        let fleet = vec![Reported { worker: "w".to_owned(), ago: Duration::ZERO, report }];
        let redis = Some(Ok(Reports { fleet, ..Reports::default() }));
        Standing { name: "email", queue: Ok(QueueFacts::default()), dlq: None, redis }
    }

    fn deferred(due: Option<&str>) -> Retrying {
        Retrying {
            message_id: "m-1".to_owned(),
            event_id: Some("0b54f3a2-7c1e-4a44-9d6e-1f6f2a5f9a10".to_owned()),
            kind: Some("user.signed_up".to_owned()),
            subject: Some("6e0b71c2".to_owned()),
            outcome: "deferred".to_owned(),
            detail: "421 4.7.0 at DATA: \u{1b}[2J try again in a while, said the server of the other side".to_owned(),
            tries: 3,
            receives: 3,
            at: "2026-01-02T03:04:05.000Z".to_owned(),
            due: due.map(str::to_owned),
        }
    }

    #[test]
    fn each_event_has_a_row_and_its_reason_and_all_fits_80_columns() {
        let shown = shown(&[standing(vec![deferred(Some("2026-01-02T03:09:05.000Z"))])]);
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH), "{shown}");
        let lines: Vec<_> = shown.lines().collect();
        let words: Vec<_> = lines[1].split_whitespace().collect();
        assert_eq!((words[..5].join(" "), words[6]), ("email 6e0b71c2 user.signed_up deferred 3".to_owned(), "now"));
        assert!(lines[2].starts_with("   event 0b54f3a2-7c1e-4a44-9d6e-1f6f2a5f9a10: 421 4.7.0"), "{shown}");
        assert!(shown.contains(r"\u{1b}[2J") && lines.len() == 4, "{shown}");
    }

    #[test]
    fn what_only_the_queue_knows_is_a_dash_and_without_events_it_says_so() {
        assert_eq!(next(&deferred(None), 0), "-");
        assert_eq!(next(&deferred(Some("1970-01-01T00:02:00Z")), 0), "2m");
        assert_eq!(shown(&[standing(Vec::new())]), "nothing is being retried");
        let values = values(&[standing(vec![deferred(None)])]);
        assert_eq!((&values[0]["reaction"], &values[0]["type"]), (&"email".into(), &"user.signed_up".into()));
    }
}
