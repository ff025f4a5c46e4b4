//! SMTP, phase by phase, on a connection of our own.
//!
//! Enters: a mail and the crossing of the fence. Leaves: exactly one of "taken" (the server's 2xx to
//! the final dot was read), "surely not", or "unknown". Promises: each phase has its deadline, and a
//! connection is never used again after anything but a clean end. (The library's pooled transport
//! reuses one whose send was cancelled; replies are then off by one and a refused mail is reported as
//! sent: measured.) Its `tracing` feature stays off: it logs AUTH and bodies. Knows no event.

mod examine;
mod pool;
mod reply;
mod settings;
mod trial;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub use examine::Examination;
pub use settings::SmtpSettings;
pub use trial::{Step, Told};

use self::pool::{Pool, Rate};
use self::reply::{classify, judge};
use self::settings::Tls;
use super::{Mail, MailError, Mailer, Phase, Ready};
use crate::idempotency::{Crossing, Fence};

/// DNS, TCP, TLS, greeting, EHLO and AUTH together.
const CONNECT: Duration = Duration::from_secs(5);
/// One command and its reply.
const COMMAND: Duration = Duration::from_secs(10);
/// The reply to the final dot. RFC 5321 asks for 10 minutes because a short wait makes duplicates.
const DOT: Duration = Duration::from_secs(120);

/// Hands mails to one server. Clones share its connections and its rate.
#[derive(Clone)]
pub struct SmtpMailer {
    settings: Arc<SmtpSettings>,
    pool: Arc<Pool>,
    rate: Option<Arc<Rate>>,
}

/// A connection at which the server has said 354: it waits for the body. Dropped unless all ends well.
pub struct SmtpReady {
    connection: AsyncSmtpConnection,
    pool: Arc<Pool>,
}

impl SmtpMailer {
    /// A mailer to this server, of at most `rate` mails a second. Connects at the first mail.
    #[must_use]
    pub fn new(settings: SmtpSettings, rate: Option<u32>) -> Self {
        let rate = rate.map(|mails| Arc::new(Rate::per_second(mails)));
        Self { settings: Arc::new(settings), pool: Arc::default(), rate }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let SmtpSettings { host, port, tls, credentials } = &*self.settings;
        within(CONNECT, Phase::Connect, async {
            let hello = ClientId::default();
            let server = (host.as_str(), *port);
            let mut connection = if let Tls::FromTheStart(tls) = tls {
                AsyncSmtpConnection::connect_tokio1(server, None, &hello, Some(tls.clone()), None).await?
            } else {
                let Ok(stream) = prompt(server).await else {
                    return Ok(Err(judge(Phase::Connect, None, "connection failed".to_owned())));
                };
                AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await?
            };
            if let Tls::Required(tls) = tls {
                connection.starttls(tls.clone(), &hello).await?;
            }
            if let Some(credentials) = credentials {
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

impl Mailer for SmtpMailer {
    type Ready = SmtpReady;

    async fn prepare(&self, mail: &Mail, _fence: &Fence<'_>) -> Result<SmtpReady, MailError> {
        if let Some(rate) = &self.rate {
            rate.turn().await;
        }
        if let Some(mut connection) = self.pool.take() {
            match address(&mut connection, mail).await {
                Ok(()) => return Ok(SmtpReady { connection, pool: self.pool.clone() }),
                Err(refused @ MailError::Refused { .. }) => return Err(refused),
                // Perhaps it was closed while it was idle. Nothing has gone out: a fresh one tells.
                Err(_) => drop(connection),
            }
        }
        let mut connection = self.connect().await?;
        address(&mut connection, mail).await?;
        Ok(SmtpReady { connection, pool: self.pool.clone() })
    }

    async fn probe(&self) -> Result<(), MailError> {
        // A fresh one: what is asked is whether the server takes connections, not whether it kept one.
        self.pool.put(self.connect().await?);
        Ok(())
    }
}

impl Ready for SmtpReady {
    async fn send(mut self, mail: &Mail, _crossing: &Crossing) -> Result<(), MailError> {
        expect(Severity::PositiveCompletion, DOT, Phase::Dot, self.connection.message(&mail.message)).await?;
        self.pool.put(self.connection);
        Ok(())
    }
}

/// A connection that sends at once. The library writes a body and its dot in two, and the dot would wait for the server's
/// word that the body has come: 40 ms of each mail, measured. (Under TLS from the start it takes no connection of ours.)
async fn prompt(server: (&str, u16)) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The mail's envelope, up to the server's 354.
async fn address(connection: &mut AsyncSmtpConnection, mail: &Mail) -> Result<(), MailError> {
    use Severity::{PositiveCompletion, PositiveIntermediate};
    let mail_from = MailFrom::new(Some(mail.from.clone()), mail_options(connection, mail)?);
    expect(PositiveCompletion, COMMAND, Phase::Mail, connection.command(mail_from)).await?;
    let recipient = Rcpt::new(mail.to.clone(), vec![]);
    expect(PositiveCompletion, COMMAND, Phase::Rcpt, connection.command(recipient)).await?;
    expect(PositiveIntermediate, COMMAND, Phase::Data, connection.command(Data)).await
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

/// Exactly this kind of yes. The library takes 2xx and 3xx alike; after the dot that would be a lost mail.
async fn expect(
    severity: Severity,
    limit: Duration,
    phase: Phase,
    step: impl Future<Output = Result<Response, SmtpError>>,
) -> Result<(), MailError> {
    match within(limit, phase, step).await?.code() {
        code if code.severity == severity => Ok(()),
        code => Err(judge(phase, None, format!("unexpected reply {code}"))),
    }
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpMailer(..)")
    }
}
