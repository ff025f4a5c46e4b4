//! `status`: how deep each reaction's queues are, what its workers wait for, how fast they are, and what its messages cost;
//! once, or repeatedly. With `--retrying`: the events that come again.
//!
//! Enters: the configured queues, the address of this machine's worker, and the workers' reports if `REDIS_URL` is set.
//! Leaves: a table that fits the terminal, lines for each reaction, or JSON. A queue that does not answer has `?` in its row;
//! the others are shown. It is no failure if no worker answers. What is looked at is in [`crate::standing`].

mod retrying;
mod spark;
mod words;

use std::io::IsTerminal;
use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use self::spark::Trails;
use super::screen;
use super::table::wrap;
use super::terminal::{draw, is_closed};
use super::worker;
use super::{CommandResult, Context, Exit, complain, configured, linked, say};
use crate::cli::Status;
use crate::config;
use crate::plain;
use crate::standing::{Lookout, Standing};

/// The time between two looks of `--watch`.
const LOOK: Duration = Duration::from_secs(2);
/// Moves the cursor to the top left, and clears everything below it.
const CLEAR: &str = "\x1b[H\x1b[J";

pub(super) async fn status(context: &Context<'_>, told: &Status) -> CommandResult {
    let read = |read: &mut config::SettingsReader<'_>| {
        let aws = config::aws(read);
        let url = if told.retrying { Some(config::redis(read)?) } else { config::redis_if_set(read) };
        let redis = (url, config::redis_prefix(read));
        Some((config::http_addr(read), config::queues(read, &context.reactions.needs(), &[])?, aws, redis))
    };
    let (address, queues, aws, (redis, prefix)) = configured(context, read)?;
    let link = redis.map(|url| linked(&url, &prefix)).transpose()?;
    let (lookout, mut trails) = (Lookout::new(&super::aws(&aws).await?, link), Trails::default());
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let (rows, states) = tokio::join!(lookout.look(&queues), worker::ask(address));
        trails.mark(&rows);
        if told.watch && !told.json {
            // The window may have another width than at the last look.
            screen::measure();
            let clear = if std::io::stdout().is_terminal() { CLEAR } else { "" };
            let now = humantime::format_rfc3339_seconds(SystemTime::now());
            draw(clear);
            say(now.to_string());
        }
        match (told.retrying, told.json) {
            (true, true) => say(json!({ "retrying": retrying::values(&rows) })),
            (true, false) => say(retrying::shown(&rows)),
            (false, true) => say(json!({ "reactions": words::values(&rows, &states) })),
            (false, false) => {
                // Watched, each screen explains its `?`.
                let more = if told.watch { [problems(&rows), trails.shown(&rows)].concat() } else { Vec::new() };
                let foot = [more, words::foot(&rows, &states)].concat();
                say(format_args!("{}\n{}", words::table(&rows), lines(&foot)));
            }
        }
        if !told.watch {
            return Ok(conclude(&rows, told.retrying));
        }
        if is_closed() {
            return Ok(Exit::Clean);
        }
    }
}

fn lines(foot: &[String]) -> String {
    foot.iter().flat_map(|line| wrap(&plain::line(line), 1)).collect::<Vec<_>>().join("\n")
}

/// A line for each queue that did not answer, with the reason.
fn problems(rows: &[Standing]) -> Vec<String> {
    rows.iter().flat_map(Standing::problems).collect()
}

fn conclude(rows: &[Standing], needs_redis: bool) -> Exit {
    let silent = rows.iter().filter_map(|row| row.redis.as_ref()?.as_ref().err()).next().filter(|_| needs_redis);
    let problems = [problems(rows), silent.map(ToString::to_string).into_iter().collect()].concat();
    problems.iter().for_each(complain);
    if problems.is_empty() { Exit::Clean } else { Exit::Unavailable }
}
