//! HTTP to one service, over connections that are kept.
//!
//! Enters: a [`Call`]. Leaves: a [`Reply`], or [`Lost`], whose two kinds say whether the request can have arrived.
//! Promises: a connection carries one request at a time, so there are as many as calls at once; one whose answer was
//! not read to its end is dropped, and so is one whose call was cut. Each phase of opening is bounded; what comes after
//! is bounded by whoever calls. No redirect is followed. Knows no event.

use std::error::Error;
use std::fmt;
use std::io;
use std::iter::successors;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::settings::{PROTOCOLS, Target};
use crate::plain;

/// DNS and TCP together; then TLS; then HTTP's own greeting: each at most this long.
const PHASE: Duration = Duration::from_secs(5);
/// A health path has to answer within this time.
const HEALTHY_WITHIN: Duration = Duration::from_secs(10);
/// An idle connection is used again within this time. Many servers close one after 5 s, and what is written in that
/// moment is lost without a word.
const IDLE: Duration = Duration::from_secs(4);
/// The most that is read of an answer, head and body each.
const MOST: usize = 64 * 1024;
/// The longest wait for the rest of an answer that is read for the connection's sake alone.
const REST: Duration = Duration::from_secs(1);

/// Calls one URL.
#[derive(Debug)]
pub(super) struct Client {
    target: Target,
    /// The one used last at the end.
    kept: Mutex<Vec<(Connection, Instant)>>,
}

/// A connection that waits for a request. Closed when dropped.
pub struct Connection {
    sender: Sender,
    _driver: AbortOnDropHandle<()>,
}

enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

/// A request, but for what its connection adds.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An answer's head.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    headers: HeaderMap,
}

/// A request that got no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// No byte of it was written, or its server says that it has not begun with it.
    Unsent,
    /// It may have arrived.
    Unknown(String),
}

/// There is no connection: nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{server}: {why} at {phase}")]
pub struct NoConnection {
    /// The service's host and port.
    pub server: String,
    /// Where: `connect`, `TLS` or `HTTP`.
    pub phase: &'static str,
    /// What.
    pub why: String,
}

