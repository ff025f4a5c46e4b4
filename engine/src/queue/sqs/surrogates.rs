//! Replaces half surrogate pairs, which JSON can spell and no text can hold.
//!
//! Enters: JSON text. Leaves: the same with U+FFFD for each half pair, or nothing if there is none. Pure. Knows no
//! message.

/// One half, as JSON spells it: `\ud83d`.
const ESCAPE: usize = 6;

/// The text without halves, and how many it had; `None` if it had none.
pub(super) fn mended(json: &str) -> Option<(String, usize)> {
    let (mut whole, mut halves, mut rest) = (String::with_capacity(json.len()), 0, json);
    while let Some(at) = rest.find('\\') {
        whole.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match (half(rest), rest.get(ESCAPE..).and_then(half)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE,
            (Some(_), _) => {
                whole.push('\u{fffd}');
                halves += 1;
                rest = &rest[ESCAPE..];
                continue;
            }
            // Another escape: the escaped character cannot begin one.
            (None, _) => rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end),
        };
        whole.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    whole.push_str(rest);
    (halves > 0).then_some((whole, halves))
}

/// The surrogate at the beginning of the text.
fn half(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let code = u16::from_str_radix(digits, 16).ok()?;
    (0xd800..=0xdfff).contains(&code).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_replaced_and_pairs_and_whatever_else_is_escaped_stay() {
        for (odd, even, halves) in [
            (r#""\ud800""#, "\"\u{fffd}\"", 1),
            (r#""\uDfFf!""#, "\"\u{fffd}!\"", 1),
            (r#""\ud83d\ud83d\ude00""#, "\"\u{fffd}\\ud83d\\ude00\"", 1),
            (r#""\ude00\ud83d""#, "\"\u{fffd}\u{fffd}\"", 2),
            (r#""\\\ud800\n""#, "\"\\\\\u{fffd}\\n\"", 1),
        ] {
            assert_eq!(mended(odd), Some((even.to_owned(), halves)), "{odd}");
        }
        for whole in [r#""\ud83d\ude00 ü \\ud800 \u00fc \"""#, "", "\\", "\\u", "\\ud8", "\\ü\\ud7ff", r"\\\\ud800"] {
            assert_eq!(mended(whole), None, "{whole}");
        }
    }
}
