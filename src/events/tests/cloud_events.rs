//! What a `CloudEvent` becomes: as the SDKs, AWS.Messaging and Dapr write it, and as nobody should write it.

use serde_json::{Value, json};

use super::UserSignedUp;
use engine::event::{AnyEvent, Arrival, Event, EventError, Opened, Timestamp, read, to_be_published};

fn taken() -> Timestamp {
    "2026-01-03T00:00:00Z".parse().expect("a moment")
}

/// A `CloudEvent` with these fields added or replaced; `null` removes one.
fn event(more: Value) -> String {
    let mut event = json!({
        "specversion": "1.0", "id": "1", "source": "/auth", "type": "user.signed_up",
        "data": { "userId": "123", "email": "user@example.com" },
    });
    for (name, value) in more.as_object().expect("an object") {
        event[name] = value.clone();
    }
    event.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    event.to_string()
}

fn opened(text: &str) -> UserSignedUp {
    match read::<UserSignedUp>(text, &Arrival::raw(taken()), UserSignedUp::TYPES) {
        Ok(Opened::Ours(event)) => event,
        other => panic!("{other:?} of {text}"),
    }
}

fn detail(text: &str) -> String {
    let refused = read::<UserSignedUp>(text, &Arrival::raw(taken()), UserSignedUp::TYPES);
    refused.expect_err("no event").detail()
}

#[test]
fn a_cloud_event_is_read_wherever_its_data_lies() {
    let data = json!({ "userId": 123, "email": "user@example.com", "plan": "pro" });
    let packed = data_encoding::BASE64.encode(data.to_string().as_bytes());
    for more in [
        json!({ "data": data }),
        json!({ "data": data.to_string() }),
        json!({ "data": format!(" {data}\n"), "datacontenttype": "application/json" }),
        json!({ "data": null, "data_base64": packed }),
        json!({ "data": data, "data_base64": "e30=" }),
    ] {
        let event = opened(&event(more));
        assert_eq!((event.user_id.as_str(), event.email.as_str()), ("123", "user@example.com"));
        assert_eq!((event.plan.as_ref().map(|plan| plan.as_str()), event.head.version), (Some("pro"), 2));
        assert_eq!(event.head.occurred_at, taken());
    }
}

#[test]
fn an_id_is_the_same_for_one_source_alone_and_without_one_the_carriers_stands_in() {
    let id = |more| opened(&event(more)).head.id;
    assert_eq!(id(json!({})), id(json!({ "data": { "userId": "4", "email": "b@example.com" }, "other": 1 })));
    assert_ne!(id(json!({})), id(json!({ "source": "/other" })));
    assert_ne!(id(json!({ "source": "/a", "id": "bc" })), id(json!({ "source": "/ab", "id": "c" })));
    assert_eq!(id(json!({})).as_str().len(), 64);
    for none in [json!({ "id": null }), json!({ "id": "" })] {
        let text = event(none);
        let of = |arrival: &Arrival<'_>| match read::<UserSignedUp>(&text, arrival, UserSignedUp::TYPES) {
            Ok(Opened::Ours(event)) => event.head.id.as_str().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(of(&Arrival::wrapped("sns-id", taken())), "sns-id");
        assert_eq!(of(&Arrival::raw(taken())), of(&Arrival::raw("2027-01-01T00:00:00Z".parse().expect("a moment"))));
    }
}

#[test]
fn a_broken_attribute_is_named_and_so_is_the_field_of_the_data() {
    let no_object = "must be a JSON object, or a string that holds one";
    for (more, expected) in [
        (json!({ "specversion": "0.3" }), "specversion: must be 1.0".to_owned()),
        (json!({ "specversion": 1 }), "specversion: must be a string".to_owned()),
        (json!({ "source": null }), "source: must be there".to_owned()),
        (json!({ "source": null, "id": null }), "source: must be there".to_owned()),
        (json!({ "source": "" }), "source: must not be empty".to_owned()),
        (json!({ "source": 7 }), "source: must be a string".to_owned()),
        (json!({ "id": 7 }), "id: must be a string".to_owned()),
        (json!({ "type": null }), "type: must be there".to_owned()),
        (json!({ "type": 7 }), "type: must be a string".to_owned()),
        (json!({ "version": 0 }), "version: must be a whole number from 1 up, as number or string".to_owned()),
        (json!({ "data": null }), "userId: must be there".to_owned()),
        (json!({ "data": { "userId": "1" } }), "email: must be there".to_owned()),
        (json!({ "data": "{\"userId\":\"1\"}" }), "email: must be there".to_owned()),
        (json!({ "data": { "userId": "1", "email": 7 } }), "email: must be a string".to_owned()),
        (json!({ "version": 3 }), "plan: must be as version 2 has it".to_owned()),
        (json!({ "data": [1] }), format!("data: {no_object}")),
        (json!({ "data": 7 }), format!("data: {no_object}")),
        (json!({ "data": "<xml/>" }), format!("data: {no_object}")),
        (json!({ "data": null, "data_base64": "%%%" }), format!("data_base64: {no_object}")),
        (json!({ "data": null, "data_base64": "/w==" }), format!("data_base64: {no_object}")),
        (json!({ "data": null, "data_base64": 7 }), "data_base64: must be a string".to_owned()),
    ] {
        assert_eq!(detail(&event(more.clone())), expected, "{more}");
    }
}

