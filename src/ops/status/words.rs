//! How reactions stand, as a table with lines below it, and as JSON.
//!
//! Enters: what was seen. Leaves: text that fits the terminal, or values. Pure, but for the terminal's width.

use serde_json::{Value, json};

use crate::fleet::Bill;
use crate::ops::table::{self, age, counted, narrow};
use crate::ops::worker::WorkerStates;
use crate::standing::{Reports, Standing};
use engine::worker::Pause;

const HEADER: [&str; 9] =
    ["reaction", "visible", "in flight", "delayed", "dead", "oldest", "a second", "visibility", "max receives"];
/// What a narrow terminal does without, first to last: what seldom changes, then what says least.
const SPARE: [usize; 4] = [8, 7, 3, 6];

pub(super) fn table(rows: &[Standing]) -> String {
    let mut table = table::table(HEADER, &[1, 2, 3, 4, 5, 6, 7, 8]);
    for row in rows {
        let dead = match &row.dlq {
            None => "-".to_owned(),
            Some(_) => row.dead().map_or("?".to_owned(), |dead| dead.to_string()),
        };
        let name = row.name.to_owned();
        let Ok(facts) = &row.queue else {
            let [unknown, none] = ["?", "-"].map(str::to_owned);
            let [visible, flight, delayed, visibility, receives] = std::array::from_fn(|_| unknown.clone());
            table.add_row([name, visible, flight, delayed, dead, none.clone(), none, visibility, receives]);
            continue;
        };
        let oldest = row.reports().and_then(Reports::oldest).map(|oldest| age(millis(oldest)));
        let rate = row.reports().and_then(Reports::rate).map(speed);
        let receives = facts.redrive.as_ref().map(|redrive| redrive.max_receive_count.to_string());
        let [oldest, rate, receives] = [oldest, rate, receives].map(|known| known.unwrap_or_else(|| "-".to_owned()));
        let visibility = humantime::format_duration(facts.visibility).to_string();
        let [visible, flight, delayed] = [facts.visible, facts.in_flight, facts.delayed].map(|n| n.to_string());
        table.add_row([name, visible, flight, delayed, dead, oldest, rate, visibility, receives]);
    }
    narrow(table, &SPARE)
}

fn millis(age: std::time::Duration) -> i64 {
    i64::try_from(age.as_millis()).unwrap_or(i64::MAX)
}

