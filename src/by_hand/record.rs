//! Records that keep effects single: which one an effect has, what it tells a person, and taking it back.
//!
//! Enters: a reaction, a subject and, where its effects need more to be told apart, an event or a type. Leaves: the record's
//! key; words; the deed. Promises: no record that a delivery holds is taken back, unless by force.

use std::fmt;

use crate::audit::Deed;
use crate::reactions::Reactions;
use engine::event::{Once, log_hash};
use engine::idempotency::records::{Forgotten, RecordError, Records};
use engine::idempotency::{Key, State};

/// A reaction's effect on a subject.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effect<'a> {
    pub(crate) reaction: &'a str,
    pub(crate) subject: &'a str,
    /// Of a reaction that acts once for each event.
    pub(crate) event: Option<&'a str>,
    /// Of a reaction that takes several types and acts once for each subject.
    pub(crate) kind: Option<&'a str>,
}

/// Why an effect is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unclear {
    #[error("no reaction is called `{0}`")]
    NoReaction(String),
    #[error("`{0}` acts once for each event: say which, by --event alone")]
    Event(String),
    #[error("`{0}` acts once for each subject and type: say which type, by --type alone")]
    Type(String),
    #[error("`{0}` acts once for each subject: leave --event and --type out")]
    Subject(String),
}

impl Effect<'_> {
    /// The key of its record.
    ///
    /// # Errors
    /// [`Unclear`].
    pub(crate) fn key(&self, reactions: &Reactions) -> Result<Key, Unclear> {
        let name = || self.reaction.to_owned();
        let row = reactions.get(self.reaction).map(|listed| listed.row).ok_or_else(|| Unclear::NoReaction(name()))?;
        match (row.once, row.is_by_type, self.event, self.kind) {
            (Once::Event, _, Some(event), None) => Ok(Key::of_event(row.name, self.subject, event)),
            (Once::Event, ..) => Err(Unclear::Event(name())),
            (Once::Subject, true, None, Some(kind)) => Ok(Key::of_type(row.name, self.subject, kind)),
            (Once::Subject, true, ..) => Err(Unclear::Type(name())),
            (Once::Subject, false, None, None) => Ok(Key::new(row.name, self.subject)),
            (Once::Subject, false, ..) => Err(Unclear::Subject(name())),
        }
    }
}

impl fmt::Display for Effect<'_> {
    /// For whoever reads of it later: no id of a user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subject={}", log_hash(self.subject))?;
        self.event.map_or(Ok(()), |event| write!(f, " event={event}"))?;
        self.kind.map_or(Ok(()), |kind| write!(f, " type={kind}"))
    }
}

/// Takes a record back. Leaves a deed, if there was one to take back.
///
/// # Errors
/// [`RecordError`].
pub(crate) async fn forget(
    records: &Records,
    (effect, key): (&Effect<'_>, &Key),
    force: bool,
    who: &str,
) -> Result<(Forgotten, Option<Deed>), RecordError> {
    let told = records.forget(key, force).await?;
    let outcome = match told {
        Forgotten::Yes(state) => format!("it was {}", state.word()),
        Forgotten::Broken => "nobody could read it".to_owned(),
        Forgotten::NoRecord | Forgotten::Held(_) => return Ok((told, None)),
    };
    let deed = Deed::new(who, "forget", effect.reaction).to(&effect.to_string()).of(1);
    Ok((told, Some(deed.ended(&outcome))))
}

/// What a record in this state says of its effect.
pub(crate) fn meaning(state: State) -> &'static str {
    match state {
        State::Claimed => "surely nothing was sent",
        State::Begun => "may have been sent",
        State::Done => "sent",
        State::Parked => "may have been sent; no further try is made",
    }
}

/// What it would mean to forget a record in this state.
pub(crate) fn forgetting(state: State) -> &'static str {
    match state {
        State::Claimed => "Forgetting it lets the next event for this effect start afresh, with any content.",
        State::Begun | State::Parked => {
            "Forgetting it lets the next event cause the effect, which may have happened already: look at its receiver \
            first, a mailbox or the mail server's log."
        }
        State::Done => "Forgetting it lets the next event cause the effect AGAIN.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactions::samples::{Each, Follows};

    #[test]
    fn a_record_is_named_by_what_makes_its_effect_single_and_by_nothing_else() {
        let list = crate::reactions::shipped().with(Each).with(Follows);
        let of = |reaction, event, kind| {
            let effect = Effect { reaction, subject: "7", event, kind };
            effect.key(&list).ok().map(|key| key.as_str().to_owned())
        };
        assert_eq!(of("email", None, None).as_deref(), Some("idem:v1:{7}:welcome_email"));
        assert_eq!(of("each", Some("e-1"), None).as_deref(), Some("idem:v1:{7}:each:e-1"));
        assert_eq!(of("follows", None, Some("order.paid")).as_deref(), Some("idem:v1:{7}:follows:order.paid"));
        for (reaction, event, kind) in [
            ("email", Some("e-1"), None),
            ("email", None, Some("user.signed_up")),
            ("each", None, None),
            ("each", Some("e-1"), Some("order.paid")),
            ("follows", None, None),
            ("follows", Some("e-1"), None),
            ("nobody", None, None),
        ] {
            assert_eq!(of(reaction, event, kind), None, "{reaction} {event:?} {kind:?}");
        }
    }
}
