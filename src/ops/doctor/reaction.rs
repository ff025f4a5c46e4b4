//! Judges one reaction: its queue, its DLQ, its timing, and its subscription to the topic.
//!
//! Enters: facts. Leaves: findings. Pure.

use std::time::Duration;

use humantime::format_duration;

use super::diagnosis::*;
use super::facts::{ReactionFacts, SystemFacts, WebhookFacts};
use super::filter::{Passage, passage};
use super::finding::{Finding, Findings};
use super::policy::{Access, access};
use super::workers;
use crate::webhook::{NoConnection, WebhookError};
use engine::idempotency::neighbours::in_words;
use engine::queue::sqs::admin::QueueFacts;
use engine::topic::sns::admin::Subscription;

/// 14 days: the longest retention of SQS, and the one that a DLQ should have.
const FORTNIGHT: Duration = Duration::from_secs(14 * 24 * 3600);
/// The least message size of a DLQ, in bytes: a smaller one has hardly room for an event and its reason.
const LETTER: usize = 16 * 1024;
/// With a shorter visibility timeout, one slow call makes the message visible again.
const SHORT_VISIBILITY: Duration = Duration::from_secs(30);
/// For a reaction with records: fewer receives end before a mail server's "not now" does.
const FEW_RECORDED: u32 = 20;
/// For a reaction without records: a deploy and one short failure take 2 receives, so fewer than 3 are not enough.
const FEW: u32 = 3;
/// How long ECS lets a task stop, before it kills the task.
const ECS_STOP: Duration = Duration::from_secs(120);
/// The engine holds a message for 900 s = 15 min at most.
const HANDLER_CAP: Duration = Duration::from_secs(900);

pub(super) fn judge(reaction: &ReactionFacts, facts: &SystemFacts) -> Vec<Finding> {
    let mut findings = Findings::of(reaction.name);
    match &reaction.queue {
        Ok(queue) => queues(&mut findings, reaction, queue, facts),
        Err(error) => findings.bad(QUEUE_MISSING, error.to_string()),
    }
    neighbours(&mut findings, reaction, facts);
    if let Some(webhook) = &reaction.webhook {
        called(&mut findings, webhook);
    }
    workers::judge(&mut findings, facts.worker.of(reaction.name), reaction.reports.as_ref());
    findings.all
}

fn called(findings: &mut Findings, webhook: &WebhookFacts) {
    match &webhook.reached {
        Ok(()) => findings.ok("webhook", "takes connections"),
        Err(error @ WebhookError::Unavailable(NoConnection { phase: "TLS", .. })) => {
            findings.bad(WEBHOOK_TLS, error.to_string());
        }
        Err(error) => findings.bad(WEBHOOK_SILENT, error.to_string()),
    }
    if webhook.is_plaintext {
        findings.bad(WEBHOOK_PLAINTEXT, "http://");
    }
}

fn queues(findings: &mut Findings, reaction: &ReactionFacts, queue: &QueueFacts, facts: &SystemFacts) {
    findings.ok("queue", "there");
    dead_letters(findings, reaction, queue);
    timing(findings, reaction, queue);
    if let Some(topic) = &facts.topic
        && topic.found.is_ok()
    {
        match access(queue.policy.as_deref(), &queue.arn, &topic.arn) {
            Access::Allowed => findings.ok("queue policy", "the topic alone"),
            Access::Open => findings.bad(POLICY_OPEN, "no aws:SourceArn"),
            Access::Closed if queue.policy.is_none() => findings.bad(POLICY_CLOSED, "none"),
            Access::Closed => findings.bad(POLICY_CLOSED, "no statement fits"),
        }
        match &reaction.subscription {
            Some(Ok(Some(found))) => subscription(findings, found, reaction),
            Some(Ok(None)) => findings.bad(NOT_SUBSCRIBED, "none"),
            Some(Err(error)) => findings.bad(SUBSCRIPTION_HIDDEN, error.to_string()),
            None => {}
        }
        topics(findings, reaction, &topic.arn);
    }
}

/// Does the reaction accept notifications of our topic? If it does not, that is a failure only if the queue is known
/// to be subscribed to it: `publish` may use another topic than the reaction.
fn topics(findings: &mut Findings, reaction: &ReactionFacts, arn: &str) {
    match &reaction.subscription {
        _ if reaction.topics.accepts(arn) => findings.ok("topics", "ours is read"),
        // A raw body names no topic.
        Some(Ok(Some(found))) if found.raw => findings.ok("topics", "none is named by what comes raw"),
        Some(Ok(Some(_))) => findings.bad(TOPIC_REFUSED, "TOPIC_ARNS lacks it"),
        _ => findings.bad(TOPIC_UNREAD, "TOPIC_ARNS lacks it"),
    }
}

fn neighbours(findings: &mut Findings, reaction: &ReactionFacts, facts: &SystemFacts) {
    match (&reaction.queue, facts.neighbours.get(reaction.name)) {
        (Ok(queue), Some(Ok(here))) => {
            let others: Vec<String> = here.iter().filter(|other| **other != queue.arn).cloned().collect();
            match others.is_empty() {
                true => findings.ok("namespace", "ours alone"),
                false => findings.bad(NAMESPACE_SHARED, in_words(&others)),
            }
        }
        (_, Some(Err(error))) if error.is_wrong_type() => findings.bad(MARKER_BROKEN, "no hash"),
        // Other errors are found in the group `Redis`.
        _ => {}
    }
}

