//! A reaction in any language: each event is sent by POST to a service of the team's own.
//!
//! Enters: an event as it was published, and the proof that the fence was crossed. Leaves: exactly one of "done" (a 2xx
//! was read), "surely not" (and whose fault it is), or "unknown". Promises: the body is the event's text to the byte;
//! every try has the same id; the request is signed; a redirect is never followed; of an answer at most 64 KiB are read
//! and nothing is logged. Everything that can fail without harm (DNS, TCP, TLS) is done by [`Webhook::connection`].
//!
//! `settings` reads what a team says of its service, `subject` says what calls are made single by, `sign`
//! signs, `client` talks HTTP, `answer` judges what came back.

pub(crate) mod answer;
mod client;
mod settings;
mod sign;
mod subject;

use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

pub use client::{Connection, NoConnection};
pub use settings::{Target, WebhookSettings, headers};
pub(crate) use settings::{event_types, once};
pub use sign::SigningKey;
pub(crate) use subject::subject;

use self::answer::Answer;
use self::client::{Call, Client, Lost};
use engine::event::{AnyEvent, Event};
use engine::idempotency::Crossing;

/// Longer receipts are cut.
const RECEIPT: usize = 256;

/// Calls one service. Keeps its connections.
#[derive(Debug)]
pub struct Webhook {
    client: Client,
    probe: Option<Client>,
    keys: Vec<SigningKey>,
    headers: HeaderMap,
}

/// Why an event was not taken, or why that is unknown. Holds a status or the kind of a fault, never text of the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// No connection: surely not called.
    #[error(transparent)]
    Unavailable(#[from] NoConnection),
    /// It will never take this event.
    #[error("answered {0}")]
    Refused(u16),
    /// It does not take this event now.
    #[error("answered {status}")]
    Deferred {
        /// Its answer.
        status: u16,
        /// The time that it named; zero: none.
        at_least: Duration,
    },
    /// It failed.
    #[error("answered {0}")]
    Failed(u16),
    /// A proxy answered, for a service that looks down.
    #[error("answered {0}")]
    Faltering(u16),
    /// The request may have arrived, and no answer came that says more.
    #[error("{0}")]
    Unknown(String),
}

impl Webhook {
    /// Calls the service of these settings. Connects at the first call.
    #[must_use]
    pub fn new(settings: WebhookSettings) -> Self {
        let WebhookSettings { target, probe, keys, headers } = settings;
        Self { client: Client::new(target), probe: probe.map(Client::new), keys, headers }
    }

    /// A connection to the service: a kept one that is still open, or a fresh one.
    ///
    /// # Errors
    /// [`NoConnection`].
    pub async fn connection(&self) -> Result<Connection, NoConnection> {
        self.client.connection().await
    }

    /// Calls the service. Needs proof that the fence was crossed. `context`: the headers of the trace. Returns the
    /// service's receipt, if it gave one.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn call(
        &self,
        connection: Connection,
        event: &AnyEvent,
        context: Vec<(&'static str, String)>,
        _crossing: &Crossing,
    ) -> Result<String, WebhookError> {
        let call = Call { headers: self.headers_of(event, context), body: Bytes::from(event.text().to_owned()) };
        let reply = match self.client.post(connection, &call).await {
            // No byte was written: the connection had been closed. It goes out on a fresh one.
            Err(Lost::Unsent) => self.client.post(self.client.fresh().await?, &call).await,
            other => other,
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(Lost::Unsent) => return Err(self.client.closed().into()),
            Err(Lost::Unknown(why)) => return Err(WebhookError::Unknown(why)),
        };
        let status = reply.status;
        match Answer::of(status, reply.header("retry-after"), SystemTime::now()) {
            Answer::Done => Ok(receipt(reply.header("x-receipt"))),
            Answer::Refused => Err(WebhookError::Refused(status)),
            Answer::Deferred(at_least) => Err(WebhookError::Deferred { status, at_least }),
            Answer::Failed => Err(WebhookError::Failed(status)),
            Answer::Faltering => Err(WebhookError::Faltering(status)),
            Answer::Unfinished => Err(WebhookError::Unknown(format!("answered {status}, which is no final answer"))),
        }
    }

    /// Does the service take connections? Where a health path is set: does it answer there? Calls it with no event.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn probe(&self) -> Result<(), WebhookError> {
        let Some(probe) = &self.probe else {
            return Ok(self.client.reach().await?);
        };
        match probe.head().await {
            Ok(200..=499) => Ok(()),
            Ok(status) => Err(WebhookError::Failed(status)),
            Err(error) => Err(error.into()),
        }
    }

    /// The same, and a connection even where a health path is set.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn examine(&self) -> Result<(), WebhookError> {
        self.client.reach().await?;
        if self.probe.is_some() { self.probe().await } else { Ok(()) }
    }

    /// No call will follow.
    pub fn close(&self) {
        self.client.close();
    }

    fn headers_of(&self, event: &AnyEvent, context: Vec<(&'static str, String)>) -> HeaderMap {
        let (id, seconds) = (event.head().id.as_str(), SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs());
        let signature = sign::signatures(&self.keys, id, seconds, event.text());
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("user-events/", env!("CARGO_PKG_VERSION"))));
        let own = [
            ("webhook-id", id.to_owned()),
            ("idempotency-key", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signature),
        ];
        for (name, value) in own.into_iter().chain(context) {
            // Each is of visible ASCII: an event's id by its rule, the others as they are made.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers
    }
}

/// A receipt as it may be kept and printed.
pub(crate) fn receipt(header: Option<&str>) -> String {
    let header = header.unwrap_or_default().trim();
    let is_plain = header.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if is_plain { header.chars().take(RECEIPT).collect() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A delivery holds the state of its call, and is moved several times: with the state of opening a connection in it, that
    /// was 125 KB a call.
    #[test]
    fn the_state_of_a_call_is_small() {
        fn of<T, F: Future>(_: fn(T) -> F) -> usize {
            size_of::<F>()
        }
        type Told = (&'static Webhook, Connection, &'static AnyEvent, &'static Crossing);
        let bytes =
            of(|(webhook, connection, event, crossing): Told| webhook.call(connection, event, Vec::new(), crossing));
        assert!(bytes <= 2048, "{bytes} bytes");
    }

    #[test]
    fn a_receipt_is_kept_as_far_as_it_can_be_printed() {
        assert_eq!([None, Some(" r-1 "), Some("a\tb"), Some("é")].map(receipt), ["", "r-1", "", ""]);
        assert_eq!(receipt(Some(&"x".repeat(300))).len(), 256);
    }
}
