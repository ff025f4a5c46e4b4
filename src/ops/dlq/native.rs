//! `dlq redrive --all`: SQS itself moves every letter, and this file watches the progress.
//!
//! SQS moves letters as they are, with `failure.*` attributes and packed bodies. The worker opens those when it
//! receives them. If SQS cannot move them (the DLQ is no redrive policy's target), the letters are sent and deleted
//! one by one. Ctrl-C cancels the task; letters that it has moved stay moved.

use std::time::Duration;

use serde_json::json;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use super::redrive::{self, How};
use super::{Place, progress};
use crate::cli::Which;
use crate::ops::table::counted;
use crate::ops::{Exit, complain, say};
use engine::queue::QueueError;
use engine::queue::sqs::admin::MoveTask;

/// The time between two looks at the task.
const LOOK: Duration = Duration::from_millis(500);

pub(super) async fn redrive(place: &Place, how: &How, stop: &CancellationToken) -> Exit {
    let dlq = match place.admin.facts(&place.dlq_url).await {
        Ok(facts) => facts,
        Err(error) => return failed(&error),
    };
    if !how.yes {
        report(place, how, &MoveTask { handle: None, status: String::new(), moved: 0, to_move: dlq.visible });
        return Exit::Clean;
    }
    match place.admin.latest_move(&dlq.arn).await {
        Ok(Some(task)) if task.is_running() => {
            complain(format_args!("SQS already moves these letters: {} of {} so far", task.moved, task.to_move));
            return Exit::Unavailable;
        }
        Ok(_) | Err(QueueError::Refused(_)) => {}
        Err(error) => return failed(&error),
    }
    match place.admin.start_move(&dlq.arn, &place.source.arn, how.rate).await {
        Ok(()) => watch(place, how, &dlq.arn, stop).await,
        Err(QueueError::Refused(code)) => {
            complain(format_args!("SQS does not move these letters itself ({code}): they are sent one by one"));
            let every = Which { reaction: None, reason: Vec::new(), since: None, limit: None };
            redrive::redrive(place, &every, how, stop).await
        }
        Err(error) => failed(&error),
    }
}

async fn watch(place: &Place, how: &How, dlq_arn: &str, stop: &CancellationToken) -> Exit {
    let bar = progress(place.depth);
    let mut looks = interval(LOOK);
    let mut cancelled = false;
    let ended = loop {
        looks.tick().await;
        let task = match place.admin.latest_move(dlq_arn).await {
            Ok(Some(task)) => task,
            // The task has just started, and SQS does not list it yet.
            Ok(None) => continue,
            Err(error) if error.is_passing() => continue,
            Err(error) => return failed(&error),
        };
        bar.set_position(task.moved);
        if !task.is_running() {
            break task;
        }
        if let (true, false, Some(handle)) = (stop.is_cancelled(), cancelled, &task.handle) {
            // SQS refuses this if the task has just ended. The next look shows it.
            cancelled = place.admin.cancel_move(handle).await.is_ok();
        }
    };
    bar.finish_and_clear();
    report(place, how, &ended);
    match ended.status.as_str() {
        "COMPLETED" => Exit::Clean,
        "CANCELLED" => Exit::Interrupted,
        status => {
            complain(format_args!("SQS ended its move as {status}"));
            Exit::Unavailable
        }
    }
}

fn report(place: &Place, how: &How, task: &MoveTask) {
    let (name, source) = (place.name, place.source_name());
    if how.json {
        say(json!({
            "reaction": name, "dryRun": !how.yes, "by": "sqs", "selected": task.to_move.max(task.moved),
            "moved": task.moved, "failed": 0, "sealed": 0, "left": 0, "reasons": {},
        }));
    } else if how.yes {
        say(format_args!("{name}: SQS moved {} to {source}", counted(task.moved, "letter")));
    } else {
        let letters = counted(task.to_move, "letter");
        say(format_args!("{name}: about {letters} would go back to {source}, moved by SQS itself"));
        say("They go as they are, with their failure.* attributes; the worker opens what it packed.");
        say("A dry run: nothing was changed. --yes does it.");
    }
}

fn failed(error: &QueueError) -> Exit {
    complain(error);
    Exit::Unavailable
}
