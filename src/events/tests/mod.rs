//! What every body becomes: the captured ones, the hostile ones, and (in `any_body`) any at all.
//!
//! `tests/fixtures` holds bodies as SQS delivered them; its README says how they came to be.

mod any_body;
mod cloud_events;
mod details;
mod lenience;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{EmailAddress, Plan, UserId, UserSignedUp};
use engine::envelope::{MAX_BODY_BYTES, MAX_DEPTH, Refusal};
use engine::event::{Event, EventError, InvalidValue, Opened, Timestamp};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/", $name))
    };
}
use fixture;

/// The arrival of a message that SQS took at 2026-01-03T00:00:00Z.
pub(super) fn taken() -> Timestamp {
    Timestamp::from_unix_millis(1_767_398_400_000).expect("valid")
}

/// Opens a body as `user.signed_up`.
pub(super) fn open(body: &str, taken: Timestamp) -> Result<Opened<UserSignedUp>, Refusal> {
    engine::envelope::open(body, taken)
}

pub(super) fn opened(body: &str) -> UserSignedUp {
    match open(body, taken()) {
        Ok(Opened::Ours(event)) => event,
        other => panic!("{other:?} of {body:.200}"),
    }
}

pub(super) fn code(body: &str) -> &'static str {
    match open(body, taken()) {
        Err(refusal) => refusal.code(),
        Ok(kind) => panic!("{kind:?} of {body:.200}"),
    }
}

/// The event as SNS wraps it: escaped, and with SNS's marks around it.
pub(super) fn wrapped(message: &str) -> String {
    let mut envelope = json!({ "Type": "Notification", "MessageId": "sns-id", "TopicArn": "arn:aws:sns:r:1:t" });
    envelope["Message"] = message.into();
    envelope["Timestamp"] = "2026-02-03T04:05:06.789Z".into();
    envelope.to_string()
}

/// A raw version-1 event with more fields, as JSON text.
pub(super) fn raw_with(more: &str) -> String {
    format!(r#"{{"type":"user.signed_up","userId":"1","email":"a@example.com"{more}}}"#)
}

fn sha256(body: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(body))
}

fn sns(body: &str, field: &str) -> String {
    let envelope: Value = serde_json::from_str(body).expect("JSON");
    envelope[field].as_str().expect("text").to_owned()
}

// --- bodies as captured --------------------------------------------------------------------------

#[test]
fn version_1_opens_wrapped_and_raw_to_the_same_event_but_for_its_id() {
    let (wrapped, raw) = (opened(fixture!("wrapped_v1.json")), opened(fixture!("raw_v1.json")));
    assert_eq!((raw.user_id.as_str(), raw.email.as_str()), ("123", "user@example.com"));
    assert_eq!((&raw.plan, raw.head.version), (&None, 1));
    assert_eq!(raw.head.occurred_at.to_string(), "2026-01-02T03:04:05.678Z");
    assert_eq!(
        raw.head.id.as_str(),
        sha256(fixture!("raw_v1.json")),
        "of its body: SQS's id changes with each redrive"
    );
    assert_eq!(wrapped.head.id.as_str(), sns(fixture!("wrapped_v1.json"), "MessageId"));
    let mut wrapped = wrapped;
    wrapped.head.id = raw.head.id.clone();
    assert_eq!(wrapped, raw);
}

#[test]
fn version_2_has_its_plan_and_takes_the_carriers_id_and_time_where_it_has_none() {
    let (wrapped, raw) = (opened(fixture!("wrapped_v2.json")), opened(fixture!("raw_v2.json")));
    for event in [&wrapped, &raw] {
        assert_eq!((event.plan.as_ref().map(Plan::as_str), event.head.version), (Some("pro"), 2));
    }
    assert_eq!(wrapped.head.id.as_str(), sns(fixture!("wrapped_v2.json"), "MessageId"));
    assert_eq!(wrapped.head.occurred_at.to_string(), sns(fixture!("wrapped_v2.json"), "Timestamp"));
    let id = sha256(fixture!("raw_v2.json"));
    assert_eq!((raw.head.id.as_str(), raw.head.occurred_at), (id.as_str(), taken()));
}

