//! `pause` and `resume`: keeps a reaction's workers from receiving, and lets them go on.
//!
//! Enters: a reaction, a length, who and why. Leaves: a mark in Redis, which every worker of the reaction looks at.
//! Promises: a pause ends before a message that waits for it expires.

use super::witness::{Witness, who};
use super::{CommandResult, Context, Exit, complain, configured, fail_with, linked, say};
use crate::by_hand::pause;
use crate::cli::{Pause as PauseArguments, Resume};
use crate::config::{self, Queues};
use crate::pauses::PauseMarks;
use crate::plain;
use engine::queue::sqs::admin::SqsAdmin;

pub(super) async fn pause(context: &Context<'_>, told: &PauseArguments) -> CommandResult {
    // Before anything is opened: most slips are here.
    pause::check_why(&told.why).map_err(|problem| fail_with(Exit::Usage)(format_args!("--why {problem}")))?;
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
    let pause = pause::from_now(&by, &told.why, told.length, facts.retention);
    let pause = pause.map_err(|problem| fail_with(Exit::Usage)(format_args!("--for {problem}")))?;
    witness.say(&pause::begin(&marks, &told.reaction, &pause).await.map_err(fail_with(Exit::Unavailable))?).await;
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
    let by = who(context, &told.by);
    let (marks, witness) = (PauseMarks::new(link.clone()), Witness::of(by.clone(), Some(link)));
    if let Some(deed) = pause::end(&marks, &told.reaction, &by).await.map_err(fail_with(Exit::Unavailable))? {
        witness.say(&deed).await;
        say(format_args!("{}: its workers receive within 6 s", told.reaction));
    } else {
        complain(format_args!("{} was not paused by anybody", told.reaction));
    }
    Ok(Exit::Clean)
}
