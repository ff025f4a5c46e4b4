//! A service that a webhook calls, by hand on TCP: it does what a script says, and remembers what it was sent.
//!
//! Enters: connections. Leaves: requests, and how many connections there were. Without a script it answers 204.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

const FINE: &str = "HTTP/1.1 204 Fine\r\n\r\n";

/// What it does with a request that it has read.
#[derive(Debug, Clone)]
pub enum Reaction {
    /// Answers these bytes, and reads on.
    Says(String),
    /// Answers these bytes, and closes.
    SaysAndCloses(String),
    /// Closes.
    Closes,
    /// Resets the connection.
    Resets,
    /// Never answers.
    Stalls,
    /// Answers 204 after this time.
    Late(Duration),
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

type Decides = dyn Fn(&Request) -> Reaction + Send + Sync;

#[derive(Default)]
struct Seen {
    script: Mutex<VecDeque<Reaction>>,
    decides: Mutex<Option<Arc<Decides>>>,
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

    /// Each request that no script is left for meets what this says.
    pub fn decides(&self, decides: impl Fn(&Request) -> Reaction + Send + Sync + 'static) {
        *self.seen.decides.lock().unwrap() = Some(Arc::new(decides));
    }

    pub fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// How many there were in all.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }
}

impl Seen {
    fn reaction_to(&self, request: &Request) -> Reaction {
        let scripted = self.script.lock().unwrap().pop_front();
        let decides = self.decides.lock().unwrap().clone();
        let decided = || decides.map(|decides| decides(request));
        let usual = || self.always.lock().unwrap().clone().unwrap_or_else(|| Reaction::Says(FINE.to_owned()));
        scripted.or_else(decided).unwrap_or_else(usual)
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
        let reaction = seen.reaction_to(&request);
        seen.requests.lock().unwrap().push(request);
        match reaction {
            Reaction::Says(bytes) => stream.write_all(bytes.as_bytes()).await.ok()?,
            Reaction::SaysAndCloses(bytes) => {
                stream.write_all(bytes.as_bytes()).await.ok()?;
                return stream.shutdown().await.ok();
            }
            Reaction::Closes => return None,
            Reaction::Resets => return stream.set_zero_linger().ok(),
            Reaction::Late(after) => {
                tokio::time::sleep(after).await;
                stream.write_all(FINE.as_bytes()).await.ok()?;
            }
            Reaction::Stalls => std::future::pending().await,
            Reaction::SaysMuch(bytes) => {
                let head = format!("HTTP/1.1 200 Fine\r\ncontent-length: {bytes}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.ok()?;
                let mut body = tokio::io::repeat(b'x').take(bytes as u64);
                tokio::io::copy(&mut body, &mut stream).await.ok()?;
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
    // What was read so far may end within a character of the body.
    let end = unread.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = (std::str::from_utf8(&unread[..end]).expect("UTF-8"), &unread[end + 4..]);
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: BTreeMap<_, _> = lines.filter_map(pair).collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
    let body = std::str::from_utf8(rest.get(..length)?).expect("UTF-8").to_owned();
    Some((Request { line, headers, body }, head.len() + 4 + length))
}
