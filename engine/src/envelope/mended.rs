//! The event's text inside a body, and the same body with another text: for whoever mends an event by hand.
//!
//! Enters: a body as received, and a text. Leaves: SNS's `Message` or the whole body; a body of the same form around the
//! new text. Promises: all else in an envelope stays the same to the byte, a signature too, which then is no longer
//! true. Judges nothing: [`open`](super::open) does. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::{MAX_BODY_BYTES, Marks};
use crate::event::Scalar;

const MESSAGE: &str = "Message";

/// The text of the event in a body: what an envelope wraps, else the body itself.
#[must_use]
pub fn event_text(body: &str) -> Cow<'_, str> {
    wrapped(body).map_or(Cow::Borrowed(body), Cow::Owned)
}

/// The same body around this event.
#[must_use]
pub fn with_event_text(body: &str, text: &str) -> String {
    let mended = || {
        let mut envelope: BTreeMap<String, Box<RawValue>> = serde_json::from_str(body).ok()?;
        envelope.insert(MESSAGE.to_owned(), to_raw_value(&Value::from(text)).ok()?);
        serde_json::to_string(&envelope).ok()
    };
    wrapped(body).and_then(|_| mended()).unwrap_or_else(|| text.to_owned())
}

fn wrapped(body: &str) -> Option<String> {
    let body = Some(body).filter(|body| body.len() <= MAX_BODY_BYTES)?;
    let marks: Marks<'_> = serde_json::from_str(body).ok()?;
    let message = marks.message.as_ref().and_then(Scalar::text);
    message.filter(|_| marks.are_sns()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::open;
    use crate::event::{AnyEvent, Event, Opened, Timestamp};

    #[test]
    fn a_text_is_mended_where_it_stands_and_all_around_it_stays() {
        let body =
            r#"{"Type":"Notification","MessageId":"m-1","TopicArn":"t","Message":"{\"type\":\"a\"}","odd":[1.0]}"#;
        assert_eq!(event_text(body), r#"{"type":"a"}"#);
        let mended = with_event_text(body, "{\"type\":\"b\",\"x\":\"\u{1f600}\"}");
        assert_eq!(event_text(&mended), "{\"type\":\"b\",\"x\":\"\u{1f600}\"}");
        assert!(mended.contains(r#""odd":[1.0]"#) && mended.contains(r#""MessageId":"m-1""#), "{mended}");
        let Ok(Opened::Ours(event)) = open::<AnyEvent>(&mended, Timestamp::now()) else { panic!("{mended}") };
        assert_eq!((event.head().kind.as_ref(), event.head().id.as_str()), ("b", "m-1"));
    }

    #[test]
    fn a_body_that_wraps_nothing_is_the_text() {
        for body in ["hello", r#"{"type":"a"}"#, "{}", "", r#"{"Type":"Notification","TopicArn":"t","MessageId":"m"}"#]
        {
            assert_eq!(event_text(body), body);
            assert_eq!(with_event_text(body, "new"), "new");
        }
    }
}
