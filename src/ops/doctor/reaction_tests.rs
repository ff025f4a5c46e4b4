//! The table of faults: each case changes one thing in a sound reaction, and expects one finding.

use super::*;
use crate::ops::doctor::facts::{Timing, TopicFacts};
use crate::ops::worker::WorkerStates;
use engine::backoff::Backoff;
use engine::envelope::Topics;
use engine::queue::QueueError;
use engine::queue::sqs::admin::Redrive;
use engine::redis_link::{RedisError, RedisFault};
use engine::topic::SendError;

const TOPIC: &str = "arn:aws:sns:eu-west-1:1:user-events";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn queue(name: &str) -> QueueFacts {
    let arn = format!("arn:aws:sqs:eu-west-1:1:{name}");
    let policy = serde_json::json!({ "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
        "Resource": arn, "Condition": { "ArnEquals": { "aws:SourceArn": TOPIC } },
    }] });
    QueueFacts {
        arn,
        visibility: seconds(60),
        retention: seconds(345_600),
        visible: 7,
        in_flight: 0,
        delayed: 0,
        redrive: Some(Redrive { dlq_url: "u".to_owned(), max_receive_count: 100 }),
        max_bytes: 1_048_576,
        policy: Some(policy.to_string()),
    }
}

fn sound() -> ReactionFacts {
    let dlq = QueueFacts { retention: FORTNIGHT, visible: 0, redrive: None, ..queue("email-dlq") };
    let filter = Some(r#"{"type":["user.signed_up"]}"#.to_owned());
    let subscription = Subscription { pending: false, raw: false, filter, filters_body: true, has_dlq: true };
    ReactionFacts {
        name: "email",
        is_recorded: true,
        types: &["user.signed_up"],
        type_field: "type",
        queue: Ok(queue("email")),
        dlq: Some(Ok(dlq)),
        subscription: Some(Ok(Some(subscription))),
        topics: Topics::only(vec![TOPIC.to_owned()]),
        timing: Timing {
            visibility: None,
            lease: None,
            handler: seconds(60),
            shutdown: seconds(110),
            max_attempts: None,
            backoff: Backoff::HANDLER,
        },
        webhook: None,
        reports: None,
    }
}

fn facts() -> SystemFacts {
    SystemFacts {
        region: None,
        endpoint: None,
        topic: Some(TopicFacts { arn: TOPIC.to_owned(), found: Ok(()) }),
        reactions: Vec::new(),
        redis: Err(RedisError::Timeout { at: "redis:6379".into() }),
        records: None,
        neighbours: Default::default(),
        mail: None,
        worker: WorkerStates::default(),
    }
}

fn codes(reaction: &ReactionFacts) -> Vec<&'static str> {
    judge(reaction, &facts()).iter().filter_map(|finding| Some(finding.diagnosis?.code)).collect()
}

fn another() -> Topics {
    Topics::only(vec![format!("{TOPIC}2")])
}

type Change = fn(&mut ReactionFacts);

fn own(reaction: &mut ReactionFacts) -> &mut QueueFacts {
    reaction.queue.as_mut().expect("there")
}

fn dlq(reaction: &mut ReactionFacts) -> &mut QueueFacts {
    reaction.dlq.as_mut().and_then(|dlq| dlq.as_mut().ok()).expect("there")
}

fn called(reaction: &mut ReactionFacts) -> &mut WebhookFacts {
    reaction.webhook.get_or_insert(WebhookFacts { reached: Ok(()), is_plaintext: false })
}

fn subscribed(reaction: &mut ReactionFacts) -> &mut Subscription {
    reaction.subscription.as_mut().and_then(|s| s.as_mut().ok()?.as_mut()).expect("there")
}

#[test]
fn a_sound_reaction_has_no_fault_and_each_check_is_told() {
    assert_eq!(codes(&sound()), [""; 0]);
    let checks: Vec<_> = judge(&sound(), &facts()).iter().map(|finding| finding.check).collect();
    let expected = [
        "queue",
        "redrive policy",
        "DLQ",
        "DLQ retention",
        "dead letters",
        "timeouts",
        "queue policy",
        "subscription",
        "filter policy",
        "delivery DLQ",
        "topics",
        "worker (not asked)",
    ];
    assert_eq!(checks, expected);
}

