//! Queue policies as people write them, and what the doctor says of each.

use serde_json::json;

use super::*;

const QUEUE: &str = "arn:aws:sqs:eu-west-1:1:user-events-email";
const TOPIC: &str = "arn:aws:sns:eu-west-1:1:user-events";

fn statement(condition: Value) -> Value {
    json!({ "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
        "Resource": QUEUE, "Condition": condition })
}

fn said(statements: Value) -> Access {
    access(Some(&json!({ "Statement": statements }).to_string()), QUEUE, TOPIC)
}

#[test]
fn the_topic_may_send_only_by_a_statement_bound_to_it() {
    let bound = |operator: &str, arn: Value| said(json!([statement(json!({ operator: { "aws:SourceArn": arn } }))]));
    assert_eq!(bound("ArnEquals", json!(TOPIC)), Access::Allowed);
    assert_eq!(bound("ArnLike", json!(["x", "arn:aws:sns:*:1:user-*"])), Access::Allowed);
    assert_eq!(bound("StringEquals", json!("arn:aws:sns:eu-west-1:1:other")), Access::Closed);
    assert_eq!(bound("ArnLike", json!("*")), Access::Open);
    assert_eq!(bound("ArnNotEquals", json!("x")), Access::Open, "what is kept out lets all others in");
    assert_eq!(said(json!(statement(Value::Null))), Access::Open);
    assert_eq!(
        said(json!([{ "Effect": "Allow", "Principal": "*", "Action": ["SQS:*"], "Resource": "*" }])),
        Access::Open
    );
}

#[test]
fn without_a_statement_that_fits_it_may_not() {
    assert_eq!(access(None, QUEUE, TOPIC), Access::Closed);
    assert_eq!(access(Some("no JSON"), QUEUE, TOPIC), Access::Closed);
    for (field, value) in
        [("Effect", "Deny"), ("Action", "sqs:ReceiveMessage"), ("Resource", "arn:other"), ("Principal", "me")]
    {
        let mut wrong = statement(json!({ "ArnEquals": { "aws:SourceArn": TOPIC } }));
        wrong[field] = value.into();
        assert_eq!(said(json!([wrong])), Access::Closed, "{field}");
    }
}

#[test]
fn a_pattern_fits_by_its_stars() {
    for (pattern, text, fits) in
        [("a*c", "abc", true), ("a*c", "ab", false), ("*", "", true), ("a*b*c", "a-b-c", true), ("a*b*c", "a-c", false)]
    {
        assert_eq!(is_like(pattern, text), fits, "{pattern} {text}");
    }
}
