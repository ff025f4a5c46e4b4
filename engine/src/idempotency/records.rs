//! The ledger's records for a person: to look at, to count, to take back.
//!
//! Enters: a key, or nothing. Leaves: a [`Record`], [`Counts`], or the result of forgetting. Promises: looking changes
//! nothing; forgetting, with the check that no delivery holds the lease, is one step; counting reads page by page with
//! SCAN, and never blocks the server. No part of the engine's port: [`super::Ledger`] is what deliveries may do to a
//! record.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ::redis::Script;

use super::redis::{NO_HASH, rule};
use super::weight::{Weighed, Weights};
use super::{Key, State};
use crate::redis_link::{Cursor, RedisError, RedisLink, RedisMemory};

/// The pattern of all records' keys, of any subject and handler.
const ALL: &str = "idem:v1:{*}:*";
/// How each of those keys begins.
const OURS: &str = "idem:v1:{";
/// The keys that a sample draws, a page at a time.
const DRAWN: usize = 2_000;
const PAGE: usize = 500;
/// What Redis's tables of keys and of expiries take for a key, in bytes; `MEMORY USAGE` does not tell it. Measured with
/// 100,000 records on Redis 7.0: `used_memory` a record, less `MEMORY USAGE`.
const TABLES: u64 = 60;

/// The records in one Redis.
#[derive(Debug, Clone)]
pub struct Records {
    link: RedisLink,
    look: Script,
    forget: Script,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How far the effect has come.
    pub state: State,
    /// Sends that may have happened.
    pub sends: u32,
    /// When the first delivery claimed it, in milliseconds since 1970.
    pub claimed_at: Option<i64>,
    /// When it was done or parked.
    pub settled_at: Option<i64>,
    /// How long a delivery still holds its lease; `None`: no delivery does.
    pub held_for: Option<Duration>,
    /// How long the record is still kept; `None`: for ever.
    pub kept_for: Option<Duration>,
    /// What can prove the effect, such as a Message-ID.
    pub receipt: Option<String>,
    /// How often the effect was seen to happen again.
    pub duplicates: u32,
}

/// The result of forgetting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// The record is deleted; it had come this far.
    Yes(State),
    /// The record is deleted; nobody could read it.
    Broken,
    /// There was no record.
    NoRecord,
    /// A delivery holds its lease for this much longer: nothing was changed.
    Held(Duration),
}

/// Why a record could not be read or deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Redis did not do it.
    #[error(transparent)]
    Redis(RedisError),
    /// The record breaks this rule, so nobody can read it.
    #[error("the record is broken: {0}")]
    Broken(&'static str),
}

/// How many records, by handler and state.
pub type Counts = BTreeMap<String, BTreeMap<State, u64>>;

impl Records {
    /// The records over this link. Makes no call.
    #[must_use]
    pub fn new(link: RedisLink) -> Self {
        let (look, forget) = (include_str!("look.lua"), include_str!("forget.lua"));
        Self { link, look: Script::new(look), forget: Script::new(forget) }
    }

    /// Reads one record; `None`: there is none.
    ///
    /// # Errors
    /// [`RecordError`].
    pub async fn look(&self, key: &Key) -> Result<Option<Record>, RecordError> {
        let answer = self.link.run(&self.look, key.as_str(), &[]).await?;
        match &answer[..] {
            [] => Ok(None),
            [word, field] if word == "BROKEN" => Err(RecordError::Broken(rule(field))),
            fields => Ok(Some(record(fields).ok_or_else(|| self.link.strange())?)),
        }
    }

    /// Deletes a record, so that the effect may happen again. Refused while a delivery holds its lease, unless `force`
    /// is set: then that delivery finds its lease lost, or records its effect anew. A record that nobody can read is
    /// deleted only with `force`.
    ///
    /// # Errors
    /// [`RecordError`]. If the first of two tries deleted it and its answer was lost, the result is
    /// [`Forgotten::NoRecord`].
    pub async fn forget(&self, key: &Key, force: bool) -> Result<Forgotten, RecordError> {
        let answer = self.link.run(&self.forget, key.as_str(), &[if force { "1" } else { "" }]).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["NONE"] => Ok(Forgotten::NoRecord),
            ["BROKEN", field] => Err(RecordError::Broken(rule(field))),
            ["HELD", left] => Ok(Forgotten::Held(millis(left).ok_or_else(|| self.link.strange())?)),
            ["FORGOTTEN", ""] => Ok(Forgotten::Broken),
            ["FORGOTTEN", state] => Ok(Forgotten::Yes(state_of(state).ok_or_else(|| self.link.strange())?)),
            _ => Err(self.link.strange().into()),
        }
    }

    /// Counts all records; `told` gets the number so far after each page. A record that is written meanwhile may be
    /// missed, and one that moves in a growing table may be counted twice.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn count(&self, mut told: impl FnMut(u64)) -> Result<Counts, RedisError> {
        let (mut counts, mut counted, mut cursor) = (Counts::new(), 0, Cursor::default());
        loop {
            let (next, keys) = self.link.scan(ALL, cursor).await?;
            let states = self.link.fields(&keys, "st").await?;
            for (key, state) in keys.iter().zip(states) {
                let (Some(handler), Some(state)) = (handler(key), state.as_deref().and_then(state_of)) else {
                    continue;
                };
                *counts.entry(handler.to_owned()).or_default().entry(state).or_default() += 1;
                counted += 1;
            }
            told(counted);
            match next {
                Some(next) => cursor = next,
                None => return Ok(counts),
            }
        }
    }
}

