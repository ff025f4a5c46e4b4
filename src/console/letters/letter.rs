//! One letter: why it is dead, how that came, what to do, and its event; addresses masked until somebody asks for them.
//!
//! Enters: an id. Leaves: a page; `reveal` leaves the same with the whole body and, where deeds are allowed, the form to
//! edit it. Promises: who reveals an address is told in the log and among the deeds.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::desk::Desk;
use super::list::{busy, marked};
use super::mask::masked;
use crate::audit;
use crate::console::form::Form;
use crate::console::visit::{Answer, Visit};
use crate::letters::{Failed, Letter, Source, draft, meaning, shown};
use crate::words::age;
use engine::envelope::event_text;
use engine::event::Timestamp;

pub(super) async fn show(visit: Visit, Path((reaction, id)): Path<(String, String)>) -> Answer {
    let desk = Desk::of(&visit, &reaction)?;
    match desk.letter(&visit, &id).await? {
        Some(letter) => page(&visit, desk, &letter, false, None).await,
        None => busy(&visit, &title(&id), "the letter is being looked for"),
    }
}

pub(super) async fn reveal(visit: Visit, Path((reaction, id)): Path<(String, String)>, _: Form) -> Answer {
    let desk = Desk::of(&visit, &reaction)?;
    let Some(letter) = desk.letter(&visit, &id).await? else { return visit.go(&desk.address()) };
    let deed = audit::Deed::new(&visit.console.who, "reveal", desk.name).to(&format!("id={id}")).of(1);
    visit.console.audit.say(&deed).await;
    page(&visit, desk, &letter, true, None).await
}

/// An edit that was not sent: what was written, and why.
pub(super) struct Unsent<'a> {
    pub(super) text: &'a str,
    pub(super) why: String,
}

fn title(id: &str) -> String {
    format!("Letter {}", id.chars().take(8).collect::<String>())
}

/// The page of a letter; its addresses only if they were asked for.
pub(super) async fn page(
    visit: &Visit,
    desk: &Desk,
    letter: &Letter,
    whole: bool,
    unsent: Option<Unsent<'_>>,
) -> Answer {
    let now = Timestamp::now().unix_millis();
    let bare = |text: &str| if whole { text.to_owned() } else { masked(text) };
    let original = letter.original().ok();
    let (draft, sealed) = match draft(letter) {
        Ok(draft) => (Some(draft), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let body = original.as_ref().map(|original| original.body.as_str());
    let is_wrapped = body.is_some_and(|body| event_text(body) != body);
    let attributes: BTreeMap<&String, String> = original
        .iter()
        .flat_map(|original| &original.attributes)
        .map(|(name, attribute)| (name, bare(&attribute.value)))
        .collect();
    let contents = letter.contents();
    let email = contents.as_ref().and_then(|contents| contents.email.as_ref());
    let at = |millis| Timestamp::from_unix_millis(millis).map(|at| at.to_string());
    let (here, dlq) = (format!("{}/{}", desk.address(), letter.id), desk.dlq().await?);
    let edit = (whole && visit.console.rights.write && !dlq.source.is_fifo())
        .then(|| unsent.as_ref().map_or(draft.as_deref(), |unsent| Some(unsent.text)));
    let status = if unsent.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let values = json!({
        "reaction": desk.name, "list": desk.address(), "here": here, "id": letter.id, "source": dlq.source.name(),
        "is_fifo": dlq.source.is_fifo(), "reason": letter.reason(), "detail": bare(letter.detail()),
        "meaning": marked(meaning(letter.reason()).unwrap_or_default()), "handler": letter.field("failure.handler"),
        "attempts": letter.attempts(), "receives": letter.receives, "bytes": letter.size(), "is_packed": letter.is_packed(),
        "first_seen": letter.field("failure.first_seen"), "died": at(letter.died_at), "ago": age(now - letter.died_at),
        "history": history(letter, now), "kind": contents.as_ref().map(|contents| bare(&contents.kind)),
        "subject": contents.as_ref().and_then(|contents| contents.subject.as_ref()),
        "email": email.map(|email| shown(email, whole)), "attributes": attributes, "is_whole": whole, "sealed": sealed,
        "event": draft.as_deref().map(bare), "body": body.filter(|_| is_wrapped).map(bare),
        "edit": edit.flatten(), "fault": unsent.as_ref().map(|unsent| &unsent.why),
        "redrive": format!("{}/redrive?id={}", desk.address(), letter.id),
        "drop": format!("{}/drop?id={}", desk.address(), letter.id),
    });
    visit.page_of(status, "letter.html", &title(&letter.id), values)
}

fn history(letter: &Letter, now: i64) -> Vec<Value> {
    let failed = |Failed { at, outcome }| {
        let ago = at.as_ref().map(|at: &Timestamp| age(now - at.unix_millis()));
        json!({ "at": at.map(|at| at.to_string()), "ago": ago, "outcome": outcome })
    };
    letter.history().into_iter().map(failed).collect()
}
