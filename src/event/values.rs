//! The values of an event: each is checked when it is made, so nobody checks it again.
//!
//! Enters: text from outside. Leaves: a value that keeps its rule, or [`InvalidValue`], which names the broken rule and
//! never repeats the text: it may be personal data. Knows no JSON and no transport.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The rule that a value broke. Never repeats the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub &'static str);

/// A type that takes every text breaks no rule.
impl From<Infallible> for InvalidValue {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Identifies an event: the same in all its copies. 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(String);

/// Identifies a user: 1 to 256 bytes without control characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserId(String);

/// The plan a user signed up for: 1 to 64 bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan(String);

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

impl UserId {
    /// In bytes.
    pub const LONGEST: usize = 256;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Plan {
    /// In bytes.
    pub const LONGEST: usize = 64;

    /// The plan's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn text(value: &str, longest: usize, rule: &'static str) -> Result<String, InvalidValue> {
    let fits = !value.trim().is_empty() && value.len() <= longest;
    if !fits || value.chars().any(char::is_control) {
        return Err(InvalidValue(rule));
    }
    Ok(value.to_owned())
}

impl FromStr for EventId {
    type Err = InvalidValue;
    fn from_str(value: &str) -> Result<Self, InvalidValue> {
        let valid = (1..=Self::LONGEST).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic());
        let rule = InvalidValue("must be 1 to 128 visible ASCII characters");
        valid.then(|| Self(value.to_owned())).ok_or(rule)
    }
}

impl FromStr for UserId {
    type Err = InvalidValue;
    fn from_str(value: &str) -> Result<Self, InvalidValue> {
        text(value, Self::LONGEST, "must be 1 to 256 bytes without control characters").map(Self)
    }
}

impl FromStr for Plan {
    type Err = InvalidValue;
    fn from_str(value: &str) -> Result<Self, InvalidValue> {
        text(value, Self::LONGEST, "must be 1 to 64 bytes without control characters").map(Self)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user id is personal data in many companies: logs show [`UserId::log_hash`].
impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({})", self.log_hash())
    }
}

impl UserId {
    /// Eight hex digits that find all lines of one user without telling who it is.
    #[must_use]
    pub fn log_hash(&self) -> impl fmt::Display + '_ {
        log_hash(&self.0)
    }
}

/// Eight hex digits that find all lines of one subject without telling who or what it is.
#[must_use]
pub fn log_hash(subject: &str) -> impl fmt::Display + '_ {
    // Computed only when it is printed: most logs leave it out.
    fmt::from_fn(|f| f.write_str(&data_encoding::HEXLOWER.encode(&Sha256::digest(subject.as_bytes())[..4])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_plans_refuse_empty_long_and_control_text() {
        assert!("".parse::<UserId>().is_err());
        assert!("a\nb".parse::<UserId>().is_err());
        assert!("x".repeat(257).parse::<UserId>().is_err());
        assert!("jürgen 🎉".parse::<UserId>().is_ok());
        assert!("é".parse::<EventId>().is_err());
        assert!("p".repeat(65).parse::<Plan>().is_err());
    }
}
