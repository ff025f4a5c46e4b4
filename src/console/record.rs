//! A user's records: how far each reaction has come with them; and one record taken back.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::json;
use url::form_urlencoded;

use super::form::Form;
use super::refusal::Refusal;
use super::visit::{Answer, Visit};
use crate::by_hand::record::{self, Effect, forgetting, meaning};
use crate::reactions::Listed;
use engine::event::{Once, Timestamp, log_hash};
use engine::idempotency::records::{Forgotten, Record, RecordError};

/// Where one is taken back.
const FORGET: &str = "/record/forget";

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/record", get(show)).route(FORGET, get(ask).post(forget))
}

/// One effect, with its record if there is one.
#[derive(Serialize)]
struct Row {
    reaction: &'static str,
    kind: Option<String>,
    event: Option<String>,
    record: Option<Shown>,
    /// Why there is no record to show.
    words: Option<String>,
    /// Where it is taken back.
    forget: Option<String>,
}

/// A record in words.
#[derive(Serialize)]
struct Shown {
    state: &'static str,
    meaning: &'static str,
    forgetting: &'static str,
    sends: u32,
    claimed_at: Option<String>,
    settled_at: Option<String>,
    held_for: Option<String>,
    kept_until: Option<String>,
    receipt: Option<String>,
    duplicates: u32,
}

async fn show(visit: Visit) -> Answer {
    let Some(subject) = visit.asked("subject") else {
        let values = json!({ "subject": "", "event": "", "hash": null, "rows": [] });
        return visit.page("record.html", "Record", values);
    };
    let event = visit.asked("event");
    let rows = visit.console.reactions.iter().flat_map(|listed| effects(listed, subject, event));
    let rows = join_all(rows.map(|effect| row(&visit, effect))).await;
    let rows = rows.into_iter().collect::<Result<Vec<_>, _>>()?;
    let hash = log_hash(subject).to_string();
    let values = json!({ "subject": subject, "event": event.unwrap_or_default(), "hash": hash, "rows": rows });
    visit.page("record.html", "Record", values)
}

/// The effects of a reaction on a subject that can have a record: one, or one for each type.
fn effects<'a>(listed: &'a Listed, subject: &'a str, event: Option<&'a str>) -> Vec<(&'a Listed, Effect<'a>)> {
    let effect = |event, kind| (listed, Effect { reaction: listed.name, subject, event, kind });
    match (listed.row.once, listed.row.is_by_type) {
        (Once::Event, _) => vec![effect(event, None)],
        (Once::Subject, true) => listed.row.types.iter().map(|kind| effect(None, Some(*kind))).collect(),
        (Once::Subject, false) => vec![effect(None, None)],
    }
}

async fn row(visit: &Visit, (listed, effect): (&Listed, Effect<'_>)) -> Result<Row, Refusal> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let row = |record: Option<Shown>, words: Option<&str>, forget: Option<String>| Row {
        reaction: listed.name,
        kind: owned(effect.kind),
        event: owned(effect.event),
        record,
        words: owned(words),
        forget,
    };
    if !listed.is_recorded {
        return Ok(row(None, Some("keeps no record: its effect and its mark are one step"), None));
    }
    if listed.row.once == Once::Event && effect.event.is_none() {
        return Ok(row(None, Some("acts once for each event: say which"), None));
    }
    let key = effect.key(&visit.console.reactions).map_err(Refusal::unfit)?;
    let records = &visit.redis("records are kept in Redis")?.records;
    match records.look(&key).await {
        Ok(Some(record)) => Ok(row(Some(in_words(&record)), None, Some(address(&effect)))),
        Ok(None) => Ok(row(None, Some("no record: it has not begun this effect"), None)),
        Err(error @ RecordError::Broken(_)) => Ok(row(None, Some(&error.to_string()), Some(address(&effect)))),
        Err(RecordError::Redis(error)) => Err(Refusal::unavailable(error)),
    }
}

