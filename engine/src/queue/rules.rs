//! SQS's rules for a message's body and attributes, in one place.
//!
//! Enters: a body and attributes. Leaves: `Ok`, or the first rule that they break, as a [`Breach`]. All code that sends
//! must check here first: SQS may accept a forbidden character and store another one in its place. Pure.

use data_encoding::BASE64;

use super::{Attribute, Attributes, MAX_MESSAGE_BYTES};

/// The most attributes of one message. SQS's own limit.
pub const MAX_ATTRIBUTES: usize = 10;
/// The longest name, and the longest type, of an attribute, in bytes. SQS's own limit.
const LONGEST_NAME: usize = 256;

/// The rule that a message breaks. A breach holds no text of the message, so it may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// SQS takes no message without a body.
    #[error("its body is empty")]
    EmptyBody,
    /// The body has a character that `is_taken` refuses, for example a NUL.
    #[error("its body holds a character that SQS does not take")]
    Character,
    /// The body and the names, types and values of all attributes have too many bytes together.
    #[error("with its attributes it is over {most} bytes")]
    TooLarge {
        /// The limit of the queue, in bytes: [`MAX_MESSAGE_BYTES`], or less if the queue is set to less.
        most: usize,
    },
    /// More than [`MAX_ATTRIBUTES`].
    #[error("it has more than {MAX_ATTRIBUTES} attributes")]
    TooManyAttributes,
    /// Empty; over 256 bytes; with other characters than `A-Z a-z 0-9 _ - .`; with a dot at its start or end, or two
    /// dots in a row; or reserved by AWS (begins with `AWS.` or `Amazon.`, in capital or small letters).
    #[error("the name of an attribute is not one that SQS takes")]
    AttributeName,
    /// Not `String`, `Number` or `Binary`, or over 256 bytes. A label may follow after a dot: `Number.int`.
    #[error("the type of an attribute is not one that SQS takes")]
    AttributeType,
    /// Empty, not a value of its type, or a `String` with a character that `is_taken` refuses.
    #[error("the value of an attribute is not one that SQS takes")]
    AttributeValue,
    /// The queue refused the message by a rule that is not checked here. Holds the queue's error code.
    #[error("the queue says {0}")]
    Said(String),
}

/// Does SQS take a message of this body and these attributes?
///
/// # Errors
/// The first [`Breach`].
pub fn check(body: &str, attributes: &Attributes) -> Result<(), Breach> {
    check_within(MAX_MESSAGE_BYTES, body, attributes)
}

/// The same as `check`, for a queue whose own limit is `most` bytes.
///
/// # Errors
/// The first [`Breach`].
pub(crate) fn check_within(most: usize, body: &str, attributes: &Attributes) -> Result<(), Breach> {
    if body.is_empty() {
        return Err(Breach::EmptyBody);
    }
    if body.len() + attributes_size(attributes) > most {
        return Err(Breach::TooLarge { most });
    }
    if !body.chars().all(is_taken) {
        return Err(Breach::Character);
    }
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(Breach::TooManyAttributes);
    }
    attributes.iter().try_for_each(|(name, attribute)| check_attribute(name, attribute))
}

