//! An event together with all that was published in it, fields that nobody here knows included.
//!
//! Enters: what its event reads. Leaves: that event, and the JSON object that its fields were read from (of a `CloudEvent`: its
//! `data`). For whoever passes fields on without knowing them, as a mail's template does.

use std::fmt;

use engine::event::{Content, Event, EventError, Fields, Head, Names, Schema};

/// An event, and the fields that it was published with.
#[derive(Clone)]
pub struct WithFields<E> {
    /// The event.
    pub event: E,
    json: Box<str>,
}

impl<E> WithFields<E> {
    /// `event`, as this JSON object tells it.
    #[must_use]
    pub fn new(event: E, json: impl Into<Box<str>>) -> Self {
        Self { event, json: json.into() }
    }

    /// All of its fields, as a JSON object.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }
}

impl<E: Event> Event for WithFields<E> {
    const TYPES: &'static [&'static str] = E::TYPES;
    const NEWEST: u32 = E::NEWEST;
    const IS_ONE_OF: bool = E::IS_ONE_OF;
    const NAMES: Names = E::NAMES;

    fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
        Ok(Self::new(E::read(head, fields)?, fields.json()))
    }

    fn head(&self) -> &Head {
        self.event.head()
    }

    fn subject(&self) -> &str {
        self.event.subject()
    }

    fn content(&self) -> Content<'_> {
        self.event.content()
    }

    fn newest(kind: &str) -> u32 {
        E::newest(kind)
    }

    fn resembles(fields: &Fields<'_>) -> bool {
        E::resembles(fields)
    }

    fn schema() -> Schema {
        E::schema()
    }
}

/// Its fields may hold anything.
impl<E: fmt::Debug> fmt::Debug for WithFields<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WithFields({:?}, {} bytes)", self.event, self.json.len())
    }
}
