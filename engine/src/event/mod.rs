//! The event: what happened, parsed once. From then on nobody handles raw text.
//!
//! Enters: JSON text (`read`), or values that already keep their rules (`values`). Leaves: an [`Event`] in
//! which every field is valid, and its contract as a [`schema`]. Pure: knows no envelope, no queue, no handler.

mod any;
mod cloud_event;
mod error;
mod every_form;
mod fields;
mod head;
mod one_of;
mod read;
mod scalar;
pub mod schema;
mod values;

use std::borrow::Cow;
use std::fmt;

pub use any::{AnyEvent, with_new_id};
pub use error::EventError;
pub use fields::Fields;
pub use head::{Arrival, Head, Names};
#[doc(hidden)]
pub use one_of::{joined, shared_names};
pub use read::{Opened, read, to_be_published};
pub(crate) use scalar::Scalar;
#[doc(hidden)]
pub use schema::one_schema_of;
pub use values::{EventId, InvalidValue, log_hash};

pub use crate::timestamp::Timestamp;

/// A JSON Schema.
pub type Schema = serde_json::Value;

/// One type of event, or several: see [`one_of!`](crate::one_of).
pub trait Event: fmt::Debug + Send + Sync + Sized + 'static {
    /// The values of `type` that are read as this event; others are another team's. If empty, every type is read.
    const TYPES: &'static [&'static str];

    /// The newest version whose fields are known. A newer version that still has these fields is read like this one.
    const NEWEST: u32 = 1;

    /// Is it several events in one ([`one_of!`](crate::one_of))? Then [`Once::Subject`] means once for each subject and
    /// type.
    #[doc(hidden)]
    const IS_ONE_OF: bool = false;

    /// The names of its head's fields. `publish` on the command line knows [`Names::OURS`] only.
    const NAMES: Names = Names::OURS;

    /// Reads its own fields. Its head is read before.
    ///
    /// # Errors
    /// The first field that is absent or breaks its rule, as [`Fields`] returns it.
    fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError>;

    /// The part that every event has.
    fn head(&self) -> &Head;

    /// Whom or what it is about: an effect happens once for each subject ([`Once`]). Never empty: such an event is
    /// refused.
    fn subject(&self) -> &str;

    /// The content that its effect is made from. A second event for the same effect with other content is a conflict,
    /// and is quarantined. By default no content: then a second event is a copy of the first.
    fn content(&self) -> Content<'_> {
        Content::default()
    }

    /// The newest version of one of its types.
    #[must_use]
    fn newest(kind: &str) -> u32 {
        let _ = kind;
        Self::NEWEST
    }

    /// If its `type` is absent or no text: is it ours by its fields? Then it is quarantined, not ignored. For
    /// `CloudEvents`, `fields` are those of `data`.
    #[must_use]
    fn resembles(fields: &Fields<'_>) -> bool {
        let _ = fields;
        false
    }

    /// What publishers write, as a JSON Schema (2020-12). By default an object with the fields of the head.
    #[must_use]
    fn schema() -> Schema {
        schema::of_head(Self::TYPES, &Self::NAMES)
    }
}

/// An event that this program also publishes.
pub trait Published: Event {
    /// The event as JSON text. Reading it gives the same event.
    fn to_json(&self) -> String;
}

/// How often an effect happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    /// Once for each subject, however many events there are about it: a welcome mail. If a reaction takes several types
    /// ([`one_of!`](crate::one_of)), once for each subject and type: order 7 and user 7 are not the same.
    Subject,
    /// Once for each event: a receipt.
    Event,
}

/// The content that an effect is made from: as it came, and in the one spelling that all its spellings are folded to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content<'a> {
    /// As it came.
    pub exact: Cow<'a, str>,
    /// The same for every spelling.
    pub folded: Cow<'a, str>,
}

impl<'a> Content<'a> {
    /// Content with one spelling.
    #[must_use]
    pub fn of(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        Self { folded: text.clone(), exact: text }
    }

    /// Content with several spellings.
    #[must_use]
    pub fn spelled(exact: impl Into<Cow<'a, str>>, folded: impl Into<Cow<'a, str>>) -> Self {
        Self { exact: exact.into(), folded: folded.into() }
    }
}
