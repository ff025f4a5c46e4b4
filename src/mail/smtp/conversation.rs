//! The conversation with a mail server. The engine, `send-test` and `doctor` all use this one.
//!
//! Enters: settings, then mails. Leaves: a connection ready for mails, the server's 354, its reply to the body; or the
//! [`Stop`]. Promises: every wait for a reply has a limit, the one of its phase or the configured one if that is
//! shorter; the 10 min for the final dot are RFC 5321's (4.5.3.2). If the server sends bytes that we did not ask for,
//! we send nothing more on that connection. Nothing that came before TLS is used after it. A connection is clean only
//! when the server owes no reply. A dropped connection sends nothing more.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use data_encoding::BASE64;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::listener::{Listener, Milestone};
use super::login::Logins;
use super::offers::Offers;
use super::reply::Reply;
use super::settings::{Credentials, SmtpSettings, Tls, helo_name};
use super::stop::{Stop, Why};
use super::wire::{Aside, Wire};
use crate::mail::{Mail, Phase};

const TCP: Duration = Duration::from_secs(5);
const HANDSHAKE: Duration = Duration::from_secs(30);
const COMMAND: Duration = Duration::from_secs(60);
/// A shorter wait makes duplicates: the server may have taken the mail and answer late.
const DOT: Duration = Duration::from_secs(600);
/// For replies that no mail depends on: to RSET and QUIT, and those after a refusal.
const COURTESY: Duration = Duration::from_secs(5);

/// A connection that has been greeted.
pub(super) struct Connection {
    wire: Wire,
    offers: Offers,
    longest_wait: Duration,
    /// The settings require STARTTLS, and the connection is not encrypted yet.
    awaits_tls: bool,
    /// The server owes no reply and does not wait for a body.
    is_clean: bool,
    /// The server has taken a mail on it.
    has_carried: bool,
}

impl Connection {
    /// Opens a connection ready for mails: encrypted and logged in, as the settings ask for.
    pub(super) async fn open(
        settings: &SmtpSettings,
        logins: &Logins,
        listener: &mut impl Listener,
    ) -> Result<Self, Stop> {
        let begun = logins.begin();
        let within = |own: Duration| Instant::now() + own.min(settings.longest_wait);
        let mut wire = Wire::open((&settings.host, settings.port), within(TCP)).await.map_err(at(Phase::Connect))?;
        listener.reached(Milestone::Connected);
        if let Tls::FromTheStart(trust) = &settings.tls {
            wire = wire.secured(trust, within(HANDSHAKE)).await.map_err(at(Phase::Connect))?;
            listener.reached(Milestone::Secured);
        }
        let mut connection = Self::over(wire, settings);
        connection.awaits_tls = matches!(settings.tls, Tls::Required(_));
        let greeting = connection.reply(Phase::Greeting, connection.within(COMMAND)).await?;
        expect(Phase::Greeting, 2, greeting)?;
        connection.introduce(settings, listener).await?;
        if let Tls::Required(trust) = &settings.tls {
            connection.ask_for_tls().await?;
            // Keep only the stream: before the handshake, anybody in between may have sent what we read.
            let wire = connection.wire.secured(trust, within(HANDSHAKE)).await.map_err(at(Phase::StartTls))?;
            listener.reached(Milestone::Secured);
            connection = Self::over(wire, settings);
            connection.introduce(settings, listener).await?;
        }
        if let Some(credentials) = &settings.credentials {
            logins.in_turn(begun, connection.log_in(credentials)).await?;
            listener.reached(Milestone::LoggedIn);
        }
        connection.is_clean = true;
        Ok(connection)
    }

    fn over(wire: Wire, settings: &SmtpSettings) -> Self {
        let longest_wait = settings.longest_wait;
        Self { wire, offers: Offers::default(), longest_wait, awaits_tls: false, is_clean: false, has_carried: false }
    }

