//! Connects step by step, to find the step that fails. Hands over no mail.
//!
//! Enters: the settings of a mailer. Leaves: the results of the connection, of TLS and of AUTH, each separately.
//! Promises: the results hold no password and no server text.

use std::net::IpAddr;

use super::SmtpMailer;
use super::conversation::Connection;
use super::listener::{SmtpStep, StepReporter, StepResult};
use super::settings::{SmtpSettings, Tls};
use crate::mail::MailError;

/// The result of each step. `None`: the step was not reached, or the settings do not ask for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examination {
    /// DNS, TCP and, without TLS from the start, the greeting.
    pub connect: Option<Result<(), String>>,
    /// The handshake, and whether the certificate is trusted.
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
        let mut found = Examination { is_plaintext: leaves_unencrypted(settings), ..Examination::default() };
        let tell = |step, result| {
            let result = match result {
                StepResult::Passed(_) => Some(Ok(())),
                StepResult::Failed(why) => Some(Err(why)),
                StepResult::Skipped(_) => None,
            };
            match step {
                SmtpStep::Connect => found.connect = result,
                SmtpStep::Tls => found.tls = result,
                SmtpStep::Auth => found.auth = result,
                SmtpStep::Mail | SmtpStep::Rcpt | SmtpStep::Data | SmtpStep::Body => {}
            }
        };
        let mut steps = StepReporter::new(settings, tell);
        match Connection::open(settings, &self.logins, &mut steps).await {
            Ok(connection) => connection.quit().await,
            Err(stop) => steps.failed(&stop, why(stop.clone().at_server(&settings.server()))),
        }
        found
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