fn dead_letters(findings: &mut Findings, reaction: &ReactionFacts, queue: &QueueFacts) {
    match &queue.redrive {
        None => findings.bad(NO_REDRIVE_POLICY, "none"),
        Some(redrive) => receives(findings, reaction, redrive.max_receive_count),
    }
    let dlq = match &reaction.dlq {
        Some(Ok(dlq)) => dlq,
        Some(Err(error)) => return findings.bad(DLQ_MISSING, error.to_string()),
        // The missing redrive policy is a finding already.
        None => return,
    };
    if dlq.is_fifo() == queue.is_fifo() {
        findings.ok("DLQ", "there");
    } else {
        findings.bad(DLQ_KIND, if queue.is_fifo() { "a standard queue" } else { "a FIFO queue" });
    }
    let kept = format!("{}, the queue's is {}", format_duration(dlq.retention), format_duration(queue.retention));
    match dlq.retention {
        kept_for if kept_for < queue.retention => findings.bad(DLQ_RETENTION_SHORT, kept),
        kept_for if kept_for < FORTNIGHT => findings.bad(DLQ_RETENTION_LOW, kept),
        _ => findings.ok("DLQ retention", "14 days"),
    }
    if dlq.max_bytes < queue.max_bytes.max(LETTER) {
        findings.bad(DLQ_SMALL, format!("takes {} bytes, the queue {}", dlq.max_bytes, queue.max_bytes));
    }
    match dlq.visible + dlq.in_flight {
        0 => findings.ok("dead letters", "none"),
        count => findings.bad(DEAD_LETTERS, format!("about {count}")),
    }
}

fn receives(findings: &mut Findings, reaction: &ReactionFacts, receives: u32) {
    let (attempts, backoff) = (reaction.timing.max_attempts, reaction.timing.backoff);
    match attempts.filter(|most| *most >= receives) {
        Some(most) => {
            let lasts = hours(backoff.lasts(most));
            findings.bad(ATTEMPTS_HIGH, format!("MAX_ATTEMPTS {most} over {lasts}, maxReceiveCount {receives}"));
        }
        None if reaction.is_recorded && receives < FEW_RECORDED => {
            findings
                .bad(FEW_RECEIVES, format!("maxReceiveCount {receives}: a deferred event is tried {receives} times"));
        }
        None if receives < FEW => findings.bad(FEW_RECEIVES, format!("maxReceiveCount {receives}")),
        None => findings.ok("redrive policy", "there"),
    }
}

/// A time in hours (`23 h`), if less than one hour in minutes, if less than one minute in seconds.
fn hours(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", (seconds + 30) / 60),
        seconds => format!("{} h", (seconds + 1800) / 3600),
    }
}

fn timing(findings: &mut Findings, reaction: &ReactionFacts, queue: &QueueFacts) {
    let timing = reaction.timing;
    let visibility = timing.visibility.unwrap_or(queue.visibility);
    let lease = timing.lease.unwrap_or(visibility * 3 / 4);
    let before = findings.all.len();
    let against = |lease| format!("lease {}, visibility {}", format_duration(lease), format_duration(visibility));
    if lease >= visibility || lease < Duration::from_secs(1) {
        findings.bad(LEASE_LONG, against(lease));
    } else if lease <= visibility / 3 {
        findings.bad(LEASE_SHORT, against(lease));
    }
    if visibility < SHORT_VISIBILITY {
        findings.bad(VISIBILITY_SHORT, format_duration(visibility).to_string());
    }
    if timing.handler > HANDLER_CAP {
        findings.bad(HANDLER_LONG, format_duration(timing.handler).to_string());
    }
    if timing.shutdown <= timing.handler {
        let (shutdown, handler) = (format_duration(timing.shutdown), format_duration(timing.handler));
        findings.bad(SHUTDOWN_SHORT, format!("{shutdown}, a handler may take {handler}"));
    }
    if timing.shutdown >= ECS_STOP {
        findings.bad(SHUTDOWN_LONG, format_duration(timing.shutdown).to_string());
    }
    if findings.all.len() == before {
        findings.ok("timeouts", against(lease));
    }
}

fn subscription(findings: &mut Findings, found: &Subscription, reaction: &ReactionFacts) {
    if found.pending {
        return findings.bad(SUBSCRIPTION_PENDING, "not confirmed");
    }
    findings.ok("subscription", "there");
    if found.raw {
        findings.bad(RAW_DELIVERY, "on");
    }
    let scope = if found.filters_body { "MessageBody" } else { "MessageAttributes" };
    match found.filter.as_ref().map(|policy| passage(policy, found.filters_body, reaction.type_field, reaction.types)) {
        None | Some(Passage::Open) => findings.ok("filter policy", passes(reaction.types)),
        Some(Passage::Shut(field)) => findings.bad(FILTER_EXCLUDES, format!("by `{field}`, scope {scope}")),
        Some(Passage::Unclear(field)) => findings.bad(FILTER_UNCLEAR, format!("it depends on `{field}`")),
    }
    if found.has_dlq {
        findings.ok("delivery DLQ", "there");
    } else {
        findings.bad(NO_DELIVERY_DLQ, "none");
    }
}

fn passes(types: &[&str]) -> String {
    match types {
        [] => "every type passes".to_owned(),
        [one] => format!("{one} passes"),
        several => format!("{} pass", several.join(" and ")),
    }
}

#[cfg(test)]
#[path = "reaction_tests.rs"]
mod tests;