#[test]
fn an_attribute_or_a_field_of_the_data_that_stands_twice_is_refused() {
    let twice = "event: must be a JSON object with each field once";
    for name in ["specversion", "type", "id", "source", "time", "version", "data"] {
        let text = event(json!({ "time": "2026-01-01T00:00:00Z", "version": 2 }));
        let value = &serde_json::from_str::<Value>(&text).expect("JSON")[name];
        let doubled = text.replacen('{', &format!("{{\"{name}\":{value},"), 1);
        assert_eq!(detail(&doubled), twice, "{name}");
    }
    let data = r#"{"userId":"1","userId":"1","email":"a@example.com"}"#;
    assert_eq!(detail(&event(json!({ "data": data }))), twice);
    let inside = event(json!({ "data": "DATA" })).replace("\"DATA\"", data);
    assert_eq!(detail(&inside), twice);
    assert_eq!(opened(&event(json!({})).replacen('{', r#"{"other":1,"other":2,"#, 1)).user_id.as_str(), "123");
}

#[test]
fn a_time_of_no_use_costs_no_event_unless_it_is_about_to_be_published() {
    for time in [json!("yesterday"), json!(true), json!("2026-01-04T00:00:01Z")] {
        let text = event(json!({ "time": time }));
        assert_eq!(opened(&text).head.occurred_at, taken());
        let written = to_be_published::<UserSignedUp>(&text, &Arrival::raw(taken()), UserSignedUp::TYPES);
        assert!(written.expect_err("of no use").detail().starts_with("time: "), "{time}");
    }
}

#[test]
fn who_takes_any_event_asks_nothing_of_its_data_and_keeps_every_byte() {
    for more in [
        json!({ "data": null }),
        json!({ "data": [1] }),
        json!({ "data": "<xml/>", "datacontenttype": "application/xml" }),
        json!({ "data": null, "data_base64": "/w==" }),
    ] {
        let text = event(more);
        match read::<AnyEvent>(&text, &Arrival::raw(taken()), AnyEvent::TYPES) {
            Ok(Opened::Ours(event)) => assert_eq!((event.text(), &*event.head().kind), (&*text, "user.signed_up")),
            other => panic!("{other:?}"),
        }
    }
}

// --- size and depth ------------------------------------------------------------------------------

#[test]
fn data_in_a_string_may_be_of_any_size_and_depth_and_costs_no_stack() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let with = |field: &str, value: &str| {
        let email = if field == "email" { "" } else { r#","email":"a@example.com""# };
        event(json!({ "data": format!(r#"{{"userId":"1"{email},"{field}":{value}}}"#) }))
    };
    assert_eq!(opened(&with("other", &deep(100_000))).user_id.as_str(), "1", "what nobody asks for is skipped");
    assert_eq!(detail(&with("email", &deep(100_000))), "email: must be a string");
    let escapes = Value::from("\"\\\u{7}ü🦀".repeat(20_000)).to_string();
    assert_eq!(opened(&with("other", &escapes)).user_id.as_str(), "1");
}

#[test]
fn many_thousand_fields_are_read_like_few() {
    let many: String = (0..40_000).map(|n| format!(r#","field{n}":{n}"#)).collect();
    let text = event(json!({})).replacen(r#","data""#, &format!(r#"{many},"data""#), 1);
    assert_eq!(opened(&text).user_id.as_str(), "123");
    let data = format!(r#"{{"userId":"1","email":"a@example.com"{many}}}"#);
    assert_eq!(opened(&event(json!({ "data": data }))).user_id.as_str(), "1");
    assert_eq!(detail(&event(json!({ "data": data.replace("\"email\"", "\"mail\"") }))), "email: must be there");
}

// --- as others' documentation has it ----------------------------------------------------------------

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/cloud_events/", $name))
    };
}

#[test]
fn what_aws_messaging_for_dotnet_writes_is_read() {
    let event = opened(fixture!("aws_messaging.json"));
    assert_eq!((event.user_id.as_str(), event.plan.as_ref().map(|plan| plan.as_str())), ("123", Some("pro")));
    assert_eq!(event.head.occurred_at.to_string(), "2023-11-21T16:36:02.895Z");
}

#[test]
fn what_dapr_wraps_is_read_if_its_publisher_names_the_type() {
    let event = opened(fixture!("dapr.json"));
    assert_eq!(
        (event.user_id.as_str(), event.head.occurred_at.to_string().as_str()),
        ("123", "2020-09-23T06:23:21.000Z")
    );
    let unnamed = fixture!("dapr.json").replace("user.signed_up", "com.dapr.event.sent");
    let foreign = read::<UserSignedUp>(&unnamed, &Arrival::raw(taken()), UserSignedUp::TYPES);
    assert_eq!(foreign, Ok(Opened::Foreign("com.dapr.event.sent".to_owned())));
}

#[test]
fn one_without_a_type_that_is_ours_by_its_data_is_never_ignored() {
    let refused = |more| read::<UserSignedUp>(&event(more), &Arrival::raw(taken()), UserSignedUp::TYPES);
    assert_eq!(refused(json!({ "type": null })), Err(EventError::MissingField("type")));
    assert!(matches!(refused(json!({ "type": 7 })), Err(EventError::InvalidField("type", _))));
    let others = json!({ "type": null, "data": { "orderId": 1 } });
    assert_eq!(refused(others), Err(EventError::Foreign { has_type: false }));
}