/// Is it a character that SQS takes? SQS takes those that XML allows.
#[must_use]
pub fn is_taken(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Bytes of attributes as SQS counts them.
pub(super) fn attributes_size(attributes: &Attributes) -> usize {
    attributes.iter().map(|(name, a)| name.len() + a.data_type.len() + value_size(a)).sum()
}

/// A binary value is held as base64, but SQS counts the decoded bytes: 4 characters without `=` are 3 bytes.
fn value_size(attribute: &Attribute) -> usize {
    let value = &attribute.value;
    if attribute.is_binary() { value.trim_end_matches('=').len() * 3 / 4 } else { value.len() }
}

fn check_attribute(name: &str, attribute: &Attribute) -> Result<(), Breach> {
    let lower = name.to_ascii_lowercase();
    let is_name = (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        && !(name.starts_with('.') || name.ends_with('.') || name.contains(".."))
        && !(lower.starts_with("aws.") || lower.starts_with("amazon."));
    if !is_name {
        return Err(Breach::AttributeName);
    }
    let data_type = attribute.data_type.as_str();
    let (base, label) = data_type.split_once('.').map_or((data_type, None), |(base, label)| (base, Some(label)));
    let is_label = label.is_none_or(|label| !label.is_empty() && label.chars().all(is_taken));
    if !matches!(base, "String" | "Number" | "Binary") || !is_label || data_type.len() > LONGEST_NAME {
        return Err(Breach::AttributeType);
    }
    let value = attribute.value.as_str();
    let is_value = match base {
        "Binary" => BASE64.decode(value.as_bytes()).is_ok(),
        // The check of each byte refuses `inf` and `NaN`, which Rust parses as numbers.
        "Number" => value.parse::<f64>().is_ok() && value.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)),
        _ => value.chars().all(is_taken),
    };
    if value.is_empty() || !is_value { Err(Breach::AttributeValue) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, data_type: &str, value: &str) -> Attributes {
        let attribute = Attribute { data_type: data_type.to_owned(), value: value.to_owned() };
        [(name.to_owned(), attribute)].into()
    }

    #[test]
    fn a_message_is_taken_by_the_rules_of_sqs_and_the_first_that_it_breaks_is_named() {
        let taken = [
            ("trace.parent-1_A", "String", "v"),
            ("n", "Number", "-1.5e3"),
            ("n", "Number.int", "7"),
            ("b", "Binary", "AAH/"),
            ("b", "Binary.png", "AA=="),
            ("awsome", "String.x y", "\t\u{e000}🎉"),
        ];
        for (name, data_type, value) in taken {
            assert_eq!(check("x", &one(name, data_type, value)), Ok(()), "{name} {data_type} {value}");
        }
        for name in ["", "a b", "é", ".a", "a.", "a..b", "AWS.a", "amazon.a", &"a".repeat(257)] {
            assert_eq!(check("x", &one(name, "String", "v")), Err(Breach::AttributeName), "{name}");
        }
        for data_type in ["", "string", "Strings", "String.", "Text", &format!("String.{}", "a".repeat(250))] {
            assert_eq!(check("x", &one("a", data_type, "v")), Err(Breach::AttributeType), "{data_type}");
        }
        for (data_type, value) in
            [("String", ""), ("String", "\u{b}"), ("Number", "seven"), ("Number", "inf"), ("Binary", "no base64")]
        {
            assert_eq!(check("x", &one("a", data_type, value)), Err(Breach::AttributeValue), "{data_type} {value}");
        }
        for character in ['\0', '\u{8}', '\u{b}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
            assert_eq!(check(&format!("x{character}"), &Attributes::new()), Err(Breach::Character), "{character:?}");
        }
        let many = |n: usize| (0..n).map(|n| (format!("a{n}"), Attribute::string("v"))).collect::<Attributes>();
        assert_eq!((check("x", &many(10)), check("x", &many(11))), (Ok(()), Err(Breach::TooManyAttributes)));
        assert_eq!(check("", &Attributes::new()), Err(Breach::EmptyBody));
    }

    #[test]
    fn a_mebibyte_is_taken_and_a_byte_more_is_not_whatever_stands_in_the_attributes() {
        let body = |bytes: usize| "x".repeat(MAX_MESSAGE_BYTES - bytes);
        for (attributes, bytes) in [
            (Attributes::new(), 0),
            (one("ab", "String", "xyz"), 11),
            // `AAH/` is three bytes, `AA==` is one.
            (one("b", "Binary", "AAH/"), 10),
            (one("b", "Binary", "AA=="), 8),
        ] {
            assert_eq!(check(&body(bytes), &attributes), Ok(()), "{attributes:?}");
            assert_eq!(check(&body(bytes - usize::from(bytes > 0)), &attributes).is_err(), bytes > 0);
        }
        let most = MAX_MESSAGE_BYTES;
        assert_eq!(check(&"x".repeat(most + 1), &Attributes::new()), Err(Breach::TooLarge { most }));
        let within = |most| check_within(most, "1234", &one("ab", "String", "xyz"));
        assert_eq!((within(15), within(14)), (Ok(()), Err(Breach::TooLarge { most: 14 })));
    }
}
