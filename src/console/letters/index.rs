//! Whose letters there are: a row a reaction.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::desk::Desk;
use crate::console::visit::{Answer, Visit};
use crate::letters::Source;
use crate::words::age;
use engine::event::Timestamp;

pub(super) async fn show(visit: Visit) -> Answer {
    if let [only] = visit.console.letters.as_slice() {
        return visit.go(&only.address());
    }
    let rows = join_all(visit.console.letters.iter().map(row)).await;
    visit.page("letters.html", "Dead letters", json!({ "rows": rows }))
}

async fn row(desk: &Arc<Desk>) -> Value {
    let count =
        async { desk.dlq().await?.source.letters().await.map_err(crate::console::refusal::Refusal::unavailable) };
    let (count, problem) = match count.await {
        Ok(count) => (Some(count), None),
        Err(refusal) => (None, Some(refusal.words)),
    };
    let looked = desk.shelf.seen().map(|seen| age(Timestamp::now().unix_millis() - seen.at.unix_millis()));
    json!({ "name": desk.name, "href": desk.address(), "count": count, "problem": problem, "looked": looked })
}
