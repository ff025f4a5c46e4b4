//! `dlq`: look at dead letters, send them back, drop them.
//!
//! Enters: a command, the environment. Leaves: tables or JSON; letters in the source queue or a file, or deleted.
//! Promises: nothing is moved or dropped without `--yes`. A look leaves every letter where it was. No address and no
//! body is shown unless asked for.

mod act;
mod browse;
mod letter;
mod list;
mod look;
mod native;
mod reasons;
mod redrive;

use std::io::IsTerminal;
use std::time::Duration;

use aws_config::SdkConfig;
use futures_util::future::try_join_all;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::table::wrap;
use super::{Context, Exit, complain, configured, deaf};
use crate::cli::{Dlq, Which};
use crate::config::{self, Queues};
use crate::reactions::{Known, Reactions};
use crate::shutdown;
use engine::event::AnyEvent;
use engine::queue::sqs::SqsQueue;
use engine::queue::sqs::admin::{QueueFacts, SqsAdmin};

pub use reasons::{REASONS, Reason};

/// Progress is shown from this many letters on.
const LONG: u64 = 100;

/// One reaction's queue and DLQ, opened.
struct Place {
    name: &'static str,
    url: String,
    source: QueueFacts,
    dlq_url: String,
    depth: u64,
    dlq: SqsQueue,
    admin: SqsAdmin,
    /// The reaction's event types.
    known: Known,
}

pub(super) async fn dlq(context: &Context<'_>, what: &Dlq) -> Exit {
    let only: Vec<String> = match what {
        Dlq::List { reactions, .. } => reactions.clone(),
        Dlq::Show { .. } => Vec::new(),
        Dlq::Export { which, .. } | Dlq::Redrive { which, .. } | Dlq::Drop { which, .. } => {
            which.reaction.iter().cloned().collect()
        }
    };
    if let Some(strange) = what.reasons().iter().find(|reason| reasons::all().all(|own| own != **reason)) {
        complain(format_args!("no reason is called `{strange}`; there are:"));
        wrap(&reasons::all().collect::<Vec<_>>().join(", "), 2).iter().for_each(complain);
        return Exit::Usage;
    }
    let read = |read: &mut config::SettingsReader<'_>| {
        let aws = config::aws(read);
        Some((config::queues(read, &context.reactions.needs(), &only)?, aws))
    };
    let (queues, aws) = match configured(context, read) {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    if !matches!(what, Dlq::List { .. } | Dlq::Show { .. }) && queues.len() > 1 {
        let names: Vec<_> = queues.iter().map(|queues| queues.name).collect();
        complain(format_args!("several reactions have a queue here; say which: {}", names.join(" or ")));
        return Exit::Usage;
    }
    if let Dlq::Drop { which: Which { reason, since: None, limit: None, .. }, all: false, .. } = what
        && reason.is_empty()
    {
        complain("say which letters to drop: --reason, --since, --limit or --all");
        return Exit::Usage;
    }
    let Ok(stop) = shutdown::on_interrupt() else { return deaf() };
    // Opening may be cancelled at any point: no letter is held yet.
    let opening = async {
        let aws = super::aws(&aws).await?;
        let open = |queues| Place::open(&aws, queues, context.reactions);
        try_join_all(queues.into_iter().map(open)).await.map_err(|problem| {
            complain(problem);
            Exit::Unavailable
        })
    };
    match stop.run_until_cancelled(opening).await {
        Some(Ok(places)) => work(what, places, &stop).await,
        Some(Err(exit)) => exit,
        None => Exit::Interrupted,
    }
}

async fn work(what: &Dlq, mut places: Vec<Place>, stop: &CancellationToken) -> Exit {
    match what {
        Dlq::List { reason, by_reason, by_detail, limit, show_addresses, json, .. } => {
            let lines = match (by_reason, by_detail) {
                (_, true) => list::Lines::Detail,
                (true, false) => list::Lines::Reason,
                (false, false) => list::Lines::Letter,
            };
            let (which, limit, addresses) = (letter::Selection::of(reason), *limit, *show_addresses);
            list::list(&places, &list::Wanted { which, lines, limit, addresses, json: *json }, stop).await
        }
        Dlq::Show { id, body, show_addresses, json } => {
            look::show(&places, id, *body, *show_addresses, *json, stop).await
        }
        _ => match (what, places.pop()) {
            (Dlq::Export { which, file }, Some(place)) => look::export(&place, which, file.as_deref(), stop).await,
            (Dlq::Redrive { which, rate, all, yes, json }, Some(place)) => {
                let how = redrive::How { yes: *yes, json: *json, rate: *rate };
                if *all {
                    native::redrive(&place, &how, stop).await
                } else {
                    redrive::redrive(&place, which, &how, stop).await
                }
            }
            (Dlq::Drop { which, yes, json, .. }, Some(place)) => {
                let how = redrive::How { yes: *yes, json: *json, rate: None };
                redrive::drop(&place, which, &how, stop).await
            }
            _ => Exit::Bug,
        },
    }
}

impl Place {
    async fn open(aws: &SdkConfig, queues: Queues, reactions: &Reactions) -> Result<Self, String> {
        let Queues { name, url, dlq_url } = queues;
        let known = reactions.get(name).map_or_else(Known::of::<AnyEvent>, |listed| listed.known);
        let admin = SqsAdmin::new(aws);
        let source = admin.facts(&url).await.map_err(|error| format!("the queue of `{name}`: {error}"))?;
        let by_policy = source.redrive.as_ref().map(|redrive| redrive.dlq_url.clone());
        let Some(dlq_url) = dlq_url.or(by_policy) else {
            let variable = config::of_reaction(name, "DLQ_URL");
            return Err(format!("`{name}` has no dead-letter queue: no redrive policy, and {variable} is not set"));
        };
        let failed = |error| format!("the dead-letter queue of `{name}`: {error}");
        let depth = admin.facts(&dlq_url).await.map_err(failed)?.visible;
        let dlq = SqsQueue::open(aws, dlq_url.clone(), None, Duration::from_secs(20)).await.map_err(failed)?;
        let dlq = dlq.with_visibility(browse::HIDDEN);
        Ok(Self { name, url, source, dlq_url, depth, dlq, admin, known })
    }

    fn source_name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or(&self.url)
    }
}

/// A progress bar for `total` letters. Hidden for few letters, and without a terminal.
fn progress(total: u64) -> ProgressBar {
    if total < LONG || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos} of about {len} letters, {elapsed}");
    let bar = ProgressBar::new(total);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
