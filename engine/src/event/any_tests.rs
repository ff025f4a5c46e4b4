//! Any text, read as an event of any type: what must hold for all of them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::{EventId, read};
use crate::one_of;

/// An event of one field, of a type of its own.
macro_rules! event_of {
    ($name:ident, $type:literal) => {
        #[derive(Debug, Clone, PartialEq, Eq)]
        struct $name {
            head: Head,
            subject: String,
        }

        impl Event for $name {
            const TYPES: &'static [&'static str] = &[$type];
            const NEWEST: u32 = 4;

            fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
                Ok(Self { head, subject: fields.parsed("subject")? })
            }

            fn head(&self) -> &Head {
                &self.head
            }

            fn subject(&self) -> &str {
                &self.subject
            }
        }
    };
}

event_of!(Paid, "order.paid");
event_of!(Closed, "account.closed");

/// One that is known by its fields, where its type is lacking.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SignedUp {
    head: Head,
    user_id: EventId,
}

impl Event for SignedUp {
    const TYPES: &'static [&'static str] = &["user.signed_up"];
    const NEWEST: u32 = 2;

    fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
        Ok(Self { head, user_id: fields.id("userId")? })
    }

    fn resembles(fields: &Fields<'_>) -> bool {
        fields.has("userId") && fields.has("email")
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn subject(&self) -> &str {
        self.user_id.as_str()
    }
}

one_of! { enum Three { SignedUp(SignedUp), Paid(Paid), Closed(Closed) } }

fn taken() -> Timestamp {
    "2026-01-03T00:00:00Z".parse().expect("a moment")
}

/// Reads it as each kind of event.
fn read_as_all(text: &str) {
    let arrivals = [Arrival::raw(taken()), Arrival::wrapped("m-1", taken())];
    for arrival in &arrivals {
        let _ = read::<SignedUp>(text, arrival, SignedUp::TYPES);
        let _ = read::<AnyEvent>(text, arrival, AnyEvent::TYPES);
        let _ = read::<Three>(text, arrival, Three::TYPES);
        let _ = read::<Three>(text, arrival, &["order.paid"]);
    }
    let _ = AnyEvent::to_be_published(text);
    let _ = AnyEvent::with_fields("order.paid", text);
    let _ = AnyEvent::with_fields(text, "{}");
}

const NAMES: &str =
    "specversion|type|id|source|time|data|data_base64|version|eventId|timestamp|userId|email|plan|subject";

/// JSON made of names and texts that have a meaning for events.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "1\\.0|user\\.signed_up|order\\.paid|account\\.closed|2|e30=|\\{\\}|a@example\\.com".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(NAMES, inner.clone(), 0..10).prop_map(|fields| fields.into_iter().collect()),
            // As a string, which is how `data` may come.
            inner.prop_map(|value| Value::from(value.to_string())),
        ]
    })
}

