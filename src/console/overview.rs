//! The first page: a row a reaction, what is wrong with it, what is being done; the last deeds.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use humantime::format_duration;
use serde::Serialize;
use serde_json::json;

use super::spark::Spark;
use super::visit::{Answer, Visit};
use super::workers::{self, Answers, Told};
use crate::fleet::Bill;
use crate::standing::{READY, Reports, Standing};

/// How many deeds are shown here.
const DEEDS: usize = 5;

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(show))
}

/// A reaction's row. What nobody knows is `None`, and a dash on the page.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    visible: Option<u64>,
    in_flight: Option<u64>,
    delayed: Option<u64>,
    dead: Option<u64>,
    oldest: Option<String>,
    rate: Option<String>,
    calls: Option<String>,
    dollars: Option<String>,
    spark: Option<Spark>,
    /// How many workers, and what they wait for.
    states: Vec<State>,
    pause: Option<Pause>,
    retrying: usize,
    /// What the workers said that this console itself asked.
    told: Vec<Told>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct State {
    workers: u64,
    words: String,
    is_ready: bool,
}

/// A pause that a person has asked for.
#[derive(Serialize)]
struct Pause {
    by: String,
    why: String,
    since: String,
    until: String,
}

async fn show(visit: Visit) -> Answer {
    if visit.asked("token").is_some() {
        // Somebody opens the link again: the token goes from the address.
        return visit.go("/");
    }
    let console = &visit.console;
    let looks = console.lookout.look(&console.queues);
    let (standings, answers, deeds) = tokio::join!(looks, workers::ask(&console.workers), console.audit.last(DEEDS));
    console.depths.mark(&standings);
    let rows: Vec<_> =
        standings.iter().map(|standing| row(standing, &answers, console.depths.of(standing.name))).collect();
    let values = json!({
        "rows": rows, "silent": answers.silent, "has_redis": console.redis.is_some(),
        "deeds": deeds.as_deref().unwrap_or_default(), "is_worker_asked": !console.workers.is_empty(),
    });
    visit.page("overview.html", "Overview", values)
}

fn row(standing: &Standing, answers: &Answers, spark: Option<Spark>) -> Row {
    let (facts, reports) = (standing.queue.as_ref().ok(), standing.reports());
    let bill = reports.and_then(Reports::bill);
    let of_redis = standing.redis.as_ref().and_then(|told| told.as_ref().err());
    let mut problems = standing.problems();
    problems.extend(of_redis.map(|error| format!("what its workers report: {error}")));
    Row {
        name: standing.name,
        visible: facts.map(|facts| facts.visible),
        in_flight: facts.map(|facts| facts.in_flight),
        delayed: facts.map(|facts| facts.delayed),
        dead: standing.dead(),
        oldest: reports.and_then(Reports::oldest).map(age),
        rate: reports.and_then(Reports::rate).map(|rate| format!("{rate:.1}")),
        calls: bill.as_ref().and_then(|bill: &Bill| bill.calls_a_message).map(|calls| format!("{calls:.2}")),
        dollars: bill.as_ref().and_then(|bill| bill.dollars_a_million).map(|dollars| format!("{dollars:.2}")),
        spark,
        states: reports.map(states).unwrap_or_default(),
        pause: reports.and_then(|reports| reports.pause.as_ref()).map(pause),
        retrying: reports.map_or(0, |reports| reports.retrying().len()),
        told: answers.of(standing.name).cloned().collect(),
        problems,
    }
}

fn states(reports: &Reports) -> Vec<State> {
    let state = |(words, workers): (&str, u64)| State { workers, words: words.to_owned(), is_ready: words == READY };
    reports.states().into_iter().map(state).collect()
}

fn pause(pause: &engine::worker::Pause) -> Pause {
    let [since, until] = [pause.since, pause.until].map(|moment| moment.to_string());
    Pause { by: pause.by.clone(), why: pause.why.clone(), since, until }
}

/// Its two largest units: `3days 2h`.
fn age(age: Duration) -> String {
    let words = format_duration(Duration::from_secs(age.as_secs())).to_string();
    words.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
