//! What calls are made single by: the event itself, or the value of one of its fields.
//!
//! Enters: an event of any type, and the field's name if there is one. Leaves: a text that is the same on every copy.

use std::borrow::Cow;

use engine::event::{AnyEvent, Event, EventError, InvalidValue};
use serde_json::Value;

/// The value of this field, else the event's id.
pub(crate) fn subject<'e>(event: &'e AnyEvent, field: Option<&'static str>) -> Result<Cow<'e, str>, EventError> {
    match field {
        Some(field) => value(event, field).map(Cow::Owned),
        None => Ok(Cow::Borrowed(event.subject())),
    }
}

/// A text, or a number as text.
fn value(event: &AnyEvent, field: &'static str) -> Result<String, EventError> {
    let rule = InvalidValue("must be a string or a number: calls are made single by it");
    match event.own_fields()?.parsed::<Value>(field)? {
        Value::String(text) if !text.trim().is_empty() => Ok(text),
        // 7.0 is the number 7, as everywhere in an event.
        Value::Number(number) => Ok(match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
            _ => number.to_string(),
        }),
        _ => Err(EventError::InvalidField(field, rule)),
    }
}

#[cfg(test)]
mod tests {
    use engine::event::{Arrival, Opened, Timestamp, read};

    use super::*;

    fn event(text: &str) -> AnyEvent {
        match read::<AnyEvent>(text, &Arrival::wrapped("m-1", Timestamp::now()), &[]) {
            Ok(Opened::Ours(event)) => event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_field_that_calls_are_made_single_by_is_a_string_or_a_number() {
        let event_of_all =
            event(r#"{"type":"t","s":"a-1","n":7,"f":7.0,"r":1.5,"m":-3,"b":true,"o":{},"e":" ","z":null}"#);
        let value = |field| value(&event_of_all, field);
        assert_eq!(
            ["s", "n", "f", "r", "m"].map(|field| value(field).expect("a value")),
            ["a-1", "7", "7", "1.5", "-3"]
        );
        for odd in ["b", "o", "e"] {
            let fault = value(odd).expect_err("no value");
            assert_eq!(fault.detail(), format!("{odd}: must be a string or a number: calls are made single by it"));
        }
        assert_eq!(["z", "absent"].map(value), ["z", "absent"].map(|field| Err(EventError::MissingField(field))));
        let cloud = event(r#"{"specversion":"1.0","type":"t","source":"s","id":"1","data":{"userId":9}}"#);
        assert_eq!(subject(&cloud, Some("userId")).as_deref(), Ok("9"), "of its data");
    }

    #[test]
    fn without_a_field_each_event_is_its_own_subject() {
        assert_eq!(subject(&event(r#"{"type":"t","eventId":"e-1"}"#), None).as_deref(), Ok("e-1"));
        assert_eq!(subject(&event(r#"{"type":"t"}"#), None).as_deref(), Ok("m-1"), "or it has the carrier's id");
    }
}
