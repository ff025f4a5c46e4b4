//! An event of one's own, published: checked as `publish` checks it.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::json;

use super::form::Form;
use super::refusal::Refusal;
use super::visit::{Answer, Visit};
use crate::by_hand::event::{known, of_type, published};
use engine::event::{AnyEvent, Event};
use engine::publisher::Publisher;
use engine::topic::sns::SnsTopic;

/// Where events go. `None` in the console: it may publish none.
pub(crate) struct Outlet {
    /// The topic's name, for the deed.
    pub(crate) topic: String,
    pub(crate) publisher: Publisher<SnsTopic>,
}

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/event", get(ask).post(publish))
}

async fn ask(visit: Visit) -> Answer {
    shown(&visit, StatusCode::OK, ("", ""), None)
}

async fn publish(visit: Visit, form: Form) -> Answer {
    let outlet = visit.console.outlet.as_ref();
    let outlet =
        outlet.ok_or_else(|| Refusal::forbidden("this console publishes nothing: start it with --allow-publish"))?;
    let (kind, fields) = (form.text("type").unwrap_or_default(), form.get("fields").unwrap_or_default());
    let event = match of_type(kind, fields, &known(&visit.console.reactions)) {
        Ok(event) => event,
        Err(problem) => return shown(&visit, StatusCode::BAD_REQUEST, (kind, fields), Some(&problem.to_string())),
    };
    let results = outlet.publisher.publish_batch(std::slice::from_ref(&event)).await;
    let deed = published(&visit.console.who, &outlet.topic, std::slice::from_ref(&event), &results);
    visit.console.audit.say(&deed).await;
    match results.first() {
        Some(Ok(id)) => visit.done("/event", format!("Published event {} as message {}.", event.head().id, id.0)),
        Some(Err(error)) => failed(&visit, (kind, fields), &event, &error.to_string()),
        None => failed(&visit, (kind, fields), &event, "the topic said nothing"),
    }
}

/// The event may be there all the same: to be published again, it needs the id that it had.
fn failed(visit: &Visit, typed: (&str, &str), event: &AnyEvent, why: &str) -> Answer {
    let id = &event.head().id;
    let problem =
        format!("It was not published: {why}. If you try again, give it the eventId {id}: then it is handled once.");
    shown(visit, StatusCode::SERVICE_UNAVAILABLE, typed, Some(&problem))
}

fn shown(visit: &Visit, status: StatusCode, (kind, fields): (&str, &str), problem: Option<&str>) -> Answer {
    let types: Vec<_> = known(&visit.console.reactions).iter().flat_map(|known| known.types).collect();
    let topic = visit.console.outlet.as_ref().map(|outlet| &outlet.topic);
    let values = json!({ "kind": kind, "fields": fields, "problem": problem, "types": types, "topic": topic });
    visit.page_of(status, "event.html", "Event", values)
}