#[test]
fn an_events_own_id_and_time_come_before_the_carriers() {
    let event = opened(fixture!("wrapped_full.json"));
    assert_eq!(event.head.id.as_str(), "019b7cb1-2a8e-7c3d-9f10-5a6b7c8d9e0f");
    assert_eq!(event.head.occurred_at.to_string(), "2026-01-02T03:04:05.678Z");
}

#[test]
fn a_newer_version_with_the_known_fields_opens_and_says_that_it_is_newer() {
    let event = opened(fixture!("wrapped_v3.json"));
    assert!(event.head.version == 3 && UserSignedUp::newest(&event.head.kind) == 2);
}

#[test]
fn attributes_are_not_needed() {
    assert_eq!(opened(fixture!("wrapped_no_attributes.json")).user_id.as_str(), "123");
}

#[test]
fn letters_of_every_script_survive_both_escapings() {
    // The plan holds a tab and a newline, which no plan may: the rest of the fixture is sound.
    let body = fixture!("wrapped_unicode.json");
    assert_eq!(open(body, taken()), Err(Refusal::Event(EventError::InvalidField("plan", plan_rule()))));
    let message = sns(body, "Message").replace(r"\t", "").replace(r"\n", "");
    let event = opened(&wrapped(&message));
    assert_eq!(event.user_id.as_str(), "jürgen-🦀");
    assert!(event.plan.expect("a plan").as_str().contains("\"plus\" \\ tab"));
}

fn plan_rule() -> InvalidValue {
    "\n".parse::<Plan>().expect_err("a control character")
}

#[test]
fn a_subscription_confirmation_is_refused_and_named() {
    assert_eq!(code(fixture!("subscription_confirmation.json")), "not_a_notification");
}

