//! Which letters are selected: by their ids, or by what they are like. Pure, but for [`Selection::until_now`] and [`ago`],
//! which ask for the time.
//!
//! Enters: what is asked for, a letter. Leaves: yes or no.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::event::Timestamp;

/// What letters are selected by.
pub(crate) trait Described {
    fn id(&self) -> &str;
    fn reason(&self) -> &str;
    fn detail(&self) -> &str;
    /// In milliseconds since 1970.
    fn died(&self) -> i64;
    /// `None`: it holds no event.
    fn event(&self) -> Option<Kind>;
    /// Is its event about this subject?
    fn is_about(&self, subject: &str) -> bool;
}

/// The kind of event that a letter holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Its type.
    pub(crate) name: String,
    /// The hash of whom or what it is about.
    pub(crate) subject: Option<String>,
}

/// Which letters are selected. All that is set must hold; if nothing is, every letter is selected.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Message ids in the DLQ.
    pub(crate) ids: Option<BTreeSet<String>>,
    /// The reasons; empty: any reason.
    pub(crate) reasons: Vec<String>,
    /// A part of the detail, in whatever case.
    pub(crate) detail: Option<String>,
    /// The event's type.
    pub(crate) kind: Option<String>,
    /// Whom or what the event is about.
    pub(crate) subject: Option<String>,
    /// A part of that one's hash, as logs and letters show it.
    pub(crate) hash: Option<String>,
    /// Letters that died at this moment or later, in milliseconds since 1970.
    pub(crate) not_before: Option<i64>,
    /// Letters that died at this moment or earlier: a letter that dies again during a redrive is not moved in circles.
    pub(crate) not_after: Option<i64>,
}

/// The moment that lies `span` before now, in milliseconds since 1970.
pub(crate) fn ago(span: Duration) -> i64 {
    Timestamp::now().unix_millis().saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

impl Selection {
    /// The letters with these ids.
    pub(crate) fn only(ids: impl IntoIterator<Item = String>) -> Self {
        Self { ids: Some(ids.into_iter().collect()), ..Self::default() }
    }

    /// The same without those that will die after now.
    pub(crate) fn until_now(self) -> Self {
        Self { not_after: Some(Timestamp::now().unix_millis()), ..self }
    }

    pub(crate) fn takes(&self, letter: &impl Described) -> bool {
        let by_id = self.ids.as_ref().is_none_or(|ids| ids.contains(letter.id()));
        let by_reason = self.reasons.is_empty() || self.reasons.iter().any(|reason| reason == letter.reason());
        let has = |text: &String| letter.detail().to_lowercase().contains(&text.to_lowercase());
        let by_detail = self.detail.as_ref().is_none_or(has);
        let after = self.not_before.is_none_or(|moment| letter.died() >= moment);
        let before = self.not_after.is_none_or(|moment| letter.died() <= moment);
        // Last: only they open the letter.
        by_id && by_reason && by_detail && after && before && self.takes_event(letter)
    }

    fn takes_event(&self, letter: &impl Described) -> bool {
        if self.kind.is_none() && self.hash.is_none() {
            return self.subject.as_ref().is_none_or(|subject| letter.is_about(subject));
        }
        let hash_has = |event: &Kind, part: &str| event.subject.as_ref().is_some_and(|own| own.contains(part));
        letter.event().is_some_and(|event| {
            self.kind.as_ref().is_none_or(|kind| *kind == event.name)
                && self.hash.as_ref().is_none_or(|part| hash_has(&event, part))
                && self.subject.as_ref().is_none_or(|subject| letter.is_about(subject))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letters::letter::samples::quarantined;
    use engine::event::log_hash;

    #[test]
    fn all_that_is_asked_for_must_hold() {
        let letter = quarantined(r#"{"type":"user.signed_up","userId":"u","email":"anna@example.com"}"#);
        let takes = |selection: Selection| selection.takes(&letter);
        let some = |text: &str| Some(text.to_owned());
        let reasons = |all: &[&str]| all.iter().map(|reason| (*reason).to_owned()).collect();
        let hash = log_hash("u").to_string();
        let of_all = || Selection {
            ids: Some(["m".to_owned()].into()),
            reasons: reasons(&["x", "conflict"]),
            detail: some("EMAIL: must"),
            kind: some("user.signed_up"),
            subject: some("u"),
            hash: some(&hash[3..]),
            not_before: Some(1_000),
            not_after: Some(1_000),
        };
        assert!(takes(Selection::default()) && takes(of_all()));
        assert!(!takes(Selection { ids: Some(["n".to_owned()].into()), ..of_all() }));
        assert!(!takes(Selection { reasons: reasons(&["x"]), ..of_all() }));
        assert!(!takes(Selection { detail: some("userId"), ..of_all() }));
        assert!(!takes(Selection { kind: some("user"), ..of_all() }));
        assert!(!takes(Selection { subject: some("U"), ..of_all() }));
        assert!(!takes(Selection { hash: some("u"), ..of_all() }));
        assert!(!takes(Selection { not_before: Some(1_001), ..of_all() }));
        assert!(!takes(Selection { not_before: Some(ago(Duration::from_secs(1))), ..of_all() }));
        assert!(!takes(Selection { not_after: Some(999), ..of_all() }), "it came since");
        assert!(takes(Selection::default().until_now()));
        assert!(takes(Selection::only(["m".to_owned()])) && !takes(Selection::only([])));
    }

    #[test]
    fn what_holds_no_event_is_of_no_type_and_about_nobody() {
        let letter = quarantined("hello");
        let none = || Some(String::new());
        for asked in [
            Selection { kind: none(), ..Selection::default() },
            Selection { subject: none(), ..Selection::default() },
            Selection { hash: none(), ..Selection::default() },
        ] {
            assert!(!asked.takes(&letter), "{asked:?}");
        }
    }
}
