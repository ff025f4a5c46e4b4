//! The body of an SQS message → the event in it, or a named refusal.
//!
//! Enters: a body. Leaves: nothing.

use super::{assert_tells_nothing, sent_at};
use crate::events::UserSignedUp;
use engine::envelope::{Refusal, Topics, event_text, is_topic_arn, open, open_from, with_event_text};
use engine::event::{AnyEvent, Event, Opened};

const CODES: [&str; 11] = [
    "too_large",
    "too_deep",
    "not_json",
    "not_a_notification",
    "wrong_topic",
    "no_message",
    "wrapped_twice",
    "not_an_event",
    "missing_field",
    "invalid_field",
    "unsupported_version",
];

/// What holds of a body.
pub fn envelope(input: &[u8]) {
    let body = String::from_utf8_lossy(input);
    let opened = open::<AnyEvent>(&body, sent_at());
    assert_eq!(opened, open::<AnyEvent>(&body, sent_at()), "the same body is the same event");
    match &opened {
        Ok(Opened::Ours(event)) => assert_eq!(event.text(), event_text(&body), "an event is passed on to the byte"),
        Ok(Opened::Foreign(kind)) => panic!("every type is taken, and {kind} is not"),
        Err(refusal) => assert_is_named(refusal, &body),
    }
    let put_back = with_event_text(&body, &event_text(&body));
    assert_eq!(open::<AnyEvent>(&put_back, sent_at()), opened, "what is put back is what was taken out");
    signed_up(&body, &opened);
    of_topics(&body, &opened);
}

/// An event of one type is read by the same rules as one of any type.
fn signed_up(body: &str, any: &Result<Opened<AnyEvent>, Refusal>) {
    match open::<UserSignedUp>(body, sent_at()) {
        Ok(Opened::Ours(event)) => {
            let Ok(Opened::Ours(any)) = any else { panic!("it is an event, and none of any type") };
            let head = |event: &dyn Fn() -> (String, String, i64)| event();
            let of = |head: &engine::event::Head| {
                (head.kind.to_string(), head.id.to_string(), head.occurred_at.unix_millis())
            };
            assert_eq!(head(&|| of(event.head())), head(&|| of(any.head())));
        }
        Ok(Opened::Foreign(kind)) => {
            assert!(kind.chars().count() <= 64 && !kind.contains(char::is_control), "{kind:?}");
        }
        Err(refusal) => assert_is_named(&refusal, body),
    }
}

/// Of other topics nothing is read, and of ours everything as ever.
fn of_topics(body: &str, any: &Result<Opened<AnyEvent>, Refusal>) {
    let topics = Topics::only(vec!["arn:aws:sns:us-east-1:000000000000:user-events".to_owned()]);
    match open_from::<AnyEvent>(body, sent_at(), &topics, &[]) {
        Err(Refusal::WrongTopic(arn)) => {
            assert!(arn.is_none_or(|arn| is_topic_arn(&arn) && !topics.accepts(&arn)));
        }
        opened => assert_eq!(&opened, any),
    }
}

fn assert_is_named(refusal: &Refusal, body: &str) {
    assert!(CODES.contains(&refusal.code()), "{}", refusal.code());
    // The ARN of a topic may be told, whatever it is called.
    if !matches!(refusal, Refusal::WrongTopic(_)) {
        assert_tells_nothing(&refusal.detail(), body);
        assert_tells_nothing(&refusal.to_string(), body);
    }
}
