//! What people do to events, letters and records by hand: one line a deed in the log, and the last [`KEPT`] in Redis.
//!
//! Enters: a [`Deed`] that was done. Leaves: its line; [`Audit::last`] reads them again, from whatever machine. Promises:
//! no deed fails because it could not be told: a Redis that is away costs a warning. No address is in it, and no user's id.

use ::redis::Script;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use engine::event::Timestamp;
use engine::redis_link::{RedisError, RedisLink};

/// How many deeds Redis keeps.
pub const KEPT: usize = 1_000;
/// The most characters of each text of a deed.
pub const LONGEST: usize = 300;
/// Where they are.
const KEY: &str = "deeds";

/// Something that a person did. A field that an older release did not write is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deed {
    /// When it was done, in RFC 3339.
    pub when: String,
    /// Who did it, as they call themselves.
    pub who: String,
    /// What was done: `redrive`, `drop`, `pause` …
    pub what: String,
    /// The reaction whose letters, records or workers it was done to; empty: none.
    pub reaction: String,
    /// To which of them: how they were chosen.
    pub filter: String,
    /// To how many; `None`: it is nothing that can be counted.
    pub many: Option<u64>,
    /// How it ended.
    pub outcome: String,
}

impl Deed {
    /// A deed of now, that ended well.
    #[must_use]
    pub fn new(who: &str, what: &str, reaction: &str) -> Self {
        Self {
            when: Timestamp::now().to_string(),
            who: short(called(who)),
            what: short(what),
            reaction: short(reaction),
            outcome: "done".to_owned(),
            ..Self::default()
        }
    }

    /// Done to those that are like this. An address in it is left out.
    #[must_use]
    pub fn to(self, filter: &str) -> Self {
        Self { filter: short(&without_addresses(filter)), ..self }
    }

    /// Done to this many.
    #[must_use]
    pub fn of(self, many: u64) -> Self {
        Self { many: Some(many), ..self }
    }

    /// It ended like this. An address in it is left out.
    #[must_use]
    pub fn ended(self, outcome: &str) -> Self {
        Self { outcome: short(&without_addresses(outcome)), ..self }
    }
}

/// Where deeds are told.
#[derive(Debug, Clone)]
pub struct Audit {
    /// `None`: in the log alone.
    link: Option<RedisLink>,
    say: Script,
    last: Script,
}

impl Audit {
    /// In the log, and behind this link's prefix, if there is one. Makes no call.
    #[must_use]
    pub fn new(link: Option<RedisLink>) -> Self {
        Self { link, say: Script::new(include_str!("say.lua")), last: Script::new(include_str!("last.lua")) }
    }

    /// Tells a deed. Takes 2 s at most.
    pub async fn say(&self, deed: &Deed) {
        let Deed { who, what, reaction, filter, many, outcome, .. } = deed;
        info!(deed = what, who, reaction, filter, many, outcome, "by hand");
        let Some(link) = &self.link else { return };
        let (text, kept) = (serde_json::to_string(deed).unwrap_or_default(), KEPT.to_string());
        if let Err(error) = link.run(&self.say, KEY, &[&text, &kept]).await {
            warn!(deed = what, "only this log tells of it: {error}");
        }
    }

    /// The last `most` deeds, the newest first; none where there is no Redis. One that cannot be read is left out.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn last(&self, most: usize) -> Result<Vec<Deed>, RedisError> {
        let Some(link) = &self.link else { return Ok(Vec::new()) };
        let told = link.run(&self.last, KEY, &[&most.min(KEPT).to_string()]).await?;
        Ok(told.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }
}

/// What a person is called: of a mail address what stands before the `@`.
#[must_use]
pub fn called(who: &str) -> &str {
    who.split('@').next().unwrap_or_default()
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Words that may be an address are foreign: a person wrote them to find a letter.
fn without_addresses(text: &str) -> String {
    let word = |word: &str| if word.contains('@') { "***".to_owned() } else { word.to_owned() };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_is_short_and_holds_no_address() {
        let deed = Deed::new("anna@acme.example", "drop", "email").of(3);
        let deed = deed.to("detail=\"a@example.com\" reason=conflict");
        assert_eq!((deed.who.as_str(), deed.filter.as_str()), ("anna", "*** reason=conflict"));
        assert_eq!((deed.many, deed.outcome.as_str()), (Some(3), "done"));
        let long = Deed::new(&"é".repeat(LONGEST + 1), "drop", "email").ended(&"x".repeat(LONGEST));
        assert_eq!((long.who.chars().count(), long.outcome.len()), (LONGEST + 1, LONGEST));
    }

    #[test]
    fn a_deed_of_an_older_or_a_newer_release_is_read() {
        let read: Deed = serde_json::from_str(r#"{"who":"anna","many":7,"mood":"fine"}"#).expect("JSON");
        assert_eq!(read, Deed { who: "anna".to_owned(), many: Some(7), ..Deed::default() });
    }
}
