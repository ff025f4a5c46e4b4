//! A faulty SQS: a proxy before LocalStack that can break calls by their name.
//!
//! Enters: SQS calls in the JSON protocol, and faults that a test switches by a call's name. Leaves: LocalStack's
//! answers, or what a fault makes of them; and the list of all calls, in order. Promises: without a fault a call passes
//! unchanged. A call is on the list before anything happens to it. The proxy's own calls are not on the list. Does not
//! know SNS, signatures, and the older query protocol.

mod answers;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::SdkConfig;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{World, eventually};

pub const RECEIVE: &str = "ReceiveMessage";
pub const DELETE: &str = "DeleteMessageBatch";
pub const SEND: &str = "SendMessageBatch";
pub const VISIBILITY: &str = "ChangeMessageVisibilityBatch";

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call is not passed on, and never answered.
    Silent,
    /// The call is passed on, and never answered.
    SilentAfter,
    /// The call is passed on, and the connection ends without an answer.
    AnswerLost,
    /// The call is not passed on, and the connection is reset.
    Reset,
    /// The call is not passed on. The answer is status 500 and a page that is no JSON.
    Error,
    /// The call is not passed on. The answer is the AWS error of this name.
    Refused(&'static str),
    /// The call is passed on, and half of its answer comes.
    Torn,
    /// A batch call: the entries at these places fail and are not passed on; the others are.
    FailEntries(&'static [usize]),
    /// Like `FailEntries`, with this error code, as the sender's fault.
    RefuseEntries(&'static [usize], &'static str),
    /// A receive's first message is in the answer twice, with the same receipt handle.
    TwiceByOneHandle,
    /// A receive's first message is in the answer twice, because it was really received twice.
    TwiceByTwoHandles,
}

/// One call that came.
#[derive(Debug, Clone)]
pub struct Call {
    pub kind: String,
    pub at: Instant,
    /// The receipt handles of a batch call's entries.
    pub receipts: Vec<String>,
}

/// A running proxy. Dropped, it ends with all its connections.
pub struct SqsProxy {
    port: u16,
    shared: Arc<Shared>,
    _acceptor: AbortOnDropHandle<()>,
}

struct Shared {
    upstream: String,
    /// By the call's name: the fault, and for how many more calls.
    faults: Mutex<BTreeMap<&'static str, (usize, Fault)>>,
    calls: Mutex<Vec<Call>>,
}

impl SqsProxy {
    pub async fn start(world: &World) -> Self {
        let upstream = world.env["AWS_ENDPOINT_URL"].trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let shared = Arc::new(Shared { upstream, faults: Mutex::default(), calls: Mutex::default() });
        let acceptor = tokio::spawn(accept(listener, shared.clone()));
        Self { port, shared, _acceptor: AbortOnDropHandle::new(acceptor) }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The world's AWS settings, with this proxy as the endpoint.
    pub fn aws(&self, world: &World) -> SdkConfig {
        world.aws.to_builder().endpoint_url(self.url()).build()
    }

    /// Breaks every call of this name from now on.
    pub fn set(&self, kind: &'static str, fault: Fault) {
        self.next(kind, usize::MAX, fault);
    }

    /// Breaks the next `calls` calls of this name.
    pub fn next(&self, kind: &'static str, calls: usize, fault: Fault) {
        self.shared.faults.lock().unwrap().insert(kind, (calls, fault));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.shared.faults.lock().unwrap().clear();
    }

    /// The calls of this name so far.
    pub fn calls(&self, kind: &str) -> Vec<Call> {
        self.shared.calls.lock().unwrap().iter().filter(|call| call.kind == kind).cloned().collect()
    }

    /// How many calls came, by name.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        self.shared.calls.lock().unwrap().iter().for_each(|call| *counts.entry(call.kind.clone()).or_default() += 1);
        counts
    }

    /// Waits for the n-th call of this name.
    pub async fn called(&self, kind: &str, n: usize, within: Duration) -> Call {
        eventually(&format!("{kind} is called {n} times"), within, || async { self.calls(kind).get(n - 1).cloned() })
            .await
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("accept on the loopback");
                connections.spawn(answers::serve(stream, shared.clone()));
            }
        }
    }
}
