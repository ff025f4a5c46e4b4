//! A scripted SMTP server: the ground truth for "which mails were accepted".
//!
//! Enters: SMTP conversations on 127.0.0.1, and a script that says where each one goes wrong.
//! Leaves: the accepted mails, the verbs seen, the number of connections.
//! Promises: a mail is counted before its client sees the 250; refused or cut short, it never is.
//! Does not know: TLS, delivery, or who the client is.

use std::collections::{HashMap, VecDeque};
use std::{io, net::Ipv4Addr, sync::Arc, sync::Mutex, time::Duration, time::Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use Phase::{Auth, Data, Dot, Ehlo, Greeting, Mail, Rcpt};
use Reaction::{Accept, AcceptButNeverReply, AcceptThenClose, Close, Reply, Silent};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[rustfmt::skip] // in the order of a conversation
pub enum Phase { Greeting, Ehlo, Auth, Mail, Rcpt, Data, Dot }

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
    /// The mail counts, its 250 never comes.
    AcceptButNeverReply,
    /// The mail counts, and the connection ends in place of the 250.
    AcceptThenClose,
}

impl Reaction {
    fn phase(self) -> Phase {
        match self {
            Reply { at, .. } | Silent { at } | Close { at } => at,
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
    accepted: Vec<AcceptedMail>,
    connections: usize,
    commands: Vec<String>,
}

/// The lock and the bell in one: whoever waits for a mail is woken by the change itself.
type Shared = Arc<watch::Sender<State>>;

/// Dropping it stops it: `running` holds the sender whose end the acceptor waits for.
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

    /// Comes back on a port that was just given up, with an empty list and no script.
    pub async fn start_on(port: u16) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Connections of the stopped server linger in TIME_WAIT and would block the bind.
        socket.set_reuseaddr(true).expect("SO_REUSEADDR");
        let listening = socket.bind((Ipv4Addr::LOCALHOST, port).into()).and_then(|()| socket.listen(1024));
        let listener = listening.unwrap_or_else(|e| panic!("cannot listen on port {port}: {e}"));
        let port = listener.local_addr().expect("a bound address").port();
        let state = Shared::default();
        let (stop, stopped) = oneshot::channel();
        let acceptor = tokio::spawn(serve(listener, Arc::clone(&state), stopped));
        Self { port, state, running: Mutex::new(Some((stop, acceptor))) }
    }

    /// Returns once the port refuses and every connection is cut; the accepted mails stay readable.
    pub async fn stop(&self) {
        let Some((stop, acceptor)) = self.running.lock().unwrap().take() else { return };
        drop(stop);
        acceptor.await.expect("the SMTP server ran without a panic");
    }

    /// From now on, open connections included, for every mail without a reaction of its own.
    pub fn script(&self, reaction: Reaction) { self.state.send_modify(|s| s.script = reaction); }

    /// Queues reactions for mails to `address`: each RCPT uses one up, then `.script` holds again.
    /// Nobody knows the address before RCPT: a reaction for an earlier phase works through
    /// `.script` only and panics here. Of several scripted recipients the last one decides.
    pub fn script_for(&self, address: &str, reactions: Vec<Reaction>) {
        let early = reactions.iter().find(|r| r.phase() < Rcpt);
        assert!(early.is_none(), "before RCPT, use .script: {early:?}");
        let address = address.to_ascii_lowercase();
        self.state.send_modify(|s| s.by_address.entry(address).or_default().extend(reactions));
    }

    pub fn require_auth(&self, user: &str, password: &str) {
        self.state.send_modify(|s| s.credentials = Some(format!("{user}\0{password}")));
    }

    pub fn accepted_to(&self, address: &str) -> usize {
        let is_it = |recipient: &String| recipient.eq_ignore_ascii_case(address);
        self.state.borrow().accepted.iter().filter(|mail| mail.recipients.iter().any(is_it)).count()
    }

    pub async fn wait_for(&self, n: usize, within: Duration) {
        let mut state = self.state.subscribe();
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
                let (peer, state) = (BufReader::new(stream), Arc::clone(&state));
                let session = Session { peer, state, authenticated: false, mail: None, own: None };
                // Clients that hang up are part of the tests: how a session ends says nothing.
                sessions.spawn(async move { session.run().await.ok() });
            }
            Some(ended) = sessions.join_next() => drop(ended.expect("a session without a panic")),
        }
    }
    drop(listener);
    sessions.shutdown().await;
}

struct Session {
    peer: BufReader<TcpStream>,
    state: Shared,
    authenticated: bool,
    mail: Option<AcceptedMail>,
    own: Option<Reaction>,
}