#[test]
fn each_thing_that_is_wrong_makes_the_one_finding_it_deserves() {
    let cases: [(&str, Change); 32] = [
        ("queue_missing", |r| r.queue = Err(QueueError::Refused("QueueDoesNotExist".into()))),
        ("no_redrive_policy", |r| own(r).redrive = None),
        ("few_receives", |r| own(r).redrive.as_mut().expect("there").max_receive_count = 19),
        ("few_receives", |r| {
            r.is_recorded = false;
            own(r).redrive.as_mut().expect("there").max_receive_count = 2;
        }),
        ("attempts_high", |r| r.timing.max_attempts = Some(100)),
        ("dlq_missing", |r| r.dlq = Some(Err(QueueError::Refused("QueueDoesNotExist".into())))),
        ("dlq_kind", |r| dlq(r).arn.push_str(".fifo")),
        ("dlq_retention_short", |r| dlq(r).retention = seconds(345_599)),
        ("dlq_retention_low", |r| dlq(r).retention = seconds(345_600)),
        ("dlq_small", |r| dlq(r).max_bytes = 1_048_575),
        ("dlq_small", |r| (own(r).max_bytes, dlq(r).max_bytes) = (1_024, 1_024)),
        ("dead_letters", |r| dlq(r).in_flight = 1),
        ("lease_long", |r| r.timing.lease = Some(seconds(60))),
        ("lease_long", |r| (r.timing.visibility, r.timing.lease) = (Some(seconds(40)), Some(seconds(45)))),
        ("lease_short", |r| r.timing.lease = Some(seconds(20))),
        ("visibility_short", |r| r.timing.visibility = Some(seconds(29))),
        ("handler_long", |r| (r.timing.handler, r.timing.shutdown) = (seconds(901), seconds(902))),
        ("shutdown_short", |r| r.timing.shutdown = seconds(60)),
        ("shutdown_long", |r| r.timing.shutdown = seconds(120)),
        ("webhook_silent", |r| called(r).reached = Err(WebhookError::Failed(503))),
        ("webhook_tls", |r| {
            let server = "crm.example.com:443".to_owned();
            let error = NoConnection { server, phase: "TLS", why: "UnknownIssuer".to_owned() };
            called(r).reached = Err(error.into());
        }),
        ("webhook_plaintext", |r| called(r).is_plaintext = true),
        ("policy_closed", |r| own(r).policy = None),
        ("policy_open", |r| {
            let open = own(r).policy.take().expect("there").replace("aws:SourceArn", "aws:Other");
            own(r).policy = Some(open);
        }),
        ("not_subscribed", |r| r.subscription = Some(Ok(None))),
        ("subscription_pending", |r| subscribed(r).pending = true),
        ("subscription_hidden", |r| r.subscription = Some(Err(SendError::Refused("AuthorizationError".into())))),
        ("topic_refused", |r| r.topics = another()),
        ("raw_delivery", |r| (subscribed(r).raw, r.topics) = (true, another())),
        ("filter_excludes", |r| subscribed(r).filters_body = false),
        ("filter_unclear", |r| subscribed(r).filter = Some(r#"{"plan":["pro"]}"#.to_owned())),
        ("no_delivery_dlq", |r| subscribed(r).has_dlq = false),
    ];
    for (code, change) in cases {
        let mut reaction = sound();
        change(&mut reaction);
        let mut found = codes(&reaction);
        // This case has `shutdown_long` too: 902 s are more than ECS's 120 s.
        found.retain(|found| code != "handler_long" || *found != "shutdown_long");
        assert_eq!(found, [code]);
    }
}

#[test]
fn a_topic_that_is_not_read_is_a_warning_where_the_queue_may_not_hear_it() {
    let denied = || SendError::Refused("AuthorizationError".into());
    for (subscription, beside) in [(Some(Ok(None)), "not_subscribed"), (Some(Err(denied())), "subscription_hidden")] {
        let reaction = ReactionFacts { topics: another(), subscription, ..sound() };
        assert_eq!(codes(&reaction), [beside, "topic_unread"]);
    }
    assert_eq!(codes(&ReactionFacts { topics: Topics::default(), ..sound() }), [""; 0], "any is read");
}

#[test]
fn what_the_receives_mean_is_told_in_tries_and_in_hours() {
    let seen = |receives, attempts, is_recorded| {
        let mut reaction = ReactionFacts { is_recorded, ..sound() };
        own(&mut reaction).redrive.as_mut().expect("there").max_receive_count = receives;
        reaction.timing.max_attempts = attempts;
        let found = judge(&reaction, &facts());
        found.into_iter().find(|finding| finding.check == "redrive policy").expect("it was looked at").seen
    };
    assert_eq!(seen(5, None, true), "maxReceiveCount 5: a deferred event is tried 5 times");
    assert_eq!(seen(5, None, false), "there");
    assert_eq!(seen(2, None, false), "maxReceiveCount 2");
    assert_eq!(seen(5, Some(100), true), "MAX_ATTEMPTS 100 over 23 h, maxReceiveCount 5");
    assert_eq!(seen(5, Some(8), false), "MAX_ATTEMPTS 8 over 4 min, maxReceiveCount 5");
    assert_eq!(seen(100, Some(99), true), "there");
}

#[test]
fn a_worker_that_waits_is_told_of_in_its_own_words_even_where_its_queue_is_gone() {
    let told = |line: &str| SystemFacts { worker: WorkerStates::from(line), ..facts() };
    let paused = "paused: waiting for smtp (554 5.7.1 at dot)";
    let of = |reaction: &ReactionFacts, line: &str| {
        let last = judge(reaction, &told(line)).pop().expect("the worker comes last");
        (last.check, last.diagnosis.map(|diagnosis| diagnosis.code), last.seen)
    };
    assert_eq!(of(&sound(), "email: ready"), ("worker", None, "ready".to_owned()));
    assert_eq!(of(&sound(), &format!("email: {paused}")), ("worker", Some("paused"), paused.to_owned()));
    assert_eq!(of(&sound(), "profile: ready").0, "worker (not asked)");
    let gone = ReactionFacts { queue: Err(QueueError::Refused("QueueDoesNotExist".into())), ..sound() };
    assert_eq!(of(&gone, "email: receiving fails").1, Some("paused"));
}

#[test]
fn another_queue_under_its_name_is_told_of_and_its_own_is_not() {
    let of = |queues: Result<&[&str], RedisFault>| {
        let queues = queues.map(|queues| queues.iter().map(|queue| (*queue).to_owned()).collect());
        let neighbours = [("email", queues.map_err(|why| RedisError::Failed { at: "redis:6379".into(), why }))].into();
        let all = judge(&sound(), &SystemFacts { neighbours, ..facts() });
        let found = all.into_iter().find(|finding| finding.check == "namespace").expect("it was looked at");
        (found.diagnosis.map(|diagnosis| diagnosis.code), found.seen)
    };
    let own = queue("email").arn;
    assert_eq!(of(Ok(&[&own])), (None, "ours alone".to_owned()));
    assert_eq!(of(Ok(&["another", &own])), (Some("namespace_shared"), "another".to_owned()));
    assert_eq!(of(Err(RedisFault::WrongType)).0, Some("marker_broken"));
}

#[test]
fn without_a_topic_its_policies_and_subscriptions_are_not_judged() {
    let mut reaction = sound();
    own(&mut reaction).policy = None;
    reaction.subscription = None;
    for topic in [None, Some(TopicFacts { arn: TOPIC.to_owned(), found: Err(SendError::Refused("NotFound".into())) })] {
        let facts = SystemFacts { topic, ..facts() };
        assert!(judge(&reaction, &facts).iter().all(|finding| finding.diagnosis.is_none()));
    }
}
