//! Mail: composing one (`compose`) and handing it over, to a server ([`smtp`]) or to files ([`outbox`]).
//!
//! Handing over has two halves, with the point of no return between them. [`Mailer::prepare`] does everything
//! that can fail without harm. [`Ready::send`] does the rest and needs proof that the fence was crossed.

mod compose;
mod faults;
mod header;
mod image;
mod lines;
mod locale;
mod message;
pub mod outbox;
mod preview;
mod shown;
pub mod smtp;
mod templates;
mod values;

use std::fmt;
use std::future::Future;
use std::time::Duration;

pub use compose::{ComposeError, Composer, LOCALE_FIELD, Sender, Wording};
pub use faults::TemplateFault;
pub use header::parse as parse_headers;
pub use message::Message;
pub(crate) use preview::Preview;
pub use templates::{BUILTIN, Bodies, Templates};

use engine::backoff::Outage;
use engine::idempotency::{Crossing, Fence};

/// A composed mail. `Debug` shows its id only.
#[derive(Clone)]
pub struct Mail {
    /// The same on every resend, so that a receiver can recognise a copy. Without the angle brackets.
    pub message_id: String,
    /// Envelope sender.
    pub from: lettre::Address,
    /// Envelope recipient.
    pub to: lettre::Address,
    /// Headers and body.
    pub message: Message,
}

/// Hands mails over.
pub trait Mailer: Send + Sync + 'static {
    /// A hand-over that lacks only the body.
    type Ready: Ready;

    /// Does everything before the point of no return. Waiting for a turn or for the server is not the mail's fault:
    /// that time goes through [`Fence::uncounted`].
    fn prepare(&self, mail: &Mail, fence: &Fence<'_>) -> impl Future<Output = Result<Self::Ready, MailError>> + Send;

    /// Would the server take a mail now? Hands none over.
    fn probe(&self) -> impl Future<Output = Result<(), MailError>> + Send;

    /// How long [`Ready::send`] may take. `None`: as long as a whole handler run.
    fn send_limit(&self) -> Option<Duration> {
        None
    }

    /// No mail will follow: closes kept connections as the server expects it.
    fn close(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// A hand-over that lacks only the body.
pub trait Ready: Send {
    /// Hands the body over. Needs proof that the fence was crossed.
    fn send(self, mail: &Mail, crossing: &Crossing) -> impl Future<Output = Result<(), MailError>> + Send;
}

/// Where in the conversation something happened. The order of the variants is the order of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// DNS, TCP and, where a connection begins with it, TLS.
    Connect,
    /// The server's first reply, before we send anything.
    Greeting,
    /// EHLO or HELO.
    Ehlo,
    /// STARTTLS and the handshake after it.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA, until 354.
    Data,
    /// Body and final dot. The point of no return lies before this phase.
    Dot,
}

/// Why a mail was not handed over, or why that is unknown. `why` is a reply's codes, or the kind of fault.
/// It never holds the server's text, because that quotes addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The server is down, or takes no mail from us at all. Surely not sent.
    #[error("{why} at {phase}")]
    Unavailable {
        /// Where.
        phase: Phase,
        /// What. Of a server its host and port too.
        why: String,
        /// What kind of outage it is.
        outage: Outage,
    },
    /// The server does not take this mail now. Surely not sent.
    #[error("{why} at {phase}")]
    Deferred {
        /// Where.
        phase: Phase,
        /// What.
        why: String,
    },
    /// The server will never take a mail for this recipient. Surely not sent.
    #[error("{why} at {phase}")]
    Refused {
        /// Where.
        phase: Phase,
        /// What.
        why: String,
    },
    /// The server refuses for ever, and it is not clear whether this mail or every mail. Surely not sent.
    #[error("{why} at {phase}")]
    Suspect {
        /// Where.
        phase: Phase,
        /// What.
        why: String,
    },
    /// The body went out and no clear reply came: the server may have taken the mail.
    #[error("{why} at {phase}")]
    Unknown {
        /// Where.
        phase: Phase,
        /// What.
        why: String,
    },
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Greeting => "greeting",
            Self::Ehlo => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Dot => "dot",
        })
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({})", self.message_id)
    }
}
