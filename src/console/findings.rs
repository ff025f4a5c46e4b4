//! The doctor's findings, with their remedies: looked for when somebody asks.

use axum::Router;
use axum::routing::get;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::json;

use super::visit::{Answer, Visit};

/// One check of the doctor, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    pub(crate) group: String,
    pub(crate) check: String,
    /// `ok`, `warn` or `fail`.
    pub(crate) level: &'static str,
    pub(crate) seen: String,
    pub(crate) means: Option<String>,
    pub(crate) remedy: Option<String>,
}

/// The doctor: what it finds now, or every mistake of the configuration that it would need.
pub(crate) type Doctor = Box<dyn Fn() -> BoxFuture<'static, Result<Vec<Finding>, Vec<String>>> + Send + Sync>;

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/doctor", get(show))
}

async fn show(visit: Visit) -> Answer {
    if visit.asked("look").is_none() {
        return visit.page("findings.html", "Doctor", json!({ "has_looked": false }));
    }
    let (findings, problems) = match (visit.console.doctor)().await {
        Ok(findings) => (findings, Vec::new()),
        Err(problems) => (Vec::new(), problems),
    };
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let groups: Vec<_> = findings
        .chunk_by(|one, other| one.group == other.group)
        .map(|group| json!({ "name": group[0].group, "findings": group }))
        .collect();
    let values = json!({
        "has_looked": true, "problems": problems, "groups": groups,
        "well": count("ok"), "warnings": count("warn"), "failures": count("fail"),
    });
    visit.page("findings.html", "Doctor", values)
}
