//! `dlq redrive --all`: SQS itself moves every letter, and this file watches the progress.
//!
//! SQS moves letters as they are, with `failure.*` attributes and packed bodies. The worker opens those when it
//! receives them. If SQS cannot move them (the DLQ is no redrive policy's target), the letters are sent and deleted
//! one by one. Ctrl-C cancels the task; letters that it has moved stay moved.

use std::time::Duration;

use serde_json::json;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use super::OpenedDlq;
use super::confirm::confirmed;
use super::progress::Progress;
use super::redrive::{self, ActOptions, Deed, Part};
use super::select::Selection;
use super::told::Teller;
use crate::ops::table::{counted, on_terminal};
use crate::ops::{Exit, complain, say};
use engine::queue::QueueError;
use engine::queue::sqs::admin::MoveTask;

/// The time between two looks at the task.
const LOOK: Duration = Duration::from_millis(500);

pub(super) async fn redrive(dlq: &OpenedDlq, options: &ActOptions, teller: &Teller, stop: &CancellationToken) -> Exit {
    let found = match dlq.admin.facts(&dlq.dlq_url).await {
        Ok(facts) => facts,
        Err(error) => return failed(&error),
    };
    if !options.yes {
        let task = MoveTask { handle: None, status: String::new(), moved: 0, to_move: found.visible };
        report(dlq, options, &task, false);
        match options.json {
            true => return Exit::Clean,
            false => match confirmed(found.visible, stop).await {
                Some(true) => {}
                Some(false) => return Exit::Clean,
                None => return Exit::Interrupted,
            },
        }
    }
    match dlq.admin.latest_move(&found.arn).await {
        Ok(Some(task)) if task.is_running() => {
            complain(format_args!("SQS already moves these letters: {} of {} so far", task.moved, task.to_move));
            return Exit::Unavailable;
        }
        Ok(_) | Err(QueueError::Refused(_)) => {}
        Err(error) => return failed(&error),
    }
    match dlq.admin.start_move(&found.arn, &dlq.source.arn, options.rate).await {
        Ok(()) => watch(dlq, options, &found.arn, teller, stop).await,
        Err(QueueError::Refused(code)) => {
            complain(format_args!("SQS does not move these letters itself ({code}): they are sent one by one"));
            let every = Part { dlq, selection: Selection::default().until_now(), limit: u64::MAX };
            let options = ActOptions { yes: true, ..*options };
            redrive::run(Deed::Redrive, vec![every], &options, teller, stop).await
        }
        Err(error) => failed(&error),
    }
}

async fn watch(
    dlq: &OpenedDlq,
    options: &ActOptions,
    dlq_arn: &str,
    teller: &Teller,
    stop: &CancellationToken,
) -> Exit {
    let progress = Progress::new(dlq.depth);
    let mut looks = interval(LOOK);
    let mut cancelled = false;
    let ended = loop {
        looks.tick().await;
        let task = match dlq.admin.latest_move(dlq_arn).await {
            Ok(Some(task)) => task,
            // The task has just started, and SQS does not list it yet.
            Ok(None) => continue,
            Err(error) if error.is_passing() => continue,
            Err(error) => return failed(&error),
        };
        progress.reach(task.moved);
        if !task.is_running() {
            break task;
        }
        if let (true, false, Some(handle)) = (stop.is_cancelled(), cancelled, &task.handle) {
            // SQS refuses this if the task has just ended. The next look shows it.
            cancelled = dlq.admin.cancel_move(handle).await.is_ok();
        }
    };
    drop(progress);
    teller.moved(dlq.name, ended.moved, &ended.status).await;
    report(dlq, options, &ended, true);
    match ended.status.as_str() {
        "COMPLETED" => Exit::Clean,
        "CANCELLED" => Exit::Interrupted,
        status => {
            complain(format_args!("SQS ended its move as {status}"));
            Exit::Unavailable
        }
    }
}

fn report(dlq: &OpenedDlq, options: &ActOptions, task: &MoveTask, done: bool) {
    let (name, source) = (dlq.name, dlq.source_name());
    if options.json {
        say(json!({
            "reaction": name, "dryRun": !done, "by": "sqs", "selected": task.to_move.max(task.moved),
            "moved": task.moved, "failed": 0, "sealed": 0, "left": 0, "reasons": {},
        }));
    } else if done {
        say(on_terminal("", &format!("{name}: SQS moved {} to {source}", counted(task.moved, "letter"))));
    } else {
        let letters = counted(task.to_move, "letter");
        say(on_terminal("", &format!("{name}: about {letters} would go back to {source}, moved by SQS itself")));
        say(on_terminal("", "They go as they are, with their failure.* attributes; the worker opens what it packed."));
        say("A dry run: nothing was changed. --yes does it.");
    }
}

fn failed(error: &QueueError) -> Exit {
    complain(error);
    Exit::Unavailable
}
