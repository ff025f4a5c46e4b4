//! What a team's service answers, and what it means for the event.
//!
//! Enters: status, `retry-after` and `x-receipt`, one a line. Leaves: nothing.

use std::time::{Duration, SystemTime};

use super::SENT_AT;
use crate::webhook::answer::Answer;
use crate::webhook::receipt;

const TWELVE_HOURS: Duration = Duration::from_secs(12 * 3600);

/// What holds of an answer.
pub fn webhook(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.lines();
    let status: u16 = lines.next().and_then(|line| line.trim().parse().ok()).unwrap_or(200);
    let (retry_after, header) = (lines.next(), lines.next());
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(SENT_AT.unsigned_abs());
    let answer = Answer::of(status, retry_after, now);
    let is_final = (200..600).contains(&status);
    assert_eq!(answer == Answer::Unfinished, !is_final, "{status}");
    assert_eq!(answer == Answer::Done, (200..300).contains(&status), "a 2xx alone is done: {status}");
    if let Answer::Deferred(wait) = answer {
        assert!(wait <= TWELVE_HOURS && [408, 409, 421, 423, 425, 429, 503].contains(&status), "{status}: {wait:?}");
        assert!(retry_after.is_some() || wait.is_zero());
    } else {
        assert_eq!(answer, Answer::of(status, None, now), "{status}: no other answer is put off");
    }
    let digits = retry_after.filter(|text| status == 429 && text.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(seconds) = digits.and_then(|digits| digits.parse::<u32>().ok()) {
        let named = Duration::from_secs(seconds.into()).min(TWELVE_HOURS);
        assert_eq!(answer, Answer::Deferred(named), "{retry_after:?}");
    }
    let kept = receipt(header);
    assert!(kept.len() <= 256 && kept.bytes().all(|b| matches!(b, b' '..=b'~')), "{kept:?}");
}
