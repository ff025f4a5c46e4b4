//! What holds for an event in every form, ours or a `CloudEvent`: which types are read, and that a subject is there.

use std::borrow::Cow;

use super::{Event, EventError, InvalidValue};

/// Refuses an empty subject: all such events would share one effect.
pub(super) fn require_subject<E: Event>(event: E) -> Result<E, EventError> {
    if event.subject().is_empty() {
        return Err(EventError::InvalidField(
            "subject",
            InvalidValue("must not be empty: effects are made single by it"),
        ));
    }
    Ok(event)
}

/// The type as it is kept, if both lists take it: `types` and the event's own. An empty list takes every type.
pub(super) fn accepted_type<E: Event>(kind: &str, types: &[&'static str]) -> Option<Cow<'static, str>> {
    let own = E::TYPES.iter().find(|own| **own == kind);
    let asked = types.iter().find(|asked| **asked == kind);
    if (own.is_none() && !E::TYPES.is_empty()) || (asked.is_none() && !types.is_empty()) {
        return None;
    }
    Some(own.or(asked).map_or_else(|| Cow::Owned(kind.to_owned()), |known| Cow::Borrowed(*known)))
}

/// The type as a log may show it: cut to the length of a line, without characters that could control a terminal.
pub(super) fn loggable(kind: &str) -> String {
    kind.chars().filter(|c| !c.is_control()).take(64).collect()
}
