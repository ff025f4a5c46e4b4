//! What a service's answer means for the event: one table.
//!
//! Enters: the status, `retry-after`, the time now. Leaves: an [`Answer`]. Pure.

use std::time::{Duration, SystemTime};

/// The longest time by which an answer may put an event off.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Taken.
    Done,
    /// Refused for good. A redirect is a refusal, too: it leads to another service than the one that was named.
    Refused,
    /// Not now, and not before this time has passed; zero: no time was named.
    Deferred(Duration),
    /// The service failed at this event.
    Failed,
    /// A proxy answered for a service that did not.
    Faltering,
    /// A status that is no final answer.
    Unfinished,
}

impl Answer {
    /// The table.
    pub(crate) fn of(status: u16, retry_after: Option<&str>, now: SystemTime) -> Self {
        let named = retry_after.and_then(|text| wait(text.trim(), now));
        match (status, named) {
            (200..=299, _) => Self::Done,
            (408 | 409 | 421 | 423 | 425 | 429, named) => Self::Deferred(named.unwrap_or_default()),
            (503, Some(named)) => Self::Deferred(named),
            (300..=499, _) => Self::Refused,
            // 520 to 530 are Cloudflare's own.
            (502..=504 | 520..=530, _) => Self::Faltering,
            (500..=599, _) => Self::Failed,
            _ => Self::Unfinished,
        }
    }
}

/// `retry-after`: seconds, or a date. `None`: neither.
fn wait(text: &str, now: SystemTime) -> Option<Duration> {
    let wait = match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that is too large for a `u64` is a very long time.
        true => Duration::from_secs(text.parse().unwrap_or(u64::MAX)),
        false => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_means_one_thing_for_the_event() {
        use Answer::{Deferred, Done, Failed, Faltering, Refused, Unfinished};
        let seconds = Duration::from_secs;
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let before = httpdate::parse_http_date(date).expect("a date") - seconds(90);
        let table: &[(&[u16], Option<&str>, Answer)] = &[
            (&[200, 201, 202, 204, 299], None, Done),
            (&[200], Some("60"), Done),
            (&[300, 301, 302, 303, 304, 307, 308], None, Refused),
            (&[400, 401, 403, 404, 405, 410, 413, 422, 451, 499], None, Refused),
            (&[410, 307], Some("60"), Refused),
            (&[408, 409, 421, 423, 425, 429], None, Deferred(Duration::ZERO)),
            (&[408, 409, 421, 423, 425, 429, 503], Some("120"), Deferred(seconds(120))),
            (&[429, 503], Some(" 0 "), Deferred(Duration::ZERO)),
            (&[429, 503], Some(date), Deferred(seconds(90))),
            (&[429, 503], Some("Sunday, 06-Nov-94 08:49:37 GMT"), Deferred(seconds(90))),
            (&[429, 503], Some("Sun, 06 Nov 1994 08:40:00 GMT"), Deferred(Duration::ZERO)),
            (&[429, 503], Some("86400"), Deferred(LONGEST)),
            (&[429, 503], Some("99999999999999999999999"), Deferred(LONGEST)),
            (&[429, 503], Some("Sun, 06 Nov 2044 08:49:37 GMT"), Deferred(LONGEST)),
            (&[429], Some("soon"), Deferred(Duration::ZERO)),
            (&[429], Some("-5"), Deferred(Duration::ZERO)),
            (&[503], Some("soon"), Faltering),
            (&[502, 503, 504, 520, 521, 524, 530], None, Faltering),
            (&[502, 504], Some("120"), Faltering),
            (&[500, 501, 505, 507, 519, 531, 599], None, Failed),
            (&[500], Some("120"), Failed),
            (&[101, 199, 600, 999], None, Unfinished),
        ];
        for (statuses, retry_after, answer) in table {
            for status in *statuses {
                assert_eq!(Answer::of(*status, *retry_after, before), *answer, "{status}, {retry_after:?}");
            }
        }
    }
}
