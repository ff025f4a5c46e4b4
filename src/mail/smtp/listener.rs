//! Reports the progress of a conversation: to nobody, or to a person, step by step.
//!
//! Enters: each milestone as it is reached. Leaves: nothing for the engine; the [`SmtpStep`]s for
//! [`SmtpMailer::trial`](super::SmtpMailer::trial) and [`SmtpMailer::examine`](super::SmtpMailer::examine). Does not
//! change the conversation.

use super::reply::Reply;
use super::settings::{SmtpSettings, Tls};
use super::stop::{Stop, said};
use crate::mail::Phase;

/// How far a conversation has come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Milestone<'a> {
    /// TCP.
    Connected,
    /// The handshake is over.
    Secured,
    /// The server has listed what it offers. Reached twice with STARTTLS: before and after the handshake.
    Introduced,
    LoggedIn,
    /// This phase of a mail ended well, with this reply.
    Passed(Phase, &'a Reply),
}

pub(super) trait Listener: Send {
    fn reached(&mut self, milestone: Milestone<'_>);
}

/// The engine's listener: reports nothing.
pub(super) struct Silent;

impl Listener for Silent {
    fn reached(&mut self, _milestone: Milestone<'_>) {}
}

/// A step as a person reads it, in the order of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpStep {
    /// DNS and TCP. Without TLS from the start: greeting and EHLO too.
    Connect,
    /// The handshake and the first replies after it: the greeting, or with STARTTLS a second EHLO.
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

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepResult {
    /// It went well. Holds what the server said.
    Passed(String),
    /// It was not needed. Holds the reason.
    Skipped(&'static str),
    /// It went wrong, and no later step was tried. Holds what went wrong.
    Failed(String),
}

impl SmtpStep {
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

/// Turns milestones into steps, and passes each to `tell`.
pub(super) struct StepReporter<'a, T> {
    settings: &'a SmtpSettings,
    tell: T,
    has_connected: bool,
    is_secured: bool,
}

impl<'a, T: FnMut(SmtpStep, StepResult) + Send> StepReporter<'a, T> {
    pub(super) fn new(settings: &'a SmtpSettings, tell: T) -> Self {
        Self { settings, tell, has_connected: false, is_secured: false }
    }

    /// Reports the step in which the conversation stopped.
    pub(super) fn failed(&mut self, stop: &Stop, why: String) {
        let step = match stop.phase {
            Phase::Connect | Phase::Greeting | Phase::Ehlo if !self.has_connected => SmtpStep::Connect,
            Phase::Connect | Phase::Greeting | Phase::Ehlo | Phase::StartTls => SmtpStep::Tls,
            Phase::Auth => SmtpStep::Auth,
            Phase::Mail => SmtpStep::Mail,
            Phase::Rcpt => SmtpStep::Rcpt,
            Phase::Data => SmtpStep::Data,
            Phase::Dot => SmtpStep::Body,
        };
        (self.tell)(step, StepResult::Failed(why));
    }

    fn connected(&mut self) {
        self.has_connected = true;
        (self.tell)(SmtpStep::Connect, StepResult::Passed(self.settings.server()));
    }

    fn introduced(&mut self) {
        match &self.settings.tls {
            Tls::Off => {
                self.connected();
                (self.tell)(SmtpStep::Tls, StepResult::Skipped("not encrypted: SMTP_URL does not ask for it"));
            }
            Tls::Required(_) if !self.is_secured => return self.connected(),
            Tls::Required(_) => (self.tell)(SmtpStep::Tls, StepResult::Passed("by STARTTLS".to_owned())),
            Tls::FromTheStart(_) => (self.tell)(SmtpStep::Tls, StepResult::Passed("from the start".to_owned())),
        }
        if self.settings.credentials.is_none() {
            (self.tell)(SmtpStep::Auth, StepResult::Skipped("SMTP_URL holds no user"));
        }
    }
}

impl<T: FnMut(SmtpStep, StepResult) + Send> Listener for StepReporter<'_, T> {
    fn reached(&mut self, milestone: Milestone<'_>) {
        match milestone {
            Milestone::Connected if matches!(self.settings.tls, Tls::FromTheStart(_)) => self.connected(),
            // An open port alone proves no mail server: wait for the greeting.
            Milestone::Connected => {}
            Milestone::Secured => self.is_secured = true,
            Milestone::Introduced => self.introduced(),
            // The reply to AUTH is not passed on: it may quote the password.
            Milestone::LoggedIn => (self.tell)(SmtpStep::Auth, StepResult::Passed(String::new())),
            Milestone::Passed(phase, reply) => {
                let step = match phase {
                    Phase::Rcpt => SmtpStep::Rcpt,
                    Phase::Data => SmtpStep::Data,
                    Phase::Dot => SmtpStep::Body,
                    _ => SmtpStep::Mail,
                };
                (self.tell)(step, StepResult::Passed(said(reply)));
            }
        }
    }
}
