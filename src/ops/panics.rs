//! What a panic tells: where it happened, and nothing of what it says.
//!
//! Enters: a panic of any thread, caught later or not. Leaves: one line, in the log once that stands, on standard error
//! before. Promises: no panic prints its message, which may quote an address, a secret or a body, and is anybody's text;
//! `RUST_BACKTRACE` is heeded, for a backtrace names functions and lines alone.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::thread;

use super::complain;

const SAID: &str = "panicked; what it said is left out, for it may hold a value";

/// From now on, for the whole process.
pub(super) fn keep_to_themselves() {
    panic::set_hook(Box::new(tell));
}

/// The span that the log adds says which message was worked on.
fn tell(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let current = thread::current();
    let thread = current.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    // In a line of the log it is one field; a person reads it in lines.
    let (field, lines) = if io::stderr().is_terminal() { (None, backtrace) } else { (backtrace, None) };
    if tracing::dispatcher::has_been_set() {
        tracing::error!(at, thread, backtrace = field, "{SAID}");
    } else {
        complain(format_args!("thread `{thread}` at {at}: {SAID}"));
        field.iter().for_each(complain);
    }
    lines.iter().for_each(complain);
}
