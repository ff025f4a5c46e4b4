//! What a list shows of a letter: all but its body. Pure.
//!
//! Enters: a letter. Leaves: a few words of it, which a page can hold for thousands of letters.

use super::letter::Letter;
use super::select::{Described, Kind};
use engine::event::log_hash;

/// What a list shows of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gist {
    /// Its message id in the DLQ.
    pub(crate) id: String,
    pub(crate) reason: String,
    /// Empty: none.
    pub(crate) detail: String,
    /// The type and the subject's hash of its event. `None`: it holds no event.
    pub(crate) event: Option<Kind>,
    /// As in [`Letter`].
    pub(crate) died_at: i64,
    pub(crate) receives: u32,
    pub(crate) bytes: usize,
}

impl Gist {
    pub(crate) fn of(letter: &Letter) -> Self {
        Self {
            id: letter.id.clone(),
            reason: letter.reason().to_owned(),
            detail: letter.detail().to_owned(),
            event: letter.event(),
            died_at: letter.died_at,
            receives: letter.receives,
            bytes: letter.size(),
        }
    }
}

impl Described for Gist {
    fn id(&self) -> &str {
        &self.id
    }

    fn reason(&self) -> &str {
        &self.reason
    }

    fn detail(&self) -> &str {
        &self.detail
    }

    fn died(&self) -> i64 {
        self.died_at
    }

    fn event(&self) -> Option<Kind> {
        self.event.clone()
    }

    /// By the hash: the subject itself is not kept.
    fn is_about(&self, subject: &str) -> bool {
        let hash = || log_hash(subject).to_string();
        self.event.as_ref().and_then(|event| event.subject.as_ref()).is_some_and(|own| *own == hash())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letters::Selection;
    use crate::letters::letter::samples::quarantined;

    #[test]
    fn a_letter_and_its_gist_are_selected_alike() {
        let some = |text: &str| Some(text.to_owned());
        let letters =
            [r#"{"type":"user.signed_up","userId":"u","email":"anna@example.com"}"#, "hello"].map(quarantined);
        let selections = [
            Selection::default(),
            Selection { reasons: vec!["conflict".to_owned()], ..Selection::default() },
            Selection { detail: some("email"), ..Selection::default() },
            Selection { kind: some("user.signed_up"), ..Selection::default() },
            Selection { subject: some("u"), ..Selection::default() },
            Selection { subject: some("v"), ..Selection::default() },
            Selection { hash: some(&log_hash("u").to_string()[2..5]), ..Selection::default() },
            Selection { not_before: Some(1_001), ..Selection::default() },
            Selection::only(["m".to_owned()]),
            Selection::only(["n".to_owned()]),
        ];
        for (letter, taken) in letters.iter().zip([7, 4]) {
            let gist = Gist::of(letter);
            let by_letter = selections.iter().filter(|selection| selection.takes(letter)).count();
            assert_eq!(by_letter, taken);
            assert!(selections.iter().all(|selection| selection.takes(letter) == selection.takes(&gist)));
        }
    }
}
