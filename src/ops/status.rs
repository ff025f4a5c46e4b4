//! `status`: how deep each reaction's queues are, what its worker waits for, and what its messages cost; once, or
//! repeatedly.
//!
//! Enters: the configured queues, the address of this machine's worker, and the workers' reports if `REDIS_URL` is set.
//! Leaves: a table that fits the terminal, a line for each worker and for each bill, or JSON. A queue that does not answer
//! has `?` in its row; the others are shown. It is no failure if no worker answers. SQS does not tell the age of the
//! oldest message; Amazon `CloudWatch` does
//! (`ApproximateAgeOfOldestMessage`).

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::screen;
use super::table::{counted, narrow, table, wrap};
use super::terminal::{draw, is_closed};
use super::worker::{self, READY, WorkerStates};
use super::{CommandResult, Context, Exit, complain, configured, linked, say};
use crate::config::{self, Queues};
use crate::fleet::redis::Fleet;
use crate::fleet::{Bill, Reported};
use crate::plain;
use engine::queue::QueueError;
use engine::queue::sqs::admin::{QueueFacts, SqsAdmin};
use engine::redis_link::RedisError;

/// The time between two looks of `--watch`.
const LOOK: Duration = Duration::from_secs(2);
/// Moves the cursor to the top left, and clears everything below it.
const CLEAR: &str = "\x1b[H\x1b[J";

/// One reaction's queues, or why they did not answer.
struct ReactionStatus {
    name: &'static str,
    queue: Result<QueueFacts, QueueError>,
    dlq: Option<Result<QueueFacts, QueueError>>,
    /// What the workers on its queue report. `None`: Redis was not asked.
    fleet: Option<Result<Vec<Reported>, RedisError>>,
}

pub(super) async fn status(context: &Context<'_>, watch: bool, as_json: bool) -> CommandResult {
    let read = |read: &mut config::SettingsReader<'_>| {
        let aws = config::aws(read);
        let redis = (config::redis_if_set(read), config::redis_prefix(read));
        Some((config::http_addr(read), config::queues(read, &context.reactions.needs(), &[])?, aws, redis))
    };
    let (address, queues, aws, (redis, prefix)) = configured(context, read)?;
    let admin = SqsAdmin::new(&super::aws(&aws).await?);
    let fleet = redis.map(|url| linked(&url, &prefix)).transpose()?.map(Fleet::new);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let rows = join_all(queues.iter().map(|queues| look(&admin, fleet.as_ref(), queues)));
        let (rows, states) = tokio::join!(rows, worker::ask(address));
        let clear = if watch && !as_json && std::io::stdout().is_terminal() { CLEAR } else { "" };
        if as_json {
            say(json!({ "reactions": rows.iter().map(|row| as_value(row, &states)).collect::<Vec<_>>() }));
        } else if watch {
            // Each screen says its time, and explains each `?`. The window may have another width than at the last.
            screen::measure();
            let now = humantime::format_rfc3339_seconds(SystemTime::now());
            let foot = [problems(&rows), workers(&rows, &states), bills(&rows)].concat();
            draw(clear);
            say(format_args!("{now}\n{}\n{}", shown(&rows), lines(&foot)));
        } else {
            say(format_args!("{}\n{}", shown(&rows), lines(&[workers(&rows, &states), bills(&rows)].concat())));
        }
        if !watch {
            return Ok(conclude(&rows));
        }
        if is_closed() {
            return Ok(Exit::Clean);
        }
    }
}

async fn look(admin: &SqsAdmin, fleet: Option<&Fleet>, queues: &Queues) -> ReactionStatus {
    let queue = admin.facts(&queues.url).await;
    let by_policy = queue.as_ref().ok().and_then(|facts| facts.redrive.as_ref()).map(|redrive| &redrive.dlq_url);
    let dlq = match queues.dlq_url.as_ref().or(by_policy) {
        Some(url) => Some(admin.facts(url).await),
        None => None,
    };
    let fleet = match (fleet, &queue) {
        (Some(fleet), Ok(facts)) => Some(reported(fleet, queues.name, &facts.arn).await),
        _ => None,
    };
    ReactionStatus { name: queues.name, queue, dlq, fleet }
}

