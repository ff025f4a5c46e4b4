//! The checks that both forms of an event share, ours and the `CloudEvent`: is its type read here, has it a subject?

use std::borrow::Cow;

use super::{Event, EventError, InvalidValue};

/// Refuses an event with an empty subject: under `Once::Subject` all such events would share one effect.
pub(super) fn require_subject<E: Event>(event: E) -> Result<E, EventError> {
    if event.subject().is_empty() {
        return Err(EventError::InvalidField(
            "subject",
            InvalidValue("must not be empty: effects are made single by it"),
        ));
    }
    Ok(event)
}

/// The type for the event's head; `None` if one of the two lists, `E::TYPES` and `types`, does not have it. An empty
/// list takes every type. A type that a list has is borrowed from there, not copied.
pub(super) fn accepted_type<E: Event>(kind: &str, types: &[&'static str]) -> Option<Cow<'static, str>> {
    let own = E::TYPES.iter().find(|own| **own == kind);
    let asked = types.iter().find(|asked| **asked == kind);
    if (own.is_none() && !E::TYPES.is_empty()) || (asked.is_none() && !types.is_empty()) {
        return None;
    }
    Some(own.or(asked).map_or_else(|| Cow::Owned(kind.to_owned()), |known| Cow::Borrowed(*known)))
}

/// Another team's type, made safe for a log: at most 64 characters, and no control characters (for a terminal they are
/// commands).
pub(super) fn loggable(kind: &str) -> String {
    kind.chars().filter(|c| !c.is_control()).take(64).collect()
}
