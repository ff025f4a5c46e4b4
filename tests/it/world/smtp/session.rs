//! One conversation of the scripted server: its usual replies, or those of the script.
//!
//! Enters: a connection and the server's script. Leaves: accepted mails, verbs and lines in the server's state.

use std::io;
use std::time::Instant;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::Phase::{Auth, Data, Dot, Ehlo, Greeting, Mail, Rcpt, StartTls};
use super::Reaction::{
    Accept, AcceptButNeverReply, AcceptThenClose, Also, Close, Endless, LastWords, Late, Raw, Reply, Silent,
};
use super::{AcceptedMail, Phase, Reaction, Shared, State};

/// A connection, encrypted or not.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

pub(super) struct Session {
    peer: BufReader<Box<dyn Duplex>>,
    state: Shared,
    is_encrypted: bool,
    authenticated: bool,
    mail: Option<AcceptedMail>,
    own: Option<Reaction>,
    mails: usize,
    is_one_too_many: bool,
}

#[rustfmt::skip] // two tables, and short arms that stay on their line
impl Session {
    pub(super) fn new(stream: TcpStream, state: Shared, is_one_too_many: bool) -> Self {
        let peer = BufReader::new(Box::new(stream) as Box<dyn Duplex>);
        Self { peer, state, is_encrypted: false, authenticated: false, mail: None, own: None, mails: 0, is_one_too_many }
    }

