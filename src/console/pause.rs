//! A reaction's pause: asked for, and ended.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::json;

use super::form::Form;
use super::refusal::Refusal;
use super::visit::{Answer, Visit};
use crate::by_hand::pause::{NoPause, begin, end, from_now};
use crate::pauses::PauseMarks;

/// What the form proposes.
const USUAL: &str = "30m";

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/reactions/{name}/pause", get(ask).post(pause)).route("/reactions/{name}/resume", post(resume))
}

async fn ask(visit: Visit, Path(name): Path<String>) -> Answer {
    visit.queues(&name)?;
    marks(&visit)?;
    shown(&visit, StatusCode::OK, &name, (USUAL, ""), None)
}

async fn pause(visit: Visit, Path(name): Path<String>, form: Form) -> Answer {
    let (queues, marks) = (visit.queues(&name)?, marks(&visit)?);
    let (length, why) = (form.text("for"), form.text("why").unwrap_or_default());
    let again =
        |problem: &str| shown(&visit, StatusCode::BAD_REQUEST, &name, (length.unwrap_or_default(), why), Some(problem));
    let told = match length.map(humantime::parse_duration).transpose() {
        Ok(told) => told,
        Err(_) => return again("How long must be a duration with its unit, like 30s or 15m."),
    };
    let facts = visit.console.admin.facts(&queues.url).await.map_err(Refusal::unavailable)?;
    let pause = match from_now(&visit.console.who, why, told, facts.retention) {
        Ok(pause) => pause,
        Err(problem @ NoPause::Why) => return again(&format!("Why {problem}.")),
        Err(problem @ NoPause::Length(_)) => return again(&format!("How long {problem}.")),
    };
    let deed = begin(marks, queues.name, &pause).await.map_err(Refusal::unavailable)?;
    visit.console.audit.say(&deed).await;
    visit.done("/", format!("{name}: {pause}. Its workers begin no receive later than 6 s from now."))
}

async fn resume(visit: Visit, Path(name): Path<String>) -> Answer {
    let (queues, marks) = (visit.queues(&name)?, marks(&visit)?);
    let ended = end(marks, queues.name, &visit.console.who).await.map_err(Refusal::unavailable)?;
    if let Some(deed) = ended {
        visit.console.audit.say(&deed).await;
        return visit.done("/", format!("{name}: its workers receive within 6 s."));
    }
    visit.not_done("/", format!("{name} was not paused by anybody."))
}

fn marks(visit: &Visit) -> Result<&PauseMarks, Refusal> {
    Ok(&visit.redis("a pause is a mark in Redis")?.marks)
}

fn shown(visit: &Visit, status: StatusCode, name: &str, (length, why): (&str, &str), problem: Option<&str>) -> Answer {
    let values = json!({ "name": name, "length": length, "why": why, "problem": problem });
    visit.page_of(status, "pause.html", &format!("Pause {name}"), values)
}
