//! How a value of an event is shown in a mail: as text. What a user chose for a name must not become a link in somebody's mail
//! program, nor turn the direction of the text around it.
//!
//! Enters: values. Leaves: text. Promises: in HTML every value is escaped; a control character becomes a space; marks that turn
//! the direction are left out; what looks like a link is parted by U+2060, which is not seen, so that no mail program makes a
//! link of it. A template that wants a link says so: `{{ event.url | link }}`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, Output, State, Value, escape_formatter};

/// Not seen, and no part of an address: mail programs end a link before it.
const WORD_JOINER: char = '\u{2060}';

/// A value that is written as it is, but for HTML's escapes: it is ours, or the template asked for it.
#[derive(Debug)]
pub(super) struct AsItIs(pub(super) String);

impl Object for AsItIs {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The filter `link`: an address to go to, or a part of one.
pub(super) fn link(value: &Value) -> Result<Value, Error> {
    let text = value.to_string();
    // Mail programs take no notice of spaces before a scheme.
    let scheme = text.trim_start().split_once(':').map(|(scheme, _)| scheme).filter(|scheme| is_scheme(scheme));
    let is_usual = |scheme: &str| ["http", "https", "mailto", "tel"].contains(&scheme.to_ascii_lowercase().as_str());
    if text.contains(|c: char| c.is_control() || turns(c)) || scheme.is_some_and(|scheme| !is_usual(scheme)) {
        return Err(Error::new(ErrorKind::InvalidOperation, "no link"));
    }
    Ok(Value::from_object(AsItIs(text)))
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    let is_rest = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(is_rest)
}

/// Writes each value of a template.
pub(super) fn write(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if let Some(own) = value.downcast_object_ref::<AsItIs>() {
        return escape_formatter(out, state, &Value::from(own.0.as_str()));
    }
    let shown = match value.kind() {
        ValueKind::String if !value.is_safe() => as_text(value.as_str().unwrap_or_default()),
        // A list or a map is written as a whole, and may hold any text.
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable | ValueKind::Plain => {
            Cow::Owned(as_text(&value.to_string()).into_owned())
        }
        _ => Cow::Borrowed(""),
    };
    match shown {
        Cow::Borrowed(_) => escape_formatter(out, state, value),
        Cow::Owned(text) => escape_formatter(out, state, &Value::from(text)),
    }
}

fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// May it stand before a dot in the name of a host? Accents, signs and symbols beyond ASCII may, too.
fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || !c.is_ascii() && !c.is_whitespace() && c != WORD_JOINER
}

fn as_text(text: &str) -> Cow<'_, str> {
    let is_odd = |byte: u8| !(b' '..0x7f).contains(&byte) || matches!(byte, b'.' | b':' | b'@');
    if !text.bytes().any(is_odd) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    // A character that is left out does not split a word.
    let mut rest = text.chars().filter(|c| !turns(*c)).peekable();
    while let Some(c) = rest.next() {
        let after = rest.peek().copied().unwrap_or(' ');
        match c {
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => shown.push(' '),
            // `name.example`, `https://`, `user@`: inside of a word alone.
            '.' | '@' if is_of_a_name(before) && after.is_alphabetic() => shown.extend([WORD_JOINER, c]),
            ':' if after == '/' => shown.extend([c, WORD_JOINER]),
            c => shown.push(c),
        }
        before = c;
    }
    if shown == text { Cow::Borrowed(text) } else { Cow::Owned(shown) }
}

#[cfg(test)]
#[path = "shown_tests.rs"]
mod tests;
