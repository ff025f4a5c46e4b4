//! Connecting step by step, to tell which step fails. Hands over no mail.
//!
//! Enters: the settings of a mailer. Leaves: what became of the connection, of TLS and of AUTH, each by
//! itself. Promises: tells no password and no server text.

use std::net::IpAddr;

use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::reply::classify;
use super::settings::{SmtpSettings, Tls};
use super::{CONNECT, SmtpMailer, within};
use crate::mail::{MailError, Phase};

/// What became of each step; a step that was not reached, or is not asked for, is not told of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examination {
    /// DNS, TCP and, without TLS from the start, the greeting.
    pub connect: Option<Result<(), String>>,
    /// The handshake, and that the certificate is trusted.
    pub tls: Option<Result<(), String>>,
    /// User and password.
    pub auth: Option<Result<(), String>>,
    /// Do mails leave this machine unencrypted?
    pub is_plaintext: bool,
}

impl SmtpMailer {
    /// Tries each step once, on a connection of its own.
    pub async fn examine(&self) -> Examination {
        let settings = &*self.settings;
        let mut told = Examination { is_plaintext: leaves_unencrypted(settings), ..Examination::default() };
        let Some(mut connection) = connect(settings, &mut told).await else { return told };
        if let Some(credentials) = &settings.credentials {
            let login = within(CONNECT, Phase::Auth, connection.auth(DEFAULT_MECHANISMS, credentials)).await;
            told.auth = Some(login.map(|_| ()).map_err(why));
        }
        let _ = timeout(CONNECT, connection.quit()).await;
        told
    }
}

async fn connect(settings: &SmtpSettings, told: &mut Examination) -> Option<AsyncSmtpConnection> {
    let SmtpSettings { host, port, tls, .. } = settings;
    let server = (host.as_str(), *port);
    // Apart from TLS: a port that nothing listens on is no matter of certificates.
    if !matches!(timeout(CONNECT, TcpStream::connect(server)).await, Ok(Ok(_))) {
        told.connect = Some(Err("no connection".to_owned()));
        return None;
    }
    let hello = ClientId::default();
    let implicit = if let Tls::FromTheStart(tls) = tls { Some(tls.clone()) } else { None };
    let from_the_start = implicit.is_some();
    let opened = AsyncSmtpConnection::connect_tokio1(server, None, &hello, implicit, None);
    match (within(CONNECT, Phase::Connect, opened).await, tls) {
        (Ok(connection), Tls::FromTheStart(_)) => {
            (told.connect, told.tls) = (Some(Ok(())), Some(Ok(())));
            Some(connection)
        }
        (Err(error), _) => {
            let failed = Some(Err(why(error)));
            if from_the_start {
                (told.connect, told.tls) = (Some(Ok(())), failed);
            } else {
                told.connect = failed;
            }
            None
        }
        (Ok(connection), Tls::Off) => {
            told.connect = Some(Ok(()));
            Some(connection)
        }
        (Ok(mut connection), Tls::Required(tls)) => {
            told.connect = Some(Ok(()));
            let started = match timeout(CONNECT, connection.starttls(tls.clone(), &hello)).await {
                Ok(started) => started.map_err(|error| why(classify(Phase::Connect, &error))),
                Err(_) => Err("no reply in time".to_owned()),
            };
            let goes_on = started.is_ok();
            told.tls = Some(started);
            goes_on.then_some(connection)
        }
    }
}

fn leaves_unencrypted(settings: &SmtpSettings) -> bool {
    let is_here = settings.host == "localhost" || settings.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    matches!(settings.tls, Tls::Off) && !is_here
}

fn why(error: MailError) -> String {
    let (MailError::Unavailable { why, .. }
    | MailError::Deferred { why, .. }
    | MailError::Refused { why, .. }
    | MailError::Suspect { why, .. }
    | MailError::Unknown { why, .. }) = error;
    why
}
