//! Which letters are selected: by their ids, or by what they are like. Pure, but for [`Selection::new`], which asks for
//! the time.
//!
//! Enters: a filter of the command line, or ids; a letter. Leaves: yes or no.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::letter::Letter;
use crate::cli::{Filter, Since};
use engine::event::Timestamp;

/// Which letters are selected. All that is set must hold.
#[derive(Debug, Default, Clone)]
pub(super) struct Selection {
    /// Message ids in the DLQ.
    ids: Option<BTreeSet<String>>,
    /// The reasons; empty: any reason.
    reasons: Vec<String>,
    /// A part of the detail, in lower case.
    detail: Option<String>,
    /// The event's type.
    kind: Option<String>,
    /// Whom or what the event is about.
    subject: Option<String>,
    /// Letters that died at this moment or later, in milliseconds since 1970.
    not_before: Option<i64>,
    /// Letters that died at this moment or earlier: a letter that dies again during a redrive is not moved in circles.
    not_after: Option<i64>,
}

impl Selection {
    /// The letters that pass this filter.
    pub(super) fn new(filter: &Filter) -> Self {
        let millis = |at: SystemTime| {
            let since_1970 = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
        };
        let not_before = filter.since.map(|since| match since {
            Since::At(moment) => millis(moment),
            Since::Ago(ago) => {
                let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
                Timestamp::now().unix_millis().saturating_sub(ago)
            }
        });
        Self {
            reasons: filter.reason.clone(),
            detail: filter.detail.as_ref().map(|text| text.to_lowercase()),
            kind: filter.kind.clone(),
            subject: filter.user.clone(),
            not_before,
            ..Self::default()
        }
    }

    /// The letters with these ids.
    pub(super) fn only(ids: impl IntoIterator<Item = String>) -> Self {
        Self { ids: Some(ids.into_iter().collect()), ..Self::default() }
    }

    /// The same without those that will die after now.
    pub(super) fn until_now(self) -> Self {
        Self { not_after: Some(Timestamp::now().unix_millis()), ..self }
    }

    pub(super) fn takes(&self, letter: &Letter) -> bool {
        let by_id = self.ids.as_ref().is_none_or(|ids| ids.contains(&letter.id));
        let by_reason = self.reasons.is_empty() || self.reasons.iter().any(|reason| reason == letter.reason());
        let by_detail = self.detail.as_ref().is_none_or(|text| letter.detail().to_lowercase().contains(text));
        let after = self.not_before.is_none_or(|moment| letter.died_at >= moment);
        let before = self.not_after.is_none_or(|moment| letter.died_at <= moment);
        // Last: only they open the letter.
        by_id && by_reason && by_detail && after && before && self.takes_event(letter)
    }

    fn takes_event(&self, letter: &Letter) -> bool {
        if self.kind.is_none() && self.subject.is_none() {
            return true;
        }
        letter.identity().is_some_and(|event| {
            self.kind.as_ref().is_none_or(|kind| *kind == event.kind)
                && self.subject.as_ref().is_none_or(|subject| event.subject.as_ref() == Some(subject))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ops::dlq::letter::samples::quarantined;

    #[test]
    fn all_that_is_asked_for_must_hold() {
        let letter = quarantined(r#"{"type":"user.signed_up","userId":"u","email":"anna@example.com"}"#);
        let takes = |filter: Filter| Selection::new(&filter).takes(&letter);
        let some = |text: &str| Some(text.to_owned());
        let reasons = |all: &[&str]| all.iter().map(|reason| (*reason).to_owned()).collect();
        let at = |millis| Some(Since::At(SystemTime::UNIX_EPOCH + Duration::from_millis(millis)));
        let of_all = || Filter {
            reason: reasons(&["x", "conflict"]),
            detail: some("EMAIL: must"),
            kind: some("user.signed_up"),
            since: at(1_000),
            user: some("u"),
            limit: None,
        };
        assert!(takes(Filter::default()) && takes(of_all()));
        assert!(!takes(Filter { reason: reasons(&["x"]), ..of_all() }));
        assert!(!takes(Filter { detail: some("userId"), ..of_all() }));
        assert!(!takes(Filter { kind: some("user"), ..of_all() }));
        assert!(!takes(Filter { since: at(1_001), ..of_all() }));
        assert!(!takes(Filter { since: Some(Since::Ago(Duration::from_secs(1))), ..of_all() }));
        assert!(!takes(Filter { user: some("U"), ..of_all() }));
        assert!(!Selection { not_after: Some(999), ..Selection::default() }.takes(&letter), "it came since");
        assert!(Selection::default().until_now().takes(&letter));
        assert!(Selection::only(["m".to_owned()]).takes(&letter) && !Selection::only([]).takes(&letter));
    }

    #[test]
    fn what_holds_no_event_is_of_no_type_and_about_nobody() {
        let letter = quarantined("hello");
        let kind = Filter { kind: Some(String::new()), ..Filter::default() };
        let user = Filter { user: Some(String::new()), ..Filter::default() };
        assert!(!Selection::new(&kind).takes(&letter) && !Selection::new(&user).takes(&letter));
    }
}