/// The page on which this record can be taken back.
fn address(effect: &Effect<'_>) -> String {
    let own = [("reaction", Some(effect.reaction)), ("subject", Some(effect.subject))];
    let own = own.into_iter().chain([("event", effect.event), ("type", effect.kind)]);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(own.filter_map(|(name, value)| Some((name, value?))));
    format!("{FORGET}?{}", query.finish())
}

fn in_words(record: &Record) -> Shown {
    let moment = |millis: i64| Timestamp::from_unix_millis(millis).map(|moment| moment.to_string());
    let later = |left: std::time::Duration| {
        moment(Timestamp::now().unix_millis().saturating_add(i64::try_from(left.as_millis()).ok()?))
    };
    let seconds = |left: std::time::Duration| std::time::Duration::from_secs(left.as_millis().div_ceil(1000) as u64);
    Shown {
        state: record.state.word(),
        meaning: meaning(record.state),
        forgetting: forgetting(record.state),
        sends: record.sends,
        claimed_at: record.claimed_at.and_then(moment),
        settled_at: record.settled_at.and_then(moment),
        held_for: record.held_for.map(|left| humantime::format_duration(seconds(left)).to_string()),
        kept_until: record.kept_for.and_then(later),
        receipt: record.receipt.clone(),
        duplicates: record.duplicates,
    }
}

/// Asks once more, with what it would mean.
async fn ask(visit: Visit) -> Answer {
    let said = |name| visit.asked(name);
    let effect = effect(said)?;
    confirm(&visit, effect, StatusCode::OK, None).await
}

async fn confirm(visit: &Visit, effect: Effect<'_>, status: StatusCode, problem: Option<&str>) -> Answer {
    let listed = visit.console.reactions.get(effect.reaction);
    let listed = listed.ok_or_else(|| Refusal::not_found("there is no reaction of this name"))?;
    let row = row(visit, (listed, effect)).await?;
    let values = json!({
        "row": row, "subject": effect.subject, "hash": log_hash(effect.subject).to_string(), "problem": problem,
    });
    visit.page_of(status, "forget.html", "Forget a record", values)
}

async fn forget(visit: Visit, form: Form) -> Answer {
    let effect = effect(|name| form.text(name))?;
    if form.text("sure") != Some("yes") {
        let problem = "Tick that you mean it: nothing was changed.";
        return confirm(&visit, effect, StatusCode::BAD_REQUEST, Some(problem)).await;
    }
    let key = effect.key(&visit.console.reactions).map_err(Refusal::unfit)?;
    let records = &visit.redis("records are kept in Redis")?.records;
    let force = form.text("force") == Some("yes");
    let (told, deed) = match record::forget(records, (&effect, &key), force, &visit.console.who).await {
        Ok(done) => done,
        Err(RecordError::Redis(error)) => return Err(Refusal::unavailable(error)),
        Err(error @ RecordError::Broken(_)) => {
            let problem = format!("{error}: only by force it is deleted.");
            return confirm(&visit, effect, StatusCode::CONFLICT, Some(&problem)).await;
        }
    };
    let Some(deed) = deed else {
        return match told {
            Forgotten::Held(_) => {
                let problem = "A delivery is at work on it and holds its lease: nothing was changed.";
                confirm(&visit, effect, StatusCode::CONFLICT, Some(problem)).await
            }
            _ => visit.not_done("/record", "There was no record: there is nothing to forget."),
        };
    };
    visit.console.audit.say(&deed).await;
    let outcome = &deed.outcome;
    let words = format!("Forgotten; {outcome}. The next event for this effect is handled as its first.");
    visit.done("/record", words)
}

/// The effect that a form or an address names.
fn effect<'a>(said: impl Fn(&'static str) -> Option<&'a str>) -> Result<Effect<'a>, Refusal> {
    match (said("reaction"), said("subject")) {
        (Some(reaction), Some(subject)) => Ok(Effect { reaction, subject, event: said("event"), kind: said("type") }),
        _ => Err(Refusal::unfit("say whose record: a reaction and a subject")),
    }
}
