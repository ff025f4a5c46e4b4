//! Reports the progress of a conversation: to nobody, or to a person, step by step.
//!
//! Enters: each stage as it is reached. Leaves: nothing for the engine; the [`Step`]s for
//! [`SmtpMailer::trial`](super::SmtpMailer::trial) and [`SmtpMailer::examine`](super::SmtpMailer::examine). Does not
//! change the conversation.

use super::reply::Reply;
use super::settings::{SmtpSettings, Tls};
use super::stop::{Stop, said};
use crate::mail::Phase;

/// How far a conversation has come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage<'a> {
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
    fn reached(&mut self, stage: Stage<'_>);
}

/// The engine's listener: reports nothing.
pub(super) struct Silent;

impl Listener for Silent {
    fn reached(&mut self, _stage: Stage<'_>) {}
}

/// A step as a person reads it, in the order of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
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
pub enum Told {
    /// It went well. Holds what the server said.
    Passed(String),
    /// It was not needed. Holds the reason.
    Skipped(&'static str),
    /// It went wrong, and no later step was tried. Holds what went wrong.
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

/// Turns stages into steps, and passes each to `tell`.
pub(super) struct Steps<'a, T> {
    settings: &'a SmtpSettings,
    tell: T,
    has_connected: bool,
    is_secured: bool,
}

impl<'a, T: FnMut(Step, Told) + Send> Steps<'a, T> {
    pub(super) fn new(settings: &'a SmtpSettings, tell: T) -> Self {
        Self { settings, tell, has_connected: false, is_secured: false }
    }

    /// Reports the step in which the conversation stopped.
    pub(super) fn failed(&mut self, stop: &Stop, why: String) {
        let step = match stop.phase {
            Phase::Connect | Phase::Greeting | Phase::Ehlo if !self.has_connected => Step::Connect,
            Phase::Connect | Phase::Greeting | Phase::Ehlo | Phase::StartTls => Step::Tls,
            Phase::Auth => Step::Auth,
            Phase::Mail => Step::Mail,
            Phase::Rcpt => Step::Rcpt,
            Phase::Data => Step::Data,
            Phase::Dot => Step::Body,
        };
        (self.tell)(step, Told::Failed(why));
    }

    fn connected(&mut self) {
        self.has_connected = true;
        (self.tell)(Step::Connect, Told::Passed(format!("{}:{}", self.settings.host, self.settings.port)));
    }

    fn introduced(&mut self) {
        match &self.settings.tls {
            Tls::Off => {
                self.connected();
                (self.tell)(Step::Tls, Told::Skipped("not encrypted: SMTP_URL does not ask for it"));
            }
            Tls::Required(_) if !self.is_secured => return self.connected(),
            Tls::Required(_) => (self.tell)(Step::Tls, Told::Passed("by STARTTLS".to_owned())),
            Tls::FromTheStart(_) => (self.tell)(Step::Tls, Told::Passed("from the start".to_owned())),
        }
        if self.settings.credentials.is_none() {
            (self.tell)(Step::Auth, Told::Skipped("SMTP_URL holds no user"));
        }
    }
}

impl<T: FnMut(Step, Told) + Send> Listener for Steps<'_, T> {
    fn reached(&mut self, stage: Stage<'_>) {
        match stage {
            Stage::Connected if matches!(self.settings.tls, Tls::FromTheStart(_)) => self.connected(),
            // An open port alone proves no mail server: wait for the greeting.
            Stage::Connected => {}
            Stage::Secured => self.is_secured = true,
            Stage::Introduced => self.introduced(),
            // The reply to AUTH is not passed on: it may quote the password.
            Stage::LoggedIn => (self.tell)(Step::Auth, Told::Passed(String::new())),
            Stage::Passed(phase, reply) => {
                let step = match phase {
                    Phase::Rcpt => Step::Rcpt,
                    Phase::Data => Step::Data,
                    Phase::Dot => Step::Body,
                    _ => Step::Mail,
                };
                (self.tell)(step, Told::Passed(said(reply)));
            }
        }
    }
}