/// What records take, from a sample of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The records of the sample.
    pub weights: Weights,
    /// The keys that were drawn, and how many of them were records.
    pub drawn: (u64, u64),
    /// The server's memory.
    pub memory: RedisMemory,
}

impl Sample {
    /// How many records there are, by the share of the keys that were drawn.
    #[must_use]
    pub fn records(&self) -> f64 {
        let (drawn, records) = self.drawn;
        if drawn == 0 { 0.0 } else { self.memory.keys as f64 * records as f64 / drawn as f64 }
    }
}

impl Records {
    /// Weighs records drawn at random, by `MEMORY USAGE` and 60 bytes for Redis's tables. `now` in milliseconds since 1970.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn sample(&self, now: i64) -> Result<Sample, RedisError> {
        let (memory, mut drawn, mut keys) = (self.link.memory().await?, (0, 0), BTreeSet::new());
        for _ in 0..DRAWN / PAGE {
            let page = self.link.random(PAGE).await?;
            let records: Vec<_> = page.iter().flatten().filter(|key| key.starts_with(OURS)).cloned().collect();
            drawn = (drawn.0 + page.len() as u64, drawn.1 + records.len() as u64);
            keys.extend(records);
        }
        let (mut weights, keys) = (Weights::default(), keys.into_iter().collect::<Vec<_>>());
        for page in keys.chunks(PAGE) {
            let told = self.link.weights(page).await?;
            let claimed = match self.link.fields(page, "t0").await {
                Err(error) if error.is_wrong_type() => vec![None; page.len()],
                claimed => claimed?,
            };
            for ((key, (bytes, left)), claimed) in page.iter().zip(told).zip(claimed) {
                let (Some(handler), Some(bytes)) = (handler(key), bytes) else { continue };
                let age = claimed.and_then(|at| Some(now.saturating_sub(at.parse().ok()?).max(0)));
                let time = |millis: i64| u64::try_from(millis).ok().map(Duration::from_millis);
                let bytes = bytes + TABLES;
                weights.add(Weighed { handler: handler.to_owned(), bytes, age: age.and_then(time), left: time(left) });
            }
        }
        Ok(Sample { weights, drawn, memory })
    }
}

impl From<RedisError> for RecordError {
    fn from(error: RedisError) -> Self {
        if error.is_wrong_type() { Self::Broken(NO_HASH) } else { Self::Redis(error) }
    }
}

/// The handler in a record's key. A subject's part holds no `}`, and after the handler there may be an event or a type.
fn handler(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once("}:")?;
    rest.split(':').next()
}

fn record(answer: &[String]) -> Option<Record> {
    let [held, kept, state, sends, claimed, settled, receipt, duplicates] = answer else { return None };
    let number = |text: &String| if text.is_empty() { Some(0) } else { text.parse().ok() };
    Some(Record {
        state: state_of(state)?,
        sends: number(sends)?,
        claimed_at: claimed.parse().ok(),
        settled_at: settled.parse().ok(),
        held_for: millis(held).filter(|left| !left.is_zero()),
        kept_for: millis(kept),
        receipt: Some(receipt.clone()).filter(|receipt| !receipt.is_empty()),
        duplicates: number(duplicates)?,
    })
}

/// The state of a stored letter.
fn state_of(letter: &str) -> Option<State> {
    match letter {
        "P" => Some(State::Claimed),
        "S" => Some(State::Begun),
        "D" => Some(State::Done),
        "X" => Some(State::Parked),
        _ => None,
    }
}

/// `None` for negative numbers, by which Redis says "for ever".
fn millis(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_records_fields_are_read_and_what_was_never_written_is_absent() {
        let answer = |fields: [&str; 8]| fields.map(str::to_owned);
        let done = record(&answer(["0", "60000", "D", "1", "5", "9", "a@b", "2"])).expect("a record");
        assert_eq!((done.state, done.sends, done.claimed_at, done.settled_at), (State::Done, 1, Some(5), Some(9)));
        assert_eq!((done.held_for, done.kept_for), (None, Some(Duration::from_secs(60))));
        assert_eq!((done.receipt.as_deref(), done.duplicates), (Some("a@b"), 2));
        // Written by a commit whose claim was lost in a failover.
        let bare = record(&answer(["1500", "-1", "S", "", "", "", "", ""])).expect("a record");
        assert_eq!((bare.claimed_at, bare.kept_for, bare.receipt), (None, None, None));
        assert_eq!(bare.held_for, Some(Duration::from_millis(1500)));
        assert_eq!(record(&answer(["0", "1", "?", "", "", "", "", ""])), None);
    }

    #[test]
    fn the_handler_is_what_follows_the_subject() {
        assert_eq!(handler(Key::new("welcome_email", "u-1").as_str()), Some("welcome_email"));
        assert_eq!(handler(Key::of_event("receipt", "u:1", "e:1").as_str()), Some("receipt"));
        assert_eq!(handler("idem:v1:ping"), None);
    }
}
