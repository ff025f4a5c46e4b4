//! `dlq`: look at dead letters, send them back, drop them.
//!
//! Enters: a command, the environment. Leaves: tables or JSON; letters in the source queue or a file, or deleted.
//! Promises: nothing is moved or dropped without `--yes`, or a person's answer at a terminal. A look leaves every letter
//! where it was. No address and no body is shown unless asked for. What is done to letters is done by the room
//! `letters`; here are its words, tables and questions.

mod confirm;
mod editor;
mod found;
mod list;
mod look;
mod native;
mod progress;
mod redrive;
mod told;

use std::time::SystemTime;

use aws_config::SdkConfig;
use futures_util::future::try_join_all;
use tokio_util::sync::CancellationToken;

use self::redrive::{ActOptions, Part};
use self::told::Teller;
use super::table::wrap;
use super::witness::{self, Place, Witness, who};
use super::{CommandResult, Context, Exit, complain, configured, fail_with, heard};
use crate::cli::{By, Dlq, Filter, Since, Which};
use crate::config::{self, AwsConfig, Queues, SettingsReader};
use crate::letters::sqs::{self, SqsDlq};
use crate::letters::{LetterDeed, Selection, ago, all_reasons};
use crate::shutdown;

pub(super) async fn dlq(context: &Context<'_>, what: &Dlq) -> CommandResult {
    if let Some(unknown) = what.reasons().iter().find(|reason| all_reasons().all(|own| own != **reason)) {
        complain(format_args!("no reason is called `{unknown}`; there are:"));
        wrap(&all_reasons().collect::<Vec<_>>().join(", "), 2).iter().for_each(complain);
        return Err(Exit::Usage);
    }
    Ok(match what {
        Dlq::List { reactions, filter, sort, by_reason, by_detail, show_addresses, json } => {
            let (dlqs, stop) = open_all(context, reactions).await?;
            let lines = match (by_reason, by_detail) {
                (_, true) => list::Lines::Detail,
                (true, false) => list::Lines::Reason,
                (false, false) => list::Lines::Letter,
            };
            let (which, addresses) = (chosen(filter), *show_addresses);
            let options = list::ListOptions { which, lines, sort: *sort, limit: filter.limit, addresses, json: *json };
            list::list(&dlqs, &options, &stop).await
        }
        Dlq::Show { id, body, show_addresses, json } => {
            let (dlqs, stop) = open_all(context, &[]).await?;
            look::show(&dlqs, id, *body, *show_addresses, *json, &stop).await?
        }
        Dlq::Export { reaction, filter, file } => {
            let (dlq, (), stop) = open_one(context, reaction.as_deref(), |_| Some(())).await?;
            look::export(&dlq, filter, file.as_deref(), &stop).await
        }
        Dlq::Redrive { edit: Some(id), json, by, .. } => {
            let needs = context.reactions.needs();
            let more = |read: &mut SettingsReader<'_>| Some((editor::Desk::of(read, &needs), witness::place(read)));
            let (queues, aws, (desk, place)) = settings(context, &[], more)?;
            let teller = teller(context, by, &place, told::ids(std::slice::from_ref(id)))?;
            let (dlqs, stop) = open_each(context, queues, &aws).await?;
            editor::edit(&dlqs, id, &desk, &teller, *json, &stop).await?
        }
        Dlq::Redrive { which, rate, all, yes, by, json, .. } => {
            let options = ActOptions { yes: *yes, json: *json, rate: *rate };
            act_on(context, LetterDeed::Redrive, which, *all, by, &options).await?
        }
        Dlq::Drop { which, all, yes, by, json } => {
            let options = ActOptions { yes: *yes, json: *json, rate: None };
            act_on(context, LetterDeed::Drop, which, *all, by, &options).await?
        }
    })
}