    async fn introduce(&mut self, settings: &SmtpSettings, listener: &mut impl Listener) -> Result<(), Stop> {
        let name = settings.helo.clone().unwrap_or_else(|| own_name(self.wire.local_address()));
        let reply = self.ask(Phase::Ehlo, &format!("EHLO {name}")).await?;
        if reply.class() == Some(5) {
            // The server, or something before it, may be older than EHLO (1995): try HELO. If the connection ends
            // on HELO, the 5xx to EHLO was the server's answer.
            match self.ask(Phase::Ehlo, &format!("HELO {name}")).await {
                Ok(reply) => drop(expect(Phase::Ehlo, 2, reply)?),
                Err(_) => return Err(Why::Said(reply).at(Phase::Ehlo)),
            }
        } else {
            self.offers = Offers::of(&expect(Phase::Ehlo, 2, reply)?);
        }
        listener.reached(Milestone::Introduced);
        Ok(())
    }

    async fn ask_for_tls(&mut self) -> Result<(), Stop> {
        if !self.offers.starttls {
            return Err(Why::Lacks("the server offers no STARTTLS").at(Phase::StartTls));
        }
        let reply = self.ask(Phase::StartTls, "STARTTLS").await?;
        if reply.code != Some(220) {
            return Err(Why::Said(reply).at(Phase::StartTls));
        }
        self.hushed(Phase::StartTls)
    }

    /// AUTH: PLAIN, LOGIN or XOAUTH2. No error holds a credential.
    async fn log_in(&mut self, Credentials { user, secret, is_token }: &Credentials) -> Result<(), Stop> {
        let secret = secret.expose_secret();
        let encoded = |text: &str| BASE64.encode(text.as_bytes());
        let last = if *is_token && self.offers.xoauth2 {
            let bearer = encoded(&format!("user={user}\u{1}auth=Bearer {secret}\u{1}\u{1}"));
            let reply = self.ask(Phase::Auth, &format!("AUTH XOAUTH2 {bearer}")).await?;
            // On a failure the server sends a challenge with details first. The reply code comes after an empty line.
            if reply.class() == Some(3) { self.ask(Phase::Auth, "").await? } else { reply }
        } else if !*is_token && self.offers.plain {
            self.ask(Phase::Auth, &format!("AUTH PLAIN {}", encoded(&format!("\0{user}\0{secret}")))).await?
        } else if !*is_token && self.offers.login {
            // The texts of the prompts differ from server to server. The order does not: first the user, then the password.
            expect(Phase::Auth, 3, self.ask(Phase::Auth, "AUTH LOGIN").await?)?;
            expect(Phase::Auth, 3, self.ask(Phase::Auth, &encoded(user)).await?)?;
            self.ask(Phase::Auth, &encoded(secret)).await?
        } else {
            return Err(Why::Lacks("the server offers no AUTH that we speak").at(Phase::Auth));
        };
        expect(Phase::Auth, 2, last).map(drop)
    }

    /// Sends the mail's envelope, up to the server's 354.
    pub(super) async fn envelope(&mut self, mail: &Mail, listener: &mut impl Listener) -> Result<(), Stop> {
        let sender = format!("MAIL FROM:<{}>{}", mail.from, self.parameters(mail)?);
        let recipient = format!("RCPT TO:<{}>", mail.to);
        let asked = [(Phase::Mail, 2, sender), (Phase::Rcpt, 2, recipient), (Phase::Data, 3, "DATA".to_owned())];
        if self.offers.pipelining {
            return self.in_one_go(&asked, listener).await;
        }
        for (phase, class, line) in asked {
            self.is_clean = false;
            let reply = self.ask(phase, &line).await?;
            self.is_clean = class != 3 || reply.class() != Some(3);
            listener.reached(Milestone::Passed(phase, &expect(phase, class, reply)?));
        }
        Ok(())
    }

