//! One mail, told step by step: for whoever sets a mail server up.
//!
//! Enters: a mail to an address that a person named. Leaves: what the server said at each [`Step`], and
//! whether it took the mail. Promises: the same deadlines as the engine's sends; no address and nothing
//! said about a password is passed on. Crosses no fence, for there is no event and no record behind it:
//! nothing but a person's wish may come this way.

use std::error::Error;
use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::{Response, Severity};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::settings::{SmtpSettings, Tls};
use super::{COMMAND, CONNECT, DOT, SmtpMailer, mail_options};
use crate::mail::Mail;

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// DNS and TCP; without TLS from the start, greeting and EHLO too.
    Connect,
    /// The handshake, and what it protects: greeting or a second EHLO.
    Tls,
    /// The password.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA, until 354.
    Data,
    /// Body and final dot.
    Body,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It went well; what the server said.
    Passed(String),
    /// It was not needed, and why.
    Skipped(&'static str),
    /// It went wrong, and how; no later step was tried.
    Failed(String),
}

impl Step {
    /// The word a person reads.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "TLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Body => "body",
        }
    }
}

/// Where it stopped, and why.
type Stop = (Step, String);

impl SmtpMailer {
    /// Sends one mail on a connection of its own; `tell` hears of each step as it ends. Answers whether
    /// the server took it.
    pub async fn trial(&self, mail: &Mail, mut tell: impl FnMut(Step, Told)) -> bool {
        match converse(&self.settings, mail, &mut tell).await {
            Ok(()) => true,
            Err((step, why)) => {
                tell(step, Told::Failed(why));
                false
            }
        }
    }
}

async fn converse(settings: &SmtpSettings, mail: &Mail, tell: &mut impl FnMut(Step, Told)) -> Result<(), Stop> {
    use Severity::{PositiveCompletion, PositiveIntermediate};
    let mut connection = secured(settings, tell).await?;
    match &settings.credentials {
        Some(credentials) => {
            within(Step::Auth, CONNECT, connection.auth(DEFAULT_MECHANISMS, credentials)).await?;
            tell(Step::Auth, Told::Passed(String::new()));
        }
        None => tell(Step::Auth, Told::Skipped("SMTP_URL holds no user")),
    }
    let options = mail_options(&connection, mail).map_err(|error| (Step::Mail, error.to_string()))?;
    let sender = MailFrom::new(Some(mail.from.clone()), options);
    let said = expect(Step::Mail, PositiveCompletion, COMMAND, connection.command(sender)).await?;
    tell(Step::Mail, Told::Passed(said));
    let recipient = Rcpt::new(mail.to.clone(), vec![]);
    let said = expect(Step::Rcpt, PositiveCompletion, COMMAND, connection.command(recipient)).await?;
    tell(Step::Rcpt, Told::Passed(said));
    let said = expect(Step::Data, PositiveIntermediate, COMMAND, connection.command(Data)).await?;
    tell(Step::Data, Told::Passed(said));
    let said = expect(Step::Body, PositiveCompletion, DOT, connection.message(&mail.message)).await?;
    tell(Step::Body, Told::Passed(said));
    // The mail is the server's by now, whatever becomes of the farewell.
    let _ = timeout(COMMAND, connection.quit()).await;
    Ok(())
}

/// A connection, encrypted as the settings ask for.
async fn secured(settings: &SmtpSettings, tell: &mut impl FnMut(Step, Told)) -> Result<AsyncSmtpConnection, Stop> {
    let SmtpSettings { host, port, tls, .. } = settings;
    let (server, hello) = ((host.as_str(), *port), ClientId::default());
    let connected = || Told::Passed(format!("{host}:{port}"));
    let connect = |tls| AsyncSmtpConnection::connect_tokio1(server, None, &hello, tls, None);
    match tls {
        Tls::FromTheStart(parameters) => {
            // The library does TCP and TLS in one; a person wants to know which of them failed.
            match timeout(CONNECT, TcpStream::connect(server)).await {
                Ok(Ok(probe)) => drop(probe),
                Ok(Err(error)) => return Err((Step::Connect, masked(&error.to_string()))),
                Err(_) => return Err((Step::Connect, SILENCE.to_owned())),
            }
            tell(Step::Connect, connected());
            let connection = within(Step::Tls, CONNECT, connect(Some(parameters.clone()))).await?;
            tell(Step::Tls, Told::Passed("from the start".to_owned()));
            Ok(connection)
        }
        Tls::Required(parameters) => {
            let mut connection = within(Step::Connect, CONNECT, connect(None)).await?;
            tell(Step::Connect, connected());
            within(Step::Tls, CONNECT, connection.starttls(parameters.clone(), &hello)).await?;
            tell(Step::Tls, Told::Passed("by STARTTLS".to_owned()));
            Ok(connection)
        }
        Tls::Off => {
            let connection = within(Step::Connect, CONNECT, connect(None)).await?;
            tell(Step::Connect, connected());
            tell(Step::Tls, Told::Skipped("not encrypted: SMTP_URL does not ask for it"));
            Ok(connection)
        }
    }
}

const SILENCE: &str = "no reply in time";

async fn within<T>(step: Step, limit: Duration, work: impl Future<Output = Result<T, SmtpError>>) -> Result<T, Stop> {
    match timeout(limit, work).await {
        Ok(answer) => answer.map_err(|error| (step, reason(step, &error))),
        Err(_) if step == Step::Body => Err((step, format!("{SILENCE}: the mail may have been taken"))),
        Err(_) => Err((step, SILENCE.to_owned())),
    }
}

/// Exactly this kind of yes, and what the server said.
async fn expect(
    step: Step,
    severity: Severity,
    limit: Duration,
    work: impl Future<Output = Result<Response, SmtpError>>,
) -> Result<String, Stop> {
    let reply = within(step, limit, work).await?;
    let said = masked(&format!("{} {}", reply.code(), reply.first_line().unwrap_or_default()));
    if reply.code().severity == severity { Ok(said) } else { Err((step, format!("unexpected reply {said}"))) }
}

fn reason(step: Step, error: &SmtpError) -> String {
    match (error.status(), error.source()) {
        // A server may quote the line it did not like, and in this step the line is a password.
        (Some(code), _) if step == Step::Auth => format!("reply {code}"),
        (Some(code), Some(text)) => masked(&format!("{code} {text}")),
        (Some(code), None) => format!("reply {code}"),
        (None, Some(cause)) => masked(&cause.to_string()),
        (None, None) => masked(&error.to_string()),
    }
}

/// One line of at most 160 characters, in which no word is an address.
fn masked(text: &str) -> String {
    let words = text.split_whitespace().map(|word| if word.contains('@') { "***@***" } else { word });
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_one_line_without_an_address() {
        assert_eq!(masked("550 5.1.1 <ann@example.com>:\r\n no\tsuch user"), "550 5.1.1 ***@*** no such user");
        assert_eq!(masked("250 \u{1b}[31mok"), "250 [31mok");
        assert_eq!(masked(&"x".repeat(500)).len(), 160);
    }
}
