//! The event: what happened, parsed once and never raw again.
//!
//! Enters: JSON text (`read`) or values that already hold their rules (`values`, `timestamp`). Leaves: an
//! [`Event`] in which every field is valid, and its contract as a [`schema`]. Pure: knows no envelope, no queue, no handler.

mod any;
mod cloud_event;
mod error;
mod fields;
mod head;
mod one_of;
mod read;
mod scalar;
pub mod schema;
mod timestamp;
mod values;

use std::borrow::Cow;
use std::fmt;

pub use any::AnyEvent;
pub use error::EventError;
pub use fields::Fields;
pub use head::{Arrival, Head, Names};
#[doc(hidden)]
pub use one_of::{joined, shared_names};
pub use read::{Opened, read, to_be_published};
pub(crate) use scalar::Scalar;
#[doc(hidden)]
pub use schema::one_schema_of;
pub use timestamp::Timestamp;
pub use values::{EventId, InvalidValue, log_hash};

/// A JSON Schema.
pub type Schema = serde_json::Value;

/// One type of event, or several: see [`one_of!`](crate::one_of).
pub trait Event: fmt::Debug + Send + Sync + Sized + 'static {
    /// The values of `type` that are read as this; others are somebody else's. Of none, every type is.
    const TYPES: &'static [&'static str];

    /// The newest version whose fields are known. A newer one that still has them is read as this one.
    const NEWEST: u32 = 1;

    /// Is it several events in one ([`one_of!`](crate::one_of))? Then a subject's effect is one for each type.
    #[doc(hidden)]
    const IS_ONE_OF: bool = false;

    /// What the fields of its head are called. `publish` on the command line knows [`Names::OURS`] alone.
    const NAMES: Names = Names::OURS;

    /// Reads its own fields; its head is read already.
    ///
    /// # Errors
    /// The first field that is absent or breaks its rule: what [`Fields`] answers.
    fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError>;

    /// What every event has.
    fn head(&self) -> &Head;

    /// Whom or what it is about: effects are made single by it ([`Once`]). Never empty: such an event is refused.
    fn subject(&self) -> &str;

    /// What its effect is made from. A second event for the same effect whose content does not agree is a conflict, and
    /// quarantined. Nothing, unless told: then the second one is the first one's copy.
    fn content(&self) -> Content<'_> {
        Content::default()
    }

    /// The newest version of one of its types.
    #[must_use]
    fn newest(kind: &str) -> u32 {
        let _ = kind;
        Self::NEWEST
    }

    /// Is it ours by its fields, where its `type` is lacking or is no text? Then it is quarantined, not ignored. Of
    /// `CloudEvents` it is asked with the fields of `data`.
    #[must_use]
    fn resembles(fields: &Fields<'_>) -> bool {
        let _ = fields;
        false
    }

    /// What publishers write, as a JSON Schema (2020-12). Unless told: an object with the fields of the head.
    #[must_use]
    fn schema() -> Schema {
        schema::of_head(Self::TYPES, &Self::NAMES)
    }
}

/// An event that is published from here, too.
pub trait Published: Event {
    /// The event as JSON text, which is read as the same event.
    fn to_json(&self) -> String;
}

/// How often an effect happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    /// Once for each subject, however many events there are about it: a welcome mail. Where a reaction takes several types by
    /// [`one_of!`](crate::one_of), once for each subject and type: an order is no user, though both be called 7.
    Subject,
    /// Once for each event: a receipt.
    Event,
}

/// What an effect is made from, in its own spelling and in the one that all spellings of it fold to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content<'a> {
    /// As it came.
    pub exact: Cow<'a, str>,
    /// The same for every spelling.
    pub folded: Cow<'a, str>,
}

impl<'a> Content<'a> {
    /// It has one spelling.
    #[must_use]
    pub fn of(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        Self { folded: text.clone(), exact: text }
    }

    /// It has several.
    #[must_use]
    pub fn spelled(exact: impl Into<Cow<'a, str>>, folded: impl Into<Cow<'a, str>>) -> Self {
        Self { exact: exact.into(), folded: folded.into() }
    }
}
