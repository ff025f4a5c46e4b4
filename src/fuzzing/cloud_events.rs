//! A `CloudEvent` in each form of its data: as an object, as a string that holds one, in base64; raw, and in SNS's envelope.
//!
//! Enters: attributes, one a line; an empty line; the data. Leaves: nothing.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{assert_tells_nothing, pairs, sent_at};
use crate::events::UserSignedUp;
use engine::envelope::{Refusal, open};
use engine::event::{AnyEvent, Arrival, Event, EventError, Fields, Opened, read};

type Read = Result<Opened<UserSignedUp>, EventError>;

/// What holds of a `CloudEvent`.
pub fn cloud_events(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (attributes, data) = text.split_once("\n\n").unwrap_or(("", &text));
    let mut all = BTreeMap::from([("specversion", "1.0"), ("type", "user.signed_up"), ("source", "s"), ("id", "1")]);
    all.extend(pairs(attributes).filter(|(name, _)| !["data", "data_base64"].contains(name)));
    let with = |name: &str, data: &str| {
        let attributes = json!(all).to_string();
        format!("{},\"{name}\":{data}}}", attributes.trim_end_matches('}'))
    };
    let as_text = with("data", &Value::from(data).to_string());
    let in_base64 = with("data_base64", &Value::from(BASE64.encode(data.as_bytes())).to_string());
    let [one, other] = [&as_text, &in_base64].map(|event| signed_up(event));
    assert_eq!(told(&one), told(&other), "both forms hold the same data");
    if Fields::of(data).is_ok() {
        let as_object = with("data", data);
        assert_eq!(one, signed_up(&as_object), "an object is what a string holds");
        assert_eq!(one, other);
    }
    if let Ok(Opened::Ours(event)) = &one {
        assert_eq!(all["specversion"], "1.0");
        let same = read::<AnyEvent>(&with("data", "7"), &arrival(), &[]);
        let Ok(Opened::Ours(same)) = same else { panic!("it is none of any type: {same:?}") };
        assert_eq!(event.head().id, same.head().id, "whatever its data, source and id are the event");
    }
}

fn arrival() -> Arrival<'static> {
    Arrival::wrapped("m-1", sent_at())
}

/// Reads it as it is, and from an envelope: the same, but for its depth.
fn signed_up(event: &str) -> Read {
    let opened = read::<UserSignedUp>(event, &arrival(), UserSignedUp::TYPES);
    let envelope = json!({ "Type": "Notification", "TopicArn": "t", "MessageId": "m-1", "Message": event });
    match open::<UserSignedUp>(&envelope.to_string(), sent_at()) {
        Err(Refusal::TooDeep | Refusal::TooLarge) => {}
        wrapped => assert_eq!(wrapped, opened.clone().map_err(Refusal::Event)),
    }
    if let Err(error) = &opened {
        assert_tells_nothing(&error.detail(), event);
        assert_tells_nothing(&error.to_string(), event);
    }
    opened
}

/// The outcome, whichever field held the data.
fn told(read: &Read) -> String {
    match read {
        Ok(opened) => format!("{opened:?}"),
        Err(error) => error.detail().replace("data_base64", "data"),
    }
}