/// Of the workers on this queue: another environment's may use the same name.
async fn reported(fleet: &Fleet, name: &str, arn: &str) -> Result<Vec<Reported>, RedisError> {
    let mut reported = fleet.look(name).await?;
    reported.retain(|one| one.report.queue == arn);
    Ok(reported)
}

fn shown(rows: &[ReactionStatus]) -> String {
    let header = ["reaction", "visible", "in flight", "delayed", "dead", "visibility", "max receives"];
    let mut table = table(header, &[1, 2, 3, 4, 5, 6]);
    for ReactionStatus { name, queue, dlq, .. } in rows {
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

/// A line for each reaction: what the worker here says, or else what its workers elsewhere report.
fn workers(rows: &[ReactionStatus], states: &WorkerStates) -> Vec<String> {
    let elsewhere = |row: &ReactionStatus| in_the_fleet(row.fleet.as_ref()?.as_ref().ok()?);
    if rows.iter().all(|row| states.of(row.name).is_none() && elsewhere(row).is_none()) {
        return vec!["workers: nobody was asked (HTTP_ADDR does not answer for them)".to_owned()];
    }
    let line = |row: &ReactionStatus| {
        let told = states.of(row.name).map(str::to_owned).or_else(|| elsewhere(row));
        format!("{}: {}", row.name, told.unwrap_or_else(|| "not asked, it runs elsewhere".to_owned()))
    };
    rows.iter().map(line).collect()
}

/// How many workers are ready, and what the others wait for; `None`: none reports.
fn in_the_fleet(fleet: &[Reported]) -> Option<String> {
    let mut states = BTreeMap::<_, u64>::new();
    fleet.iter().for_each(|one| *states.entry(one.report.paused.as_deref().unwrap_or(READY)).or_default() += 1);
    let told = states.iter().map(|(state, workers)| format!("{}: {state}", counted(*workers, "worker")));
    Some(told.collect::<Vec<_>>().join("; ")).filter(|told| !told.is_empty())
}

/// A line for each reaction whose workers report what they did.
fn bills(rows: &[ReactionStatus]) -> Vec<String> {
    let told = |row: &ReactionStatus| match row.fleet.as_ref()? {
        Ok(fleet) => Some(format!("{}: {}", row.name, in_words(&Bill::of(fleet)?))),
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

fn lines(foot: &[String]) -> String {
    foot.iter().flat_map(|line| wrap(&plain::line(line), 1)).collect::<Vec<_>>().join("\n")
}

/// All dead letters. A letter that somebody looks at is in flight, but as dead as the others.
fn total(dlq: &QueueFacts) -> u64 {
    dlq.visible + dlq.in_flight + dlq.delayed
}

fn as_value(ReactionStatus { name, queue, dlq, fleet }: &ReactionStatus, states: &WorkerStates) -> Value {
    let worker = states.of(name);
    match queue {
        Ok(facts) => json!({
            "reaction": name, "visible": facts.visible, "inFlight": facts.in_flight, "delayed": facts.delayed,
            "dead": dlq.as_ref().and_then(|dlq| dlq.as_ref().ok()).map(total),
            "visibilitySeconds": facts.visibility.as_secs(),
            "maxReceiveCount": facts.redrive.as_ref().map(|redrive| redrive.max_receive_count),
            "worker": worker,
            "bill": fleet.as_ref().and_then(|fleet| Bill::of(fleet.as_ref().ok()?)),
        }),
        Err(error) => json!({ "reaction": name, "error": error.to_string(), "worker": worker }),
    }
}

/// A line for each queue that did not answer, with the reason.
fn problems(rows: &[ReactionStatus]) -> Vec<String> {
    let of = |ReactionStatus { name, queue, dlq, .. }: &ReactionStatus| {
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
