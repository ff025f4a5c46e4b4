//! What people did by hand, from whatever machine: the last deeds, the newest first.

use axum::Router;
use axum::routing::get;
use serde_json::json;

use super::visit::{Answer, Visit};

/// How many are shown.
const MOST: usize = 200;

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/deeds", get(show))
}

async fn show(visit: Visit) -> Answer {
    let (deeds, problem) = match visit.console.audit.last(MOST).await {
        Ok(deeds) => (deeds, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let is_kept = visit.console.redis.is_some();
    visit.page("deeds.html", "Deeds", json!({ "deeds": deeds, "problem": problem, "is_kept": is_kept }))
}
