//! A message → a dead letter → the message again: unpacked, moved once more, edited by hand.
//!
//! Enters: attributes, one a line, `name Type value`; an empty line; the body; an empty line; what a person makes of the
//! event. Leaves: nothing.

use super::{delivery, pairs, parts, sent_at};
use crate::events::UserSignedUp;
use crate::letters::{Edited, Letter, draft, edited};
use crate::reactions::EventType;
use engine::envelope::{Topics, open};
use engine::event::{Event, Opened};
use engine::queue::dead_letter::{Form, OURS, is_ours};
use engine::queue::{Attribute, Attributes, DeadLetter, Delivery, Failure, MAX_MESSAGE_BYTES, rules};

/// What holds of a message on its way to a DLQ and back.
pub fn dead_letter(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut parts = parts(&text);
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let (attributes, body) = second.map_or(("", first), |body| (first, body));
    let attributes: Attributes = pairs(attributes).filter_map(attribute).collect();
    forged(body, &attributes);
    if rules::check(body, &attributes).is_err() {
        return;
    }
    for form in Form::ALL {
        keeps_its_original(form, body, &attributes);
    }
    let Ok(letter) = letter(&delivery(body, attributes.clone())) else { panic!("a short message has a letter") };
    let again = letter_of(&letter);
    assert_eq!(again.original(), Ok((letter.body.clone(), letter.attributes.clone())), "moved twice, opened twice");
    if let Some(text) = third {
        is_edited(&letter, &attributes, text);
    }
}

fn attribute((name, rest): (&str, &str)) -> Option<(String, Attribute)> {
    let (data_type, value) = rest.split_once(' ')?;
    Some((name.to_owned(), Attribute { data_type: data_type.to_owned(), value: value.to_owned() }))
}

fn failure() -> Failure {
    Failure {
        reason: "conflict",
        handler: "profile",
        history: "permanent@1795721586687".to_owned(),
        detail: "email: must be there".to_owned(),
    }
}

fn letter(delivery: &Delivery) -> Result<DeadLetter, rules::Breach> {
    DeadLetter::new(delivery, "q", &failure())
}

/// The letter of a letter: a redrive by hand brought it back as it is.
fn letter_of(first: &DeadLetter) -> DeadLetter {
    match letter(&delivery(&first.body, first.attributes.clone())) {
        Ok(letter) => letter,
        Err(breach) => panic!("{breach}"),
    }
}

fn keeps_its_original(form: Form, body: &str, attributes: &Attributes) {
    let delivery = delivery(body, attributes.clone());
    let letter = match DeadLetter::of_form(form, MAX_MESSAGE_BYTES, &delivery, "q", &failure()) {
        Ok(letter) => letter,
        Err(rules::Breach::AttributeName) if form == Form::Bare => {
            return assert!(attributes.keys().any(|name| name.starts_with(OURS)));
        }
        Err(breach) => panic!("{form:?}: {breach}"),
    };
    assert_eq!(rules::check(&letter.body, &letter.attributes), Ok(()), "{form:?}: SQS takes it");
    assert_eq!(is_ours(&letter.attributes), form != Form::Bare, "{form:?}");
    let original = letter.original();
    assert_eq!(original.as_ref(), Ok(&(body.to_owned(), attributes.clone())), "{form:?}: nothing is lost");
}

/// Anybody can send to a DLQ: whatever such a letter yields is a message, or nothing.
fn forged(body: &str, attributes: &Attributes) {
    let letter = DeadLetter { body: body.to_owned(), attributes: attributes.clone(), ..DeadLetter::default() };
    let is_ours = is_ours(attributes);
    match letter.original() {
        Ok((body, attributes)) if is_ours => assert_eq!(rules::check(&body, &attributes), Ok(())),
        Ok(same) => assert_eq!(same, (body.to_owned(), attributes.clone()), "no letter of ours is its own original"),
        Err(_) => assert!(is_ours),
    }
}

/// What a person edits is sent as an event that the worker handles, or is not sent.
fn is_edited(letter: &DeadLetter, attributes: &Attributes, text: &str) {
    let (letter, _) = Letter::new(delivery(&letter.body, letter.attributes.clone()), EventType::of::<UserSignedUp>());
    let Ok(untouched) = draft(&letter) else { panic!("a letter of ours opens") };
    assert_eq!(edited(&letter, &untouched, &Topics::default()), Ok(Edited::Unchanged));
    let Ok(Edited::Ready(message, id)) = edited(&letter, text, &Topics::default()) else { return };
    assert_eq!(&message.attributes, attributes, "no word of the failure goes back");
    let Ok(Opened::Ours(event)) = open::<UserSignedUp>(&message.body, sent_at()) else { panic!("{}", message.body) };
    let is_renamed = event.head().id.as_str() == id.to_string();
    assert!(is_renamed || text.contains("specversion") || text.contains('\\'), "{}", message.body);
    assert_eq!(
        edited(&letter, text, &Topics::default()),
        Ok(Edited::Ready(message, id)),
        "the same edit is the same event"
    );
}