#[rustfmt::skip] // two tables, and short arms that stay on their line
impl Session {
    async fn run(mut self) -> io::Result<()> {
        let mut open = self.answer(Some(Greeting), "220 scripted ESMTP").await?;
        while open {
            let line = self.line().await?;
            let (verb, argument) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            let verb = verb.to_ascii_uppercase();
            let address = argument.split(['<', '>']).nth(1).map(str::to_owned);
            self.state.send_modify(|s| s.commands.push(verb.clone()));
            let locked = !self.authenticated && self.state.borrow().credentials.is_some();
            if let ("RCPT", Some(_), Some(to)) = (verb.as_str(), &self.mail, &address) {
                let take = |s: &mut State| s.by_address.get_mut(&to.to_ascii_lowercase())?.pop_front();
                self.state.send_modify(|s| self.own = take(s).or(self.own));
            }
            let (phase, usual) = match (verb.as_str(), &self.mail, &address) {
                ("EHLO", ..) if locked => (Some(Ehlo), "250-scripted\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN LOGIN"),
                ("EHLO", ..) => (Some(Ehlo), "250-scripted\r\n250-8BITMIME\r\n250 SMTPUTF8"),
                ("HELO", ..) => (Some(Ehlo), "250 scripted"),
                ("AUTH", ..) => (Some(Auth), self.auth(argument).await?),
                ("MAIL", None, Some(_)) if locked => (Some(Mail), "530 AUTH first"),
                ("MAIL", None, Some(_)) => (Some(Mail), "250 ok"),
                ("RCPT", Some(_), Some(_)) => (Some(Rcpt), "250 ok"),
                ("DATA", Some(mail), _) if !mail.recipients.is_empty() => (Some(Data), "354 go"),
                ("MAIL" | "RCPT" | "DATA", ..) => (None, "503 bad sequence or no address"),
                ("RSET" | "NOOP", ..) => (None, "250 ok"),
                ("QUIT", ..) => (None, "221 bye"),
                _ => (None, "500 unknown command"),
            };
            let ok = self.answer(phase, usual).await?;
            match (verb.as_str(), &mut self.mail) {
                ("EHLO" | "HELO" | "RSET", _) => (self.mail, self.own) = (None, None),
                ("AUTH", _) => self.authenticated |= ok,
                ("MAIL", None) if ok => self.mail.insert(AcceptedMail::default()).envelope_from = address.unwrap_or_default(),
                ("RCPT", Some(mail)) if ok => mail.recipients.extend(address),
                // A refused recipient has had its reaction; it decides nothing for the others.
                ("RCPT", _) => self.own = None,
                ("DATA", _) if ok => self.data().await?,
                _ => open = verb != "QUIT",
            };
        }
        Ok(())
    }

    async fn auth(&mut self, argument: &str) -> io::Result<&'static str> {
        let (mechanism, initial) = argument.split_once(' ').unwrap_or((argument, ""));
        let given = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => self.response(initial, "334 ").await?,
            "LOGIN" => {
                let user = self.response(initial, "334 VXNlcm5hbWU6").await?;
                format!("\0{user}\0{}", self.response("", "334 UGFzc3dvcmQ6").await?)
            }
            _ => return Ok("504 unknown mechanism"),
        };
        let (_authorize_as, given) = given.split_once('\0').unwrap_or_default();
        let right = self.state.borrow().credentials.as_deref() == Some(given);
        Ok(if right { "235 welcome" } else { "535 wrong" })
    }

    async fn data(&mut self) -> io::Result<()> {
        let mut data = String::new();
        loop {
            let line = self.line().await?;
            // Only CRLF ends a line: a client that ends its mail with a bare LF must not pass.
            let begins = data.is_empty() || data.ends_with("\r\n");
            match line.strip_prefix('.').filter(|_| begins) {
                Some("\r\n") => break,
                Some(unstuffed) => data += unstuffed,
                None => data += &line,
            }
        }
        // Pinned: a test that wakes up on this mail may change the script before the reply.
        let reaction = *self.own.get_or_insert(self.state.borrow().script);
        let accepted = match reaction {
            Reply { at, code, .. } => at != Dot || code / 100 == 2,
            Silent { at } | Close { at } => at != Dot,
            Accept | AcceptButNeverReply | AcceptThenClose => true,
        };
        if let (Some(mut mail), true) = (self.mail.take(), accepted) {
            (mail.message_id, mail.data) = (message_id(&data), data);
            (mail.at, mail.reaction) = (Some(Instant::now()), reaction);
            self.state.send_modify(|s| s.accepted.push(mail));
        }
        let sent = self.answer(Some(Dot), "250 queued").await;
        self.own = None;
        sent.map(drop)
    }

    async fn answer(&mut self, now: Option<Phase>, usual: &str) -> io::Result<bool> {
        let reaction = self.own.unwrap_or(self.state.borrow().script);
        match reaction {
            Reply { at, code, text } if Some(at) == now => self.reply(&format!("{code} {text}")).await,
            Silent { .. } | AcceptButNeverReply if Some(reaction.phase()) == now => loop { self.line().await?; },
            Close { .. } | AcceptThenClose if Some(reaction.phase()) == now => Err(io::ErrorKind::ConnectionAborted.into()),
            _ => self.reply(usual).await,
        }
    }

    async fn reply(&mut self, reply: &str) -> io::Result<bool> {
        self.peer.write_all(format!("{reply}\r\n").as_bytes()).await?;
        Ok(reply.starts_with(['2', '3']))
    }

    async fn response(&mut self, initial: &str, challenge: &str) -> io::Result<String> {
        if !initial.is_empty() { return Ok(from_base64(initial)); }
        self.reply(challenge).await?;
        Ok(from_base64(&self.line().await?))
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.peer.read_until(b'\n', &mut line).await?;
        // Half a line is a client that died in the middle of it, not a shorter command.
        if !line.ends_with(b"\n") { return Err(io::ErrorKind::UnexpectedEof.into()); }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

fn message_id(data: &str) -> String {
    let unfolded = data.replace("\r\n ", " ");
    let (head, _) = unfolded.split_once("\r\n\r\n").unwrap_or_default();
    let is_id = |line: &&str| line.to_ascii_lowercase().starts_with("message-id:");
    let id = head.lines().find(is_id).and_then(|line| line.get(11..));
    id.unwrap_or_default().trim().to_owned()
}

fn from_base64(text: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits) = (Vec::new(), 0);
    for (n, sextet) in text.chars().filter_map(|c| ALPHABET.find(c)).enumerate() {
        bits = (bits << 6 | sextet) & 0xffff;
        if n % 4 > 0 {
            bytes.push((bits >> (6 - 2 * (n % 4))) as u8);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