#[test]
fn a_notification_around_another_message_of_sns_is_refused_and_never_ignored() {
    let inner = wrapped(&raw_with(""));
    assert_eq!(
        (code(&wrapped(&inner)), code(&inner.replace("Notification", "SubscriptionConfirmation"))),
        ("wrapped_twice", "not_a_notification")
    );
    assert_eq!(code(&wrapped(fixture!("subscription_confirmation.json"))), "wrapped_twice");
    let marked = raw_with(r#","Type":"Notification","TopicArn":"t","MessageId":"m""#);
    assert_eq!(opened(&wrapped(&marked)).user_id.as_str(), "1", "our event may use SNS's words");
}

#[test]
fn a_notification_of_something_else_is_no_event() {
    assert_eq!(code(fixture!("wrapped_message_is_not_json.json")), "not_an_event");
    assert_eq!(code(&wrapped("[1]")), "not_an_event");
    assert_eq!(code(&wrapped("{\"type\":")), "not_an_event");
}

// --- the border between an envelope and a raw event ----------------------------------------------

#[test]
fn a_raw_event_may_use_snss_words_for_its_own_fields() {
    for own in [
        r#","Type":"premium""#,
        r#","Message":"hi","Timestamp":7"#,
        r#","Type":"Notification","TopicArn":1,"MessageId":"x""#,
    ] {
        assert_eq!(opened(&raw_with(own)).user_id.as_str(), "1", "{own}");
    }
}

#[test]
fn an_envelope_without_text_in_it_is_refused() {
    for message in ["", r#","Message":null"#, r#","Message":{"type":"user.signed_up"}"#] {
        let body = format!(r#"{{"Type":"Notification","TopicArn":"t","MessageId":"m"{message}}}"#);
        assert_eq!(code(&body), "no_message", "{body}");
    }
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    for body in ["", " ", "null", "42", "\"text\"", "[]", "{", "{}x", "<xml/>", "{\"a\":1,}", "\u{feff}{}"] {
        assert_eq!(code(body), "not_json", "{body:?}");
    }
    assert_eq!(code("{}"), "missing_field");
}

#[test]
fn a_known_field_that_stands_twice_is_refused() {
    assert_eq!(code(&raw_with(r#","userId":"2""#)), "not_an_event");
    assert_eq!(code(&wrapped(&raw_with(r#","email":"b@example.com""#))), "not_an_event");
    assert_eq!(code(r#"{"type":"invoice.paid","type":"user.signed_up"}"#), "not_an_event");
    let twice = wrapped(&raw_with("")).replacen('{', r#"{"Message":"{}","#, 1);
    assert_eq!(code(&twice), "not_json");
}

#[test]
fn another_teams_event_is_told_by_its_type() {
    let kind = open(r#"{"type":"invoice.paid","version":{}}"#, taken());
    assert_eq!(kind, Ok(Opened::Foreign("invoice.paid".to_owned())));
    assert_eq!(code(r#"{"type":7}"#), "invalid_field");
    assert_eq!(code(r#"{"type":null}"#), "missing_field");
}

// --- versions ------------------------------------------------------------------------------------

#[test]
fn a_version_is_a_whole_number_from_1_up_as_number_or_string_and_1_if_absent() {
    let version = |json: &str| opened(&raw_with(&format!(r#","plan":"pro"{json}"#))).head.version;
    assert_eq!(["", r#","version":null"#, r#","version":1"#, r#","version":"1""#].map(version), [1; 4]);
    let twos =
        [r#","version":2"#, r#","version":"2""#, r#","version":2.0"#, r#","version":"2.0""#, r#","version":2e0"#];
    assert_eq!(twos.map(version), [2; 5]);
    for bad in [
        "\"x\"",
        "\"\"",
        "-1",
        "1.5",
        "\"2.5\"",
        "\".0\"",
        "\"2.0.0\"",
        "0",
        "\"0\"",
        "\"+2\"",
        "\" 2\"",
        "[]",
        "true",
        "4294967296",
    ] {
        assert_eq!(code(&raw_with(&format!(r#","plan":"pro","version":{bad}"#))), "invalid_field", "{bad}");
    }
}

#[test]
fn version_2_without_a_plan_is_taken_as_version_1_is_and_a_newer_one_is_refused_by_its_own_name() {
    for none in ["", r#","plan":null"#] {
        let event = opened(&raw_with(&format!(r#","version":2{none}"#)));
        assert_eq!((event.plan, event.head.version), (None, 2));
    }
    assert_eq!(code(&raw_with(r#","version":2,"plan":7"#)), "invalid_field");
    assert_eq!(code(&raw_with(r#","version":3"#)), "unsupported_version");
    assert_eq!(code(&raw_with(r#","version":3,"plan":{"name":"pro"}"#)), "unsupported_version");
}

// --- size and depth ------------------------------------------------------------------------------

/// A field's value that nests the event around it this many levels deep.
fn nested(levels: usize) -> String {
    "[".repeat(levels - 1) + &"]".repeat(levels - 1)
}

#[test]
fn the_bound_on_depth_counts_unknown_fields_and_the_wrapped_message() {
    let with_levels = |levels| raw_with(&format!(r#","unknown":{}"#, nested(levels)));
    assert_eq!(opened(&with_levels(MAX_DEPTH)).user_id.as_str(), "1");
    assert_eq!(opened(&wrapped(&with_levels(MAX_DEPTH))).user_id.as_str(), "1");
    assert_eq!(code(&with_levels(MAX_DEPTH + 1)), "too_deep");
    assert_eq!(code(&wrapped(&with_levels(MAX_DEPTH + 1))), "too_deep");
    assert_eq!(code(&"[".repeat(100_000)), "too_deep");
    let brackets_in_text = format!(r#","unknown":"\"{}""#, "[".repeat(1000));
    assert_eq!(opened(&raw_with(&brackets_in_text)).user_id.as_str(), "1");
}

#[test]
fn at_the_bound_on_depth_every_field_is_still_read() {
    let own = raw_with(&format!(r#","Message":{}"#, nested(MAX_DEPTH)));
    assert_eq!(open(&own, taken()).map(drop), Ok(()), "a raw event's own field");
    let plan = raw_with(&format!(r#","version":2,"plan":{}"#, nested(MAX_DEPTH)));
    assert_eq!(code(&plan), "invalid_field");
}

#[test]
fn a_body_over_the_limit_is_refused_unread() {
    let of_size = |bytes: usize| raw_with(&format!(r#","unknown":"{}""#, "x".repeat(bytes - raw_with("").len() - 13)));
    assert_eq!(of_size(MAX_BODY_BYTES).len(), MAX_BODY_BYTES);
    assert_eq!(opened(&of_size(MAX_BODY_BYTES)).user_id.as_str(), "1");
    assert_eq!(code(&of_size(MAX_BODY_BYTES + 1)), "too_large");
}
