//! An event of any type, to be passed on: its text as it was published, to the byte.
//!
//! Enters: any fields. Leaves: the text, the id, and the value of a field that calls are made single by.

use std::borrow::Cow;
use std::fmt;

use engine::event::{Event, EventError, Fields, Head, InvalidValue};
use serde_json::Value;

/// An event of any type.
pub struct Posted {
    head: Head,
    text: Box<str>,
    /// The object that holds its own fields, where that is not the text itself: of a `CloudEvent` its `data`.
    data: Option<Box<str>>,
}

impl Posted {
    /// What was published.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Which event it is: the same on every copy and every retry.
    #[must_use]
    pub fn id(&self) -> &str {
        self.head.id.as_str()
    }

    /// The value of this field, which calls are made single by: a text, or a number as text.
    ///
    /// # Errors
    /// [`EventError`]: it is absent, or neither.
    pub fn value(&self, field: &'static str) -> Result<String, EventError> {
        let rule =
            EventError::InvalidField(field, InvalidValue("must be a string or a number: calls are made single by it"));
        let fields = Fields::of(self.data.as_deref().unwrap_or(&self.text))?;
        match fields.parsed::<Value>(field)? {
            Value::String(text) if !text.trim().is_empty() => Ok(text),
            // 7.0 is the number 7, as everywhere in an event.
            Value::Number(number) => Ok(match number.as_f64() {
                Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
                _ => number.to_string(),
            }),
            _ => Err(rule),
        }
    }
}

impl Event for Posted {
    const TYPES: &'static [&'static str] = &[];
    /// No version is too new: its fields are passed on as they are.
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

    /// What it is about is not known here: each event is its own subject.
    fn subject(&self) -> &str {
        self.id()
    }
}

/// For whoever asks for the subject by a field, or by none.
pub(crate) fn subject<'e>(event: &'e Posted, field: Option<&'static str>) -> Result<Cow<'e, str>, EventError> {
    match field {
        Some(field) => event.value(field).map(Cow::Owned),
        None => Ok(Cow::Borrowed(event.id())),
    }
}

/// Does not show the text, which may hold anything.
impl fmt::Debug for Posted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Posted({:?}, {} bytes)", self.head, self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use engine::event::{Arrival, Opened, Timestamp, read};

    use super::*;

    fn posted(text: &str) -> Posted {
        match read::<Posted>(text, &Arrival::wrapped("m-1", Timestamp::now()), &[]) {
            Ok(Opened::Ours(event)) => event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_event_is_passed_on_to_the_byte() {
        let text = r#" { "type":"order.paid" , "total": 1.50, "note":"caf\u00e9","eventId":"e-1"}"#;
        let event = posted(text);
        assert_eq!((event.text(), event.id()), (text, "e-1"));
        assert_eq!(posted(r#"{"type":"x"}"#).id(), "m-1", "without an id of its own it has the carrier's");
    }

    #[test]
    fn a_field_that_calls_are_made_single_by_is_a_string_or_a_number() {
        let event = posted(r#"{"type":"t","s":"a-1","n":7,"f":7.0,"r":1.5,"m":-3,"b":true,"o":{},"e":" ","z":null}"#);
        let values = ["s", "n", "f", "r", "m"].map(|field| event.value(field).expect("a value"));
        assert_eq!(values, ["a-1", "7", "7", "1.5", "-3"]);
        for odd in ["b", "o", "e"] {
            let fault = event.value(odd).expect_err("no value");
            assert_eq!(fault.detail(), format!("{odd}: must be a string or a number: calls are made single by it"));
        }
        assert_eq!(
            ["z", "absent"].map(|field| event.value(field)),
            ["z", "absent"].map(|f| Err(EventError::MissingField(f)))
        );
        let cloud = r#"{"specversion":"1.0","type":"t","source":"s","id":"1","data":{"userId":9}}"#;
        assert_eq!((posted(cloud).value("userId"), posted(cloud).text()), (Ok("9".to_owned()), cloud), "of its data");
    }
}
