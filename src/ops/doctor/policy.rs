//! May this topic send to the queue, and no other topic?
//!
//! Enters: the queue's access policy as JSON, the ARNs of queue and topic. Leaves: allowed, allowed to other topics
//! too, or not allowed. Pure. Deny statements are ignored: ours deny plaintext only.

use serde_json::Value;

/// What the policy says of the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It may send, and `aws:SourceArn` keeps others out.
    Allowed,
    /// It may send, and so may others.
    Open,
    /// It may not send.
    Closed,
}

pub(super) fn access(policy: Option<&str>, queue_arn: &str, topic_arn: &str) -> Access {
    let policy: Value = policy.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let statements = match &policy["Statement"] {
        Value::Array(all) => all.as_slice(),
        one @ Value::Object(_) => std::slice::from_ref(one),
        _ => &[],
    };
    let mut access = Access::Closed;
    for statement in statements.iter().filter(|statement| lets_sns_send(statement, queue_arn)) {
        match sources(statement) {
            None => return Access::Open,
            Some(arns) if arns.contains(&"*") => return Access::Open,
            Some(arns) if arns.iter().any(|pattern| is_like(pattern, topic_arn)) => access = Access::Allowed,
            Some(_) => {}
        }
    }
    access
}

fn lets_sns_send(statement: &Value, queue_arn: &str) -> bool {
    let principal = &statement["Principal"];
    let who = [principal, &principal["AWS"], &principal["Service"]];
    let is_sns = who.iter().any(|value| texts(value).iter().any(|text| ["*", "sns.amazonaws.com"].contains(text)));
    let action = |text: &&str| is_like(&text.to_lowercase(), "sqs:sendmessage");
    statement["Effect"] == "Allow"
        && is_sns
        && texts(&statement["Action"]).iter().any(action)
        && texts(&statement["Resource"]).iter().any(|pattern| is_like(pattern, queue_arn))
}

/// The ARNs that the statement requires as `aws:SourceArn`. `None`: it has no such condition.
fn sources(statement: &Value) -> Option<Vec<&str>> {
    let conditions = statement["Condition"].as_object()?;
    let positive = ["arnequals", "arnlike", "stringequals", "stringlike"];
    let binding = conditions.iter().filter(|(operator, _)| positive.contains(&operator.to_lowercase().as_str()));
    let keys = binding.filter_map(|(_, keys)| keys.as_object()).flatten();
    let arns: Vec<_> =
        keys.filter(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn")).map(|(_, value)| value).collect();
    (!arns.is_empty()).then(|| arns.into_iter().flat_map(texts).collect())
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Does the text match the pattern? `*` stands for any number of characters.
fn is_like(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