/// The step of opening that failed, and why.
type Failed = (&'static str, String);

impl Client {
    pub(super) fn new(target: Target) -> Self {
        Self { target, kept: Mutex::default() }
    }

    /// A kept connection that is still open, else a fresh one.
    pub(super) async fn connection(&self) -> Result<Connection, NoConnection> {
        while let Some(mut kept) = self.take() {
            if kept.is_open().await {
                return Ok(kept);
            }
        }
        self.fresh().await
    }

    /// A connection of its own. On the heap: opening is rare, and its state (20 KiB) would be a part of every delivery's,
    /// which is moved several times.
    pub(super) fn fresh(&self) -> BoxFuture<'_, Result<Connection, NoConnection>> {
        Box::pin(async { self.open().await.map_err(|failed| self.no_connection(failed)) })
    }

    /// The error of a fresh connection that was closed before the request.
    pub(super) fn closed(&self) -> NoConnection {
        self.no_connection(("HTTP", "closed at once".to_owned()))
    }

    fn no_connection(&self, (phase, why): Failed) -> NoConnection {
        NoConnection { server: format!("{}:{}", self.target.host, self.target.port), phase, why }
    }

    async fn open(&self) -> Result<Connection, Failed> {
        let Target { host, port, trust, .. } = &self.target;
        let stream = within("connect", TcpStream::connect((host.as_str(), *port))).await?;
        // If it fails, calls are slower and nothing else.
        let _ = stream.set_nodelay(true);
        let Some(trust) = trust else { return greeted(stream, false).await };
        let stream = within("TLS", trust.handshake(stream)).await?;
        let is_two = stream.get_ref().1.alpn_protocol() == Some(PROTOCOLS[0].as_bytes());
        greeted(stream, is_two).await
    }

    /// Is the service there now? The fresh connection replaces an idle one, so that no more are kept than were in use.
    pub(super) async fn reach(&self) -> Result<(), NoConnection> {
        let fresh = self.fresh().await?;
        let replaced = self.take();
        self.lock().push((fresh, Instant::now()));
        drop(replaced);
        Ok(())
    }

    /// POSTs on this connection, and keeps it if it can carry another request.
    pub(super) async fn post(&self, mut connection: Connection, call: &Call) -> Result<Reply, Lost> {
        let request = self.request(&connection, Method::POST, call.headers.clone(), call.body.clone());
        let response = connection.send(request).await?;
        let (head, body) = response.into_parts();
        if is_drained(body).await {
            self.lock().push((connection, Instant::now()));
        }
        Ok(Reply { status: head.status.as_u16(), headers: head.headers })
    }

    /// Asks for the head alone, on a connection of its own. Returns the status.
    pub(super) async fn head(&self) -> Result<u16, NoConnection> {
        let mut connection = self.fresh().await?;
        let request = self.request(&connection, Method::HEAD, HeaderMap::new(), Bytes::new());
        let no_answer = |why: &str| self.no_connection(("HTTP", why.to_owned()));
        match timeout(HEALTHY_WITHIN, connection.send(request)).await {
            Ok(Ok(response)) => Ok(response.status().as_u16()),
            Ok(Err(_)) => Err(no_answer("no answer")),
            Err(_) => Err(no_answer("no answer in time")),
        }
    }

    pub(super) fn close(&self) {
        self.lock().clear();
    }

    fn request(&self, on: &Connection, method: Method, headers: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        // HTTP/1.1 names path and host apart, HTTP/2 the whole URL. A URL of `url` is one of `http`, too.
        let uri = match on.sender {
            Sender::One(_) => {
                if let Ok(host) = HeaderValue::try_from(self.target.authority()) {
                    request.headers_mut().insert(HOST, host);
                }
                self.target.path()
            }
            Sender::Two(_) => self.target.url.as_str(),
        };
        if let Ok(uri) = uri.parse() {
            *request.uri_mut() = uri;
        }
        request
    }

    fn take(&self) -> Option<Connection> {
        let mut kept = self.lock();
        kept.retain(|(_, since)| since.elapsed() < IDLE);
        kept.pop().map(|(connection, _)| connection)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Connection, Instant)>> {
        // Every change is one push or one removal.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Has the server not closed it?
    async fn is_open(&mut self) -> bool {
        match &mut self.sender {
            Sender::One(sender) => sender.ready().await.is_ok(),
            Sender::Two(sender) => sender.ready().await.is_ok(),
        }
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Lost> {
        let sent = match &mut self.sender {
            Sender::One(sender) => sender.try_send_request(request).await,
            Sender::Two(sender) => sender.try_send_request(request).await,
        };
        sent.map_err(Lost::from)
    }
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl<R> From<TrySendError<R>> for Lost {
    fn from(mut error: TrySendError<R>) -> Self {
        // A request that comes back was never begun.
        if error.take_message().is_some() {
            return Self::Unsent;
        }
        let error = error.into_error();
        if is_unprocessed(&error) {
            return Self::Unsent;
        }
        Self::Unknown(match () {
            () if error.is_incomplete_message() => "closed without an answer".to_owned(),
            () if error.is_parse() => "answered what is no HTTP".to_owned(),
            () => "broke off without an answer".to_owned(),
        })
    }
}

/// Did an HTTP/2 server say that it has not begun with the request, as one does that stops? The code for it is typed in a
/// crate that nothing else here needs, so its text is read.
fn is_unprocessed(error: &hyper::Error) -> bool {
    let mut causes = successors(error.source(), |&cause| cause.source());
    causes.any(|cause| cause.to_string().contains("refused stream before processing"))
}

async fn greeted<S>(stream: S, is_two: bool) -> Result<Connection, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    let broken = |_| io::Error::other("no HTTP");
    let (sender, driver) = if is_two {
        let greeting = http2::handshake(TokioExecutor::new(), stream);
        let (sender, driver) = within("HTTP", async { greeting.await.map_err(broken) }).await?;
        (Sender::Two(sender), tokio::spawn(async move { drop(driver.await) }))
    } else {
        let mut settings = http1::Builder::new();
        // What has such a head was answered all the same: calling again would help nobody.
        settings.allow_obsolete_multiline_headers_in_responses(true);
        settings.allow_spaces_after_header_name_in_responses(true);
        settings.ignore_invalid_headers_in_responses(true);
        let greeting = settings.max_buf_size(MOST).handshake(stream);
        let (sender, driver) = within("HTTP", async { greeting.await.map_err(broken) }).await?;
        (Sender::One(sender), tokio::spawn(async move { drop(driver.await) }))
    };
    Ok(Connection { sender, _driver: AbortOnDropHandle::new(driver) })
}

/// Reads the rest of an answer. `false`: it is too long, too slow or broken. Its end says nothing more of the event.
async fn is_drained(mut body: Incoming) -> bool {
    let rest = async {
        let mut left = MOST;
        while let Some(frame) = body.frame().await {
            let read = frame.ok()?.data_ref().map_or(0, Bytes::len);
            left = left.checked_sub(read)?;
        }
        Some(())
    };
    matches!(timeout(REST, rest).await, Ok(Some(())))
}

async fn within<T>(phase: &'static str, step: impl Future<Output = io::Result<T>>) -> Result<T, Failed> {
    match timeout(PHASE, step).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err((phase, plain::said(&error))),
        Err(_) => Err((phase, "no answer in time".to_owned())),
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection(..)")
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
