//! The panic hook: it reports where a panic happened, but not its message.
//!
//! Enters: a panic of any thread, caught later or not. Leaves: one line, in the log, or on standard error before the
//! log has started. Promises: no panic's message is printed, because it may quote an address, a secret or a body.
//! `RUST_BACKTRACE` works, because a backtrace names only functions and lines.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::thread;

use super::complain;

const SAID: &str = "panicked; what it said is left out, for it may hold a value";

/// Sets the hook, for the whole process.
pub(super) fn keep_to_themselves() {
    panic::set_hook(Box::new(tell));
}

/// Reports a panic. The log adds the current span, which names the message.
fn tell(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let current = thread::current();
    let thread = current.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    // The backtrace is a field of the log's line; on a terminal it is printed as lines, for a person.
    let (field, lines) = if io::stderr().is_terminal() { (None, backtrace) } else { (backtrace, None) };
    if tracing::dispatcher::has_been_set() {
        tracing::error!(at, thread, backtrace = field, "{SAID}");
    } else {
        complain(format_args!("thread `{thread}` at {at}: {SAID}"));
        field.iter().for_each(complain);
    }
    lines.iter().for_each(complain);
}
