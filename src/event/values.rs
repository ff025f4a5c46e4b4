//! The values an event is made of: each is checked where it is made, so nobody checks again.
//!
//! Enters: text from outside. Leaves: a value with a rule, or [`InvalidValue`] naming the rule that
//! was broken (never the text itself: it may be personal data). Knows no JSON and no transport.

use std::fmt;
use std::str::FromStr;

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// The rule that a value broke. Never repeats the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub &'static str);

/// Identifies an event over all its copies: 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(String);

/// Identifies a user: 1 to 256 bytes without control characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserId(String);

/// A deliverable address. `Debug` and `Display` mask it; only [`EmailAddress::as_str`] tells it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(lettre::Address);

/// The plan a user signed up for: 1 to 64 bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan(String);

/// A moment in UTC between 1970 and 9999, to the millisecond.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(OffsetDateTime);

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

impl EmailAddress {
    /// In bytes.
    pub const LONGEST: usize = 254;

    /// The whole address. Only the mail's own envelope and headers may ask for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// The same mailbox in one spelling: the domain in lower case (the local part's case counts).
    #[must_use]
    pub fn canonical(&self) -> String {
        format!("{}@{}", self.0.user(), self.0.domain().to_ascii_lowercase())
    }

    /// The address as the mail library wants it.
    #[must_use]
    pub fn as_address(&self) -> &lettre::Address {
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

impl Timestamp {
    /// Now, by this machine's clock.
    #[must_use]
    pub fn now() -> Self {
        let now = OffsetDateTime::now_utc();
        now.replace_millisecond(now.millisecond()).map_or(Self(now), Self)
    }

    /// Milliseconds since 1970; `None` outside 1970 to 9999.
    #[must_use]
    pub fn from_unix_millis(millis: i64) -> Option<Self> {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()?;
        Self::checked(moment).ok()
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn unix_millis(self) -> i64 {
        self.0.unix_timestamp() * 1000 + i64::from(self.0.millisecond())
    }

    fn checked(moment: OffsetDateTime) -> Result<Self, InvalidValue> {
        const RANGE: InvalidValue = InvalidValue("must lie between 1970 and 9999");
        let utc = moment.checked_to_offset(UtcOffset::UTC).ok_or(RANGE)?;
        if !(1970..=9999).contains(&utc.year()) {
            return Err(RANGE);
        }
        utc.replace_millisecond(utc.millisecond()).map(Self).map_err(|_| RANGE)
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

impl FromStr for EmailAddress {
    type Err = InvalidValue;
    /// Stricter than the grammar: a quoted local part, an address literal and a host without a dot
    /// are valid to the library and wrong for a user's mailbox.
    fn from_str(value: &str) -> Result<Self, InvalidValue> {
        const RULE: InvalidValue = InvalidValue("must be an address like name@example.com");
        if value.len() > Self::LONGEST || value.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(RULE);
        }
        let address: lettre::Address = value.parse().map_err(|_| RULE)?;
        let public = address.domain().contains('.') && !address.domain().starts_with('[');
        if !public || address.user().starts_with('"') {
            return Err(RULE);
        }
        Ok(Self(address))
    }
}

impl FromStr for Timestamp {
    type Err = InvalidValue;
    fn from_str(value: &str) -> Result<Self, InvalidValue> {
        let rule = InvalidValue("must be an RFC 3339 time like 2026-01-02T03:04:05.678Z");
        Self::checked(OffsetDateTime::parse(value, &Rfc3339).map_err(|_| rule)?)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, t) = (self.0.date(), self.0.time());
        let (month, day) = (u8::from(date.month()), date.day());
        let (hour, minute, second, milli) = t.as_hms_milli();
        write!(f, "{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z", date.year())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user id is personal data in many houses: logs get [`UserId::log_hash`].
impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({})", self.log_hash())
    }
}

impl UserId {
    /// Eight hex digits that find all lines of one user without telling who it is.
    #[must_use]
    pub fn log_hash(&self) -> impl fmt::Display + '_ {
        use sha2::{Digest, Sha256};
        // Reckoned when it is written: most logs leave it out.
        fmt::from_fn(|f| f.write_str(&data_encoding::HEXLOWER.encode(&Sha256::digest(self.0.as_bytes())[..4])))
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.user().chars().next().unwrap_or('*');
        write!(f, "{first}***@***")
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_a_users_mailbox_are_refused() {
        for bad in ["", "a", "a@b", "a@[127.0.0.1]", "\"a b\"@x.org", "a@b.org\r\nBcc: c@d.org", "a b@x.org", "@x.org"]
        {
            assert!(bad.parse::<EmailAddress>().is_err(), "{bad:?} passed");
        }
        let long = format!("{}@example.com", "a".repeat(250));
        assert!(long.parse::<EmailAddress>().is_err());
    }

    #[test]
    fn an_address_masks_itself_and_has_one_canonical_spelling() {
        let address: EmailAddress = "Ann.Lee@EXAMPLE.com".parse().expect("valid");
        assert_eq!(format!("{address} {address:?}"), "A***@*** A***@***");
        assert_eq!(address.canonical(), "Ann.Lee@example.com");
    }

    #[test]
    fn a_timestamp_of_any_offset_is_kept_in_utc_milliseconds() {
        let t: Timestamp = "2026-01-02T05:04:05.6789+02:00".parse().expect("valid");
        assert_eq!(t.to_string(), "2026-01-02T03:04:05.678Z");
        assert_eq!(Timestamp::from_unix_millis(t.unix_millis()), Some(t));
        for bad in ["1969-12-31T23:59:59Z", "2026-01-02", "yesterday"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad:?} passed");
        }
    }

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
