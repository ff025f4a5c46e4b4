//! `pause` and `resume`: keeps a reaction's workers from receiving, and lets them go on.
//!
//! Enters: a reaction, a length, who and why. Leaves: a mark in Redis, which every worker of the reaction looks at.
//! Promises: a pause ends before a message that waits for it expires.

use std::time::Duration;

use humantime::format_duration;

use super::witness::{Witness, who};
use super::{CommandResult, Context, Exit, complain, configured, fail_with, linked, say};
use crate::cli::{Pause as PauseArguments, Resume};
use crate::config::{self, Queues};
use crate::pauses::PauseMarks;
use crate::plain;
use engine::event::Timestamp;
use engine::queue::sqs::admin::SqsAdmin;
use engine::worker::Pause;

/// The most characters of a reason: it stands in one line.
const LONGEST: usize = 200;

pub(super) async fn pause(context: &Context<'_>, told: &PauseArguments) -> CommandResult {
    if told.why.trim().is_empty() || told.why.chars().count() > LONGEST {
        return Err(fail_with(Exit::Usage)(format_args!("--why must have 1 to {LONGEST} characters")));
    }
    let by = who(context, &told.by);
    let read = |read: &mut config::SettingsReader<'_>| {
        let queues = config::queues(read, &context.reactions.needs(), std::slice::from_ref(&told.reaction));
        let (url, prefix, aws) = (config::redis(read), config::redis_prefix(read), config::aws(read));
        Some((queues?.pop()?, url?, prefix, aws))
    };
    let (Queues { url: queue, .. }, url, prefix, aws) = configured(context, read)?;
    let link = linked(&url, &prefix)?;
    let (marks, witness) = (PauseMarks::new(link.clone()), Witness::of(by.clone(), Some(link)));
    let admin = SqsAdmin::new(&super::aws(&aws).await?);
    let facts = admin.facts(&queue).await.map_err(fail_with(Exit::Unavailable))?;
    let longest = facts.retention / 2;
    let length = told.length.unwrap_or(longest);
    if length.is_zero() || length > longest {
        let (half, kept) = (format_duration(longest), format_duration(facts.retention));
        return Err(fail_with(Exit::Usage)(format_args!(
            "--for must be at most {half}, half of the {kept} for which the queue keeps a message"
        )));
    }
    let since = Timestamp::now();
    let pause = Pause { by, why: told.why.clone(), since, until: after(since, length) };
    marks.set(&told.reaction, &pause).await.map_err(fail_with(Exit::Unavailable))?;
    let deed = witness.deed("pause", &told.reaction).to(&format!("{}: {}", format_duration(length), told.why));
    witness.say(&deed.ended(&format!("until {}", pause.until))).await;
    say(format_args!(
        "{}: {}\nIts workers begin no receive later than 6 s from now. To end it: {} resume {}",
        told.reaction,
        plain::line(&pause.to_string()),
        context.program,
        told.reaction
    ));
    Ok(Exit::Clean)
}

pub(super) async fn resume(context: &Context<'_>, told: &Resume) -> CommandResult {
    let read = |read: &mut config::SettingsReader<'_>| {
        let (url, prefix) = (config::redis(read), config::redis_prefix(read));
        Some((url?, prefix))
    };
    let (url, prefix) = configured(context, read)?;
    let link = linked(&url, &prefix)?;
    let (marks, witness) = (PauseMarks::new(link.clone()), Witness::of(who(context, &told.by), Some(link)));
    if marks.clear(&told.reaction).await.map_err(fail_with(Exit::Unavailable))? {
        witness.say(&witness.deed("resume", &told.reaction)).await;
        say(format_args!("{}: its workers receive within 6 s", told.reaction));
    } else {
        complain(format_args!("{} was not paused by anybody", told.reaction));
    }
    Ok(Exit::Clean)
}

fn after(since: Timestamp, length: Duration) -> Timestamp {
    let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_millis(since.unix_millis().saturating_add(millis)).unwrap_or(since)
}
