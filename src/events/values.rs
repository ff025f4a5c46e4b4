//! Whom `user.signed_up` is about, and what they signed up for: each is checked where it is made, so nobody checks again.
//!
//! Enters: text from outside. Leaves: a value with a rule, or [`InvalidValue`] naming the rule that was broken (never the
//! text itself: it may be personal data). Knows no JSON.

use std::fmt;
use std::str::FromStr;

use engine::event::{InvalidValue, log_hash};

/// Identifies a user: 1 to 256 bytes without control characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserId(String);

/// The plan a user signed up for: 1 to 64 bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan(String);

impl UserId {
    /// In bytes.
    pub const LONGEST: usize = 256;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Eight hex digits that find all lines of one user without telling who it is.
    #[must_use]
    pub fn log_hash(&self) -> impl fmt::Display + '_ {
        log_hash(&self.0)
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

/// A user id is personal data in many houses: logs get [`UserId::log_hash`].
impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({})", self.log_hash())
    }
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
        assert!("p".repeat(65).parse::<Plan>().is_err());
    }
}
