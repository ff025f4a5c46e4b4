//! `status`: how deep each reaction's queues are, now or as it changes.
//!
//! Enters: the configured queues. Leaves: a table of at most 80 columns or JSON. A queue that does not
//! answer is told of in its row, and the others are shown. The age of the oldest message is not SQS's to
//! tell: Amazon `CloudWatch` has it (`ApproximateAgeOfOldestMessage`).

use std::io::IsTerminal;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::table::table;
use super::{Exit, complain, configured, say};
use crate::app::REACTIONS;
use crate::config::{self, Environment, Queues};
use crate::queue::QueueError;
use crate::queue::sqs_admin::{QueueFacts, SqsAdmin};
use crate::shutdown;

/// Between two looks of `--watch`.
const LOOK: Duration = Duration::from_secs(2);
/// To the top left, and what was below is gone.
const CLEAR: &str = "\x1b[H\x1b[J";

/// One reaction's queues, as far as they answer.
struct Row {
    name: &'static str,
    queue: Result<QueueFacts, QueueError>,
    dlq: Option<Result<QueueFacts, QueueError>>,
}

pub(super) async fn status(environment: &Environment, watch: bool, as_json: bool) -> Exit {
    let queues = match configured(environment, |read| config::queues(read, REACTIONS, &[])) {
        Ok(queues) => queues,
        Err(exit) => return exit,
    };
    let Ok(stop) = shutdown::on_signal() else {
        complain("this process cannot listen for signals");
        return Exit::Bug;
    };
    let admin = SqsAdmin::new(&super::aws().await);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = stop.cancelled() => return Exit::Clean,
        }
        let rows = join_all(queues.iter().map(|queues| look(&admin, queues))).await;
        let clear = if watch && !as_json && std::io::stdout().is_terminal() { CLEAR } else { "" };
        if as_json {
            say(json!({ "reactions": rows.iter().map(as_value).collect::<Vec<_>>() }));
        } else {
            say(format_args!("{clear}{}", shown(&rows)));
        }
        if !watch {
            return conclude(&rows);
        }
    }
}

async fn look(admin: &SqsAdmin, queues: &Queues) -> Row {
    let queue = admin.facts(&queues.url).await;
    let by_policy = queue.as_ref().ok().and_then(|facts| facts.redrive.as_ref()).map(|redrive| &redrive.dlq_url);
    let dlq = match queues.dlq_url.as_ref().or(by_policy) {
        Some(url) => Some(admin.facts(url).await),
        None => None,
    };
    Row { name: queues.name, queue, dlq }
}

fn shown(rows: &[Row]) -> String {
    let header = ["reaction", "visible", "in flight", "delayed", "dead", "visibility", "max receives"];
    let mut table = table(header, &[1, 2, 3, 4, 5, 6]);
    for Row { name, queue, dlq } in rows {
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
    table.trim_fmt()
}

/// One that somebody just looks at is as dead as the others.
fn total(dlq: &QueueFacts) -> u64 {
    dlq.visible + dlq.in_flight + dlq.delayed
}

fn as_value(Row { name, queue, dlq }: &Row) -> Value {
    match queue {
        Ok(facts) => json!({
            "reaction": name, "visible": facts.visible, "inFlight": facts.in_flight, "delayed": facts.delayed,
            "dead": dlq.as_ref().and_then(|dlq| dlq.as_ref().ok()).map(total),
            "visibilitySeconds": facts.visibility.as_secs(),
            "maxReceiveCount": facts.redrive.as_ref().map(|redrive| redrive.max_receive_count),
        }),
        Err(error) => json!({ "reaction": name, "error": error.to_string() }),
    }
}

fn conclude(rows: &[Row]) -> Exit {
    let mut exit = Exit::Clean;
    for Row { name, queue, dlq } in rows {
        let problems = [("the queue", queue.as_ref().err()), ("the DLQ", dlq.as_ref().and_then(|d| d.as_ref().err()))];
        for (which, error) in problems.into_iter().filter_map(|(which, error)| Some((which, error?))) {
            complain(format_args!("{which} of `{name}`: {error}"));
            exit = Exit::Unavailable;
        }
    }
    exit
}
