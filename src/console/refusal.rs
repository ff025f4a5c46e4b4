//! Why there is no such page, or no such deed: a status and plain words.
//!
//! Enters: what a page's function or the guard found. Leaves: a page that says it; the guard puts the frame around it.

use std::fmt::Display;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// A page that is not shown, a deed that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// For whoever sits before it: what is wrong, and what to do.
    pub(crate) words: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, words: impl Display) -> Self {
        Self { status, words: words.to_string() }
    }

    /// 400: what was sent is not what the page asks for.
    pub(crate) fn unfit(words: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, words)
    }

    /// 403.
    pub(crate) fn forbidden(words: impl Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, words)
    }

    /// 404.
    pub(crate) fn not_found(words: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, words)
    }

    /// 409: it is too late, or too early.
    pub(crate) fn conflict(words: impl Display) -> Self {
        Self::new(StatusCode::CONFLICT, words)
    }

    /// 503: a server that the page needs does not answer.
    pub(crate) fn unavailable(words: impl Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, words)
    }

    /// 500: our own fault.
    pub(crate) fn broken() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "this page is broken: the fault is ours, and the log names it")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.words.clone()).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// For a path that no page has.
pub(super) async fn nowhere() -> Refusal {
    Refusal::not_found("there is no page at this address")
}
