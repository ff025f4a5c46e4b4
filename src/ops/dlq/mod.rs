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
use super::{CommandResult, Context, Exit, complain, configured, fail_with, heard};
use crate::cli::{Dlq, Which};
use crate::config::{self, AwsConfig, Queues};
use crate::reactions::{EventType, Reactions};
use crate::shutdown;
use engine::event::AnyEvent;
use engine::queue::sqs::SqsQueue;
use engine::queue::sqs::admin::{QueueFacts, SqsAdmin};

pub use reasons::{REASONS, Reason};

/// Progress is shown from this many letters on.
const LONG: u64 = 100;

/// One reaction's queue and DLQ, opened.
struct OpenedDlq {
    name: &'static str,
    url: String,
    source: QueueFacts,
    dlq_url: String,
    depth: u64,
    dlq: SqsQueue,
    admin: SqsAdmin,
    /// The reaction's event types.
    event_type: EventType,
}

pub(super) async fn dlq(context: &Context<'_>, what: &Dlq) -> CommandResult {
    if let Some(unknown) = what.reasons().iter().find(|reason| reasons::all().all(|own| own != **reason)) {
        complain(format_args!("no reason is called `{unknown}`; there are:"));
        wrap(&reasons::all().collect::<Vec<_>>().join(", "), 2).iter().for_each(complain);
        return Err(Exit::Usage);
    }
    Ok(match what {
        Dlq::List { reactions, reason, by_reason, by_detail, limit, show_addresses, json } => {
            let (dlqs, stop) = open_all(context, reactions).await?;
            let lines = match (by_reason, by_detail) {
                (_, true) => list::Lines::Detail,
                (true, false) => list::Lines::Reason,
                (false, false) => list::Lines::Letter,
            };
            let (which, limit, addresses) = (letter::Selection::of(reason), *limit, *show_addresses);
            list::list(&dlqs, &list::ListOptions { which, lines, limit, addresses, json: *json }, &stop).await
        }
        Dlq::Show { id, body, show_addresses, json } => {
            let (dlqs, stop) = open_all(context, &[]).await?;
            look::show(&dlqs, id, *body, *show_addresses, *json, &stop).await
        }
        Dlq::Export { which, file } => {
            let (dlq, stop) = open_one(context, which, true).await?;
            look::export(&dlq, which, file.as_deref(), &stop).await
        }
        Dlq::Redrive { which, rate, all, yes, json } => {
            let (dlq, stop) = open_one(context, which, true).await?;
            let options = redrive::ActOptions { yes: *yes, json: *json, rate: *rate };
            match all {
                true => native::redrive(&dlq, &options, &stop).await,
                false => redrive::redrive(&dlq, which, &options, &stop).await,
            }
        }
        Dlq::Drop { which, all, yes, json } => {
            let (dlq, stop) = open_one(context, which, *all).await?;
            let options = redrive::ActOptions { yes: *yes, json: *json, rate: None };
            redrive::drop(&dlq, which, &options, &stop).await
        }
    })
}

/// The named reactions' queues; if none is named, those of each reaction whose queue is set.
fn settings(context: &Context<'_>, only: &[String]) -> Result<(Vec<Queues>, AwsConfig), Exit> {
    configured(context, |read| {
        let aws = config::aws(read);
        Some((config::queues(read, &context.reactions.needs(), only)?, aws))
    })
}

/// Opens the DLQs of the named reactions; if none is named, of each reaction whose queue is set.
async fn open_all(context: &Context<'_>, only: &[String]) -> Result<(Vec<OpenedDlq>, CancellationToken), Exit> {
    let (queues, aws) = settings(context, only)?;
    open(&aws, async |aws| {
        try_join_all(queues.into_iter().map(|queues| OpenedDlq::open(aws, queues, &context.reactions))).await
    })
    .await
}

/// Opens the DLQ of one reaction. Unless `may_be_all`, the selection must exclude some letters.
async fn open_one(
    context: &Context<'_>,
    which: &Which,
    may_be_all: bool,
) -> Result<(OpenedDlq, CancellationToken), Exit> {
    let (queues, aws) = settings(context, which.reaction.as_slice())?;
    let [queues] = <[Queues; 1]>::try_from(queues).map_err(|several| {
        let names: Vec<_> = several.iter().map(|queues| queues.name).collect();
        fail_with(Exit::Usage)(format!("several reactions have a queue here; say which: {}", names.join(" or ")))
    })?;
    if !may_be_all && matches!(which, Which { reason, since: None, limit: None, .. } if reason.is_empty()) {
        complain("say which letters to drop: --reason, --since, --limit or --all");
        return Err(Exit::Usage);
    }
    open(&aws, async |aws| OpenedDlq::open(aws, queues, &context.reactions).await).await
}

/// Opens something in AWS until a signal. Leaves it and the token of that signal. It may be cancelled at any point:
/// no letter is held yet.
async fn open<T>(
    aws: &AwsConfig,
    opening: impl AsyncFnOnce(&SdkConfig) -> Result<T, String>,
) -> Result<(T, CancellationToken), Exit> {
    let stop = heard(shutdown::on_interrupt())?;
    let opening = async { opening(&super::aws(aws).await?).await.map_err(fail_with(Exit::Unavailable)) };
    let opened = stop.run_until_cancelled(opening).await.ok_or(Exit::Interrupted)??;
    Ok((opened, stop))
}

impl OpenedDlq {
    async fn open(aws: &SdkConfig, queues: Queues, reactions: &Reactions) -> Result<Self, String> {
        let Queues { name, url, dlq_url } = queues;
        let event_type = reactions.get(name).map_or_else(EventType::of::<AnyEvent>, |listed| listed.event_type);
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
        Ok(Self { name, url, source, dlq_url, depth, dlq, admin, event_type })
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
