//! SMTP, phase by phase, on a connection of our own.
//!
//! Enters: a mail and the crossing of the fence. Leaves: exactly one of "taken" (the server's 2xx to
//! the final dot was read), "surely not", or "unknown". Promises: each phase has its deadline, and a
//! connection is never used again after anything but a clean end. (The library's pooled transport
//! reuses one whose send was cancelled; replies are then off by one and a refused mail is reported as
//! sent: measured.) Its `tracing` feature stays off: it logs AUTH and bodies. Knows no event.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use url::{Host, Url};

use super::{Mail, MailError, Mailer, Phase, Ready};
use crate::idempotency::Crossing;

/// DNS, TCP, TLS, greeting, EHLO and AUTH together.
const CONNECT: Duration = Duration::from_secs(5);
/// One command and its reply.
const COMMAND: Duration = Duration::from_secs(10);
/// The reply to the final dot. RFC 5321 asks for 10 minutes because a short wait makes duplicates.
const DOT: Duration = Duration::from_secs(120);

/// A mail server and how to talk to it.
#[derive(Clone)]
pub struct SmtpServer {
    host: String,
    port: u16,
    tls: Tls,
    credentials: Option<Credentials>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tls {
    FromTheStart,
    /// By STARTTLS, or no mail.
    Required,
    Off,
}

/// A connection at which the server has said 354: it waits for the body.
pub struct SmtpReady(AsyncSmtpConnection);

impl SmtpServer {
    /// Reads `smtps://user:pass@host:465`, `smtp://host:587?tls=required` or `smtp://localhost:1025`.
    /// Without TLS only a loopback host is taken, or any with `allow_plaintext`.
    ///
    /// # Errors
    /// What is wrong with it, without repeating any of it.
    pub fn parse(url: &SecretString, allow_plaintext: bool) -> Result<Self, &'static str> {
        let url = Url::parse(url.expose_secret()).map_err(|_| "is not a URL like smtps://user:password@host:465")?;
        let required = match url.query_pairs().collect::<Vec<_>>().as_slice() {
            [] => false,
            [(name, value)] if name == "tls" && value == "required" => true,
            _ => return Err("knows only the parameter tls=required"),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("names no host")?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let (tls, port) = match (url.scheme(), required) {
            ("smtps", _) => (Tls::FromTheStart, 465),
            ("smtp", true) => (Tls::Required, 587),
            ("smtp", false) if allow_plaintext || is_loopback(&url) => (Tls::Off, 25),
            ("smtp", false) => {
                return Err("is not encrypted: use smtps:// or ?tls=required, or set SMTP_ALLOW_PLAINTEXT=true");
            }
            _ => return Err("must begin with smtp:// or smtps://"),
        };
        let decode = |text| {
            let text = percent_encoding::percent_decode_str(text).decode_utf8();
            text.map(String::from).map_err(|_| "has a user or password that is not UTF-8")
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => Some(Credentials::new(decode(user)?, decode(password)?)),
            _ => return Err("needs both user and password, or neither"),
        };
        Ok(Self { host, port: url.port().unwrap_or(port), tls, credentials })
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        within(CONNECT, Phase::Connect, async {
            let tls = || TlsParameters::new(self.host.clone());
            let hello = ClientId::default();
            let implicit = if self.tls == Tls::FromTheStart { Some(tls()?) } else { None };
            let server = (self.host.as_str(), self.port);
            let mut connection = AsyncSmtpConnection::connect_tokio1(server, None, &hello, implicit, None).await?;
            if self.tls == Tls::Required {
                connection.starttls(tls()?, &hello).await?;
            }
            if let Some(credentials) = &self.credentials {
                // Its own phase: what fails here is a password, not a network.
                if let Err(error) = connection.auth(DEFAULT_MECHANISMS, credentials).await {
                    return Ok(Err(classify(Phase::Auth, &error)));
                }
            }
            Ok(Ok(connection))
        })
        .await?
    }
}

impl Mailer for SmtpServer {
    type Ready = SmtpReady;

    async fn prepare(&self, mail: &Mail) -> Result<SmtpReady, MailError> {
        let mut connection = self.connect().await?;
        let options = mail_options(&connection, mail)?;
        let mail_from = MailFrom::new(Some(mail.from.clone()), options);
        positive(COMMAND, Phase::Mail, connection.command(mail_from)).await?;
        positive(COMMAND, Phase::Rcpt, connection.command(Rcpt::new(mail.to.clone(), vec![]))).await?;
        within(COMMAND, Phase::Data, connection.command(Data)).await?;
        Ok(SmtpReady(connection))
    }

