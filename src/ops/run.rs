//! `run`: consumes until a signal stops it.

use super::{CommandResult, Context, Exit, complain, heard, observed};
use crate::app::{self, RunError};
use crate::cli::program;
use crate::config;
use crate::shutdown;
use engine::redis_link::RedisError;
use engine::worker::Summary;

pub(super) async fn run(context: Context<'_>, only: &[String]) -> CommandResult {
    let needs = context.reactions.needs();
    let read = |read: &mut config::SettingsReader<'_>| {
        // A handler may read other variables that begin with its reaction's name: check that they are UTF-8.
        context.reactions.names().for_each(|name| read.texts(&config::of_reaction(name, "")));
        config::run(read, &needs, only)
    };
    let (config, telemetry) = observed(&context, read)?;
    let stop = heard(shutdown::on_signal())?;
    let result = app::run(config, context.reactions, &telemetry, stop).await;
    telemetry.stop().await;
    Ok(ended(result))
}

/// Reports the end of a run.
fn ended(ended: Result<Vec<Summary>, RunError>) -> Exit {
    match ended {
        Ok(_) => Exit::Clean,
        Err(error) => {
            complain(&error);
            if let RunError::Queue { reaction, .. } = &error {
                let url = config::of_reaction(reaction, "QUEUE_URL");
                complain(format_args!("{url} names it; `{} doctor` says what it lacks, and what to do", program()));
            }
            match error {
                RunError::Start(_) | RunError::Aws(_) | RunError::Redis(RedisError::BadUrl) => Exit::Config,
                RunError::Queue { .. } | RunError::Listen(_) | RunError::Redis(_) => Exit::Unavailable,
                RunError::Ended => Exit::Bug,
            }
        }
    }
}
