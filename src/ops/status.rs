//! `status`: how deep each reaction's queues are, and what its worker waits for; once, or repeatedly.
//!
//! Enters: the configured queues, and the address of this machine's worker. Leaves: a table that fits the terminal and
//! a line for each worker, or JSON. A queue that does not answer has `?` in its row; the others are shown. It is no
//! failure if no worker answers. SQS does not tell the age of the oldest message; Amazon `CloudWatch` does
//! (`ApproximateAgeOfOldestMessage`).

use std::io::IsTerminal;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::screen;
use super::table::{narrow, table, wrap};
use super::terminal::{draw, is_closed};
use super::worker::{self, WorkerStates};
use super::{CommandResult, Context, Exit, complain, configured, say};
use crate::config::{self, Queues};
use crate::plain;
use engine::queue::QueueError;
use engine::queue::sqs::admin::{QueueFacts, SqsAdmin};

/// The time between two looks of `--watch`.
const LOOK: Duration = Duration::from_secs(2);
/// Moves the cursor to the top left, and clears everything below it.
const CLEAR: &str = "\x1b[H\x1b[J";

/// One reaction's queues, or why they did not answer.
struct ReactionStatus {
    name: &'static str,
    queue: Result<QueueFacts, QueueError>,
    dlq: Option<Result<QueueFacts, QueueError>>,
}

pub(super) async fn status(context: &Context<'_>, watch: bool, as_json: bool) -> CommandResult {
    let read = |read: &mut config::SettingsReader<'_>| {
        let aws = config::aws(read);
        Some((config::http_addr(read), config::queues(read, &context.reactions.needs(), &[])?, aws))
    };
    let (address, queues, aws) = configured(context, read)?;
    let admin = SqsAdmin::new(&super::aws(&aws).await?);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let rows = join_all(queues.iter().map(|queues| look(&admin, queues)));
        let (rows, states) = tokio::join!(rows, worker::ask(address));
        let clear = if watch && !as_json && std::io::stdout().is_terminal() { CLEAR } else { "" };
        if as_json {
            say(json!({ "reactions": rows.iter().map(|row| as_value(row, &states)).collect::<Vec<_>>() }));
        } else if watch {
            // Each screen says its time, and explains each `?`. The window may have another width than at the last.
            screen::measure();
            let now = humantime::format_rfc3339_seconds(SystemTime::now());
            let foot = [problems(&rows), workers(&rows, &states)].concat();
            draw(clear);
            say(format_args!("{now}\n{}\n{}", shown(&rows), lines(&foot)));
        } else {
            say(format_args!("{}\n{}", shown(&rows), lines(&workers(&rows, &states))));
        }
        if !watch {
            return Ok(conclude(&rows));
        }
        if is_closed() {
            return Ok(Exit::Clean);
        }
    }
}

async fn look(admin: &SqsAdmin, queues: &Queues) -> ReactionStatus {
    let queue = admin.facts(&queues.url).await;
    let by_policy = queue.as_ref().ok().and_then(|facts| facts.redrive.as_ref()).map(|redrive| &redrive.dlq_url);
    let dlq = match queues.dlq_url.as_ref().or(by_policy) {
        Some(url) => Some(admin.facts(url).await),
        None => None,
    };
    ReactionStatus { name: queues.name, queue, dlq }
}

fn shown(rows: &[ReactionStatus]) -> String {
    let header = ["reaction", "visible", "in flight", "delayed", "dead", "visibility", "max receives"];
    let mut table = table(header, &[1, 2, 3, 4, 5, 6]);
    for ReactionStatus { name, queue, dlq } in rows {
        let dead = dlq.as_ref().map_or("-".to_owned(), |dlq| match dlq {
            Ok(facts) => total(facts).to_string(),
            Err(_) => "?".to_owned(),
        });
        match queue {
            Ok(facts) => {
                let receives = facts.redrive.as_ref().map(|redrive| redrive.max_receive_count.to_string());
                table.add_row([
                    (*name).to_owned(),
                    facts.visible.to_string(),
                    facts.in_flight.to_string(),
                    facts.delayed.to_string(),
                    dead,
                    humantime::format_duration(facts.visibility).to_string(),
                    receives.unwrap_or_else(|| "-".to_owned()),
                ]);
            }
            Err(_) => {
                table.add_row([*name, "?", "?", "?", &dead, "?", "?"]);
            }
        }
    }
    narrow(table, &[6, 5, 3])
}

/// A line for each worker: what it says of itself.
fn workers(rows: &[ReactionStatus], states: &WorkerStates) -> Vec<String> {
    if rows.iter().all(|row| states.of(row.name).is_none()) {
        return vec!["workers: nobody was asked (HTTP_ADDR does not answer for them)".to_owned()];
    }
    let line = |row: &ReactionStatus| {
        format!("{}: {}", row.name, states.of(row.name).unwrap_or("not asked, it runs elsewhere"))
    };
    rows.iter().map(line).collect()
}

fn lines(foot: &[String]) -> String {
    foot.iter().flat_map(|line| wrap(&plain::line(line), 1)).collect::<Vec<_>>().join("\n")
}

/// All dead letters. A letter that somebody looks at is in flight, but as dead as the others.
fn total(dlq: &QueueFacts) -> u64 {
    dlq.visible + dlq.in_flight + dlq.delayed
}

fn as_value(ReactionStatus { name, queue, dlq }: &ReactionStatus, states: &WorkerStates) -> Value {
    let worker = states.of(name);
    match queue {
        Ok(facts) => json!({
            "reaction": name, "visible": facts.visible, "inFlight": facts.in_flight, "delayed": facts.delayed,
            "dead": dlq.as_ref().and_then(|dlq| dlq.as_ref().ok()).map(total),
            "visibilitySeconds": facts.visibility.as_secs(),
            "maxReceiveCount": facts.redrive.as_ref().map(|redrive| redrive.max_receive_count),
            "worker": worker,
        }),
        Err(error) => json!({ "reaction": name, "error": error.to_string(), "worker": worker }),
    }
}

/// A line for each queue that did not answer, with the reason.
fn problems(rows: &[ReactionStatus]) -> Vec<String> {
    let of = |ReactionStatus { name, queue, dlq }: &ReactionStatus| {
        let problems = [("the queue", queue.as_ref().err()), ("the DLQ", dlq.as_ref().and_then(|d| d.as_ref().err()))];
        problems.map(|(which, error)| error.map(|error| format!("{which} of `{name}`: {error}")))
    };
    rows.iter().flat_map(of).flatten().collect()
}

fn conclude(rows: &[ReactionStatus]) -> Exit {
    let problems = problems(rows);
    problems.iter().for_each(complain);
    if problems.is_empty() { Exit::Clean } else { Exit::Unavailable }
}
