//! What is being retried: events that were deferred or failed within the last hour, as the workers tell it.

use axum::Router;
use axum::routing::get;
use serde_json::json;

use super::visit::{Answer, Visit};
use crate::standing::Reports;

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/retrying", get(show))
}

async fn show(visit: Visit) -> Answer {
    visit.redis("workers tell there what they retry")?;
    let standings = visit.console.lookout.look(&visit.console.queues).await;
    let asked = visit.asked("reaction");
    let all: Vec<_> = standings
        .iter()
        .filter(|standing| asked.is_none_or(|asked| asked == standing.name))
        .map(|standing| {
            let problem = standing.redis.as_ref().and_then(|told| told.as_ref().err()).map(ToString::to_string);
            let events = standing.reports().map(Reports::retrying).unwrap_or_default();
            json!({ "name": standing.name, "events": events, "problem": problem })
        })
        .collect();
    visit.page("retrying.html", "Being retried", json!({ "all": all }))
}