/// A field as often as it stands in `names`.
fn object_of(names: &[String], value: &Value) -> String {
    let fields: Vec<_> = names.iter().map(|name| format!("{}:{value}", Value::from(name.as_str()))).collect();
    format!("{{{}}}", fields.join(","))
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        read_as_all(&text);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_as_all(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_json_panics(value in json_value(), names in prop::collection::vec(NAMES, 0..6)) {
        read_as_all(&value.to_string());
        read_as_all(&object_of(&names, &value));
    }

    #[test]
    fn no_damaged_event_panics(cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let data = json!({ "userId": "1", "email": "a@example.com", "subject": "ü" }).to_string();
        let event = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "user.signed_up", "data": data });
        let mut bytes = event.to_string().into_bytes();
        let at = cut.index(bytes.len());
        bytes[at] = byte;
        read_as_all(&String::from_utf8_lossy(&bytes));
        bytes.truncate(at);
        read_as_all(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn an_event_of_any_type_keeps_its_bytes_and_is_read_back_as_the_same(
        kind in "[!-~]{1,64}", value in json_value(), is_cloud in any::<bool>(), before in "[ \n]{0,2}",
    ) {
        let (id, own) = if is_cloud { ("id", r#""specversion":"1.0","source":"/s","#) } else { ("eventId", "") };
        let kind = Value::from(kind);
        let text = format!(r#"{{{before}{own}"{id}":"e-1","type":{kind},"data":{value},"other":{value},"other":1}}"#);
        match read::<AnyEvent>(&text, &Arrival::raw(taken()), AnyEvent::TYPES) {
            Ok(Opened::Ours(event)) => {
                prop_assert_eq!(event.text(), &text);
                let again = AnyEvent::to_be_published(&event.to_json()).expect("it was one before");
                prop_assert_eq!((again.text(), &again.head().id, &again.head().kind), (&*text, &event.head.id, &event.head.kind));
            }
            other => prop_assert!(false, "{other:?} of {text}"),
        }
    }

    #[test]
    fn one_without_an_id_is_given_one_and_nothing_else(value in json_value(), is_cloud in any::<bool>()) {
        let own = if is_cloud { r#""specversion":"1.0","source":"/s","# } else { "" };
        let text = format!(r#"{{{own}"type":"order.paid","data":{value}}}"#);
        let event = AnyEvent::to_be_published(&text).expect("an event");
        prop_assert!(event.text().ends_with(&text[1..]), "{}", event.text());
        let again = AnyEvent::to_be_published(event.text()).expect("an event");
        prop_assert_eq!((again.text(), &again.head().id), (event.text(), &event.head.id));
    }

    #[test]
    fn an_enum_of_three_types_takes_each_as_exactly_its_variant_and_never_a_fourth(
        kind in "user\\.signed_up|order\\.paid|account\\.closed|order\\.paid\\.late|order|Order\\.paid| order\\.paid|\\PC{0,12}",
        is_cloud in any::<bool>(),
    ) {
        let fields = json!({ "userId": "1", "email": "a@example.com", "subject": "s" });
        let mut event = fields.clone();
        if is_cloud {
            event = json!({ "specversion": "1.0", "id": "1", "source": "/s", "data": fields });
        }
        event["type"] = kind.clone().into();
        let opened = read::<Three>(&event.to_string(), &Arrival::raw(taken()), Three::TYPES);
        match (&*kind, opened) {
            ("user.signed_up", Ok(Opened::Ours(Three::SignedUp(event)))) => prop_assert_eq!(event.head.version, if is_cloud { 2 } else { 1 }),
            ("order.paid", Ok(Opened::Ours(Three::Paid(event)))) => prop_assert_eq!(event.head.version, if is_cloud { 4 } else { 1 }),
            ("account.closed", Ok(Opened::Ours(Three::Closed(event)))) => prop_assert_eq!(event.subject(), "s"),
            (other, Ok(Opened::Foreign(_))) => prop_assert!(!Three::TYPES.contains(&other), "{other}"),
            (other, opened) => prop_assert!(false, "{other:?}: {opened:?}"),
        }
    }
}

#[test]
fn a_text_is_kept_to_the_byte_and_its_own_fields_are_those_of_its_data() {
    let own = r#" { "type":"order.paid" , "total": 1.50, "note":"caf\u00e9","eventId":"e-1"}"#;
    let cloud = r#"{"specversion":"1.0","type":"t","source":"s","id":"1","data":{"note":"x"}}"#;
    for (text, note) in [(own, "caf\u{e9}"), (cloud, "x")] {
        let Ok(Opened::Ours(event)) = read::<AnyEvent>(text, &Arrival::raw(taken()), AnyEvent::TYPES) else {
            panic!("{text}")
        };
        assert_eq!(event.text(), text);
        assert_eq!(event.own_fields().and_then(|fields| fields.parsed::<String>("note")).as_deref(), Ok(note));
    }
}

#[test]
fn an_own_events_fields_are_named_in_both_forms_as_the_shipped_ones_are() {
    let detail = |text: &str| read::<Three>(text, &Arrival::raw(taken()), Three::TYPES).expect_err("no event").detail();
    for (fields, expected) in [
        ("", "subject: must be there"),
        (r#","subject":null"#, "subject: must be there"),
        (r#","subject":[1]"#, "subject: must have the form that this event gives it"),
        (r#","subject":"a","subject":"b""#, "event: must be a JSON object with each field once"),
    ] {
        assert_eq!(detail(&format!(r#"{{"type":"order.paid"{fields}}}"#)), expected);
        let data = format!("{{{}}}", fields.trim_start_matches(','));
        let head = r#""specversion":"1.0","id":"1","source":"/s","type":"order.paid""#;
        assert_eq!(detail(&format!(r#"{{{head},"data":{data}}}"#)), expected);
        assert_eq!(detail(&format!(r#"{{{head},"data":{}}}"#, Value::from(&*data))), expected);
        // A field of the envelope is not one of the event.
        assert_eq!(detail(&format!(r#"{{{head},"subject":"a","data":{data}}}"#)), expected);
    }
    assert_eq!(detail(r#"{"type":"order.paid","version":5}"#), "subject: must be as version 4 has it");
    assert_eq!(Three::newest("user.signed_up"), 2);
}

#[test]
fn a_list_of_types_is_never_wider_than_the_event() {
    let text =
        |kind: &str| json!({ "type": kind, "subject": "s", "userId": "1", "email": "a@example.com" }).to_string();
    let of = |kind: &str, types: &[&'static str]| {
        let opened = read::<SignedUp>(&text(kind), &Arrival::raw(taken()), types);
        matches!(opened, Ok(Opened::Ours(_)))
    };
    assert!(of("user.signed_up", &[]) && of("user.signed_up", &["user.signed_up", "order.paid"]));
    assert!(!of("order.paid", &["order.paid"]) && !of("order.paid", &[]) && !of("user.signed_up", &["order.paid"]));
    let three = |kind: &str, types: &[&'static str]| read::<Three>(&text(kind), &Arrival::raw(taken()), types);
    assert!(
        matches!(three("order.refunded", &["order.refunded"]), Ok(Opened::Foreign(kind)) if kind == "order.refunded")
    );
    assert!(matches!(three("order.paid", &[]), Ok(Opened::Ours(Three::Paid(_)))));
}

#[test]
fn a_time_that_nothing_can_read_costs_no_event_and_neither_does_an_odd_text_elsewhere() {
    for odd in ["1e999", r#""\ud800""#, r#"[1e999]"#] {
        let text =
            format!(r#"{{"type":"user.signed_up","userId":"1","email":"a@example.com","timestamp":{odd},"x":{odd}}}"#);
        let opened = read::<SignedUp>(&text, &Arrival::raw(taken()), SignedUp::TYPES);
        assert!(matches!(opened, Ok(Opened::Ours(event)) if event.head.occurred_at == taken()), "{odd}");
    }
}

#[test]
fn an_enum_knows_its_own_by_their_fields_where_their_type_is_lacking() {
    let refused = |text: &str| read::<Three>(text, &Arrival::raw(taken()), Three::TYPES).err();
    let ours = r#"{"userId":"1","email":"a@example.com"}"#;
    assert_eq!(refused(ours), Some(EventError::MissingField("type")));
    assert_eq!(refused(r#"{"userId":"1"}"#), Some(EventError::Foreign { has_type: false }));
}
