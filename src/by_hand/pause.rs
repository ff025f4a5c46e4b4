//! A reaction's pause: begun and ended.
//!
//! Enters: a reaction, a length, who and why. Leaves: a mark in Redis, which every worker of the reaction looks at. Promises: a
//! pause ends before a message that waits for it expires.

use std::time::Duration;

use humantime::format_duration;

use crate::audit::Deed;
use crate::pauses::PauseMarks;
use engine::event::Timestamp;
use engine::redis_link::RedisError;
use engine::worker::Pause;

/// The most characters of a reason: it stands in one line.
pub(crate) const LONGEST: usize = 200;

/// Why a pause is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPause {
    #[error("must have 1 to {LONGEST} characters")]
    Why,
    /// It is no time at all, or so long that messages that wait for its end would expire. Holds how long they are kept.
    #[error("must be at most {}, half of the {} for which the queue keeps a message", format_duration(*.0 / 2), format_duration(*.0))]
    Length(Duration),
}

/// Is there such a reason for a pause?
///
/// # Errors
/// [`NoPause::Why`].
pub(crate) fn check_why(why: &str) -> Result<(), NoPause> {
    if why.trim().is_empty() || why.chars().count() > LONGEST { Err(NoPause::Why) } else { Ok(()) }
}

/// A pause from now on, of a queue that keeps a message for `retention`. Without a length: as long as it may be.
///
/// # Errors
/// [`NoPause`].
pub(crate) fn from_now(by: &str, why: &str, length: Option<Duration>, retention: Duration) -> Result<Pause, NoPause> {
    check_why(why)?;
    let (since, longest) = (Timestamp::now(), retention / 2);
    let length = length.unwrap_or(longest);
    if length.is_zero() || length > longest {
        return Err(NoPause::Length(retention));
    }
    let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let until = Timestamp::from_unix_millis(since.unix_millis().saturating_add(millis)).unwrap_or(since);
    Ok(Pause { by: by.to_owned(), why: why.to_owned(), since, until })
}

/// Begins it, in place of the one that was there.
///
/// # Errors
/// [`RedisError`].
pub(crate) async fn begin(marks: &PauseMarks, reaction: &str, pause: &Pause) -> Result<Deed, RedisError> {
    marks.set(reaction, pause).await?;
    let length = Duration::from_millis(pause.until.unix_millis().abs_diff(pause.since.unix_millis()));
    let deed = Deed::new(&pause.by, "pause", reaction).to(&format!("{}: {}", format_duration(length), pause.why));
    Ok(deed.ended(&format!("until {}", pause.until)))
}

/// Ends it. `None`: there was none.
///
/// # Errors
/// [`RedisError`].
pub(crate) async fn end(marks: &PauseMarks, reaction: &str, who: &str) -> Result<Option<Deed>, RedisError> {
    Ok(marks.clear(reaction).await?.then(|| Deed::new(who, "resume", reaction)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_has_a_reason_and_ends_before_a_message_that_waits_for_it_expires() {
        let day = Duration::from_secs(24 * 3600);
        let pause = |why, length| from_now("anna", why, length, day).map(|pause| pause.rest() > day / 2 - day / 100);
        assert_eq!(pause("the CRM is moved", None), Ok(true), "as long as it may be");
        assert_eq!(pause("the CRM is moved", Some(day / 4)), Ok(false));
        assert_eq!(pause("the CRM is moved", Some(day)), Err(NoPause::Length(day)));
        assert_eq!(pause("the CRM is moved", Some(Duration::ZERO)), Err(NoPause::Length(day)));
        assert_eq!((pause(" ", None), pause(&"x".repeat(201), None)), (Err(NoPause::Why), Err(NoPause::Why)));
        let told = NoPause::Length(day).to_string();
        assert_eq!(told, "must be at most 12h, half of the 1day for which the queue keeps a message");
    }
}
