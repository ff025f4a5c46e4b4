//! Makes foreign text safe to print: a character that steers a terminal or cannot be seen becomes its escape. Pure.
//!
//! Enters: any text. Leaves: the same text, with such a character as `\u{202e}`, or as `\u202e` in JSON.
//! Promises: no control character, no mark that changes the writing direction and no character without width
//! passes; JSON keeps its meaning. Everything that is printed goes through this filter.

use std::borrow::Cow;
use std::io;

/// For text of one line: a line break is escaped too.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_odd, |shown, c| shown.extend(c.escape_default()))
}

/// For text of several lines: line breaks stay.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_odd(c), |shown, c| shown.extend(c.escape_default()))
}

/// For serialised JSON: the white space between its parts stays.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |c| !matches!(c, '\n' | '\r' | '\t') && is_odd(c),
        |shown, c| {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        },
    )
}

/// The operating system's message for this error, as a shell prints it: without `(os error 2)`.
#[must_use]
pub fn said(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

fn escaped(text: &str, is_odd: impl Fn(char) -> bool, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(&is_odd) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_odd(c) { escape(&mut shown, c) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

fn is_odd(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    // Invisible joiners, fillers, hyphens and tags.
    let hides = matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    c.is_control() || turns || breaks || hides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_or_is_not_seen_is_shown_as_its_escape() {
        let odd = "a\u{1b}[2Jb\r\nc\u{7f}\u{9b}d\u{202e}e\u{200b}f\u{feff}g\u{e0041}h\ti\u{2028}";
        assert_eq!(line(odd), r"a\u{1b}[2Jb\r\nc\u{7f}\u{9b}d\u{202e}e\u{200b}f\u{feff}g\u{e0041}h\ti\u{2028}");
        assert_eq!(lines("a\r\nb\u{85}"), "a\\r\nb\\u{85}");
    }

    #[test]
    fn what_is_only_foreign_is_left() {
        for text in ["grüß dich", "こんにちは", "e\u{301}", "🙂\u{fe0f}", "مرحبا", "→ `x` \"y\" \\n"] {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn json_says_the_same_with_its_own_escapes() {
        let value = serde_json::json!({ "a": "x\u{202e}\u{7f}\u{9b}\u{1b}\u{e0041}\n", "b\u{200b}": 1 });
        for text in [value.to_string(), format!("{value:#}")] {
            let shown = json(&text);
            assert!(
                shown.contains(r"x\u202e\u007f\u009b\u001b\udb40\udc41\n") && shown.contains(r"b\u200b"),
                "{shown}"
            );
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("still JSON"), value);
        }
    }

    #[test]
    fn the_system_is_quoted_as_a_shell_quotes_it() {
        assert_eq!(said(&io::Error::from_raw_os_error(2)), "No such file or directory");
        assert_eq!(said(&io::Error::new(io::ErrorKind::InvalidData, "no text")), "no text");
    }
}
