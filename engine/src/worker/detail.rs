//! The detail of a dead letter, beside its reason: a field and its rule, or what the handler said. No value, no
//! address.
//!
//! Enters: an [`Outcome`], and what its handler said. Leaves: one short line, never empty if the outcome can end in
//! the DLQ. Pure.

use super::outcome::{Missing, Outcome};

impl Outcome {
    /// What the handler said; if it said nothing, a text for the outcome.
    pub(super) fn detail(&self, said: &str) -> String {
        if !said.is_empty() {
            return said.to_owned();
        }
        match self {
            Self::Done | Self::DoneUnrecorded | Self::Duplicate | Self::Stale | Self::Ignored => String::new(),
            Self::Refused(refusal) => refusal.detail(),
            Self::RecordBroken(rule) => (*rule).to_owned(),
            Self::UnknownType(types) => format!("type: must be {}", types.join(" or ")),
            Self::Conflict => "content: must agree with what came first".to_owned(),
            Self::Parked => "record: no send is left, and what came of the last is unknown".to_owned(),
            Self::KillsItsWorker => "claims: those of this message were not heard of again".to_owned(),
            Self::Panicked => "handler: panicked".to_owned(),
            Self::TimedOut => "handler: must end within HANDLER_TIMEOUT".to_owned(),
            Self::OutcomeUnknown => "handler: no answer came past the point of no return".to_owned(),
            Self::Busy(_) => "claim: another delivery has it".to_owned(),
            Self::LeaseLost => "claim: was lost, and the record does not tell of the effect".to_owned(),
            Self::NotBegun => "worker: was told to stop, or an earlier one of its group stayed".to_owned(),
            Self::Unavailable(Missing { dependency, detail, .. }) => format!("{dependency}: {detail}"),
            Self::Permanent(_) | Self::Doubted { .. } | Self::Deferred { .. } | Self::Transient => {
                "handler: said no more".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backoff::{Backoff, Outage};
    use crate::envelope::Refusal;
    use crate::idempotency::Setbacks;
    use crate::queue::{Attempt, Facts, Verdict};
    use crate::worker::{Limits, Tries};

    #[test]
    fn every_quarantine_has_a_detail() {
        let facts = Facts {
            visibility: Duration::from_secs(30),
            max_receive_count: Some(3),
            has_dlq: true,
            retention: Some(Duration::from_secs(60)),
        };
        let limits = Limits::new(None, Duration::from_secs(60), &facts);
        let setbacks = Setbacks { failures: 9, ..Setbacks::default() };
        let tries = Tries { setbacks, receives: Attempt::new(3), age: Duration::from_secs(60), limits };
        let missing = Missing { dependency: "smtp", detail: "down".to_owned(), outage: Outage::Down };
        for outcome in [
            Outcome::UnknownType(&["user.signed_up"]),
            Outcome::Busy(Duration::ZERO),
            Outcome::Conflict,
            Outcome::Parked,
            Outcome::Refused(Refusal::NotJson),
            Outcome::KillsItsWorker,
            Outcome::Permanent("mail_refused"),
            Outcome::Doubted { reason: "mail_refused", in_a_row: 9 },
            Outcome::Deferred { in_a_row: 1, at_least: Duration::ZERO },
            Outcome::Transient,
            Outcome::Panicked,
            Outcome::TimedOut,
            Outcome::Unavailable(missing),
            Outcome::OutcomeUnknown,
            Outcome::LeaseLost,
            Outcome::NotBegun,
            Outcome::RecordBroken("a field of the record"),
        ] {
            let detail = outcome.detail("");
            assert!(!detail.is_empty() && detail.len() <= 200, "{outcome:?}");
            assert_eq!(outcome.detail("550 5.1.1 at RCPT"), "550 5.1.1 at RCPT", "what was said wins");
            let verdict = outcome.verdict(&tries, &Backoff::HANDLER, "h", &detail);
            let Verdict::Quarantine(failure) = verdict else { panic!("{outcome:?} on its last receive: {verdict}") };
            assert_eq!(failure.detail, detail);
        }
    }
}
