//! A request that the guard let in: who asks, for what, and how a page answers.
//!
//! Enters: a session, a path, a query. Leaves: pages, and after a deed the way back to one.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use url::form_urlencoded;

use super::page::{self, Reader};
use super::refusal::Refusal;
use super::session::{Flash, Session};
use super::{Console, Shelves};
use crate::config::Queues;

/// What a page's function answers.
pub(crate) type Answer = Result<Response, Refusal>;

/// A request that the guard let in. Each page's function takes it.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) console: Arc<Console>,
    /// `None`: nobody is let in yet; only the door and refusals see this.
    pub(super) session: Option<Session>,
    /// The path that was asked for.
    pub(crate) path: String,
    query: Vec<(String, String)>,
    /// Does the browser speak TLS to a proxy?
    pub(super) is_secure: bool,
}

impl Visit {
    pub(super) fn new(
        console: Arc<Console>,
        session: Option<Session>,
        path: &str,
        query: &str,
        is_secure: bool,
    ) -> Self {
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { console, session, path: path.to_owned(), query, is_secure }
    }

    /// A value of the query. An empty one is none: a form sends each of its fields.
    pub(crate) fn asked(&self, name: &str) -> Option<&str> {
        let mut own = self.query.iter().filter(|(key, value)| key == name && !value.trim().is_empty());
        own.next().map(|(_, value)| value.trim())
    }

    /// All values of this name in the query.
    pub(crate) fn all_asked(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The queues of this reaction.
    ///
    /// # Errors
    /// 404: none is called so, or its queue is not set.
    pub(crate) fn queues(&self, reaction: &str) -> Result<&Queues, Refusal> {
        let found = self.console.queues.iter().find(|queues| queues.name == reaction);
        found.ok_or_else(|| Refusal::not_found("there is no reaction of this name whose queue is set here"))
    }

    /// What lies in Redis.
    ///
    /// # Errors
    /// 409: `REDIS_URL` is not set. `what` says what it is needed for.
    pub(crate) fn redis(&self, what: &str) -> Result<&Shelves, Refusal> {
        let words = || Refusal::conflict(format_args!("REDIS_URL is not set for this console: {what}"));
        self.console.redis.as_ref().ok_or_else(words)
    }

    /// Renders `templates/NAME` with these values. The frame puts the title above it.
    ///
    /// # Errors
    /// 500: the template is broken.
    pub(crate) fn page(&self, name: &str, title: &str, values: impl Serialize) -> Answer {
        self.page_of(StatusCode::OK, name, title, values)
    }

    /// Like [`Self::page`], with another status: a form that is shown again with what was wrong.
    ///
    /// # Errors
    /// 500: the template is broken.
    pub(crate) fn page_of(&self, status: StatusCode, name: &str, title: &str, values: impl Serialize) -> Answer {
        let text = page::render(
            &Reader { console: &self.console, session: self.session, path: &self.path },
            name,
            title,
            values,
        )?;
        Ok((status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response())
    }

    /// After a deed: to a page of ours, which says how it went.
    pub(crate) fn done(&self, to: &str, words: impl Into<String>) -> Answer {
        self.back(to, true, words.into())
    }

    /// After a deed that was not done: likewise.
    pub(crate) fn not_done(&self, to: &str, words: impl Into<String>) -> Answer {
        self.back(to, false, words.into())
    }

    /// To a page of ours, without a word.
    pub(crate) fn go(&self, to: &str) -> Answer {
        Ok((StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response())
    }

    fn back(&self, to: &str, is_well: bool, words: String) -> Answer {
        if let Some(session) = self.session {
            self.console.sessions.flash(session, Flash { is_well, words });
        }
        self.go(to)
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Refusal::broken)
    }
}
