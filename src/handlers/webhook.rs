//! The webhook: a service of the team's own is called with each event, or once for each value of a field.
//!
//! Enters: an event of any type and the fence. Leaves: a call that the service has answered by 2xx. A connection is made
//! before the fence, so a service that is down costs no doubt. After it comes the request alone. Knows no HTTP.

use std::borrow::Cow;
use std::fmt;

use crate::webhook::{NoConnection, Webhook, WebhookError, subject};
use engine::backoff::Outage;
use engine::event::{AnyEvent, EventError};
use engine::handler::{Handled, Handler, HandlerError, traced};
use engine::idempotency::Fence;

/// The headers of the trace that this moment belongs to.
pub type TraceHeaders = Box<dyn Fn() -> Vec<(&'static str, String)> + Send + Sync>;

/// Calls one service. What it is called and which events it takes stands in its row.
pub struct WebhookHandler {
    webhook: Webhook,
    /// The field that calls are made single by; `None`: one call for each event.
    field: Option<&'static str>,
    trace: TraceHeaders,
}

impl WebhookHandler {
    /// Calls `webhook`, in the trace that `trace` tells of.
    #[must_use]
    pub fn new(webhook: Webhook, field: Option<&'static str>, trace: TraceHeaders) -> Self {
        Self { webhook, field, trace }
    }
}

impl Handler for WebhookHandler {
    type Event = AnyEvent;
    const NAME: &'static str = "webhook";

    async fn handle(&self, event: &AnyEvent, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        let connection = fence.uncounted(traced("webhook connect", self.webhook.connection())).await?;
        let crossing = fence.cross().await?;
        let call = async { self.webhook.call(connection, event, (self.trace)(), &crossing).await };
        let receipt = traced("webhook call", call).await?;
        Ok(Handled::Done { crossing, receipt })
    }

    fn subject<'e>(&'e self, event: &'e AnyEvent) -> Result<Cow<'e, str>, EventError> {
        subject(event, self.field)
    }

    async fn close(&self) {
        self.webhook.close();
    }

    async fn probe(&self) -> Result<(), HandlerError> {
        self.webhook.probe().await.map_err(|error| down(error.to_string()))
    }
}

/// The service runs in another team's time: it is asked less and less often.
fn down(detail: String) -> HandlerError {
    HandlerError::Unavailable { dependency: WebhookHandler::NAME, detail, outage: Outage::DownElsewhere }
}

impl From<NoConnection> for HandlerError {
    fn from(error: NoConnection) -> Self {
        WebhookError::from(error).into()
    }
}

impl From<WebhookError> for HandlerError {
    fn from(error: WebhookError) -> Self {
        let detail = error.to_string();
        match error {
            WebhookError::Unavailable(_) => down(detail),
            WebhookError::Refused(_) => Self::Permanent { reason: "webhook_refused", detail },
            WebhookError::Deferred { at_least, .. } => Self::Deferred { detail, at_least },
            WebhookError::Failed(_) => Self::Transient(detail),
            WebhookError::Faltering(_) => Self::Faltering(detail),
            WebhookError::Unknown(_) => Self::OutcomeUnknown(detail),
        }
    }
}

impl fmt::Debug for WebhookHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookHandler({:?})", self.webhook)
    }
}
