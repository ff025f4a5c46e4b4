//! The details of refused bodies: field and rule, and never the content.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{UserSignedUp, open, taken, wrapped};
use engine::envelope::{MAX_BODY_BYTES, Refusal, Topics, open_from};
use engine::event::{Event, EventError, Fields, Head};

fn detail(body: &str) -> String {
    open(body, taken()).expect_err("no event").detail()
}

#[test]
fn a_detail_names_the_field_and_its_rule() {
    let event = |field: &str, value: Value| {
        let mut event = json!({ "type": "user.signed_up", "version": 2, "userId": "1", "email": "a@example.com" });
        event[field] = value;
        event.to_string()
    };
    for (body, expected) in [
        ("[]".to_owned(), "body: must be a JSON object with each field once"),
        (" ".repeat(MAX_BODY_BYTES + 1), "body: must have at most 524288 bytes"),
        ("[".repeat(200), "body: must be nested at most 127 deep"),
        (wrapped("hello"), "event: must be a JSON object with each field once"),
        (wrapped("{}").replace("Notification", "UnsubscribeConfirmation"), "Type: must be Notification"),
        (wrapped("{}").replace("\"Message\":", "\"Text\":"), "Message: must be a string"),
        ("{}".to_owned(), "type: must be there"),
        (json!({ "type": 7 }).to_string(), "type: must be a string"),
        (event("userId", Value::Null), "userId: must be there"),
        (event("userId", json!("")), "userId: must be 1 to 256 bytes without control characters"),
        (event("plan", json!(["pro"])), "plan: must be a string"),
        (event("version", json!(0)), "version: must be a whole number from 1 up, as number or string"),
        (event("version", json!(7)), "plan: must be as version 2 has it"),
    ] {
        assert_eq!(detail(&body), expected);
    }
}

/// A marker, as each kind of JSON value.
fn marked(marker: u64, before: &str, kind: usize) -> Value {
    match kind {
        0 => format!("{before}{marker}\u{7}").into(),
        1 => format!("{marker}@@{before}").into(),
        2 => marker.into(),
        3 => json!([marker.to_string()]),
        4 => json!({ marker.to_string(): marker }),
        _ => (marker as f64 + 0.5).into(),
    }
}

/// Larger than any version, because a version that is too new stands in the text of its error.
const MARKERS: std::ops::Range<u64> = 5_000_000_000..9_000_000_000;

proptest! {
    #[test]
    fn no_detail_holds_what_was_refused(
        field in "type|version|eventId|userId|email|plan|timestamp|other",
        around in "Type|TopicArn|MessageId|Message|Timestamp|none",
        before in any::<String>(),
        kinds in (0..6_usize, 0..6_usize),
        marker in MARKERS,
        is_broken in any::<bool>(),
    ) {
        let mut event = json!({ "type": "user.signed_up", "version": 2, "userId": "1", "email": "a@example.com" });
        event[&field] = marked(marker, &before, kinds.0);
        let text = if is_broken { format!("{event}{marker}") } else { event.to_string() };
        let mut envelope: Value = serde_json::from_str(&wrapped(&text)).expect("JSON");
        envelope[&around] = marked(marker, &before, kinds.1);
        let topics = Topics::only(vec!["arn:aws:sns:r:1:t".to_owned()]);
        for body in [text, envelope.to_string()] {
            if let Err(refusal) = open_from::<UserSignedUp>(&body, taken(), &topics, UserSignedUp::TYPES) {
                assert_discreet(&refusal, marker);
            }
        }
    }
    /// The same for a `CloudEvent`: for each of its attributes, and for the fields of its data in each of its places.
    #[test]
    fn no_detail_of_a_cloud_event_holds_what_was_refused(
        attribute in "specversion|type|id|source|time|version|data|data_base64|other",
        field in "userId|email|plan|other",
        form in 0..3_usize,
        before in any::<String>(),
        kinds in (0..6_usize, 0..6_usize),
        marker in MARKERS,
        is_whole in any::<bool>(),
    ) {
        let mut data = json!({ "userId": "1", "email": "a@example.com", "plan": "pro" });
        data[&field] = marked(marker, &before, kinds.0);
        let mut event = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "user.signed_up" });
        let cut = if is_whole { data.to_string() } else { format!("{data}{marker}") };
        match form {
            0 => event["data"] = data,
            1 => event["data"] = cut.into(),
            _ => event["data_base64"] = data_encoding::BASE64.encode(cut.as_bytes()).into(),
        }
        if kinds.1 < 5 {
            event[&attribute] = marked(marker, &before, kinds.1);
        }
        for body in [event.to_string(), wrapped(&event.to_string())] {
            if let Err(refusal) = open(&body, taken()) {
                assert_discreet(&refusal, marker);
            }
        }
    }

    /// The same for a value that an event reads by a type of its own: serde's message may quote it.
    #[test]
    fn no_detail_of_a_parsed_value_holds_what_was_refused(
        before in any::<String>(), kinds in (0..6_usize, 0..6_usize), marker in MARKERS, is_cloud in any::<bool>(),
        is_nested in any::<bool>(),
    ) {
        let total = marked(marker, &before, kinds.0);
        let total = if is_nested { json!({ "currency": total }) } else { total };
        let mut fields = json!({ "total": total, "note": marked(marker, &before, kinds.1) });
        if is_cloud {
            fields = json!({ "specversion": "1.0", "id": "1", "source": "/s", "data": fields });
        }
        fields["type"] = "order.paid".into();
        for body in [fields.to_string(), wrapped(&fields.to_string())] {
            if let Err(refusal) = engine::envelope::open::<Paid>(&body, taken()) {
                assert_discreet(&refusal, marker);
            }
        }
    }
}

fn assert_discreet(refusal: &Refusal, marker: u64) {
    let detail = refusal.detail();
    for said in [&detail, &refusal.to_string(), &format!("{refusal:?}")] {
        assert!(!said.contains(&marker.to_string()), "{said}");
    }
    assert!(detail.contains(": ") && detail.len() <= 200, "{detail}");
    assert!(detail.bytes().all(|b| matches!(b, b' '..=b'~')), "{detail}");
}

/// Its total has one field only: serde's message names any other.
#[derive(Debug)]
struct Paid {
    head: Head,
    total: Total,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Total {
    currency: String,
}

impl Event for Paid {
    const TYPES: &'static [&'static str] = &["order.paid"];

    fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
        Ok(Self { head, total: fields.parsed("total")? })
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn subject(&self) -> &str {
        &self.total.currency
    }
}
