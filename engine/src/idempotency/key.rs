//! The names of effects and of their contents: a record's key, and the fingerprint of what the effect is made from.
//!
//! Enters: a handler's name, a subject, an event's id, contents. Leaves: a [`Key`], which may show subject and id, and
//! a [`Fingerprint`], which shows nothing. Pure.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// Names an effect: one handler's on one subject, or on one event about it. Made of business ids, never of a message's
/// id: that changes when an event is published again or redriven.
///
/// ```
/// use user_events_engine::idempotency::Key;
///
/// assert_eq!(Key::new("welcome_email", "123").as_str(), "idem:v1:{123}:welcome_email");
/// assert_eq!(Key::of_event("receipt", "123", "e-1").as_str(), "idem:v1:{123}:receipt:e-1");
/// assert_eq!(Key::of_type("account", "123", "account.closed").as_str(), "idem:v1:{123}:account:account.closed");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

/// A hash of what the effect is made from: tells two different contents for one key apart, and stores neither.
///
/// It has two forms, each 16 bytes of a SHA-256 as hex: two spellings of one content differ in `exact` and agree in
/// `folded`. In a record they are `fp` and `ff`. An older release, which may run beside this one, writes and compares
/// `fp` alone. So the bytes that `fp` is made of must never change, and if `ff` is absent `fp` is used for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    exact: String,
    /// `None`: the same as `exact`.
    folded: Option<String>,
}

impl Key {
    /// The key of `handler`'s one effect on `subject`. A subject that could break Redis's hash tag (`}`), or that is
    /// hard to read in a key, is replaced by its SHA-256.
    #[must_use]
    pub fn new(handler: &str, subject: &str) -> Self {
        Self(["idem:v1:{", &key_part(subject), "}:", handler].concat())
    }

    /// The key of `handler`'s effect of one event about `subject`. Both are written as [`Key::new`] writes a subject.
    #[must_use]
    pub fn of_event(handler: &str, subject: &str, event_id: &str) -> Self {
        Self([Self::new(handler, subject).as_str(), ":", &key_part(event_id)].concat())
    }

    /// The key of `handler`'s one effect of events of this type about `subject`.
    #[must_use]
    pub fn of_type(handler: &str, subject: &str, kind: &str) -> Self {
        // Dots in a type stay: they break nothing.
        let parts: Vec<_> = kind.split('.').map(key_part).collect();
        Self([Self::new(handler, subject).as_str(), ":", &parts.join(".")].concat())
    }

    /// The key as stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A subject as part of a Redis key: itself if it is `[A-Za-z0-9_-]{1,128}`, else its SHA-256 in hex.
#[must_use]
pub fn key_part(subject: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if (1..=128).contains(&subject.len()) && subject.bytes().all(plain) {
        Cow::Borrowed(subject)
    } else {
        Cow::Owned(data_encoding::HEXLOWER.encode(&Sha256::digest(subject.as_bytes())))
    }
}

impl Fingerprint {
    /// The fingerprint of parts that have one spelling only. The length of each part is hashed too, so that moving text
    /// from one part to its neighbour changes the hash.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        Self { exact: hash(parts), folded: None }
    }

    /// The fingerprint of these parts, as they came and with all spellings folded into one. Folding `folded` again must
    /// not change it.
    #[must_use]
    pub fn spelled(parts: &[&str], folded: &[&str]) -> Self {
        Self { exact: hash(parts), folded: (parts != folded).then(|| hash(folded)) }
    }

    /// The hash of the exact bytes: `fp` as stored.
    #[must_use]
    pub fn exact(&self) -> &str {
        &self.exact
    }

    /// The hash that all spellings share: `ff` as stored.
    #[must_use]
    pub fn folded(&self) -> &str {
        self.folded.as_ref().unwrap_or(&self.exact)
    }

    /// Are both made from the same content, in whatever spelling?
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.exact == other.exact || self.folded() == other.folded()
    }
}

fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    data_encoding::HEXLOWER.encode(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_that_could_break_the_hash_tag_is_hashed() {
        assert_eq!(Key::new("profile", "u-1_A").as_str(), "idem:v1:{u-1_A}:profile");
        for odd in ["a}b", "jürgen", "", &"x".repeat(129)] {
            assert_eq!(key_part(odd).len(), 64, "{odd:?}");
        }
    }

    #[test]
    fn a_fingerprint_tells_parts_apart() {
        assert_ne!(Fingerprint::of(&["ab", "c"]), Fingerprint::of(&["a", "bc"]));
        assert_eq!(Fingerprint::of(&["a"]).exact().len(), 32);
    }

    #[test]
    fn fingerprints_of_two_spellings_agree_and_of_two_contents_do_not() {
        let [ann, upper, capital] = ["ann", "ANN", "Ann"].map(|name| Fingerprint::spelled(&[name], &["ann"]));
        assert!(ann.agrees_with(&upper) && upper.agrees_with(&ann) && upper.agrees_with(&capital));
        assert!(upper.agrees_with(&Fingerprint::of(&["ann"])), "what has one spelling is folded");
        for other in [Fingerprint::of(&["Ann"]), Fingerprint::spelled(&["BOB"], &["bob"])] {
            assert!(!ann.agrees_with(&other) && !upper.agrees_with(&other), "{other:?}");
        }
    }
}