    pub(super) async fn run(mut self) -> io::Result<()> {
        if self.is_one_too_many {
            return self.reply("421 4.7.0 too many connections").await.map(drop);
        }
        let mut open = self.answer(Some(Greeting), "220 scripted ESMTP").await?;
        while open {
            let line = self.line().await?;
            let (verb, argument) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            let verb = verb.to_ascii_uppercase();
            let address = argument.split(['<', '>']).nth(1).map(str::to_owned);
            self.state.send_modify(|s| { s.commands.push(verb.clone()); s.lines.push(line.trim_end().to_owned()); });
            let offered = self.offered();
            let locked = !self.authenticated && self.state.borrow().credentials.is_some();
            if let ("RCPT", Some(_), Some(to)) = (verb.as_str(), &self.mail, &address) {
                let take = |s: &mut State| s.by_address.get_mut(&to.to_ascii_lowercase())?.pop_front();
                self.state.send_modify(|s| self.own = take(s).or(self.own));
            }
            let (phase, usual) = match (verb.as_str(), &self.mail, &address) {
                ("EHLO", ..) => (Some(Ehlo), offered.as_str()),
                ("HELO", ..) if self.state.borrow().helo_alone => (None, "250 scripted"),
                ("HELO", ..) => (Some(Ehlo), "250 scripted"),
                ("STARTTLS", ..) if self.can_encrypt() => (Some(StartTls), "220 go ahead"),
                ("AUTH", ..) => (Some(Auth), self.auth(argument).await?),
                ("MAIL", None, Some(_)) if locked => (Some(Mail), "530 AUTH first"),
                ("MAIL", None, Some(_)) => match self.state.borrow().most {
                    Some((most, then)) if self.mails >= most => (Some(Mail), then),
                    _ => (Some(Mail), "250 ok"),
                },
                ("RCPT", Some(_), Some(_)) => (Some(Rcpt), "250 ok"),
                ("DATA", Some(mail), _) if !mail.recipients.is_empty() => (Some(Data), "354 go"),
                ("DATA", ..) => (Some(Data), "503 no recipient"),
                ("MAIL" | "RCPT", ..) => (None, "503 bad sequence or no address"),
                ("RSET" | "NOOP", ..) => (None, "250 ok"),
                ("QUIT", ..) => (None, "221 bye"),
                _ => (None, "500 unknown command"),
            };
            let ok = self.answer(phase, usual).await?;
            match (verb.as_str(), &mut self.mail) {
                ("EHLO" | "HELO" | "RSET", _) => (self.mail, self.own) = (None, None),
                ("STARTTLS", _) if ok => self.encrypt().await?,
                ("AUTH", _) => self.authenticated |= ok,
                ("MAIL", None) if ok => {
                    self.mails += 1;
                    self.mail.insert(AcceptedMail::default()).envelope_from = address.unwrap_or_default();
                }
                ("RCPT", Some(mail)) if ok => mail.recipients.extend(address),
                // The reaction of a refused recipient is used up. It does not count for the other recipients.
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
            "XOAUTH2" => {
                let given = self.response(initial, "334 ").await?;
                let parts: Vec<_> = given.split(['=', '\u{1}', ' ']).collect();
                let given = format!("\0{}\0{}", parts.get(1).unwrap_or(&""), parts.get(4).unwrap_or(&""));
                if self.state.borrow().credentials.as_deref() != Some(&given[1..]) {
                    self.reply("334 eyJzdGF0dXMiOiI0MDEifQ==").await?;
                    let answer = self.line().await?;
                    return Ok(if answer == "\r\n" { "535 5.7.8 wrong" } else { "501 an empty line was due" });
                }
                given
            }
            "PLAIN" => self.response(initial, "334 ").await?,
            "LOGIN" => {
                let user = self.response(initial, "334 QmVudXR6ZXI6").await?;
                format!("\0{user}\0{}", self.response("", "334 Kennwort bitte").await?)
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
            // Only CRLF ends a line: a mail that ends with a bare LF must not be accepted.
            let begins = data.is_empty() || data.ends_with("\r\n");
            match line.strip_prefix('.').filter(|_| begins) {
                Some("\r\n") => break,
                Some(unstuffed) => data += unstuffed,
                None => data += &line,
            }
        }
        // Fix the reaction now: a test that sees this mail may change the script before the reply is sent.
        let reaction = *self.own.get_or_insert(self.state.borrow().script);
        let accepted = match reaction {
            Reply { at, code, .. } => at != Dot || code / 100 == 2,
            Silent { at } | Close { at } | Endless { at, .. } => at != Dot,
            Raw { at, bytes } | LastWords { at, bytes } => at != Dot || bytes.starts_with(b"2"),
            Also { .. } | Late { .. } => true,
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
            Raw { at, bytes } if Some(at) == now => {
                self.send(bytes).await?;
                Ok(bytes.starts_with(b"2") || bytes.starts_with(b"3"))
            }
            LastWords { at, bytes } if Some(at) == now => {
                self.send(bytes).await?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Also { at, bytes } if Some(at) == now => {
                self.send(&[usual.as_bytes(), b"\r\n", bytes].concat()).await?;
                Ok(usual.starts_with(['2', '3']))
            }
            Endless { at, bytes, every } if Some(at) == now => loop {
                self.send(bytes).await?;
                if !every.is_zero() { tokio::time::sleep(every).await; }
            },
            Late { at, after } if Some(at) == now => {
                tokio::time::sleep(after).await;
                self.reply(usual).await
            }
            _ => self.reply(usual).await,
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.peer.write_all(bytes).await?;
        self.peer.flush().await
    }

    fn can_encrypt(&self) -> bool { !self.is_encrypted && self.state.borrow().tls.is_some() }

    /// Its reply to EHLO.
    fn offered(&self) -> String {
        let state = self.state.borrow();
        let mut keywords = state.offers.clone().unwrap_or_else(|| vec!["8BITMIME", "SMTPUTF8"]);
        if state.offers.is_none() && state.credentials.is_some() && !self.authenticated { keywords.push("AUTH PLAIN LOGIN"); }
        if !self.is_encrypted && state.tls.is_some() { keywords.push("STARTTLS"); }
        let lines: Vec<_> = std::iter::once("scripted").chain(keywords).collect();
        let (last, others) = lines.split_last().expect("its name");
        others.iter().map(|line| format!("250-{line}\r\n")).chain([format!("250 {last}")]).collect()
    }

    async fn encrypt(&mut self) -> io::Result<()> {
        let acceptor = self.state.borrow().tls.clone().ok_or(io::ErrorKind::Unsupported)?;
        let plain = std::mem::replace(&mut self.peer, BufReader::new(Box::new(tokio::io::empty())));
        let encrypted = acceptor.accept(plain.into_inner()).await?;
        self.peer = BufReader::new(Box::new(encrypted));
        (self.is_encrypted, self.mail) = (true, None);
        Ok(())
    }

    async fn reply(&mut self, reply: &str) -> io::Result<bool> {
        self.send(format!("{reply}\r\n").as_bytes()).await?;
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
        // Half a line means that the client died in the middle of it. It is no shorter command.
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
