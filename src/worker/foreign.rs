//! What is not ours: ignored, or quarantined for somebody to see, as the setting says.
//!
//! Enters: an opened body, or why it could not be opened. Leaves: the event, or the [`Outcome`] of a body that is none.
//! Promises: what is nearly ours is told of where it is ignored; what is ours by its fields is never ignored. Knows
//! no queue.

use tracing::warn;

use super::outcome::{Outcome, UnknownEvents};
use crate::envelope::Refusal;
use crate::event::{EventError, EventKind, USER_SIGNED_UP, UserSignedUp};

pub(super) fn judge(opened: Result<EventKind, Refusal>, foreign: UnknownEvents) -> Result<UserSignedUp, Outcome> {
    let ignored = foreign == UnknownEvents::Ignore;
    match opened {
        Ok(EventKind::UserSignedUp(event)) => Ok(event),
        Ok(EventKind::Unknown(kind)) if ignored => {
            if kind.trim().eq_ignore_ascii_case(USER_SIGNED_UP) {
                warn!(kind, "ignored for its `type`, which is {USER_SIGNED_UP} but for its case or spaces");
            }
            Err(Outcome::Ignored)
        }
        Ok(EventKind::Unknown(_)) => Err(Outcome::UnknownType),
        Err(Refusal::Event(EventError::Foreign { .. })) if ignored => Err(Outcome::Ignored),
        Err(refusal) => Err(Outcome::Refused(refusal)),
    }
}
