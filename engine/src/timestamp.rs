//! A moment, read from what publishers write: RFC 3339, its common misspellings, seconds or milliseconds since 1970.
//!
//! Enters: text or a number. Leaves: a [`Timestamp`], or the rule it broke. Written in one form only. Knows no event.

use std::fmt;
use std::str::FromStr;

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

const RULE: InvalidTimestamp = InvalidTimestamp("must be an RFC 3339 time like 2026-01-02T03:04:05.678Z");
const RANGE: InvalidTimestamp = InvalidTimestamp("must lie between 1970 and 9999");
const AHEAD: InvalidTimestamp = InvalidTimestamp("lies more than a day ahead");
const DAY: i64 = 86_400_000;
/// Smaller numbers are seconds (up to the year 5138), others milliseconds (from 1973 on).
const FIRST_MILLIS: f64 = 100_000_000_000.0;

/// The rule that a moment broke. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTimestamp(pub &'static str);

/// A moment in UTC between 1970 and 9999, to the millisecond.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(OffsetDateTime);

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

    /// Seconds or milliseconds since 1970; the size of the number tells which.
    ///
    /// # Errors
    /// The moment lies before 1970 or after 9999.
    pub(crate) fn from_epoch(number: f64) -> Result<Self, InvalidTimestamp> {
        let millis = if number < FIRST_MILLIS { number * 1000.0 } else { number };
        // Infinity, or too large a number, saturates and is out of the range.
        if millis.is_nan() || millis < 0.0 {
            Err(RANGE)
        } else {
            Self::from_unix_millis(millis.round() as i64).ok_or(RANGE)
        }
    }

    /// This moment, unless it lies more than a day after `latest`: then a clock is wrong, or somebody mistyped it.
    ///
    /// # Errors
    /// It lies more than a day after `latest`.
    pub(crate) fn not_long_after(self, latest: Self) -> Result<Self, InvalidTimestamp> {
        if self.unix_millis() - latest.unix_millis() <= DAY { Ok(self) } else { Err(AHEAD) }
    }

    fn checked(moment: OffsetDateTime) -> Result<Self, InvalidTimestamp> {
        let utc = moment.checked_to_offset(UtcOffset::UTC).ok_or(RANGE)?;
        if !(1970..=9999).contains(&utc.year()) {
            return Err(RANGE);
        }
        utc.replace_millisecond(utc.millisecond()).map(Self).map_err(|_| RANGE)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;
    fn from_str(value: &str) -> Result<Self, InvalidTimestamp> {
        if let Ok(moment) = OffsetDateTime::parse(value, &Rfc3339) {
            return Self::checked(moment);
        }
        let value = value.trim();
        if value.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Self::from_epoch(value.parse().map_err(|_| RULE)?);
        }
        let spelt = rfc_3339(value).ok_or(RULE)?;
        Self::checked(OffsetDateTime::parse(&spelt, &Rfc3339).map_err(|_| RULE)?)
    }
}

