//! Stop 6: what a reaction is to the engine.
//!
//! A handler is a name and one function; what it needs are its fields. It says what happened and never
//! settles: what that means for the message is decided in [`crate::worker`].

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use futures_util::TryFutureExt;
use tracing::{Instrument, field, info_span};

use crate::backoff::Outage;
use crate::event::{Event, EventError, Once};
use crate::idempotency::{Crossing, Fence, Fenced, Fingerprint};

/// The target of spans that go to the trace and never to the log, whose lines stand in their message's span.
pub const TRACE: &str = "user_events::trace";

/// Does `effect`, and shows it in the event's trace under this name: a client's span, failed if it failed.
/// For whatever a handler asks of a server.
///
/// # Errors
/// The effect's own.
pub fn traced<T, E>(
    name: &'static str,
    effect: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, E>> {
    let status = field::Empty;
    let span = info_span!(target: TRACE, "effect", otel.name = name, otel.kind = "client", otel.status_code = status);
    // Wraps the effect instead of awaiting it: an `async fn` would keep place for it twice, in every delivery's future.
    let failed = span.clone();
    let failure = move |_: &E| {
        failed.record("otel.status_code", "ERROR");
    };
    effect.inspect_err(failure).instrument(span)
}

/// A reaction to an event.
pub trait Handler: Send + Sync + 'static {
    /// What it reacts to: one type of event, or several ([`one_of!`](crate::one_of)).
    type Event: Event;

    /// Names this handler in logs, dead letters and idempotency keys. Never change it for a running
    /// queue: under a new name every effect counts as not yet done. Of `a-z`, `0-9`, `-` and `_`.
    const NAME: &'static str;

    /// How often its effect happens. Never change it for a running queue either.
    const ONCE: Once = Once::Subject;

    /// Who takes the effects, as an operator would call it: named where every event is refused or put off.
    const RECEIVER: &'static str = Self::NAME;

    /// Reacts to one event. May be called again for the same event, on another machine too; whatever
    /// cannot be taken back comes after `fence.cross().await?`.
    ///
    /// # Errors
    /// [`HandlerError`] says what failed and whether trying again can help.
    fn handle(
        &self,
        event: &Self::Event,
        fence: &Fence<'_>,
    ) -> impl Future<Output = Result<Handled, HandlerError>> + Send;

    /// What the effect is made from. A second event for the same effect whose fingerprint does not agree is a
    /// conflict, and quarantined; the same address in another spelling agrees.
    fn fingerprint(&self, event: &Self::Event) -> Fingerprint {
        let content = event.content();
        Fingerprint::spelled(&[&content.exact], &[&content.folded])
    }

    /// Whom or what this event is about, for this reaction: [`Once::Subject`] goes by it. Never empty. By default what
    /// the event says itself.
    ///
    /// # Errors
    /// [`EventError`]: the event does not say, so it is refused.
    fn subject<'e>(&'e self, event: &'e Self::Event) -> Result<Cow<'e, str>, EventError> {
        Ok(Cow::Borrowed(event.subject()))
    }

    /// Behind the fence: how long the rest of a run may take, counted anew. `None`: as long as the whole run.
    fn limit_behind_the_fence(&self) -> Option<Duration> {
        None
    }

    /// No event will follow: what is kept open is closed.
    fn close(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Is what this handler depends on there again? Asked while the reaction pauses because of
    /// [`HandlerError::Unavailable`], as often as its [`Outage`] says; costs no message an attempt.
    ///
    /// # Errors
    /// Any error keeps the pause.
    fn probe(&self) -> impl Future<Output = Result<(), HandlerError>> + Send {
        async { Ok(()) }
    }
}

/// What the engine asks of a reaction beside its handler's functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// [`Handler::NAME`], or what it is called here.
    pub name: &'static str,
    /// [`Handler::RECEIVER`].
    pub receiver: &'static str,
    /// [`Handler::ONCE`].
    pub once: Once,
    /// Where an effect happens once for each subject: does it happen once for each type, too? See [`Once::Subject`].
    pub is_by_type: bool,
    /// The event types that it takes, out of those of its handler's event. Empty: all of them.
    pub types: &'static [&'static str],
    /// The field of an event that names its type.
    pub type_field: &'static str,
    /// Does the receiver recognise an effect that comes again, by the event's id? Then an outcome that nobody knows is a
    /// failure like any other, and is tried again as often: each further try is a possible duplicate. Not under
    /// [`OnAmbiguous::Park`](crate::idempotency::OnAmbiguous::Park).
    pub is_recognised: bool,
}

