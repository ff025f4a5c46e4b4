//! The guard before every page: who may see it, who may do it, and what a browser may do with it.
//!
//! Enters: a request. Leaves: the page's answer, or a refusal in plain words; always with [`HEADERS`]. Promises: no page
//! without a session; no deed from a page of another site, without the token of its own form, or while the console is
//! read-only.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::form::{Form, TOKEN};
use super::refusal::Refusal;
use super::visit::Visit;
use super::{Shared, assets, door};

/// Scripts and styles are files of ours; nothing else is loaded, and no other page shows this one in a frame. The mail's
/// preview is a frame of ours.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
    frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What each answer has, unless its page has set it. The policy on referrers is not `no-referrer`: with that, browsers hide
/// the Origin of our own forms too.
const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// Stands before every page.
pub(super) async fn guard(State(console): State<Shared>, request: Request, next: Next) -> Response {
    let host = text(request.headers(), "host").unwrap_or_default().to_owned();
    let session = text(request.headers(), "cookie").and_then(|cookies| console.sessions.of(cookies));
    let (uri, is_secure) = (request.uri(), console.names.is_public(&host));
    let visit = Visit::new(console, session, uri.path(), uri.query().unwrap_or_default(), is_secure);
    let mut response = match admit(&visit, &host, request).await {
        Ok(request) => next.run(request).await,
        Err(answer) => *answer,
    };
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>().or_else(|| of_the_router(&response)) {
        response = door::explain(&visit, &refusal);
    }
    for (name, value) in HEADERS {
        response.headers_mut().entry(*name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The router's own refusals: a path with a word where a number stands, a method that a page does not have.
fn of_the_router(response: &Response) -> Option<Refusal> {
    let is_page =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let words = "there is nothing at this address that could be read or done like this";
    (response.status().is_client_error() && !is_page).then(|| Refusal::new(response.status(), words))
}

/// Lets a request in, with its visit and its form.
async fn admit(visit: &Visit, host: &str, request: Request) -> Result<Request, Box<Response>> {
    use axum::response::IntoResponse;
    let refused = |refusal: Refusal| Box::new(refusal.into_response());
    let names = &visit.console.names;
    if !names.is_host(host) {
        let words = "the console is not called by this name; open the address that it printed";
        return Err(refused(Refusal::new(StatusCode::MISDIRECTED_REQUEST, words)));
    }
    let is_post = request.method() == Method::POST;
    if !is_post && ![Method::GET, Method::HEAD].contains(request.method()) {
        return Err(refused(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "pages are read by GET, and deeds are a POST",
        )));
    }
    if is_post {
        is_of_ours(visit, request.headers()).map_err(refused)?;
    }
    let is_open = assets::is_one(&visit.path) || visit.path == door::LOGIN;
    if visit.session.is_none() && !is_open {
        return Err(Box::new(door::open(visit, is_post)));
    }
    if is_post && visit.session.is_some() && !visit.console.rights.write && !door::is_own(&visit.path) {
        let words = "this console is read-only: start it with --write to do this";
        return Err(refused(Refusal::forbidden(words)));
    }
    let (mut parts, body) = request.into_parts();
    if is_post {
        let form = Form::read(&visit.path, body).await.map_err(refused)?;
        let token = form.get(TOKEN).unwrap_or_default();
        if !visit.console.sessions.is_form_token(visit.session, &visit.path, token) {
            let words = "this form was not shown by this console, or its session has ended: open the page anew";
            return Err(refused(Refusal::forbidden(words)));
        }
        parts.extensions.insert(form);
        parts.extensions.insert(visit.clone());
        return Ok(Request::from_parts(parts, axum::body::Body::empty()));
    }
    parts.extensions.insert(visit.clone());
    Ok(Request::from_parts(parts, body))
}

/// Does a POST come from a page of ours? A browser says so in `Origin`, a newer one in `Sec-Fetch-Site` too.
fn is_of_ours(visit: &Visit, headers: &HeaderMap) -> Result<(), Refusal> {
    let origin = text(headers, "origin");
    let site = text(headers, "sec-fetch-site");
    let is_ours = origin.is_some_and(|origin| visit.console.names.is_origin(origin));
    if is_ours && site.is_none_or(|site| site == "same-origin") {
        return Ok(());
    }
    Err(Refusal::forbidden("this was not sent from a page of this console: nothing was done"))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(header::HeaderName::from_bytes(name.as_bytes()).ok()?).iter();
    // Said twice is said by nobody: which one counts would be a guess.
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