    async fn in_one_go(&mut self, asked: &[(Phase, u16, String)], listener: &mut impl Listener) -> Result<(), Stop> {
        self.hushed(Phase::Mail)?;
        self.is_clean = false;
        let lines: String = asked.iter().flat_map(|(_, _, line)| [line.as_str(), "\r\n"]).collect();
        self.wire.write(lines.as_bytes(), self.within(COMMAND)).await.map_err(at(Phase::Mail))?;
        let mut first_no = None;
        let mut waits_for_a_body = false;
        for (phase, class, _) in asked {
            // After a refusal, later replies decide nothing. They are read only to stay in step.
            let wait = if first_no.is_some() { COURTESY } else { COMMAND };
            let reply = match (self.reply(*phase, self.within(wait)).await, first_no.take()) {
                (Err(_), Some(no)) => return Err(no),
                (reply, no) => {
                    first_no = no;
                    reply?
                }
            };
            waits_for_a_body = *phase == Phase::Data && reply.class() == Some(3);
            match expect(*phase, *class, reply) {
                Ok(reply) if first_no.is_none() => listener.reached(Milestone::Passed(*phase, &reply)),
                Ok(_) => {}
                Err(no) => first_no = first_no.or(Some(no)),
            }
        }
        self.is_clean = !waits_for_a_body;
        first_no.map_or(Ok(()), Err)
    }

    /// Sends body and final dot, and reads the reply to them: only a 2xx is a yes.
    pub(super) async fn body(&mut self, mail: &Mail, listener: &mut impl Listener) -> Result<(), Stop> {
        // Bytes that came before the body are no reply to it. Check now: the body is not out yet, so a stop here
        // leaves no doubt.
        self.hushed(Phase::Data)?;
        let deadline = self.within(DOT);
        let written = self.wire.write(mail.message.wire(), deadline).await;
        // Read the reply even if the write failed: a server that closes in the middle of a body says why first.
        let reply = self.wire.reply_or_its_beginning(&[2, 3, 4, 5], deadline).await.map_err(at(Phase::Dot))?;
        let reply = expect(Phase::Dot, 2, reply);
        self.is_clean = written.is_ok();
        match (written, reply) {
            (Ok(()), Ok(reply)) => {
                self.has_carried = true;
                listener.reached(Milestone::Passed(Phase::Dot, &reply));
                Ok(())
            }
            // A 2xx to half a mail is no yes.
            (Err(why), Ok(_)) => Err(why.at(Phase::Dot)),
            (_, Err(no)) => Err(no),
        }
    }

    /// Sends RSET after a refusal. Answers whether the connection can carry another mail.
    pub(super) async fn reset(&mut self) -> bool {
        let reset = self.is_usable() && self.say(Phase::Mail, "RSET", self.within(COURTESY)).await.is_ok();
        reset && self.reply(Phase::Mail, self.within(COURTESY)).await.is_ok_and(|reply| reply.class() == Some(2))
    }

    /// Has the server taken a mail on it?
    pub(super) fn has_carried(&self) -> bool {
        self.has_carried
    }

    /// Does the server owe nothing, and wait for a command?
    pub(super) fn is_usable(&self) -> bool {
        self.is_clean && !self.wire.is_over()
    }

    /// Sends QUIT, and waits [`COURTESY`] at most for the answer.
    pub(super) async fn quit(mut self) {
        let deadline = self.within(COURTESY);
        if self.is_usable() && self.wire.write(b"QUIT\r\n", deadline).await.is_ok() {
            let _ = self.reply(Phase::Mail, deadline).await;
        }
    }

    /// Is the connection still open, and has the server sent nothing unasked?
    pub(super) fn is_quiet(&mut self) -> bool {
        self.wire.aside() == Aside::Nothing
    }

    /// Sends one command and reads its reply, of any code.
    async fn ask(&mut self, phase: Phase, line: &str) -> Result<Reply, Stop> {
        let deadline = self.within(COMMAND);
        self.say(phase, line, deadline).await?;
        self.reply(phase, deadline).await
    }

