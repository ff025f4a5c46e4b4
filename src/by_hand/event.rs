//! Events that a person wrote, before they are published.
//!
//! Enters: JSON, and the types that are known here. Leaves: an event with its id, or what is wrong with the text. An event of a
//! known type must keep that type's rules. The text of an event goes out as it was written. Whoever publishes them leaves their
//! deed.

use std::collections::BTreeSet;

use crate::audit::Deed;
use crate::events::UserSignedUp;
use crate::reactions::{EventType, Reactions};
use engine::envelope;
use engine::event::{AnyEvent, Arrival, Event, EventError, Timestamp};
use engine::publisher::PublishError;
use engine::topic::MessageId;

/// The types whose rules are known: those of these reactions, and `user.signed_up`.
pub(crate) fn known(reactions: &Reactions) -> Vec<EventType> {
    let mut known = reactions.events();
    known.push(EventType::of::<UserSignedUp>());
    known
}

/// The event that this text is.
pub(crate) fn whole(text: &str, known: &[EventType]) -> Result<AnyEvent, EventError> {
    AnyEvent::to_be_published(text).and_then(|event| checked(event, known))
}

/// The event of this type with these fields, a JSON object.
pub(crate) fn of_type(kind: &str, fields: &str, known: &[EventType]) -> Result<AnyEvent, EventError> {
    AnyEvent::with_fields(kind, fields).and_then(|event| checked(event, known))
}

/// The deed of publishing these events: their types, and how many were published.
pub(crate) fn published(
    who: &str,
    topic: &str,
    events: &[AnyEvent],
    results: &[Result<MessageId, PublishError>],
) -> Deed {
    let kinds: BTreeSet<_> = events.iter().map(|event| &*event.head().kind).collect();
    let kinds = kinds.into_iter().collect::<Vec<_>>().join(",");
    let published = results.iter().filter(|result| result.is_ok()).count();
    let deed = Deed::new(who, "publish", "").to(&format!("topic={topic} type={kinds}")).of(published as u64);
    if published == events.len() {
        return deed;
    }
    deed.ended(&format!("{} failed, {} not sent", results.len() - published, events.len() - results.len()))
}

fn checked(event: AnyEvent, known: &[EventType]) -> Result<AnyEvent, EventError> {
    if envelope::is_too_deep(event.text()) {
        return Err(EventError::NotAnObject);
    }
    let arrival = Arrival::wrapped(event.head().id.as_str(), Timestamp::now());
    if let Some(known) = known.iter().find(|known| known.types.contains(&&*event.head().kind)) {
        (known.check)(event.text(), &arrival)?;
    }
    Ok(event)
}
