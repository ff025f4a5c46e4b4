//! The door: the printed link, the password, logging out, and the answer to whoever is not let in.
//!
//! Enters: a request without a session, a password. Leaves: a cookie, or why there is none.

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use super::form::Form;
use super::refusal::Refusal;
use super::session::Unwelcome;
use super::visit::{Answer, Visit};

/// Where the password is asked for.
pub(super) const LOGIN: &str = "/login";
/// Where a session is ended.
const LOGOUT: &str = "/logout";

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route(LOGIN, get(ask).post(log_in)).route(LOGOUT, post(log_out))
}

/// Is it no deed, but the door's own?
pub(super) fn is_own(path: &str) -> bool {
    [LOGIN, LOGOUT].contains(&path)
}

/// Answers whoever has no session: the link's token is taken, a password is asked for, or nobody is let in.
pub(super) fn open(visit: &Visit, is_post: bool) -> Response {
    let sessions = &visit.console.sessions;
    if !is_post
        && visit.path == "/"
        && let Some(id) = visit.asked("token").and_then(|token| sessions.exchange(token))
    {
        return let_in(visit, &id);
    }
    if !is_post && sessions.asks() {
        return visit.go(LOGIN).into_response();
    }
    let words = if sessions.asks() {
        "you are not logged in, or your session has ended: nothing was done"
    } else {
        "open the link that the console printed at its start. It opens one browser, once: for another, start the console anew"
    };
    Refusal::forbidden(words).into_response()
}

async fn ask(visit: Visit) -> Answer {
    if visit.session.is_some() || !visit.console.sessions.asks() {
        return visit.go("/");
    }
    visit.page("login.html", "Log in", json!({ "problem": null }))
}

async fn log_in(visit: Visit, form: Form) -> Answer {
    let problem = match visit.console.sessions.log_in(form.get("password").unwrap_or_default()) {
        Ok(id) => return Ok(let_in(&visit, &id)),
        Err(Unwelcome::Wrong) => "That is not the password.",
        Err(Unwelcome::TooMany) => "Too many wrong passwords came: wait a minute.",
    };
    tracing::warn!("somebody gave a wrong password to the console");
    visit.page_of(StatusCode::FORBIDDEN, "login.html", "Log in", json!({ "problem": problem }))
}

async fn log_out(visit: Visit) -> Answer {
    visit.session.iter().for_each(|session| visit.console.sessions.close(*session));
    visit.go(if visit.console.sessions.asks() { LOGIN } else { "/" })
}

fn let_in(visit: &Visit, id: &str) -> Response {
    let mut answer = visit.go("/").into_response();
    let cookie = HeaderValue::try_from(visit.console.sessions.set_cookie(id, visit.is_secure));
    cookie.into_iter().for_each(|cookie| drop(answer.headers_mut().insert(header::SET_COOKIE, cookie)));
    answer
}

/// A refusal as a page; in plain text, should even that page be broken.
pub(super) fn explain(visit: &Visit, Refusal { status, words }: &Refusal) -> Response {
    let title = status.canonical_reason().unwrap_or("Refused");
    let values = json!({ "status": status.as_u16(), "words": words });
    visit.page_of(*status, "error.html", title, values).unwrap_or_else(|_| (*status, words.clone()).into_response())
}
