//! The lines of a text, whatever ends them.
//!
//! Enters: bytes. Leaves: each line without its end. Pure.

use std::iter;

use memchr::memchr2_iter;

/// Each line: CRLF, a CR alone and an LF alone end one. What follows the last end is a line if there is anything.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut ends, mut begin) = (memchr2_iter(b'\r', b'\n', text), 0);
    iter::from_fn(move || {
        let rest = &text[begin..];
        if rest.is_empty() {
            return None;
        }
        let Some(end) = ends.next() else {
            begin = text.len();
            return Some(rest);
        };
        let line = &text[begin..end];
        begin = end + 1;
        if text[end] == b'\r' && text.get(begin) == Some(&b'\n') {
            ends.next();
            begin += 1;
        }
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_of_a_line_ends_one_and_no_empty_line_is_made_up() {
        let of = |text: &'static str| {
            lines(text.as_bytes()).map(|line| str::from_utf8(line).expect("text")).collect::<Vec<_>>()
        };
        assert_eq!(of("a\r\nb\nc\rd"), ["a", "b", "c", "d"]);
        assert_eq!(of("a\n\r\n\r\rb\r\n"), ["a", "", "", "", "b"]);
        assert_eq!(of(""), [""; 0]);
        assert_eq!(of("\n"), [""]);
    }
}