impl Row {
    /// What the handler says of itself.
    #[must_use]
    pub fn of<H: Handler>() -> Self {
        Self {
            name: H::NAME,
            receiver: H::RECEIVER,
            once: H::ONCE,
            is_by_type: H::Event::IS_ONE_OF,
            types: H::Event::TYPES,
            type_field: H::Event::NAMES.kind,
            is_recognised: false,
        }
    }
}

/// What a handler has done.
#[derive(Debug)]
pub enum Handled {
    /// The effect happened, behind the fence.
    Done {
        /// Proof that the fence was crossed.
        crossing: Crossing,
        /// What can prove the effect later, such as a Message-ID; kept with the record.
        receipt: String,
    },
    /// Effect and mark were one atomic step, so no fence was needed: it happened now.
    Applied,
    /// The same, and it had happened before.
    AlreadyApplied,
    /// The same, and newer events had overtaken it.
    Superseded,
}

/// Why a handler did not succeed. Texts must not hold addresses, secrets or bodies: they are logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// This event failed now, surely without effect; later it may succeed.
    #[error("{0}")]
    Transient(String),
    /// The same, and a proxy seems to answer for a receiver that is down. If three different events in a row fail so, it
    /// counts as down.
    #[error("{0}")]
    Faltering(String),
    /// This event will never succeed. `reason` is the code that dead letters are grouped by.
    #[error("{detail}")]
    Permanent {
        /// Stable, lower case, one word.
        reason: &'static str,
        /// For the log.
        detail: String,
    },
    /// The receiver says "not now" of this event, surely without effect. Counts no failure; tried again for hours.
    #[error("{detail}")]
    Deferred {
        /// For the log.
        detail: String,
        /// It is not tried again before this time, as the receiver named it. Zero: it named none.
        at_least: Duration,
    },
    /// The receiver says "never", perhaps of this event, perhaps of all events: the answers to the next ones decide.
    #[error("{detail}")]
    Suspect {
        /// The code that dead letters are grouped by, if it is this event's fault.
        reason: &'static str,
        /// For the log and the letter.
        detail: String,
    },
    /// Something every event needs is down: the reaction pauses until [`Handler::probe`] succeeds and then an event does.
    #[error("{dependency}: {detail}")]
    Unavailable {
        /// What is down.
        dependency: &'static str,
        /// For the log.
        detail: String,
        /// How soon it is asked again.
        outage: Outage,
    },
    /// The point of no return was passed and no answer came: the effect may have happened.
    #[error("{0}")]
    OutcomeUnknown(String),
    /// The fence did not open.
    #[error(transparent)]
    Fenced(#[from] Fenced),
}

impl HandlerError {
    /// This event will never succeed; `reason` is stable, lower case, one word.
    #[must_use]
    pub fn permanent(reason: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::Permanent { reason, detail: detail.to_string() }
    }

    /// "Not now", without a time.
    #[must_use]
    pub fn deferred(detail: impl Into<String>) -> Self {
        Self::Deferred { detail: detail.into(), at_least: Duration::ZERO }
    }

    /// `dependency`, which every event needs, is down.
    #[must_use]
    pub fn unavailable(dependency: &'static str, detail: impl Into<String>) -> Self {
        Self::Unavailable { dependency, detail: detail.into(), outage: Outage::Down }
    }
}

impl Handled {
    /// The effect happened; nothing to prove it by.
    #[must_use]
    pub fn done(crossing: Crossing) -> Self {
        Self::Done { crossing, receipt: String::new() }
    }
}
