//! Faults of a queue, on demand.
//!
//! Enters: a call. Leaves: what goes wrong with it, as the test decides that set the faults. Knows no message. If
//! none are set, nothing goes wrong.

use std::fmt;
use std::time::Duration;

/// A call to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// [`receive`](crate::queue::Queue::receive).
    Receive,
    /// [`delete`](crate::queue::Queue::delete), the whole batch.
    Delete,
    /// [`hide`](crate::queue::Queue::hide), the whole batch.
    Hide,
    /// [`extend`](crate::queue::Queue::extend), the whole batch.
    Extend,
    /// [`send_to_dlq`](crate::queue::Queue::send_to_dlq).
    SendToDlq,
    /// One entry of a batch: any fault fails this entry alone.
    Entry,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Refused before anything happened.
    Throttled,
    /// For a delete, a hide or an extension: refused, because the right is missing.
    Denied,
    /// It happened, and the answer was lost on the way.
    LostReply,
    /// It happens this much later.
    Slow(Duration),
    /// For a receive: a copy of each message stays on the queue. A FIFO queue makes none.
    Duplicate,
    /// For a receive: the newest messages come first. A FIFO queue keeps its order.
    Reordered,
}

type Ask = dyn FnMut(Call) -> Option<Fault> + Send;

/// Decides what goes wrong.
#[derive(Default)]
pub(super) struct Faults(Option<Box<Ask>>);

impl Faults {
    pub(super) fn set(&mut self, ask: impl FnMut(Call) -> Option<Fault> + Send + 'static) {
        self.0 = Some(Box::new(ask));
    }

    pub(super) fn ask(&mut self, call: Call) -> Option<Fault> {
        self.0.as_mut().and_then(|ask| ask(call))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Faults(set)" } else { "Faults(none)" })
    }
}
