//! JSON with its parts on lines of their own, for a person; and without any space, for the queue. Pure.
//!
//! Enters: text. Leaves: the same JSON: fields stay in their order, and values to the byte. What is no JSON stays as it is.

use serde::de::IgnoredAny;

/// With each field and each element on its own line.
pub(crate) fn spread(text: &str) -> String {
    laid_out(text, true)
}

/// Without spaces between its parts.
pub(crate) fn packed(text: &str) -> String {
    laid_out(text, false)
}

fn laid_out(text: &str, is_spread: bool) -> String {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let (mut depth, mut in_string, mut is_escaped, mut opened) = (0_usize, false, false, false);
    let line = |out: &mut String, depth: usize| {
        if is_spread {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        }
    };
    for c in text.chars() {
        if in_string {
            in_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            out.push(c);
            continue;
        }
        if c.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(c, '}' | ']');
        if closes {
            depth = depth.saturating_sub(1);
        }
        // `{}` stays on one line.
        if opened != closes {
            line(&mut out, depth);
        }
        opened = matches!(c, '{' | '[');
        depth += usize::from(opened);
        in_string = c == '"';
        out.push(c);
        match c {
            ',' => line(&mut out, depth),
            ':' if is_spread => out.push(' '),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_changes_nothing_but_the_spaces_between_parts() {
        let tight = r#"{"b":1.0,"a":[1e400,{"x\"}":"a , b:\\"},[],{}],"c":{"d":null}}"#;
        let spread = spread(tight);
        let lines = [
            "{",
            "  \"b\": 1.0,",
            "  \"a\": [",
            "    1e400,",
            "    {",
            r#"      "x\"}": "a , b:\\""#,
            "    },",
            "    [],",
            "    {}",
            "  ],",
            "  \"c\": {",
            "    \"d\": null",
            "  }",
            "}",
        ];
        assert_eq!(spread, lines.join("\n"));
        assert_eq!(packed(&spread), tight);
    }

    #[test]
    fn what_is_no_json_stays_as_it_is() {
        for text in ["", "hello , {x}", "{\"a\": 1", "{} {}"] {
            assert_eq!((spread(text), packed(text)), (text.to_owned(), text.to_owned()));
        }
    }
}