    async fn say(&mut self, phase: Phase, line: &str, deadline: Instant) -> Result<(), Stop> {
        self.hushed(phase)?;
        self.wire.write(format!("{line}\r\n").as_bytes(), deadline).await.map_err(at(phase))
    }

    /// The beginning of a no is a no: nothing goes on after it. The beginning of a yes is none.
    async fn reply(&mut self, phase: Phase, deadline: Instant) -> Result<Reply, Stop> {
        self.wire.reply_or_its_beginning(&[4, 5], deadline).await.map_err(at(phase))
    }

    /// Stops if unasked bytes have come: they would be taken for the reply to the next command.
    fn hushed(&mut self, phase: Phase) -> Result<(), Stop> {
        let before_tls = self.awaits_tls;
        match self.wire.aside() {
            Aside::Nothing => Ok(()),
            Aside::Closed => Err(Why::broken(std::io::ErrorKind::UnexpectedEof.into()).at(phase)),
            Aside::Bytes(bytes) => {
                if let (false, Some(goodbye)) = (before_tls, going_away(&bytes)) {
                    return Err(Why::Said(goodbye).at(phase));
                }
                tracing::warn!(%phase, "the connection to the mail server is dropped: {}", Why::unasked(before_tls));
                Err(Why::Unasked { before_tls }.at(phase))
            }
        }
    }

    fn within(&self, own: Duration) -> Instant {
        Instant::now() + own.min(self.longest_wait)
    }

    fn parameters(&self, mail: &Mail) -> Result<String, Stop> {
        const ASCII_ALONE: &str = "the server takes no address beyond ASCII";
        let mut parameters = String::new();
        match (is_ascii(&mail.from), is_ascii(&mail.to)) {
            (true, true) => {}
            _ if self.offers.beyond_ascii => parameters += " SMTPUTF8",
            (false, _) => return Err(Why::Lacks(ASCII_ALONE).at(Phase::Mail)),
            (true, false) => return Err(Why::Beyond(ASCII_ALONE).at(Phase::Mail)),
        }
        if !mail.message.wire().is_ascii() && self.offers.eight_bit {
            parameters += " BODY=8BITMIME";
        }
        Ok(parameters)
    }
}

fn is_ascii(address: &impl AsRef<str>) -> bool {
    address.as_ref().is_ascii()
}

fn at(phase: Phase) -> impl FnOnce(Why) -> Stop {
    move |why| why.at(phase)
}

fn expect(phase: Phase, class: u16, reply: Reply) -> Result<Reply, Stop> {
    if reply.class() == Some(class) { Ok(reply) } else { Err(Why::Said(reply).at(phase)) }
}

/// The unasked 421 by which a server announces that it ends the connection.
fn going_away(bytes: &[u8]) -> Option<Reply> {
    let (_, reply) = super::reply::Parser::default().take(bytes).ok()?;
    reply.filter(|reply| reply.code == Some(421))
}

/// The name that we greet with: the host's name if it has a dot (so it can be in the DNS), else our local address.
fn own_name(local: Option<SocketAddr>) -> String {
    let name = hostname::get().ok().and_then(|name| name.into_string().ok());
    let name = name.filter(|name| name.contains('.') && helo_name(name).is_ok());
    name.unwrap_or_else(|| match local.map(|local| local.ip().to_canonical()) {
        Some(IpAddr::V4(ip)) => format!("[{ip}]"),
        Some(IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
        None => "[127.0.0.1]".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_name_we_greet_with_the_address_we_are_seen_by() {
        let name = own_name(Some(([192, 0, 2, 1], 25).into()));
        assert!(name == "[192.0.2.1]" || (name.contains('.') && !name.starts_with('[')), "{name}");
        assert!(helo_name(&name).is_ok(), "{name}");
    }
}