async fn act_on(
    context: &Context<'_>,
    deed: LetterDeed,
    which: &Which,
    all: bool,
    by: &By,
    options: &ActOptions,
) -> CommandResult {
    let (reactions, ids): (Vec<_>, Vec<_>) =
        which.words.iter().cloned().partition(|word| context.reactions.get(word).is_some());
    let is_filtered = is_filtered(&which.filter);
    if !ids.is_empty() {
        if all || is_filtered || !reactions.is_empty() {
            return Err(fail_with(Exit::Usage)(
                "say which letters: their ids, or a reaction with filters such as --reason, not both",
            ));
        }
        let (queues, aws, place) = settings(context, &[], |read| Some(witness::place(read)))?;
        let teller = teller(context, by, &place, told::ids(&ids))?;
        let (dlqs, stop) = open_each(context, queues, &aws).await?;
        let found = found::find(&dlqs, &ids, &stop).await?;
        let ids_in = |dlq: &SqsDlq| -> Vec<String> {
            let own = found.iter().filter(|(of, _)| of.name == dlq.name).map(|(_, letter)| letter.id.clone());
            own.collect()
        };
        let parts = dlqs.iter().map(|dlq| (dlq, ids_in(dlq))).filter(|(_, ids)| !ids.is_empty());
        let part =
            |(dlq, ids): (_, Vec<String>)| Part { dlq, limit: ids.len() as u64, selection: Selection::only(ids) };
        return Ok(redrive::run(deed, parts.map(part).collect(), options, &teller, &stop).await);
    }
    if reactions.len() > 1 {
        return Err(fail_with(Exit::Usage)("name one reaction, not several"));
    }
    let (dlq, place, stop) =
        open_one(context, reactions.first().map(String::as_str), |read| Some(witness::place(read))).await?;
    let teller = teller(context, by, &place, told::filter(&which.filter))?;
    if deed == LetterDeed::Drop && !all && !is_filtered {
        return Err(fail_with(Exit::Usage)("say which letters to drop: ids, a filter such as --reason, or --all"));
    }
    if deed == LetterDeed::Redrive && all {
        return Ok(native::redrive(&dlq, options, &teller, &stop).await);
    }
    let limit = which.filter.limit.unwrap_or(u64::MAX);
    let part = Part { dlq: &dlq, selection: chosen(&which.filter).until_now(), limit };
    Ok(redrive::run(deed, vec![part], options, &teller, &stop).await)
}

fn teller(context: &Context<'_>, by: &By, place: &Place, asked: String) -> Result<Teller, Exit> {
    Ok(Teller { witness: Witness::at(who(context, by), place)?, asked })
}

/// The letters that pass this filter.
fn chosen(filter: &Filter) -> Selection {
    let millis = |at: SystemTime| {
        let since_1970 = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
    };
    let not_before = filter.since.map(|since| match since {
        Since::At(moment) => millis(moment),
        Since::Ago(span) => ago(span),
    });
    Selection {
        reasons: filter.reason.clone(),
        detail: filter.detail.clone(),
        kind: filter.kind.clone(),
        subject: filter.user.clone(),
        not_before,
        ..Selection::default()
    }
}

fn is_filtered(filter: &Filter) -> bool {
    let Filter { reason, detail, kind, since, user, limit } = filter;
    !reason.is_empty() || detail.is_some() || kind.is_some() || since.is_some() || user.is_some() || limit.is_some()
}

/// The named reactions' queues, if none is named those of each reaction whose queue is set; and what else is to be read.
fn settings<T>(
    context: &Context<'_>,
    only: &[String],
    more: impl FnOnce(&mut SettingsReader<'_>) -> Option<T>,
) -> Result<(Vec<Queues>, AwsConfig, T), Exit> {
    configured(context, |read| {
        let (aws, more) = (config::aws(read), more(read));
        Some((config::queues(read, &context.reactions.needs(), only)?, aws, more?))
    })
}

/// Opens the DLQs of the named reactions; if none is named, of each reaction whose queue is set.
async fn open_all(context: &Context<'_>, only: &[String]) -> Result<(Vec<SqsDlq>, CancellationToken), Exit> {
    let (queues, aws, ()) = settings(context, only, |_| Some(()))?;
    open_each(context, queues, &aws).await
}

async fn open_each(
    context: &Context<'_>,
    queues: Vec<Queues>,
    aws: &AwsConfig,
) -> Result<(Vec<SqsDlq>, CancellationToken), Exit> {
    open(aws, async |aws| try_join_all(queues.into_iter().map(|queues| opened(aws, queues, context))).await).await
}

/// Opens the DLQ of one reaction: the named one, or the only one whose queue is set; and reads what else is to be read.
async fn open_one<T>(
    context: &Context<'_>,
    only: Option<&str>,
    more: impl FnOnce(&mut SettingsReader<'_>) -> Option<T>,
) -> Result<(SqsDlq, T, CancellationToken), Exit> {
    let (queues, aws, more) = settings(context, only.map(str::to_owned).as_slice(), more)?;
    let [queues] = <[Queues; 1]>::try_from(queues).map_err(|several| {
        let names: Vec<_> = several.iter().map(|queues| queues.name).collect();
        fail_with(Exit::Usage)(format!("several reactions have a queue here; say which: {}", names.join(" or ")))
    })?;
    let (dlq, stop) = open(&aws, async |aws| opened(aws, queues, context).await).await?;
    Ok((dlq, more, stop))
}

async fn opened(aws: &SdkConfig, queues: Queues, context: &Context<'_>) -> Result<SqsDlq, String> {
    let event_type = context.reactions.event_type(queues.name);
    sqs::open(aws, queues, event_type).await
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
