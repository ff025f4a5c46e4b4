//! A scripted SMTP server: the ground truth for "which mails were accepted".
//!
//! Enters: SMTP conversations on 127.0.0.1, and a script that says where each one goes wrong.
//! Leaves: the accepted mails, the verbs seen, the number of connections.
//! Promises: a mail is counted before its client sees the 250. A refused or incomplete mail is never counted.
//! Does not know delivery, or who the client is. `session` holds the conversation, `certificate` the certificates.

pub mod certificate;
mod session;

use std::collections::{HashMap, VecDeque};
use std::{net::Ipv4Addr, sync::Arc, sync::Mutex, time::Duration, time::Instant};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use Phase::{Dot, Rcpt};
use Reaction::{
    Accept, AcceptButNeverReply, AcceptThenClose, Also, Close, Endless, LastWords, Late, Raw, Reply, Silent,
};

use self::session::Session;
use super::patience::patience;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[rustfmt::skip] // in the order of a conversation
pub enum Phase { Greeting, Ehlo, StartTls, Auth, Mail, Rcpt, Data, Dot }

/// What happens in place of the usual reply.
#[derive(Clone, Copy, Debug, Default)]
#[rustfmt::skip] // one line a reaction
pub enum Reaction {
    #[default]
    Accept,
    /// A greeting refused like this also ends the connection.
    Reply { at: Phase, code: u16, text: &'static str },
    /// Stays connected and says nothing more until the client goes away.
    Silent { at: Phase },
    Close { at: Phase },
    /// These bytes instead of the reply. At the dot the mail counts if they begin with `2`.
    Raw { at: Phase, bytes: &'static [u8] },
    /// These bytes, then the connection ends.
    LastWords { at: Phase, bytes: &'static [u8] },
    /// The usual reply and these bytes, in one write.
    Also { at: Phase, bytes: &'static [u8] },
    /// These bytes for ever, with a pause of `every` between them.
    Endless { at: Phase, bytes: &'static [u8], every: Duration },
    /// The usual reply, this much later.
    Late { at: Phase, after: Duration },
    /// The mail counts, but its 250 never comes.
    AcceptButNeverReply,
    /// The mail counts, and the connection ends instead of the 250.
    AcceptThenClose,
}

impl Reaction {
    fn phase(self) -> Phase {
        match self {
            Reply { at, .. } | Silent { at } | Close { at } => at,
            Raw { at, .. } | LastWords { at, .. } | Also { at, .. } | Endless { at, .. } | Late { at, .. } => at,
            Accept | AcceptButNeverReply | AcceptThenClose => Dot,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct AcceptedMail {
    pub envelope_from: String,
    pub recipients: Vec<String>,
    pub message_id: String, // as in the header, angle brackets included; may be empty
    pub data: String,
    pub at: Option<Instant>, // when it began to count
    pub reaction: Reaction,  // what the client got to hear of it
}

#[derive(Default)]
struct State {
    script: Reaction,
    by_address: HashMap<String, VecDeque<Reaction>>,
    credentials: Option<String>,
    offers: Option<Vec<&'static str>>,
    tls: Option<TlsAcceptor>,
    helo_alone: bool,
    most: Option<(usize, &'static str)>,
    most_at_once: Option<usize>,
    accepted: Vec<AcceptedMail>,
    connections: usize,
    commands: Vec<String>,
    lines: Vec<String>,
}

/// A watch channel is lock and notification in one: a change wakes everyone who waits for a mail.
type Shared = Arc<watch::Sender<State>>;

/// Stops when dropped: the acceptor waits for the end of the sender in `running`.
pub struct SmtpServer {
    port: u16,
    state: Shared,
    running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

#[rustfmt::skip] // one line a question
impl SmtpServer {
    pub async fn start() -> Self { Self::start_on(0).await }
    pub fn url(&self) -> String { format!("smtp://127.0.0.1:{}", self.port) }
    pub fn port(&self) -> u16 { self.port }
    pub fn accepted(&self) -> Vec<AcceptedMail> { self.state.borrow().accepted.clone() }
    pub fn connections(&self) -> usize { self.state.borrow().connections }
    pub fn commands(&self) -> Vec<String> { self.state.borrow().commands.clone() }
    pub fn count(&self, verb: &str) -> usize { self.state.borrow().commands.iter().filter(|seen| *seen == verb).count() }
    /// Every command as it came, arguments included.
    pub fn lines(&self) -> Vec<String> { self.state.borrow().lines.clone() }

    /// Starts on this port, which another server may just have left, with an empty list and no script.
    pub async fn start_on(port: u16) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Connections of the stopped server stay in TIME_WAIT and would block the bind.
        socket.set_reuseaddr(true).expect("SO_REUSEADDR");
        let listening = socket.bind((Ipv4Addr::LOCALHOST, port).into()).and_then(|()| socket.listen(1024));
        let listener = listening.unwrap_or_else(|e| panic!("cannot listen on port {port}: {e}"));
        let port = listener.local_addr().expect("a bound address").port();
        let state = Shared::default();
        let (stop, stopped) = oneshot::channel();
        let acceptor = tokio::spawn(serve(listener, Arc::clone(&state), stopped));
        Self { port, state, running: Mutex::new(Some((stop, acceptor))) }
    }

    /// Returns once the port refuses and every connection is closed. The accepted mails stay readable.
    pub async fn stop(&self) {
        let Some((stop, acceptor)) = self.running.lock().unwrap().take() else { return };
        drop(stop);
        acceptor.await.expect("the SMTP server ran without a panic");
    }

    /// Sets the reaction for every mail without one of its own, also on open connections.
    pub fn script(&self, reaction: Reaction) { self.state.send_modify(|s| s.script = reaction); }

    /// Queues reactions for mails to `address`: each RCPT uses one, and after the last one `.script` counts again.
    /// Before RCPT the server does not know the address: a reaction for an earlier phase panics here; use `.script`.
    /// If several recipients of a mail have a reaction, the last one decides.
    pub fn script_for(&self, address: &str, reactions: Vec<Reaction>) {
        let early = reactions.iter().find(|r| r.phase() < Rcpt);
        assert!(early.is_none(), "before RCPT, use .script: {early:?}");
        let address = address.to_ascii_lowercase();
        self.state.send_modify(|s| s.by_address.entry(address).or_default().extend(reactions));
    }

    pub fn require_auth(&self, user: &str, password: &str) {
        self.state.send_modify(|s| s.credentials = Some(format!("{user}\0{password}")));
    }

    /// Sets the lines of its reply to EHLO after the first. `STARTTLS` is added after [`SmtpServer::start_tls`] only.
    pub fn offer(&self, keywords: &[&'static str]) {
        self.state.send_modify(|s| s.offers = Some(keywords.to_vec()));
    }

    /// HELO gets its usual reply, even if the script has a reaction for EHLO.
    pub fn knows_helo_alone(&self) { self.state.send_modify(|s| s.helo_alone = true); }

    /// Takes this many mails on one connection, and answers MAIL like this from then on.
    pub fn take_on_one_connection(&self, mails: usize, then: &'static str) {
        self.state.send_modify(|s| s.most = Some((mails, then)));
    }

    /// Greets a connection by 421 if there are this many others.
    pub fn take_at_once(&self, connections: usize) {
        self.state.send_modify(|s| s.most_at_once = Some(connections));
    }

    /// Accepts STARTTLS from now on, with this certificate.
    pub fn start_tls(&self, acceptor: TlsAcceptor) { self.state.send_modify(|s| s.tls = Some(acceptor)); }

    pub fn accepted_to(&self, address: &str) -> usize {
        let is_it = |recipient: &String| recipient.eq_ignore_ascii_case(address);
        self.state.borrow().accepted.iter().filter(|mail| mail.recipients.iter().any(is_it)).count()
    }

    pub async fn wait_for(&self, n: usize, within: Duration) {
        let (mut state, within) = (self.state.subscribe(), patience(within));
        let enough = state.wait_for(|s| s.accepted.len() >= n);
        let in_time = tokio::time::timeout(within, enough).await.is_ok();
        let came: Vec<_> = self.accepted().into_iter().map(|mail| mail.recipients).collect();
        assert!(in_time, "{} of {n} mails after {within:?}, to {came:?}", came.len());
    }
}

async fn serve(listener: TcpListener, state: Shared, mut stopped: oneshot::Receiver<()>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("accept on the loopback");
                state.send_modify(|s| s.connections += 1);
                let is_one_too_many = state.borrow().most_at_once.is_some_and(|most| sessions.len() >= most);
                let session = Session::new(stream, Arc::clone(&state), is_one_too_many);
                // The session's result is ignored: clients that hang up are part of the tests.
                sessions.spawn(async move { session.run().await.ok() });
            }
            Some(ended) = sessions.join_next() => drop(ended.expect("a session without a panic")),
        }
    }
    drop(listener);
    sessions.shutdown().await;
}
