//! What may be sent to a DLQ, and how what the queue itself moved there is told from what was sent.
//!
//! Enters: a [`Bench`]. Leaves: nothing, or a panic.
#![expect(missing_docs, reason = "a clause's name is its sentence")]

use std::time::Duration;

use super::{Bench, LONG, attributes, dead, delete, hide, nothing, one, seconds};
use crate::queue::{Attribute, Attributes, DeadLetter, Queue, QueueError};

/// What breaks each of SQS's rules, by the name of the rule.
#[must_use]
pub fn unfit() -> Vec<(&'static str, DeadLetter)> {
    let letter = |body: &str, name: &str, data_type: &str, value: &str| {
        let attribute = Attribute { data_type: data_type.to_owned(), value: value.to_owned() };
        let attributes = Attributes::from([(name.to_owned(), attribute)]);
        DeadLetter { body: body.to_owned(), attributes, ..DeadLetter::default() }
    };
    let eleven = (0..11).map(|n| (format!("a{n}"), Attribute::string("v"))).collect();
    vec![
        ("an empty body", letter("", "a", "String", "v")),
        ("a control character", letter("a\u{1}b", "a", "String", "v")),
        ("another", letter("a\u{ffff}b", "a", "String", "v")),
        ("too many attributes", DeadLetter { body: "x".to_owned(), attributes: eleven, ..DeadLetter::default() }),
        ("too large a body", letter(&"x".repeat(1_048_576), "a", "String", "v")),
        ("too large an attribute", letter("x", "a", "String", &"v".repeat(1_048_576))),
        ("an empty name", letter("x", "", "String", "v")),
        ("a name with a space", letter("x", "a b", "String", "v")),
        ("a name of AWS's", letter("x", "AWS.a", "String", "v")),
        ("a name of Amazon's", letter("x", "amazon.a", "String", "v")),
        ("a dot at the beginning", letter("x", ".a", "String", "v")),
        ("a dot at the end", letter("x", "a.", "String", "v")),
        ("two dots", letter("x", "a..b", "String", "v")),
        ("a long name", letter("x", &"a".repeat(257), "String", "v")),
        ("an unknown type", letter("x", "a", "Text", "v")),
        ("an empty type", letter("x", "a", "", "v")),
        ("an empty value", letter("x", "a", "String", "")),
        ("a value with a control character", letter("x", "a", "String", "\u{1}")),
        ("a number that is none", letter("x", "a", "Number", "seven")),
        ("a binary value that is none", letter("x", "a", "Binary", "no base64")),
    ]
}

pub async fn what_breaks_a_rule_of_sqs_is_not_taken_and_what_keeps_it_is<B: Bench>() {
    let bench = B::open(LONG, 5).await;
    for (rule, letter) in unfit() {
        let sent = bench.queue().send_to_dlq(&letter).await;
        assert!(matches!(sent, Err(QueueError::Unfit(_))), "{rule}: {sent:?}");
    }
    let ten = (0..10).map(|n| (format!("a.b-c_{n}"), Attribute::string("ü\t"))).collect();
    let letter = DeadLetter { body: "ü\t\n\r🎉".to_owned(), attributes: ten, ..DeadLetter::default() };
    bench.queue().send_to_dlq(&letter).await.expect("it keeps every rule");
    let dead = dead(&bench).await;
    assert_eq!((dead.body.as_str(), &dead.attributes), (letter.body.as_str(), &letter.attributes));
}

pub async fn what_the_queue_itself_moved_says_so_and_what_was_sent_does_not<B: Bench>() {
    let bench = B::open(LONG, 1).await;
    bench.send("moved", Attributes::new()).await;
    let delivery = one(&bench, seconds(2)).await;
    assert!(!delivery.moved_by_queue);
    assert_eq!(hide(bench.queue(), delivery.receipt, Duration::ZERO).await, None);
    nothing(bench.queue(), Duration::ZERO).await;
    let moved = dead(&bench).await;
    assert_eq!((moved.body.as_str(), moved.moved_by_queue), ("moved", true));
    assert_eq!(delete(bench.dlq(), moved.receipt).await, None);
    let letter = DeadLetter { body: "sent".to_owned(), attributes: attributes(), ..DeadLetter::default() };
    bench.queue().send_to_dlq(&letter).await.expect("taken");
    let sent = dead(&bench).await;
    assert_eq!((sent.body.as_str(), sent.moved_by_queue), ("sent", false));
}
