//! The outbox: writes each mail as a file that a mail client can open. For the embedded default.
//!
//! Enters: a mail. Leaves: `<message-id>.eml` in one directory, whole or not at all. A resend replaces the file
//! of the same name. Knows no server.

use std::path::PathBuf;

use super::{Mail, MailError, Mailer, Phase, Ready};
use crate::plain;
use engine::backoff::Outage;
use engine::idempotency::{Crossing, Fence};

/// Writes mails into a directory.
#[derive(Debug, Clone)]
pub struct Outbox {
    directory: PathBuf,
}

impl Outbox {
    /// Writes into this directory, which must exist.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }
}

impl Mailer for Outbox {
    type Ready = PathBuf;

    async fn prepare(&self, mail: &Mail, _fence: &Fence<'_>) -> Result<PathBuf, MailError> {
        Ok(self.directory.join(format!("{}.eml", mail.message_id)))
    }

    async fn probe(&self) -> Result<(), MailError> {
        tokio::fs::metadata(&self.directory).await.map(drop).map_err(unavailable)
    }
}

impl Ready for PathBuf {
    async fn send(self, mail: &Mail, _crossing: &Crossing) -> Result<(), MailError> {
        // Written under another name and then renamed: a reader never sees half a mail.
        let draft = self.with_extension("draft");
        tokio::fs::write(&draft, mail.message.file()).await.map_err(unavailable)?;
        tokio::fs::rename(&draft, &self).await.map_err(unavailable)
    }
}

fn unavailable(error: std::io::Error) -> MailError {
    MailError::Unavailable {
        phase: Phase::Connect,
        why: format!("outbox: {}", plain::said(&error)),
        outage: Outage::Down,
    }
}
