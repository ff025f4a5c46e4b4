//! The one style sheet and the one script: the same for everybody, with or without a session.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const STYLE: (&str, &str, &str) = ("/style.css", "text/css; charset=utf-8", include_str!("style.css"));
const SCRIPT: (&str, &str, &str) = ("/script.js", "text/javascript; charset=utf-8", include_str!("script.js"));

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    [STYLE, SCRIPT].into_iter().fold(Router::new(), |routes, file| routes.route(file.0, get(async move || show(file))))
}

/// Is it one of these?
pub(super) fn is_one(path: &str) -> bool {
    [STYLE, SCRIPT].iter().any(|(own, ..)| *own == path)
}

fn show((_, kind, text): (&str, &'static str, &'static str)) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