    async fn probe(&self) -> Result<(), MailError> {
        quit(self.connect().await?);
        Ok(())
    }
}

impl Ready for SmtpReady {
    async fn send(self, mail: &Mail, _crossing: &Crossing) -> Result<(), MailError> {
        let Self(mut connection) = self;
        positive(DOT, Phase::Dot, connection.message(&mail.message)).await?;
        quit(connection);
        Ok(())
    }
}

/// Says goodbye without making anyone wait for the answer.
fn quit(mut connection: AsyncSmtpConnection) {
    tokio::spawn(async move { timeout(COMMAND, connection.quit()).await.map(drop) });
}

fn mail_options(connection: &AsyncSmtpConnection, mail: &Mail) -> Result<Vec<MailParameter>, MailError> {
    let server = connection.server_info();
    let mut options = Vec::new();
    let ascii = |address: &lettre::Address| AsRef::<str>::as_ref(address).is_ascii();
    if !(ascii(&mail.from) && ascii(&mail.to)) {
        if !server.supports_feature(Extension::SmtpUtfEight) {
            let why = "the server takes no address beyond ASCII".to_owned();
            return Err(MailError::Refused { phase: Phase::Mail, why });
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    if !mail.message.is_ascii() && server.supports_feature(Extension::EightBitMime) {
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(options)
}

async fn within<T>(
    limit: Duration,
    phase: Phase,
    step: impl Future<Output = Result<T, SmtpError>>,
) -> Result<T, MailError> {
    match timeout(limit, step).await {
        Ok(answer) => answer.map_err(|error| classify(phase, &error)),
        Err(_) => Err(judge(phase, None, "no reply in time".to_owned())),
    }
}

/// The library takes 3xx for a yes as well; after the dot that would be a lost mail.
async fn positive(
    limit: Duration,
    phase: Phase,
    step: impl Future<Output = Result<Response, SmtpError>>,
) -> Result<(), MailError> {
    match within(limit, phase, step).await?.code() {
        code if code.severity == Severity::PositiveCompletion => Ok(()),
        code => Err(judge(phase, None, format!("unexpected reply {code}"))),
    }
}

fn classify(phase: Phase, error: &SmtpError) -> MailError {
    match error.status() {
        Some(code) => {
            let number = code.to_string().parse().ok();
            judge(phase, number, format!("reply {code}"))
        }
        None if error.is_tls() => judge(phase, None, "TLS failed".to_owned()),
        None if error.is_client() => judge(phase, None, "the server lacks what is needed".to_owned()),
        None => judge(phase, None, "connection failed".to_owned()),
    }
}

/// The table: phase × reply → whose fault it is, and whether the mail can have gone out.
fn judge(phase: Phase, code: Option<u16>, why: String) -> MailError {
    match (phase, code) {
        // The service as a whole says no, or is going away.
        (Phase::Connect | Phase::Auth, _) | (_, Some(421)) => MailError::Unavailable { phase, why },
        (Phase::Rcpt, Some(550..=553 | 556)) => MailError::Refused { phase, why },
        (Phase::Dot, Some(500..=599)) => MailError::Refused { phase, why },
        (_, Some(500..=599)) => MailError::Unavailable { phase, why },
        (_, Some(400..=499)) => MailError::Deferred { phase, why },
        (Phase::Dot, _) => MailError::Unknown { phase, why },
        (_, _) => MailError::Deferred { phase, why },
    }
}

fn is_loopback(url: &Url) -> bool {
    // `smtp` is no scheme the URL standard knows, so its hosts arrive as opaque text.
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        None => false,
    }
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpServer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, allow: bool) -> Result<SmtpServer, &'static str> {
        SmtpServer::parse(&SecretString::from(url), allow)
    }

    #[test]
    fn plain_text_goes_to_loopback_only_unless_allowed() {
        for url in ["smtp://localhost:1025", "smtp://127.0.0.1:1025", "smtp://[::1]:1025"] {
            assert!(parse(url, false).is_ok(), "{url}");
        }
        assert!(parse("smtp://mail.example.com:25", false).is_err());
        assert!(parse("smtp://mail.example.com:25", true).is_ok());
        assert!(parse("smtp://mail.example.com:587?tls=required", false).is_ok());
        assert!(parse("smtps://u:p%40ss@mail.example.com", false).is_ok());
    }

    #[test]
    fn a_url_that_says_half_of_something_is_refused_without_repeating_it() {
        for url in ["smtps://u@h", "http://h", "smtp://h?tls=maybe", "smtps://", "hunter2", "smtps://u:%ff@h"] {
            let problem = parse(url, true).expect_err(url);
            assert!(!problem.contains("hunter2"));
        }
    }

    #[test]
    fn each_phase_and_reply_is_judged_by_whose_fault_it_is() {
        use Phase::{Auth, Connect, Data, Dot, Mail, Rcpt};
        let word = |phase, code| match judge(phase, code, String::new()) {
            MailError::Unavailable { .. } => "unavailable",
            MailError::Deferred { .. } => "deferred",
            MailError::Refused { .. } => "refused",
            MailError::Unknown { .. } => "unknown",
        };
        // Columns: no reply, 250 where 354 was due or the like, 421, 451, 530, 550, 554.
        let codes = [None, Some(250), Some(421), Some(451), Some(530), Some(550), Some(554)];
        let rows = [
            (Connect, ["unavailable"; 7]),
            (Auth, ["unavailable"; 7]),
            (Mail, ["deferred", "deferred", "unavailable", "deferred", "unavailable", "unavailable", "unavailable"]),
            (Rcpt, ["deferred", "deferred", "unavailable", "deferred", "unavailable", "refused", "unavailable"]),
            (Data, ["deferred", "deferred", "unavailable", "deferred", "unavailable", "unavailable", "unavailable"]),
            (Dot, ["unknown", "unknown", "unavailable", "deferred", "refused", "refused", "refused"]),
        ];
        for (phase, expected) in rows {
            assert_eq!(codes.map(|code| word(phase, code)), expected, "{phase:?}");
        }
    }
}