/// Adds what common misspellings leave out: the `T`, the seconds, the zone (then UTC), the colon in an offset.
fn rfc_3339(text: &str) -> Option<String> {
    let (date, rest) = (text.get(..10)?, text.get(10..)?);
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, zone) = rest.split_at(rest.find(['Z', 'z', '+', '-', ' ']).unwrap_or(rest.len()));
    let seconds = if clock.len() == 5 { ":00" } else { "" };
    let zone = match zone.trim() {
        "" | "Z" | "z" | "UTC" | "GMT" => "Z".to_owned(),
        offset => match (offset.len(), offset.get(..3), offset.get(3..)) {
            (3, Some(hours), _) => format!("{hours}:00"),
            (5, Some(hours), Some(minutes)) => format!("{hours}:{minutes}"),
            _ => offset.to_owned(),
        },
    };
    Some(format!("{date}T{clock}{seconds}{zone}"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap_or_else(|rule| panic!("{text:?} {rule}"))
    }

    #[test]
    fn a_timestamp_of_any_offset_is_kept_in_utc_milliseconds() {
        let t = moment("2026-01-02T05:04:05.6789+02:00");
        assert_eq!(t.to_string(), "2026-01-02T03:04:05.678Z");
        assert_eq!(Timestamp::from_unix_millis(t.unix_millis()), Some(t));
    }

    #[test]
    fn the_common_spellings_of_one_moment_are_that_moment() {
        for text in [
            "2026-01-02T03:04:00Z",
            "2026-01-02t03:04:00z",
            "2026-01-02T03:04:00",
            "2026-01-02T03:04:00.000000",
            "2026-01-02 03:04:00",
            " 2026-01-02 03:04:00 ",
            "2026-01-02T03:04",
            "2026-01-02T03:04Z",
            "2026-01-02T03:04:00+0000",
            "2026-01-02T04:04:00+01",
            "2026-01-02T04:04:00.0+0100",
            "2026-01-01T22:04:00-0500",
            "2026-01-02 03:04:00 +0000",
            "2026-01-02 03:04:00 UTC",
            "2026-01-02 03:04:00+00:00",
            "1767323040",
            "1767323040.0",
            "1767323040000",
        ] {
            assert_eq!(moment(text).to_string(), "2026-01-02T03:04:00.000Z", "{text:?}");
        }
        assert_eq!(Timestamp::from_epoch(1_767_323_040.678), Ok(moment("2026-01-02T03:04:00.678Z")));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        let odd = [
            "",
            " ",
            ".",
            "1.2.3",
            "yesterday",
            "2026-01-02",
            "2026-02-30T00:00:00Z",
            "2026-01-02T25:00:00",
            "02/01/2026 03:04",
            "é026-01-02T03:04:00Z",
            "2026-01-02T03:04:00+é1",
        ];
        for (bad, rule) in odd
            .map(|bad| (bad, RULE))
            .into_iter()
            .chain([("1969-12-31T23:59:59Z", RANGE), ("99999999999999999999", RANGE)])
        {
            assert_eq!(bad.parse::<Timestamp>(), Err(rule), "{bad:?}");
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(Timestamp::from_epoch(bad), Err(RANGE), "{bad}");
        }
    }

    #[test]
    fn a_day_ahead_is_a_clock_and_more_is_a_mistake() {
        let carried = moment("2026-01-02T03:04:05Z");
        assert_eq!(moment("2026-01-03T03:04:05Z").not_long_after(carried).map(drop), Ok(()));
        assert_eq!(moment("2026-01-03T03:04:05.001Z").not_long_after(carried), Err(AHEAD));
        assert_eq!(moment("1970-01-01T00:00:00Z").not_long_after(carried).map(drop), Ok(()));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), odd in "[0-9TtZz:+. é-]{0,32}") {
            let _ = (text.parse::<Timestamp>(), odd.parse::<Timestamp>());
        }

        #[test]
        fn every_spelling_keeps_the_order(earlier in 0..253_402_300_799_999_i64, later in 0..253_402_300_799_999_i64) {
            let [earlier, later] = [earlier, later].map(|millis| Timestamp::from_unix_millis(millis).expect("in range"));
            let spellings = |t: Timestamp| {
                let text = t.to_string();
                let bare = text.trim_end_matches('Z').to_owned();
                [text, bare.replace('T', " "), format!("{bare}+0000"), format!("{bare} UTC")].map(|text| moment(&text))
            };
            prop_assert_eq!(spellings(earlier), [earlier; 4]);
            for (a, b) in spellings(earlier).into_iter().zip(spellings(later)) {
                prop_assert_eq!(a.cmp(&b), earlier.unix_millis().cmp(&later.unix_millis()));
            }
        }

        #[test]
        fn an_epochs_seconds_and_milliseconds_are_the_same_moment(seconds in 100_000_000..100_000_000_000_i64) {
            let moment = Timestamp::from_unix_millis(seconds * 1000);
            prop_assert_eq!(seconds.to_string().parse().ok(), moment);
            prop_assert_eq!((seconds * 1000).to_string().parse().ok(), moment);
        }
    }
}
