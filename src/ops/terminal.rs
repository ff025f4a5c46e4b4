//! The one door to standard output and standard error, for every command.
//!
//! Enters: text, JSON or a document. Leaves: the same, and nothing in it that steers a terminal or hides. Promises:
//! a reader who has gone (`| head`) is no fault; any other write that fails is remembered, and ends the command
//! with a message and exit code 74 ([`failure`]).

use std::fmt::{Arguments, Display};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::plain;

/// The first write that failed. One for the process, as its standard output is.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// What can be said, in the form in which it is harmless.
pub(super) trait Said {
    /// As it is printed.
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
        plain::json(&self.to_string()).into_owned()
    }
}

/// Writes a line for the user.
pub(super) fn say(line: impl Said) {
    draw(&format!("{}\n", line.said()));
}

/// Writes a line about what went wrong.
pub(super) fn complain(line: impl Display) {
    // Whom should a failure of this be told?
    let _ = writeln!(io::stderr(), "{}", plain::lines(&line.to_string()));
}

/// Writes what a file would hold, byte for byte; but not to a terminal, where a mail's line ends are no escapes.
pub(super) fn document(text: &str) {
    let text = text.trim_end();
    if io::stdout().is_terminal() { say(text.replace("\r\n", "\n")) } else { draw(&format!("{text}\n")) }
}

/// Writes what steers the terminal on purpose: whatever is not ours in it was made [`plain`] before.
pub(super) fn draw(text: &str) {
    let mut out = io::stdout().lock();
    remember(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// For lines of JSON that are written one by one; how it ends is to be [remembered](remember).
pub(super) fn out() -> io::Stdout {
    io::stdout()
}

/// Keeps how a write ended; answers whether somebody still reads.
pub(super) fn remember(written: io::Result<()>) -> bool {
    let Err(error) = written else { return true };
    FAILED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    false
}

/// Is there nobody to write for any more?
pub(super) fn is_closed() -> bool {
    FAILED.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// What kept us from writing, unless the reader has gone.
pub(super) fn failure() -> Option<String> {
    let failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    failed.as_ref().filter(|error| error.kind() != ErrorKind::BrokenPipe).map(plain::said)
}
