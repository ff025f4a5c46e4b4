//! The welcome mail: one for each user, however many events arrive and however often.
//!
//! Enters: an event and the fence. Leaves: a mail that the server has accepted; a resend has the same Message-ID.
//! Everything that can fail without harm comes before the fence. After it comes only the mail's body. Knows no
//! SMTP and no template.

use std::time::Duration;

use crate::events::{UserSignedUp, WithFields};
use crate::mail::{Composer, MailError, Mailer, Ready};
use engine::handler::{Handled, Handler, HandlerError, traced};
use engine::idempotency::{Fence, Fingerprint};

/// Sends each user one welcome mail.
#[derive(Debug)]
pub struct WelcomeEmail<M> {
    composer: Composer,
    mailer: M,
}

impl<M: Mailer> WelcomeEmail<M> {
    /// Composes with `composer`, sends with `mailer`.
    #[must_use]
    pub fn new(composer: Composer, mailer: M) -> Self {
        Self { composer, mailer }
    }
}

impl<M: Mailer> Handler for WelcomeEmail<M> {
    type Event = WithFields<UserSignedUp>;
    const NAME: &'static str = "welcome_email";
    const RECEIVER: &'static str = "smtp";

    async fn handle(&self, event: &Self::Event, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        let mail = self
            .composer
            .welcome(Self::NAME, event)
            .map_err(|error| HandlerError::Permanent { reason: "mail_not_composed", detail: error.to_string() })?;
        let ready = traced("mail prepare", self.mailer.prepare(&mail, fence)).await?;
        let crossing = fence.cross().await?;
        traced("mail send", ready.send(&mail, &crossing)).await?;
        Ok(Handled::Done { crossing, receipt: mail.message_id })
    }

    fn fingerprint(&self, event: &Self::Event) -> Fingerprint {
        let email = &event.event.email;
        let (canonical, folded) = (email.canonical(), email.folded());
        Fingerprint::spelled(&[&canonical, Composer::WELCOME], &[&folded, Composer::WELCOME])
    }

    fn limit_behind_the_fence(&self) -> Option<Duration> {
        self.mailer.send_limit()
    }

    async fn close(&self) {
        self.mailer.close().await;
    }

    async fn probe(&self) -> Result<(), HandlerError> {
        Ok(self.mailer.probe().await?)
    }
}

impl From<MailError> for HandlerError {
    fn from(error: MailError) -> Self {
        let detail = error.to_string();
        match error {
            MailError::Unavailable { outage, .. } => Self::Unavailable { dependency: "smtp", detail, outage },
            MailError::Deferred { .. } => Self::deferred(detail),
            MailError::Suspect { .. } => Self::Suspect { reason: "mail_refused", detail },
            MailError::Refused { .. } => Self::Permanent { reason: "mail_refused", detail },
            MailError::Unknown { .. } => Self::OutcomeUnknown(detail),
        }
    }
}
