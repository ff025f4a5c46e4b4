//! The life of one worker, from its start to its kill, and what is written down of it.
//!
//! Enters: a handler, and how many of its runs end with a kill. Leaves: outcomes. Promises: a life that is dropped ends
//! as a process does that is killed: nothing is finished, nothing is given back.

use std::borrow::Cow;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Span;

use crate::event::{EventError, Once};
use crate::handler::{Handled, Handler, HandlerError};
use crate::idempotency::{Fence, Fingerprint, Ledger};
use crate::queue::Queue;
use crate::worker::{Ended, Observer, Outcome, Summary, Worker};

/// One worker, from its start to its kill.
pub(super) struct Life {
    killed: Arc<Notify>,
    _process: AbortOnDropHandle<Summary>,
}

impl Life {
    pub(super) fn of<Q: Queue, L: Ledger, H: Handler>(worker: Worker<Q, L, H>, killed: Arc<Notify>) -> Self {
        Self { killed, _process: AbortOnDropHandle::new(tokio::spawn(worker.run(CancellationToken::new()))) }
    }

    /// Waits until it is to be killed.
    pub(super) async fn killed(&self) {
        self.killed.notified().await;
    }
}

/// What the deliveries came to.
#[derive(Debug, Default)]
pub(super) struct Diary(Mutex<Vec<Outcome>>);

impl Diary {
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Outcome>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Diary {
    fn ends(&self, _span: &Span, ended: &Ended, _is_gone: bool) {
        self.lock().push(ended.outcome.clone());
    }
}

/// The handler, whose process can be killed at its end.
pub(super) struct Mortal<H> {
    handler: Arc<H>,
    kills: Arc<AtomicUsize>,
    killed: Arc<Notify>,
}

impl<H> Mortal<H> {
    /// For one life: answers by what that life is told of its end.
    pub(super) fn new(handler: &Arc<H>, kills: &Arc<AtomicUsize>) -> (Self, Arc<Notify>) {
        let killed = Arc::new(Notify::new());
        (Self { handler: handler.clone(), kills: kills.clone(), killed: killed.clone() }, killed)
    }
}

impl<H: Handler> Handler for Mortal<H> {
    type Event = H::Event;
    const NAME: &'static str = H::NAME;
    const ONCE: Once = H::ONCE;
    const RECEIVER: &'static str = H::RECEIVER;

    async fn handle(&self, event: &H::Event, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        let handled = self.handler.handle(event, fence).await;
        if self.kills.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            self.killed.notify_one();
            return pending().await;
        }
        handled
    }

    fn subject<'e>(&'e self, event: &'e H::Event) -> Result<Cow<'e, str>, EventError> {
        self.handler.subject(event)
    }

    fn fingerprint(&self, event: &H::Event) -> Fingerprint {
        self.handler.fingerprint(event)
    }

    fn limit_behind_the_fence(&self) -> Option<Duration> {
        self.handler.limit_behind_the_fence()
    }

    async fn close(&self) {
        self.handler.close().await;
    }

    async fn probe(&self) -> Result<(), HandlerError> {
        self.handler.probe().await
    }
}
