//! Any body at all: none panics, none is repeated by its refusal, and what we write is read as the same event.

use engine::event::{EventId, Opened, Published, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{EmailAddress, UserId, UserSignedUp, fixture, open, taken, wrapped};

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let names = "type|version|eventId|userId|email|plan|timestamp|Type|TopicArn|MessageId|Message|Timestamp|[a-z]{1,3}";
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..8).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// Any event that its own constructor rules allow, of every version.
fn event() -> impl Strategy<Value = UserSignedUp> {
    let values = (
        "[!-~]{1,128}",
        r"[^\p{Cc}\s]\PC{0,40}",
        r"[a-z0-9+.]{1,20}@[a-zü]{1,9}(\.[a-z]{2,5})?",
        r"[^\p{Cc}\s]\PC{0,15}",
    );
    (values, 0..253_402_300_800_000_i64, 1..5_u32).prop_map(|((id, user, email, plan), millis, version)| {
        let (user, email) =
            (user.parse::<UserId>().expect("a user"), email.parse::<EmailAddress>().expect("an address"));
        let mut event = UserSignedUp::new(user, email, (version >= 2).then(|| plan.parse().expect("a plan")));
        event.head.version = version;
        event.head.id = id.parse::<EventId>().expect("an id");
        event.head.occurred_at = Timestamp::from_unix_millis(millis).expect("a moment");
        event
    })
}

proptest! {
    #[test]
    fn no_text_panics(body in any::<String>()) {
        let _ = open(&body, taken());
        let _ = open(&wrapped(&body), taken());
    }

    #[test]
    fn no_json_panics(body in json_value()) {
        let _ = open(&body.to_string(), taken());
        let _ = open(&wrapped(&body.to_string()), taken());
    }

    #[test]
    fn no_damaged_body_panics(cut in any::<prop::sample::Index>(), byte in 0..128_u8) {
        let mut body = fixture!("wrapped_full.json").as_bytes().to_vec();
        let at = cut.index(body.len());
        body[at] = byte;
        let _ = open(&String::from_utf8(body.clone()).expect("ASCII"), taken());
        body.truncate(at);
        let _ = open(&String::from_utf8(body).expect("ASCII"), taken());
    }

    #[test]
    fn what_we_write_opens_to_what_it_was_wrapped_and_raw(event in event()) {
        let last = Timestamp::from_unix_millis(253_402_300_799_999).expect("in range");
        for body in [event.to_json(), wrapped(&event.to_json())] {
            prop_assert_eq!(open(&body, last), Ok(Opened::Ours(event.clone())));
        }
    }

    /// A marker in every place of a body: what is said of the body never holds it.
    #[test]
    fn a_refusal_never_repeats_content(
        field in "type|version|eventId|userId|email|plan|timestamp|other",
        before in any::<String>(),
        is_wrapped in any::<bool>(),
        broken in any::<bool>(),
    ) {
        let mut event = json!({ "type": "user.signed_up", "version": 2, "userId": "1", "email": "a@example.com" });
        event[field] = format!("{before}SECRET\u{7}").into();
        let text = if broken { format!("{event}SECRET") } else { event.to_string() };
        let body = if is_wrapped { wrapped(&text) } else { text };
        if let Err(refusal) = open(&body, taken()) {
            let said = format!("{refusal} {refusal:?} {}", refusal.code());
            prop_assert!(!said.contains("SECRET"), "{said}");
            prop_assert!(refusal.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
    }
}