/// Of a slow one a tenth is told.
fn speed(rate: f64) -> String {
    if rate > 0.0 && rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

/// The lines below the table.
pub(super) fn foot(rows: &[Standing], states: &WorkerStates) -> Vec<String> {
    [workers(rows, states), retried(rows), bills(rows)].concat()
}

/// A line for each reaction: what the worker here says, or if it is not the only one what they report; and a pause that they
/// may not have seen yet.
fn workers(rows: &[Standing], states: &WorkerStates) -> Vec<String> {
    if rows.iter().all(|row| states.of(row.name).is_none() && row.reports().is_none()) {
        return vec!["workers: nobody was asked (HTTP_ADDR does not answer for them)".to_owned()];
    }
    let line = |row: &Standing| {
        let several = row.reports().filter(|reports| reports.fleet.len() > 1).map(in_the_fleet);
        let here = || states.of(row.name).map(str::to_owned);
        let told = several.or_else(here).or_else(|| row.reports().map(in_the_fleet));
        let unknown =
            if row.queue.is_err() { "not known, its queue does not answer" } else { "not asked, it runs elsewhere" };
        let told = told.unwrap_or_else(|| unknown.to_owned());
        match row.reports().and_then(|reports| reports.pause.as_ref()) {
            Some(pause) if !told.contains(&pause.to_string()) => format!("{}: {told}; {pause}", row.name),
            _ => format!("{}: {told}", row.name),
        }
    };
    rows.iter().map(line).collect()
}

/// How many workers are ready, and what the others wait for.
fn in_the_fleet(reports: &Reports) -> String {
    let states = reports.states();
    let told = states.iter().map(|(state, workers)| format!("{}: {state}", counted(*workers, "worker")));
    Some(told.collect::<Vec<_>>().join("; "))
        .filter(|told| !told.is_empty())
        .unwrap_or_else(|| "no worker reports".to_owned())
}

/// A line for each reaction that retries something.
fn retried(rows: &[Standing]) -> Vec<String> {
    let told = |row: &Standing| {
        let several = row.reports()?.retrying().len() as u64;
        (several > 0).then(|| format!("{}: {} being retried (status --retrying)", row.name, counted(several, "event")))
    };
    rows.iter().filter_map(told).collect()
}

/// A line for each reaction whose workers report what they did.
fn bills(rows: &[Standing]) -> Vec<String> {
    let told = |row: &Standing| match row.redis.as_ref()? {
        Ok(reports) => Some(format!("{}: {}", row.name, in_words(&reports.bill()?))),
        Err(error) => Some(format!("{}: not known what its messages cost: {error}", row.name)),
    };
    rows.iter().filter_map(told).collect()
}

fn in_words(bill: &Bill) -> String {
    let workers = counted(bill.workers as u64, "worker");
    let empty = bill.empty_share.map(|share| format!("{:.0}% of receives empty", share * 100.0));
    let told = match (bill.calls_a_message, bill.dollars_a_million) {
        (Some(calls), Some(dollars)) => {
            vec![format!("{calls:.2} calls a message"), format!("${dollars:.2} a million messages")]
        }
        _ => vec!["no message yet".to_owned()],
    };
    format!("{} ({workers})", told.into_iter().chain(empty).collect::<Vec<_>>().join(", "))
}

/// One object a reaction.
pub(super) fn values(rows: &[Standing], states: &WorkerStates) -> Vec<Value> {
    rows.iter().map(|row| value(row, states)).collect()
}

fn value(row: &Standing, states: &WorkerStates) -> Value {
    let (name, worker, reports) = (row.name, states.of(row.name), row.reports());
    match &row.queue {
        Ok(facts) => json!({
            "reaction": name, "visible": facts.visible, "inFlight": facts.in_flight, "delayed": facts.delayed,
            "dead": row.dead(),
            "oldestSeconds": reports.and_then(Reports::oldest).map(|oldest| oldest.as_secs()),
            "perSecond": reports.and_then(Reports::rate),
            "visibilitySeconds": facts.visibility.as_secs(),
            "maxReceiveCount": facts.redrive.as_ref().map(|redrive| redrive.max_receive_count),
            "worker": worker,
            "workers": reports.map(Reports::states),
            "pause": reports.and_then(|reports| reports.pause.as_ref()).map(pause),
            "retrying": reports.map(|reports| reports.retrying().len()),
            "bill": reports.and_then(Reports::bill),
        }),
        Err(error) => json!({ "reaction": name, "error": error.to_string(), "worker": worker }),
    }
}

fn pause(Pause { by, why, since, until }: &Pause) -> Value {
    json!({ "by": by, "why": why, "since": since.to_string(), "until": until.to_string() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fleet::{Report, Reported, Retrying};
    use engine::event::Timestamp;
    use engine::queue::QueueError;
    use engine::queue::sqs::admin::QueueFacts;

    fn facts(visible: u64) -> QueueFacts {
        QueueFacts { visible, in_flight: 2, visibility: Duration::from_secs(60), ..QueueFacts::default() }
    }

    fn reported(report: Report) -> Reported {
        Reported { worker: "w".to_owned(), ago: Duration::ZERO, report }
    }

    fn standing(redis: Option<Reports>) -> Standing {
        Standing { name: "email", queue: Ok(facts(7)), dlq: Some(Ok(facts(1))), redis: redis.map(Ok) }
    }

    fn busy() -> Reports {
        let retrying = vec![Retrying { message_id: "m".to_owned(), ..Retrying::default() }];
        let one = Report { rate: 3.25, oldest: Some(125), retrying, ..Report::default() };
        let paused = Some("paused: waiting for smtp (554) since 10:00".to_owned());
        let other = Report { rate: 1.0, oldest: Some(7), paused, ..Report::default() };
        Reports { fleet: vec![reported(one), reported(other)], ..Reports::default() }
    }

    #[test]
    fn age_and_rate_are_those_of_all_workers_and_a_dash_where_none_reports() {
        let row = |standing| {
            table(&[standing])
                .lines()
                .nth(1)
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(row(standing(Some(busy())))[..7], ["email", "7", "2", "0", "3", "2m", "4.2"]);
        assert_eq!(row(standing(None))[..7], ["email", "7", "2", "0", "3", "-", "-"]);
        let gone = Standing { queue: Err(QueueError::Unavailable("x".to_owned())), ..standing(None) };
        assert_eq!(row(gone)[..7], ["email", "?", "?", "?", "3", "-", "-"]);
        assert_eq!([0.0, 0.04, 9.96, 12.4, 1234.5].map(speed), ["0", "0.0", "10.0", "12", "1234"]);
    }

    #[test]
    fn the_lines_tell_of_the_workers_of_what_is_retried_and_of_a_pause_that_no_worker_has_seen_yet() {
        let silent = WorkerStates::default();
        let told = foot(&[standing(Some(busy()))], &silent);
        let workers = "email: 1 worker: paused: waiting for smtp (554) since 10:00; 1 worker: ready";
        let retried = "email: 1 event being retried (status --retrying)";
        assert_eq!((told[0].as_str(), told[1].as_str()), (workers, retried));
        let here = WorkerStates::from("email: ready\n");
        assert_eq!(foot(&[standing(Some(busy()))], &here)[0], workers, "the one here is one of two");
        let mut alone = busy();
        alone.fleet.truncate(1);
        assert_eq!(foot(&[standing(Some(alone))], &here)[0], "email: ready");
        let now = Timestamp::now();
        let pause = Pause { by: "anna".to_owned(), why: "move".to_owned(), since: now, until: now };
        let told = foot(&[standing(Some(Reports { pause: Some(pause), ..Reports::default() }))], &silent);
        assert!(told[0].starts_with("email: no worker reports; paused by anna: move (since "), "{told:?}");
        assert_eq!(foot(&[standing(None)], &silent).len(), 1);
        let gone = Standing { queue: Err(QueueError::Unavailable("x".to_owned())), ..standing(None) };
        let told = foot(&[standing(Some(busy())), gone], &silent);
        assert_eq!(told[1], "email: not known, its queue does not answer");
    }
}
