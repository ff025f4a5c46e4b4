//! An event of any type: only its head is read, and its text is kept as it was written.
//!
//! Enters: any fields. Leaves: the same text, to the byte; the fields beside the head's, for whoever asks. For programs
//! that pass events on.

use serde_json::Value;

use super::head::Names;
use super::{
    Arrival, Event, EventError, EventId, Fields, Head, InvalidValue, Opened, Published, Timestamp, cloud_event,
    to_be_published,
};

/// An event of any type. Its text is kept to the byte.
#[derive(Clone, PartialEq, Eq)]
pub struct AnyEvent {
    head: Head,
    text: Box<str>,
    /// The object that holds its own fields, where that is not the text itself: of a `CloudEvent` its `data`.
    data: Option<Box<str>>,
}

impl AnyEvent {
    /// An event to be published, as it was written. If it has no id it gets one (UUID v7), so that it stays the same
    /// event however often it is sent.
    ///
    /// # Errors
    /// [`EventError`]: its head breaks a rule.
    pub fn to_be_published(text: &str) -> Result<Self, EventError> {
        let text = with_id(text.trim())?;
        // It has an id, so none is made up here.
        match to_be_published::<Self>(&text, &Arrival::raw(Timestamp::now()), Self::TYPES)? {
            Opened::Ours(event) if event.head.kind.is_empty() => {
                Err(EventError::InvalidField(Names::OURS.kind, InvalidValue("must not be empty")))
            }
            Opened::Ours(event) => Ok(event),
            Opened::Foreign(_) => Err(EventError::Foreign { has_type: true }),
        }
    }

    /// An event of this type, to be published, with the fields of a JSON object.
    ///
    /// # Errors
    /// [`EventError`]: the text is no object, or has a `type` already.
    pub fn with_fields(kind: &str, object: &str) -> Result<Self, EventError> {
        let fields = Fields::of(object)?;
        let rule = InvalidValue("must not be among the fields: the type is named beside them");
        if let Some(name) = [Names::OURS.kind, cloud_event::MARK].into_iter().find(|name| fields.names(name)) {
            return Err(EventError::InvalidField(name, rule));
        }
        Self::to_be_published(&with_first(object.trim(), Names::OURS.kind, kind))
    }

    /// What was published.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The fields beside its head's: of a `CloudEvent` those of its data.
    ///
    /// # Errors
    /// It fails for no event: its text was read before.
    pub fn own_fields(&self) -> Result<Fields<'_>, EventError> {
        Fields::of(self.data.as_deref().unwrap_or(&self.text))
    }
}

impl Event for AnyEvent {
    const TYPES: &'static [&'static str] = &[];
    /// No version is too new: its fields are kept as they are.
    const NEWEST: u32 = u32::MAX;

    fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
        let (whole, own) = (fields.whole(), fields.json());
        // A part of a text is shorter than the text.
        let data = (own.len() != whole.len()).then(|| own.into());
        Ok(Self { head, text: whole.into(), data })
    }

    fn head(&self) -> &Head {
        &self.head
    }

    /// What it is about is not known: each event is its own subject.
    fn subject(&self) -> &str {
        self.head.id.as_str()
    }
}

impl Published for AnyEvent {
    fn to_json(&self) -> String {
        self.text.to_string()
    }
}

/// The same text, with an id.
fn with_id(text: &str) -> Result<String, EventError> {
    let fields = Fields::of(text)?;
    let name = id_field(&fields, &Names::OURS);
    let is_empty = name == cloud_event::ID && fields.text(name)?.is_some_and(|id| id.is_empty());
    if fields.has(name) && !is_empty {
        return Ok(text.to_owned());
    }
    Ok(written_with_id(&fields, name, EventId::fresh().as_str()))
}

/// The same text as another event: with this id, whatever its own was. `names`: where an event in our own form has its
/// id.
///
/// # Errors
/// [`EventError::NotAnObject`]
pub fn with_new_id(text: &str, names: &Names, id: &EventId) -> Result<String, EventError> {
    let fields = Fields::of(text.trim())?;
    Ok(written_with_id(&fields, id_field(&fields, names), id.as_str()))
}

fn id_field(fields: &Fields<'_>, names: &Names) -> &'static str {
    if fields.has(cloud_event::MARK) { cloud_event::ID } else { names.id }
}

fn written_with_id(fields: &Fields<'_>, name: &str, id: &str) -> String {
    // The id may be there as `null`, as some serialisers write an empty field: a second field of that name would be one
    // too many.
    if fields.names(name) { fields.written_with(name, id) } else { with_first(fields.whole(), name, id) }
}

/// An object's text with one more field, before the others.
fn with_first(object: &str, name: &str, value: &str) -> String {
    let rest = object.trim_start_matches('{').trim_start();
    let comma = if rest.starts_with('}') { "" } else { "," };
    format!("{{{}:{}{comma}{rest}", Value::from(name), Value::from(value))
}

/// Does not show the text, which may hold anything.
impl std::fmt::Debug for AnyEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AnyEvent({:?}, {} bytes)", self.head, self.text.len())
    }
}

#[cfg(test)]
#[path = "any_tests.rs"]
mod tests;
