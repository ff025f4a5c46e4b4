//! What the terminal can show: how many columns, and whether more than ASCII.
//!
//! Enters: the environment, once; the terminals of standard output and standard error. Leaves: a width, and texts in
//! characters that the terminal can show. Promises: it is taken for UTF-8 unless the locale says otherwise. `stty` tells the
//! width, because the system tells it only to unsafe code; without `stty` it is not known.

use std::borrow::Cow;
use std::fs::File;
use std::io::IsTerminal;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::config::{Environment, set};

/// Is only ASCII shown? It is global, because standard output is.
static ASCII: AtomicBool = AtomicBool::new(false);
/// The columns of standard output and of standard error; [`UNKNOWN`] or [`UNASKED`].
static COLUMNS: AtomicUsize = AtomicUsize::new(UNASKED);
static COLUMNS_OF_ERRORS: AtomicUsize = AtomicUsize::new(UNASKED);
const UNASKED: usize = usize::MAX;
const UNKNOWN: usize = 0;
/// No screen is laid out for fewer columns.
const NARROWEST: usize = 40;

/// Reads the locale.
pub(super) fn settle(environment: &Environment) {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| set(environment, name));
    ASCII.store(locale.is_some_and(|locale| !is_utf8(locale)), Ordering::Relaxed);
}

fn is_utf8(locale: &str) -> bool {
    let codeset = locale.split_once('.').map_or("", |(_, rest)| rest.split('@').next().unwrap_or_default());
    ["utf8", "utf-8"].iter().any(|name| codeset.eq_ignore_ascii_case(name))
}

/// The terminal's width. `None`: standard output is no terminal, or the width is not known.
pub(super) fn columns() -> Option<usize> {
    if COLUMNS.load(Ordering::Relaxed) == UNASKED {
        measure();
    }
    Some(COLUMNS.load(Ordering::Relaxed)).filter(|columns| *columns != UNKNOWN)
}

/// The width of standard error's terminal, likewise.
pub(super) fn columns_of_errors() -> Option<usize> {
    if COLUMNS_OF_ERRORS.load(Ordering::Relaxed) == UNASKED {
        let asked = if std::io::stderr().is_terminal() { asked("/dev/stderr") } else { None };
        store(&COLUMNS_OF_ERRORS, asked);
    }
    Some(COLUMNS_OF_ERRORS.load(Ordering::Relaxed)).filter(|columns| *columns != UNKNOWN)
}

/// Asks for the width anew.
pub(super) fn measure() {
    store(&COLUMNS, if std::io::stdout().is_terminal() { asked("/dev/stdout") } else { None });
}

fn store(columns: &AtomicUsize, asked: Option<usize>) {
    columns.store(asked.map_or(UNKNOWN, |columns| columns.max(NARROWEST)), Ordering::Relaxed);
}

fn asked(terminal: &str) -> Option<usize> {
    // It answers for its standard input.
    let terminal = File::open(terminal).ok()?;
    let answer = Command::new("stty").arg("size").stdin(terminal).stderr(Stdio::null()).output().ok()?;
    let columns = std::str::from_utf8(&answer.stdout).ok()?.split_whitespace().nth(1)?.parse().ok()?;
    (columns > 0).then_some(columns)
}

/// The text as this terminal can show it: where it shows only ASCII, an arrow becomes `->`, and what has no likeness its
/// escape.
pub(super) fn spelled(text: &str) -> Cow<'_, str> {
    if !ASCII.load(Ordering::Relaxed) { Cow::Borrowed(text) } else { in_ascii(text) }
}

/// The same for serialised JSON, which keeps its meaning.
pub(super) fn spelled_json(text: &str) -> Cow<'_, str> {
    if !ASCII.load(Ordering::Relaxed) || text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\0'..='\x7f' => shown.push(c),
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    Cow::Owned(shown)
}

/// From low to high.
const BARS: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];

fn in_ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\0'..='\x7f' => shown.push(c),
            '→' => shown.push_str("->"),
            '…' => shown.push_str("..."),
            '–' | '—' | '─' => shown.push('-'),
            '▁'..='█' => shown.push(BARS[c as usize - '▁' as usize]),
            '‘' | '’' => shown.push('\''),
            '“' | '”' => shown.push('"'),
            _ => shown.extend(c.escape_unicode()),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_utf8_if_it_says_so() {
        for utf8 in ["en_US.UTF-8", "C.UTF-8", "de_AT.utf8@euro"] {
            assert!(is_utf8(utf8), "{utf8}");
        }
        for other in ["C", "POSIX", "en_US", "de_DE.ISO-8859-1", "de_DE@euro", "ja_JP.eucJP"] {
            assert!(!is_utf8(other), "{other}");
        }
    }

    #[test]
    fn what_ascii_lacks_is_written_with_what_it_has() {
        assert_eq!(in_ascii("→ see… “it”, – grüß\n"), "-> see... \"it\", - gr\\u{fc}\\u{df}\n");
        assert!(matches!(in_ascii("plain"), Cow::Borrowed("plain")));
    }
}
