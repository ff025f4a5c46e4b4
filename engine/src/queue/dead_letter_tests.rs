//! What a letter keeps, and which marks it does not believe.

use proptest::prelude::*;

use super::*;
use crate::queue::{Attempt, Body, ReceiptHandle};

const FAILURE: Failure =
    Failure { reason: "too_large", handler: "profile", history: String::new(), detail: String::new() };

fn delivery(body: String, attributes: usize) -> Delivery {
    let attributes = (0..attributes).map(|n| (format!("a{n}"), Attribute::string("v"))).collect();
    Delivery {
        message_id: "m".to_owned(),
        body: Body::new(body),
        attributes,
        attempt: Attempt::new(1),
        sent_at_millis: 0,
        group: None,
        fairness: None,
        moved_by_queue: false,
        trace_header: None,
        receipt: ReceiptHandle::new("r".to_owned()),
    }
}

#[test]
fn a_letter_is_the_original_with_its_attributes_and_the_reason() {
    let letter = DeadLetter::new(&delivery("{}".to_owned(), 3), "q", &FAILURE).expect("fits");
    assert_eq!(letter.body, "{}");
    assert_eq!(letter.attributes["failure.reason"].value, "too_large");
    assert_eq!(letter.attributes["failure.first_seen"].value, "1970-01-01T00:00:00.000Z");
    assert_eq!(letter.attributes["a2"].value, "v");
    assert_eq!(letter.attributes.len(), 9);
}

#[test]
fn a_letter_says_what_is_known_beside_its_reason() {
    let failure = Failure { detail: "550 5.1.1 at\nRCPT".to_owned(), ..FAILURE };
    let letter = DeadLetter::new(&delivery("{}".to_owned(), 0), "q", &failure).expect("fits");
    assert_eq!(letter.attributes[DETAIL].value, "550 5.1.1 atRCPT");
}

#[test]
fn ten_attributes_of_the_original_are_packed_into_one_and_none_is_lost() {
    let letter = DeadLetter::new(&delivery("{}".to_owned(), 10), "q", &FAILURE).expect("fits");
    assert_eq!(letter.attributes.len(), 7);
    let packed: serde_json::Value = serde_json::from_str(&letter.attributes[ORIGINAL_ATTRIBUTES].value).expect("JSON");
    assert_eq!(packed["a9"]["Value"], "v");
    assert_eq!(letter.original().expect("ours").1.len(), 10);
}

#[test]
fn a_body_of_a_whole_mebibyte_is_packed_to_make_room_for_the_reason() {
    let body = "x".repeat(MAX_MESSAGE_BYTES - 90);
    let letter = DeadLetter::new(&delivery(body.clone(), 10), "q", &FAILURE).expect("fits");
    assert!(letter.attributes.len() <= MAX_ATTRIBUTES && letter.size() <= MAX_MESSAGE_BYTES);
    assert_eq!(letter.original().expect("ours").0, body);
}

#[test]
fn a_letter_is_packed_for_a_queue_that_takes_less_and_only_if_it_fits_then() {
    let delivery = delivery("x".repeat(4_000), 0);
    let letter = |form, most| DeadLetter::of_form(form, most, &delivery, "q", &FAILURE);
    assert_eq!(letter(Form::Plain, 1_024), Err(Breach::TooLarge { most: 1_024 }));
    let packed = letter(Form::Packed, 1_024).expect("it packs well");
    assert!(packed.size() <= 1_024);
    assert_eq!(packed.original().expect("ours").0, delivery.body.as_str());
    assert_eq!(letter(Form::Packed, 100), Err(Breach::TooLarge { most: 100 }));
}

#[test]
fn a_mebibyte_that_does_not_compress_makes_no_letter() {
    let body: String = std::iter::repeat_with(|| fastrand::char('!'..='~')).take(MAX_MESSAGE_BYTES).collect();
    let delivery = delivery(body, 0);
    let most = MAX_MESSAGE_BYTES;
    assert_eq!(DeadLetter::new(&delivery, "q", &FAILURE), Err(Breach::TooLarge { most }));
    let bare = DeadLetter::of_form(Form::Bare, most, &delivery, "q", &FAILURE).expect("as it came it was taken");
    assert_eq!((bare.body.as_str(), bare.attributes.len()), (delivery.body.as_str(), 0));
}

/// A letter of ours that somebody has changed.
fn forged(body: &str, name: &str, value: &str) -> DeadLetter {
    let mut letter = DeadLetter::new(&delivery("{}".to_owned(), 1), "q", &FAILURE).expect("fits");
    letter.attributes.insert(name.to_owned(), Attribute::string(value));
    DeadLetter { body: body.to_owned(), ..letter }
}

fn packed(text: &str) -> String {
    BASE64.encode(&gzipped(text.as_bytes()))
}

#[test]
fn a_letter_that_lies_about_itself_is_not_unpacked() {
    let bomb = packed(&"0".repeat(100 * MAX_MESSAGE_BYTES));
    for (letter, error) in [
        (forged("x", BODY_ENCODING, "zip"), UnpackError::UnknownEncoding),
        (forged("no base64", BODY_ENCODING, GZIP_BASE64), UnpackError::Body),
        (forged("AAAA", BODY_ENCODING, GZIP_BASE64), UnpackError::Body),
        (forged(&bomb, BODY_ENCODING, GZIP_BASE64), UnpackError::Body),
        (forged("x", ORIGINAL_ATTRIBUTES, "[]"), UnpackError::Attributes),
    ] {
        assert_eq!(letter.original(), Err(error));
    }
}

