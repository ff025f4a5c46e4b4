//! What is said of a body that is refused: the field and the rule, and never what stands there.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{open, taken, wrapped};
use super::*;
use crate::event::UserSignedUp;

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

/// A marker, as each kind of value that JSON has.
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

proptest! {
    #[test]
    fn no_detail_holds_what_was_refused(
        field in "type|version|eventId|userId|email|plan|timestamp|other",
        around in "Type|TopicArn|MessageId|Message|Timestamp|none",
        before in any::<String>(),
        kinds in (0..6_usize, 0..6_usize),
        marker in 4_000_000_000_u64..9_000_000_000,
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
                let detail = refusal.detail();
                prop_assert!(!detail.contains(&marker.to_string()), "{detail}");
                prop_assert!(detail.contains(": ") && detail.len() <= 200, "{detail}");
                prop_assert!(detail.bytes().all(|b| matches!(b, b' '..=b'~')), "{detail}");
            }
        }
    }
}
