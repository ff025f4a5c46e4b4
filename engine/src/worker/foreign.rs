//! Events of other teams are ignored, or quarantined for somebody to see, as the setting says.
//!
//! Enters: an opened body, or why it could not be opened. Leaves: the event, or the [`Outcome`] of a body that is
//! none. Promises: an ignored event whose `type` differs from ours only in case or spaces is logged; an event that is
//! ours by its fields is never ignored. Knows no queue.

use tracing::warn;

use super::outcome::{Outcome, UnknownEvents};
use crate::envelope::Refusal;
use crate::event::{EventError, Opened};

pub(super) fn judge<E>(
    opened: Result<Opened<E>, Refusal>,
    types: &'static [&'static str],
    foreign: UnknownEvents,
) -> Result<E, Outcome> {
    let ignored = foreign == UnknownEvents::Ignore;
    match opened {
        Ok(Opened::Ours(event)) => Ok(event),
        Ok(Opened::Foreign(kind)) if ignored => {
            if let Some(own) = types.iter().find(|own| kind.trim().eq_ignore_ascii_case(own)) {
                warn!(kind, "ignored: its `type` differs from {own} only by case or spaces");
            }
            Err(Outcome::Ignored)
        }
        Ok(Opened::Foreign(_)) => Err(Outcome::UnknownType(types)),
        Err(Refusal::Event(EventError::Foreign { .. })) if ignored => Err(Outcome::Ignored),
        Err(refusal) => Err(Outcome::Refused(refusal)),
    }
}
