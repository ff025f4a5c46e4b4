//! A service that a webhook calls, by hand on TCP: it does what a script says, and remembers what it was sent.
//!
//! Enters: connections. Leaves: requests, and how many connections there were. Without a script it answers 204.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// What it does with a request that it has read.
#[derive(Debug, Clone)]
pub enum Reaction {
    /// Answers these bytes, and reads on.
    Says(String),
    /// Answers these bytes, and closes.
    SaysAndCloses(String),
    /// Closes.
    Closes,
    /// Never answers.
    Stalls,
    /// Answers 200 with a body of so many bytes.
    SaysMuch(usize),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub line: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

#[derive(Debug, Default)]
struct Seen {
    script: Mutex<VecDeque<Reaction>>,
    always: Mutex<Option<Reaction>>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
}

/// Stops when dropped.
pub struct Service {
    pub url: String,
    seen: Arc<Seen>,
    _accepting: AbortOnDropHandle<()>,
}

/// An answer with this status and these headers, each with its line break.
pub fn status(status: u16, headers: &str) -> Reaction {
    Reaction::Says(format!("HTTP/1.1 {status} Scripted\r\ncontent-length: 0\r\n{headers}\r\n"))
}

impl Service {
    pub async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    pub fn on(listener: TcpListener) -> Self {
        let url = format!("http://{}/hooks/user-events?v=1", listener.local_addr().expect("an address"));
        let seen = Arc::<Seen>::default();
        let accepting = accept(listener, seen.clone());
        Self { url, seen, _accepting: AbortOnDropHandle::new(tokio::spawn(accepting)) }
    }

    /// For the requests to come, one each.
    pub fn script(&self, reactions: impl IntoIterator<Item = Reaction>) {
        self.seen.script.lock().unwrap().extend(reactions);
    }

    /// For all requests that no script is left for. `None`: 204.
    pub fn always(&self, reaction: Option<Reaction>) {
        *self.seen.always.lock().unwrap() = reaction;
    }

    pub fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// How many there were in all.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, seen: Arc<Seen>) {
    let mut talks = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        talks.spawn(talk(stream, seen.clone()));
    }
}

/// Until the other side closes, or the script says so.
async fn talk(mut stream: TcpStream, seen: Arc<Seen>) -> Option<()> {
    let mut unread = Vec::new();
    loop {
        let request = read(&mut stream, &mut unread).await?;
        seen.requests.lock().unwrap().push(request);
        let scripted = seen.script.lock().unwrap().pop_front();
        let reaction = scripted.or_else(|| seen.always.lock().unwrap().clone());
        match reaction.unwrap_or_else(|| Reaction::Says("HTTP/1.1 204 Fine\r\n\r\n".to_owned())) {
            Reaction::Says(bytes) => stream.write_all(bytes.as_bytes()).await.ok()?,
            Reaction::SaysAndCloses(bytes) => {
                stream.write_all(bytes.as_bytes()).await.ok()?;
                return stream.shutdown().await.ok();
            }
            Reaction::Closes => return None,
            Reaction::Stalls => std::future::pending().await,
            Reaction::SaysMuch(bytes) => {
                let head = format!("HTTP/1.1 200 Fine\r\ncontent-length: {bytes}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.ok()?;
                stream.write_all(&vec![b'x'; bytes]).await.ok()?;
            }
        }
    }
}

async fn read(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some((request, taken)) = whole(unread) {
            unread.drain(..taken);
            return Some(request);
        }
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    }
}

fn whole(unread: &[u8]) -> Option<(Request, usize)> {
    let text = std::str::from_utf8(unread).expect("UTF-8");
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: BTreeMap<_, _> = lines.filter_map(pair).collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
    let body = rest.get(..length)?.to_owned();
    Some((Request { line, headers, body }, head.len() + 4 + length))
}
