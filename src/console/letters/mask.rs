//! Hides mail addresses in a text that holds anything: a dead letter's body. Pure.
//!
//! Enters: any text. Leaves: the same, with [`MASK`] for whatever may be an address. Promises: rather too much is hidden
//! than too little; an `@` that JSON writes as its escape, or a URL as `%40`, counts. What is no address stays to the byte.

/// What stands for an address.
const MASK: &str = "***@***";
/// What may stand for the `@` of an address.
const SIGNS: [&str; 5] = ["@", "u0040", "%40", "\u{ff20}", "\u{fe6b}"];

/// The text without its addresses.
pub(super) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = 0;
    while let Some((at, sign)) = next_sign(text, rest) {
        let begin = rest + local_part(&text[rest..at]);
        let end = at + sign + domain(&text[at + sign..]);
        shown.push_str(&text[rest..begin]);
        shown.push_str(MASK);
        rest = end;
    }
    shown.push_str(&text[rest..]);
    shown
}

/// Where the next sign begins, and how long it is.
fn next_sign(text: &str, from: usize) -> Option<(usize, usize)> {
    SIGNS.iter().filter_map(|sign| Some((from + text[from..].find(sign)?, sign.len()))).min()
}

/// Where the part before the sign begins.
fn local_part(before: &str) -> usize {
    let bare = before.trim_end_matches('\\');
    if let Some(quoted) = bare.strip_suffix('"') {
        // `"anna smith"@example.com`; its quotes may be escaped.
        if let Some(open) = quoted.rfind('"') {
            return quoted[..open].trim_end_matches('\\').len();
        }
    }
    let begins = before.char_indices().rev().find(|(_, c)| ends_an_address(*c));
    begins.map_or(0, |(at, c)| at + c.len_utf8())
}

/// Where the part behind the sign ends.
fn domain(behind: &str) -> usize {
    behind.find(|c| ends_an_address(c) || c == '\\').unwrap_or(behind.len())
}

/// No address goes on over such a character.
fn ends_an_address(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '"' | '<' | '>' | '(' | ')' | '[' | ']' | '{' | '}' | ',' | ';' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_hidden_however_it_is_written() {
        for (text, shown) in [
            (r#"{"email":"anna@example.com","n":1}"#, r#"{"email":"***@***","n":1}"#),
            (r#"{\"email\":\"anna@example.com\",\"n\":1}"#, r#"{\"email\":\"***@***\",\"n\":1}"#),
            (r#"{"email":"anna\u0040example.com"}"#, r#"{"email":"***@***"}"#),
            (r#"{"m":"{\"email\":\"anna\\u0040example.com\"}"}"#, r#"{"m":"{\"email\":\"***@***\"}"}"#),
            ("Anna <anna@example.com>, bert@example.org;", "Anna <***@***>, ***@***;"),
            (r#""\"anna smith\"@example.com""#, r#""***@***""#),
            ("mailto:anna%40example.com and anna＠example.com", "mailto:***@*** and ***@***"),
            ("jürgen@bücher.example", "***@***"),
            ("a@b@c", "***@***"),
            ("@", "***@***"),
            ("", ""),
            ("{\"plan\": \"pro\"}\n", "{\"plan\": \"pro\"}\n"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
        }
    }

    #[test]
    fn no_text_is_too_long_or_too_odd() {
        let long = "@".repeat(1 << 20);
        assert!(masked(&long).len() <= long.len() * MASK.len());
        assert_eq!(masked(&"\"".repeat(9)), "\"".repeat(9));
        assert!(!masked("\u{202e}anna@example.com\u{0}é@é").contains("anna"));
    }
}
