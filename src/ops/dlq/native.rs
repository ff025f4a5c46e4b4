//! `dlq redrive --all`: SQS itself moves every letter.
//!
//! If SQS cannot move them (the DLQ is no redrive policy's target), the letters are sent and deleted one by one. Ctrl-C
//! cancels the move; letters that SQS has moved stay moved.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::confirm::confirmed;
use super::progress::Progress;
use super::redrive::{self, ActOptions, Part};
use super::told::Teller;
use crate::letters::native::{Move, move_all};
use crate::letters::sqs::SqsDlq;
use crate::letters::{LetterDeed, Selection, Source};
use crate::ops::table::{counted, on_terminal};
use crate::ops::{Exit, complain, say};
use engine::queue::QueueError;
use engine::queue::sqs::admin::MoveTask;

pub(super) async fn redrive(dlq: &SqsDlq, options: &ActOptions, teller: &Teller, stop: &CancellationToken) -> Exit {
    if !options.yes {
        let letters = match dlq.source.letters().await {
            Ok(letters) => letters,
            Err(error) => return failed(&error),
        };
        let task = MoveTask { handle: None, status: String::new(), moved: 0, to_move: letters };
        report(dlq, options, &task, false);
        match options.json {
            true => return Exit::Clean,
            false => match confirmed(letters, stop).await {
                Some(true) => {}
                Some(false) => return Exit::Clean,
                None => return Exit::Interrupted,
            },
        }
    }
    let progress = Progress::new(dlq.depth);
    let moved = move_all(dlq, options.rate, stop, &|count| progress.reach(count)).await;
    drop(progress);
    let ended = match moved {
        Ok(Move::Ended(task)) => task,
        Ok(Move::AtWork(task)) => {
            complain(format_args!("SQS already moves these letters: {} of {} so far", task.moved, task.to_move));
            return Exit::Unavailable;
        }
        Ok(Move::NotBySqs(code)) => {
            complain(format_args!("SQS does not move these letters itself ({code}): they are sent one by one"));
            let every = Part { dlq, selection: Selection::default().until_now(), limit: u64::MAX };
            let options = ActOptions { yes: true, ..*options };
            return redrive::run(LetterDeed::Redrive, vec![every], &options, teller, stop).await;
        }
        Err(error) => return failed(&error),
    };
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

fn report(dlq: &SqsDlq, options: &ActOptions, task: &MoveTask, done: bool) {
    let (name, source) = (dlq.name, dlq.source.name());
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