#[test]
fn what_a_letter_yields_is_a_message_that_sqs_takes_or_nothing() {
    let attribute = |name: &str, data_type: &str, value: &str| {
        let attribute = Attribute { data_type: data_type.to_owned(), value: value.to_owned() };
        serde_json::to_string(&Attributes::from([(name.to_owned(), attribute)])).expect("JSON")
    };
    let eleven: Attributes = (0..11).map(|n| (format!("a{n}"), Attribute::string("v"))).collect();
    let almost_all = packed(&"x".repeat(MAX_MESSAGE_BYTES));
    for (letter, breach) in [
        (forged(&packed(""), BODY_ENCODING, GZIP_BASE64), Breach::EmptyBody),
        (forged(&packed("a\u{b}b"), BODY_ENCODING, GZIP_BASE64), Breach::Character),
        (forged(&almost_all, BODY_ENCODING, GZIP_BASE64), Breach::TooLarge { most: MAX_MESSAGE_BYTES }),
        (forged("x", ORIGINAL_ATTRIBUTES, &serde_json::to_string(&eleven).expect("JSON")), Breach::TooManyAttributes),
        (forged("x", ORIGINAL_ATTRIBUTES, &attribute("", "String", "v")), Breach::AttributeName),
        (forged("x", ORIGINAL_ATTRIBUTES, &attribute("AWS.x", "String", "v")), Breach::AttributeName),
        (forged("x", ORIGINAL_ATTRIBUTES, &attribute("a..b", "String", "v")), Breach::AttributeName),
        (forged("x", ORIGINAL_ATTRIBUTES, &attribute("a", "Text", "v")), Breach::AttributeType),
        (forged("x", ORIGINAL_ATTRIBUTES, &attribute("a", "String", "")), Breach::AttributeValue),
        (forged("x", ORIGINAL_ATTRIBUTES, &attribute("a", "String", "\u{1}")), Breach::AttributeValue),
        (forged("x", ORIGINAL_ATTRIBUTES, &attribute("a", "Binary", "?")), Breach::AttributeValue),
    ] {
        assert_eq!(letter.original(), Err(UnpackError::Unfit(breach)));
    }
}

#[test]
fn a_senders_attribute_of_our_name_is_no_reason_of_ours_and_makes_no_letter() {
    let mut delivery = delivery("{}".to_owned(), 1);
    delivery.attributes.insert(REASON.to_owned(), Attribute::string("mine"));
    delivery.attributes.insert(BODY_ENCODING.to_owned(), Attribute::string("zip"));
    let theirs = DeadLetter { body: "{}".to_owned(), attributes: delivery.attributes.clone(), ..DeadLetter::default() };
    assert_eq!(theirs.original(), Ok(("{}".to_owned(), delivery.attributes.clone())), "it is as it came");
    let letter = DeadLetter::new(&delivery, "q", &FAILURE).expect("fits");
    assert_eq!((letter.reason(), letter.attributes.contains_key(BODY_ENCODING)), ("too_large", false));
    assert_eq!(letter.original(), Ok(("{}".to_owned(), delivery.attributes.clone())));
    let bare = DeadLetter::of_form(Form::Bare, MAX_MESSAGE_BYTES, &delivery, "q", &FAILURE);
    assert_eq!(bare, Err(Breach::AttributeName), "alone it would tell the sender's reason");
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let name = prop_oneof!["[a-z]{1,8}", "failure\\.[a-z]{1,4}", Just(BODY_ENCODING.to_owned())];
    let value = prop_oneof![
        ("String(\\.[a-z]{1,3})?", "\\PC{1,20}"),
        ("Number(\\.[a-z]{1,3})?", "-?[0-9]{1,9}"),
        ("Binary(\\.[a-z]{1,3})?", "([A-Za-z0-9+/]{4}){1,5}"),
    ];
    let attribute = value.prop_map(|(data_type, value)| Attribute { data_type, value });
    proptest::collection::btree_map(name, attribute, 0..=10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_packed_is_unpacked_to_the_byte(
        text in "\\PC{1,200}", times in prop_oneof![Just(1_usize), Just(6_000)], attributes in attributes(),
    ) {
        let mut body = text.repeat(times);
        while body.len() + attributes_size(&attributes) > MAX_MESSAGE_BYTES {
            body.pop();
        }
        let delivery = Delivery { attributes, ..delivery(body, 0) };
        let letter = DeadLetter::new(&delivery, "q", &FAILURE).expect("repetition packs well");
        prop_assert!(letter.attributes.len() <= MAX_ATTRIBUTES && letter.size() <= MAX_MESSAGE_BYTES);
        prop_assert_eq!(&letter.attributes[REASON].value, "too_large");
        let (body, attributes) = letter.original().expect("ours");
        prop_assert!(body == delivery.body.as_str() && attributes == delivery.attributes);
    }
}
