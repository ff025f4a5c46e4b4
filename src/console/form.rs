//! What a form sends: read within its limits, and only from the form that was shown for this path.
//!
//! Enters: a POST's body. Leaves: its fields. Promises: at most [`MOST`] bytes, or [`MOST_OF_A_LETTER`] at a path that ends
//! in [`LETTER`]; all of it within [`PATIENCE`].

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use tokio::time::timeout;
use url::form_urlencoded;

use super::refusal::Refusal;

/// The hidden field of each form.
pub(super) const TOKEN: &str = "token";
const MOST: usize = 64 * 1024;
/// An edited letter of 1 MiB, with room for what a form escapes.
const MOST_OF_A_LETTER: usize = 2 * 1024 * 1024;
/// How the paths end to which an edited letter is sent.
const LETTER: &str = "/edit";
const PATIENCE: Duration = Duration::from_secs(20);

/// The fields of a form. A POST's function takes it after the [`Visit`](super::Visit).
#[derive(Debug, Clone)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body that is sent to this path.
    pub(super) async fn read(path: &str, body: Body) -> Result<Self, Refusal> {
        let most = if path.ends_with(LETTER) { MOST_OF_A_LETTER } else { MOST };
        let late =
            || Refusal::new(StatusCode::REQUEST_TIMEOUT, "the form did not arrive whole within 20 s: send it again");
        let read = timeout(PATIENCE, to_bytes(body, most)).await.map_err(|_| late())?;
        let read = read.map_err(|_| {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format_args!("the form is larger than {} KiB", most / 1024))
        })?;
        Ok(Self(form_urlencoded::parse(&read).into_owned().collect()))
    }

    /// A field's value, as it was typed. `None`: the form has no such field.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A field's value without the space around it. An empty one is none.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// All values of this name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Sync> FromRequestParts<S> for Form {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Refusal::broken)
    }
}
