//! A deed on dead letters as it is told to others: to which letters, how many, how it ended.
//!
//! Enters: what the command line asked for, the report. Leaves: a [`Deed`]. Promises: no user's id. Pure, but for
//! [`Teller::say`].

use crate::audit::Deed;
use crate::cli::{Filter, Since};
use crate::letters::LetterReport;
use crate::ops::witness::Witness;
use engine::event::log_hash;

/// Tells what is done to the letters that were asked for.
pub(super) struct Teller {
    pub(super) witness: Witness,
    /// Which letters were asked for.
    pub(super) asked: String,
}

impl Teller {
    /// Tells of letters that were handled one by one.
    pub(super) async fn say(&self, what: &str, reaction: &str, report: &LetterReport, is_cut: bool) {
        let deed = self.deed(what, reaction, report.moved);
        self.witness.say(&deed.ended(&report.ended(is_cut))).await;
    }

    /// Tells of letters that SQS moved, until `status`.
    pub(super) async fn moved(&self, reaction: &str, moved: u64, status: &str) {
        let outcome = if status == "COMPLETED" { "done".to_owned() } else { format!("SQS ended it as {status}") };
        self.witness.say(&self.deed("redrive", reaction, moved).ended(&outcome)).await;
    }

    fn deed(&self, what: &str, reaction: &str, moved: u64) -> Deed {
        self.witness.deed(what, reaction).to(&self.asked).of(moved)
    }
}

/// Letters by their ids.
pub(super) fn ids(ids: &[String]) -> String {
    format!("ids={}", ids.join(","))
}

/// Letters by what they are like.
pub(super) fn filter(filter: &Filter) -> String {
    let Filter { reason, detail, kind, since, user, limit } = filter;
    let since = since.map(|since| match since {
        Since::Ago(ago) => humantime::format_duration(ago).to_string().replace(' ', ""),
        Since::At(at) => humantime::format_rfc3339_seconds(at).to_string(),
    });
    let reason = (!reason.is_empty()).then(|| reason.join(","));
    let set = [
        ("reason", reason),
        ("detail", detail.as_ref().map(|detail| format!("{detail:?}"))),
        ("type", kind.clone()),
        ("since", since),
        ("subject", user.as_ref().map(|user| log_hash(user).to_string())),
        ("limit", limit.map(|limit| limit.to_string())),
    ];
    let words: Vec<_> = set.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
    if words.is_empty() { "all".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_deed_says_which_letters_it_was_asked_for_and_names_no_user() {
        assert_eq!(filter(&Filter::default()), "all");
        let asked = Filter {
            reason: vec!["conflict".to_owned(), "unknown".to_owned()],
            detail: Some("email: must".to_owned()),
            kind: Some("user.signed_up".to_owned()),
            since: Some(Since::Ago(Duration::from_secs(5400))),
            user: Some("u-1".to_owned()),
            limit: Some(7),
        };
        let expected = "reason=conflict,unknown detail=\"email: must\" type=user.signed_up since=1h30m \
            subject=6e0b71c2 limit=7";
        assert_eq!(filter(&asked).replace(&log_hash("u-1").to_string(), "6e0b71c2"), expected);
        let at = Filter { since: Some(Since::At(SystemTime::UNIX_EPOCH)), ..Filter::default() };
        assert_eq!(filter(&at), "since=1970-01-01T00:00:00Z");
    }
}
