//! The values an event is made of: each is checked where it is made, so nobody checks again.
//!
//! Enters: text from outside. Leaves: a value with a rule, or [`InvalidValue`] naming the rule that
//! was broken (never the text itself: it may be personal data). Knows no JSON and no transport.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::timestamp::InvalidTimestamp;

/// The rule that a value broke. Never repeats the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub &'static str);

/// A text of any form keeps every rule there is.
impl From<Infallible> for InvalidValue {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<InvalidTimestamp> for InvalidValue {
    fn from(InvalidTimestamp(rule): InvalidTimestamp) -> Self {
        Self(rule)
    }
}

/// Identifies an event over all its copies: 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(String);

impl EventId {
    /// In bytes.
    pub const LONGEST: usize = 128;

    /// A new id, UUID v7: unique, and sortable by the time it was made.
    #[must_use]
    pub fn fresh() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventId {
    type Err = InvalidValue;
    fn from_str(value: &str) -> Result<Self, InvalidValue> {
        let valid = (1..=Self::LONGEST).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic());
        let rule = InvalidValue("must be 1 to 128 visible ASCII characters");
        valid.then(|| Self(value.to_owned())).ok_or(rule)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Eight hex digits that find all lines of one subject without telling who or what it is.
#[must_use]
pub fn log_hash(subject: &str) -> impl fmt::Display + '_ {
    // Reckoned when it is written: most logs leave it out.
    fmt::from_fn(|f| f.write_str(&data_encoding::HEXLOWER.encode(&Sha256::digest(subject.as_bytes())[..4])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_1_to_128_visible_ascii_characters() {
        for bad in ["", " ", "é", "a b", "a\nb", &"x".repeat(129)] {
            assert!(bad.parse::<EventId>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(128).parse::<EventId>().is_ok());
    }
}
