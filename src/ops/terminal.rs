//! The only way to standard output and standard error, for every command.
//!
//! Enters: text, JSON or a document. Leaves: the same, with characters escaped that steer a terminal or cannot be seen, or
//! that this one cannot show.
//! Promises: a reader that has gone (`| head`) is no error. Any other failed write is remembered, and ends the command
//! with a message and exit code 74 ([`failure`]).

use std::fmt::{Arguments, Display};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::screen;
use super::table::folded;
use crate::plain;

/// The first write that failed. It is global, because standard output is.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// What can be printed, with dangerous characters escaped.
pub(super) trait Said {
    /// The text to print.
    fn said(&self) -> String;
}

impl Said for &str {
    fn said(&self) -> String {
        plain::lines(self).into_owned()
    }
}

impl Said for String {
    fn said(&self) -> String {
        plain::lines(self).into_owned()
    }
}

impl Said for Arguments<'_> {
    fn said(&self) -> String {
        plain::lines(&self.to_string()).into_owned()
    }
}

impl Said for Value {
    fn said(&self) -> String {
        screen::spelled_json(&plain::json(&self.to_string())).into_owned()
    }
}

/// Writes a line for the user.
pub(super) fn say(line: impl Said) {
    draw(&format!("{}\n", line.said()));
}

/// Writes a line to standard error; folded if its terminal is narrower.
pub(super) fn complain(line: impl Display) {
    let line = line.to_string();
    let line = plain::lines(&line);
    let mut line = screen::spelled(&line);
    if let Some(columns) = screen::columns_of_errors() {
        line = folded(&line, columns).into();
    }
    // The result is ignored: there is no place left to report a failure.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes a document, with one line break at its end. To a file or pipe every other byte stays. To a terminal it is
/// escaped, with CRLF as line breaks.
pub(super) fn document(text: &str) {
    let text = text.trim_end();
    if io::stdout().is_terminal() { say(text.replace("\r\n", "\n")) } else { write(&format!("{text}\n")) }
}

/// Writes text that may steer the terminal, such as colours. The caller has escaped foreign text by [`plain`].
pub(super) fn draw(text: &str) {
    write(&screen::spelled(text));
}

fn write(text: &str) {
    let mut out = io::stdout().lock();
    remember(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Standard output, for JSON written line by line. The caller must [remember] the result.
pub(super) fn out() -> io::Stdout {
    io::stdout()
}

/// Notes the result of a write. Answers whether the write succeeded.
pub(super) fn remember(written: io::Result<()>) -> bool {
    let Err(error) = written else { return true };
    FAILED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    false
}

/// Has a write failed before?
pub(super) fn is_closed() -> bool {
    FAILED.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// Why a write failed. `None`: none failed, or the reader has gone.
pub(super) fn failure() -> Option<String> {
    let failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    failed.as_ref().filter(|error| error.kind() != ErrorKind::BrokenPipe).map(plain::said)
}
