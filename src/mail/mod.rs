//! Mail: composing one (`compose`) and handing it over, to a server ([`smtp`]) or to files ([`outbox`]).
//!
//! Handing over has two halves with the point of no return between them: [`Mailer::prepare`] does all
//! that can fail harmlessly, [`Ready::send`] the rest, and asks for proof that the fence was crossed.

mod compose;
pub mod outbox;
pub mod smtp;

use std::fmt;
use std::future::Future;

pub use compose::{Bodies, ComposeError, Composer, Sender};

use crate::idempotency::Crossing;

/// A composed mail. `Debug` tells its id only.
#[derive(Clone)]
pub struct Mail {
    /// The same on every resend, so that a receiver can tell a copy. Without the angle brackets.
    pub message_id: String,
    /// Envelope sender.
    pub from: lettre::Address,
    /// Envelope recipient.
    pub to: lettre::Address,
    /// Headers and body, as they go out.
    pub message: Vec<u8>,
}

/// Hands mails over.
pub trait Mailer: Send + Sync + 'static {
    /// A hand-over that only lacks the body.
    type Ready: Ready;

    /// Everything up to, and without, the point of no return.
    fn prepare(&self, mail: &Mail) -> impl Future<Output = Result<Self::Ready, MailError>> + Send;

    /// Would a mail be taken now? Hands none over.
    fn probe(&self) -> impl Future<Output = Result<(), MailError>> + Send;
}

/// A hand-over that only lacks the body.
pub trait Ready: Send {
    /// Hands the body over. Needs proof that the fence was crossed.
    fn send(self, mail: &Mail, crossing: &Crossing) -> impl Future<Output = Result<(), MailError>> + Send;
}

/// Where in the conversation something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// DNS, TCP, TLS, greeting, EHLO.
    Connect,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA, until 354.
    Data,
    /// Body and final dot: the point of no return lies before it.
    Dot,
}

/// Why a mail was not, or not surely, handed over. Server texts are left out: they quote addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The server is down, or takes no mail from us at all. Surely not sent.
    #[error("{phase:?}: {why}")]
    Unavailable {
        /// Where.
        phase: Phase,
        /// The reply code or the kind of fault.
        why: String,
    },
    /// Not now. Surely not sent.
    #[error("{phase:?}: {why}")]
    Deferred {
        /// Where.
        phase: Phase,
        /// The reply code or the kind of fault.
        why: String,
    },
    /// Never, for this mail. Surely not sent.
    #[error("{phase:?}: {why}")]
    Refused {
        /// Where.
        phase: Phase,
        /// The reply code.
        why: String,
    },
    /// The body went out and no clear reply came: it may have been taken.
    #[error("{phase:?}: {why}")]
    Unknown {
        /// Where.
        phase: Phase,
        /// The kind of fault.
        why: String,
    },
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({})", self.message_id)
    }
}
