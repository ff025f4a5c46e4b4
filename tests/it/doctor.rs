//! The doctor: silent about what is well, exact about what is not, with a remedy for each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName as Name;
use serde_json::{Value, json};

use crate::world::http;
use crate::world::processes::{Worker, both, environment, execute};
use crate::world::redis_server::{Keep, RedisServer};
use crate::world::smtp::SmtpServer;
use crate::world::{TestQueue, World, address, event, eventually};

const SECRET: &str = "hunter2-Zx9";

pub type Environment = BTreeMap<String, String>;

/// The environment of a worker whose neighbours in the shared Redis, workers of other tests, are not seen.
fn alone(world: &World, smtp_url: &str) -> Environment {
    let mut env = environment(world, smtp_url);
    env.insert("REDIS_PREFIX".to_owned(), format!("{}:", world.id));
    env
}

/// What the doctor found wrong, as (group, fault), and how it ended.
pub async fn examine(env: &Environment) -> (Option<i32>, BTreeSet<(String, String)>) {
    let output = execute(env, &["doctor", "--json"]).await;
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
    let text = execute(env, &["doctor"]).await;
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "wider than a terminal:\n{text}");
    for told in [&stdout, &stderr, &text] {
        assert!(!told.contains(SECRET), "a secret was shown");
    }
    let mut faults = BTreeSet::new();
    for finding in report["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] != "ok") {
        let field = |name: &str| finding[name].as_str().unwrap_or_else(|| panic!("{name}: {finding}")).to_owned();
        // Broken over lines in the text, so only its beginning.
        let remedy: String = field("remedy").split(' ').take(3).collect::<Vec<_>>().join(" ");
        assert!(text.contains(&format!("→ {remedy}")), "no remedy of {finding} in:\n{text}");
        faults.insert((field("group"), field("fault")));
    }
    let any_fails = report["findings"].as_array().unwrap().iter().any(|finding| finding["level"] == "fail");
    assert_eq!(report["healthy"], !any_fails);
    (output.status.code(), faults)
}

pub fn expected(faults: &[(&str, &[&str])]) -> BTreeSet<(String, String)> {
    let pairs = |(group, codes): &(&str, &[&str])| {
        let group = (*group).to_owned();
        codes.iter().map(move |code| (group.clone(), (*code).to_owned())).collect::<Vec<_>>()
    };
    faults.iter().flat_map(pairs).collect()
}

async fn set(world: &World, url: &str, attributes: &[(Name, String)]) {
    let call = world.sqs.set_queue_attributes().queue_url(url);
    let call = attributes.iter().fold(call, |call, (name, value)| call.attributes(name.clone(), value));
    call.send().await.expect("LocalStack takes the attributes");
}

/// Five thousand records of today, in a Redis that has room for less than a week of such days.
async fn fill(redis: &RedisServer) {
    let write = "for n = 1, 5000 do local key = 'idem:v1:{u' .. n .. '}:welcome_email' \
                 redis.call('HSET', key, 'st', 'D', 't0', ARGV[1]) redis.call('PEXPIRE', key, 3888000000) end";
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis().to_string();
    let _: () = redis.command(&["EVAL", write, "0", &now]).await;
    let info: String = redis.command(&["INFO", "memory"]).await;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("it says so");
    let most = used.trim().parse::<u64>().unwrap() + 3_000_000;
    let _: () = redis.command(&["CONFIG", "SET", "maxmemory", &most.to_string()]).await;
}

pub fn with_queues(env: &mut Environment, email: &TestQueue, profile: &TestQueue) {
    env.insert("EMAIL_QUEUE_URL".to_owned(), email.url.clone());
    env.insert("PROFILE_QUEUE_URL".to_owned(), profile.url.clone());
}

#[tokio::test]
async fn the_stack_deployed_from_infra_is_all_green_on_one_screen() {
    let world = World::start().await;
    let (redis, smtp) = tokio::join!(RedisServer::start(Keep::Everything), SmtpServer::start());
    smtp.require_auth("user", SECRET);
    let reactions = [format!("email-{}", world.id), format!("profile-{}", world.id)];
    let deployed = crate::interop::run(&world, "deploy.py", &[&world.id, &reactions[0], &reactions[1]]).await;
    let outputs: Value = serde_json::from_slice(&deployed.stdout).unwrap();
    let output = |stack: &str, key: &str| outputs[stack][key].as_str().unwrap().to_owned();
    let url = smtp.url().replace("smtp://", &format!("smtp://user:{SECRET}@"));
    let mut env = alone(&world, &url);
    env.insert("USER_EVENTS_TOPIC_ARN".to_owned(), output("topic", "UserEventsTopicArn"));
    env.insert("EMAIL_QUEUE_URL".to_owned(), output(&reactions[0], "QueueUrl"));
    env.insert("PROFILE_QUEUE_URL".to_owned(), output(&reactions[1], "QueueUrl"));
    env.insert("REDIS_URL".to_owned(), redis.url());
    // Before a worker has reported, that is all there is to say.
    let nobody = expected(&[("email", &["no_worker"]), ("profile", &["no_worker"])]);
    assert_eq!(examine(&env).await, (Some(0), nobody));
    let worker = Worker::start(&env);
    // Its first report may still say that it looks at what it needs.
    let reported = async || {
        let report: Value = serde_json::from_slice(&execute(&env, &["doctor", "--json"]).await.stdout).unwrap();
        report["findings"].as_array().unwrap().iter().all(|finding| finding["level"] == "ok").then_some(())
    };
    eventually("a worker of each reaction has reported", Duration::from_secs(30), reported).await;
    assert_eq!(examine(&env).await, (Some(0), BTreeSet::new()));
    let text = String::from_utf8(execute(&env, &["doctor"]).await.stdout).unwrap();
    assert!(text.lines().count() <= 24 && !text.contains("→"), "more than one screen:\n{text}");
    assert_eq!(smtp.accepted().len(), 0, "it sends no mail");
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn seeded_faults_are_each_found_with_their_remedy() {
    let world = World::start().await;
    let (redis, smtp) = tokio::join!(RedisServer::start(Keep::Nothing), SmtpServer::start());
    let _: () = redis.command(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]).await;
    // Another environment works under one name, and somebody else has written to the other's marker.
    let another = "arn:aws:sqs:us-east-1:000000000000:another";
    let _: () = redis.command(&["HSET", "reaction:email", another, "1"]).await;
    let _: () = redis.command(&["SET", "reaction:profile", "x"]).await;
    fill(&redis).await;
    smtp.require_auth("user", "another");
    let email = world.queue("email", Duration::from_secs(60)).await;
    let profile = world.queue_with("profile", Duration::from_secs(10), 2).await;
    let topic = world.topic(&[]).await;

    // No redrive policy, nobody may send, nobody does.
    set(&world, &email.url, &[(Name::RedrivePolicy, String::new())]).await;
    // A DLQ that forgets sooner than its queue and takes less, and a policy that lets in any topic.
    let forgets = [(Name::MessageRetentionPeriod, "86400".to_owned()), (Name::MaximumMessageSize, "1024".to_owned())];
    set(&world, &profile.dlq_url, &forgets).await;
    let open = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
        "Resource": profile.arn,
    }] });
    set(&world, &profile.url, &[(Name::Policy, open.to_string())]).await;
    world.sqs.send_message().queue_url(&profile.dlq_url).message_body("x").send().await.unwrap();
    // Raw, and filtered by the event's own field where SNS looks at its attributes.
    let subscribe = world.sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(&profile.arn);
    let subscribe = subscribe.attributes("RawMessageDelivery", "true");
    let subscribe = subscribe.attributes("FilterPolicy", r#"{"type":["user.signed_up"]}"#);
    subscribe.attributes("FilterPolicyScope", "MessageAttributes").send().await.unwrap();

    let mut env = environment(&world, &smtp.url().replace("smtp://", &format!("smtp://user:{SECRET}@")));
    with_queues(&mut env, &email, &profile);
    for (name, value) in [
        ("USER_EVENTS_TOPIC_ARN", topic.as_str()),
        ("REDIS_URL", &redis.url()),
        ("PROFILE_IDEMPOTENCY_LEASE", "30s"),
        ("EMAIL_SHUTDOWN_TIMEOUT", "30s"),
        ("EMAIL_TOPIC_ARNS", "arn:aws:sns:us-east-1:000000000000:another"),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    let found = expected(&[
        (
            "email",
            &[
                "no_redrive_policy",
                "policy_closed",
                "not_subscribed",
                "shutdown_short",
                "namespace_shared",
                "topic_unread",
                "no_worker",
            ],
        ),
        (
            "profile",
            &[
                "few_receives",
                "dlq_retention_short",
                "dlq_small",
                "dead_letters",
                "policy_open",
                "lease_long",
                "visibility_short",
            ],
        ),
        ("profile", &["raw_delivery", "filter_excludes", "no_delivery_dlq", "marker_broken", "no_worker"]),
        ("Redis", &["redis_evicts", "redis_fills", "redis_forgets"]),
        ("mail", &["smtp_auth"]),
    ]);
    assert_eq!(examine(&env).await, (Some(69), found));
}

#[tokio::test]
async fn what_is_missing_altogether_is_found_too() {
    let world = World::start().await;
    let (redis, smtp) = tokio::join!(RedisServer::start(Keep::Nothing), SmtpServer::start());
    let email = world.queue_with("email", Duration::from_secs(60), 100).await;
    let mut env = alone(&world, &smtp.url());
    env.insert("REDIS_URL".to_owned(), redis.url().replace("://", &format!("://:{SECRET}@")));
    redis.kill();
    smtp.stop().await;
    with_queues(&mut env, &email, &TestQueue { url: format!("{}-gone", email.url), ..email.clone() });
    let topic = format!("arn:aws:sns:us-east-1:000000000000:{}", world.id);
    env.insert("USER_EVENTS_TOPIC_ARN".to_owned(), topic);
    let found = expected(&[
        ("AWS", &["topic_missing"]),
        ("email", &["dlq_retention_low"]),
        ("profile", &["queue_missing"]),
        ("Redis", &["redis_silent"]),
        ("mail", &["smtp_silent"]),
    ]);
    assert_eq!(examine(&env).await, (Some(69), found));
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_apart_from_a_server_that_is_gone() {
    let world = World::start().await;
    let mut env = alone(&world, "smtp://localhost:1");
    env.insert("EMAIL_QUEUE_URL".to_owned(), world.queue("email", Duration::from_secs(60)).await.url);
    let mail = async |env: &Environment| {
        let (_, faults) = examine(env).await;
        faults.into_iter().filter(|(group, _)| group == "mail").map(|(_, fault)| fault).collect::<Vec<_>>()
    };
    for (mode, url) in [("tls", "smtps://localhost:PORT"), ("starttls", "smtp://localhost:PORT?tls=required")] {
        let directory = tempfile::tempdir().unwrap();
        let (_sink, port) = crate::interop::aiosmtpd(&world, directory.path(), Some(mode)).await;
        env.insert("SMTP_URL".to_owned(), url.replace("PORT", &port.to_string()));
        assert_eq!(mail(&env).await, ["smtp_tls"], "{mode}");
        let mut trusting = env.clone();
        let root = directory.path().join("port.pem").display().to_string();
        trusting.insert("SSL_CERT_FILE".to_owned(), root);
        assert_eq!(mail(&trusting).await, [""; 0], "{mode}");
    }
    env.insert("SMTP_URL".to_owned(), "smtps://localhost:1".to_owned());
    assert_eq!(mail(&env).await, ["smtp_silent"]);
}

#[tokio::test]
async fn a_silent_aws_and_missing_credentials_are_told_apart() {
    let world = World::start().await;
    let redis = RedisServer::start(Keep::Everything).await;
    let mut env = alone(&world, "smtp://127.0.0.1:1");
    env.insert("PROFILE_QUEUE_URL".to_owned(), world.queue("profile", Duration::from_secs(60)).await.url);
    env.insert("REDIS_URL".to_owned(), redis.url());
    env.insert("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned());
    let mut silent = env.clone();
    silent.insert("AWS_ENDPOINT_URL".to_owned(), "http://127.0.0.1:1".to_owned());
    env.retain(|name, _| !name.starts_with("AWS_ACCESS_KEY") && !name.starts_with("AWS_SECRET"));
    let ((_, silent), (_, stranger)) = tokio::join!(examine(&silent), examine(&env));
    assert_eq!(silent, expected(&[("AWS", &["aws_silent", "topic_unset"])]));
    assert_eq!(stranger, expected(&[("AWS", &["no_credentials", "topic_unset"])]));
}

#[tokio::test]
async fn a_worker_that_waits_for_the_mail_server_is_told_of_by_doctor_and_status() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    smtp.stop().await;
    let email = world.queue_with("email", Duration::from_secs(60), 100).await;
    let profile = world.queue("profile", Duration::from_secs(60)).await;
    let mut env = both(&world, &smtp, &email, &profile);
    let worker = Worker::start(&env);
    world.send(&email, &event(&world.id)).await;
    let at = worker.address().await;
    let waits = || async { (http::get(&at, "/readyz").await.0 == 503).then_some(()) };
    eventually("the worker waits", Duration::from_secs(30), waits).await;

    let was = async |env: &Environment| {
        let doctor = execute(env, &["doctor", "--json"]).await;
        let findings: Value = serde_json::from_slice(&doctor.stdout).unwrap();
        let is_it = |finding: &&Value| finding["check"].as_str().unwrap().starts_with("worker");
        let of = |group| {
            let all = findings["findings"].as_array().unwrap().iter().filter(is_it);
            all.filter(|finding| finding["group"] == group).cloned().collect::<Vec<_>>()
        };
        (doctor.status.code(), of("email"), of("profile"))
    };
    // It runs elsewhere: what it reports in Redis is told.
    let reported = async || {
        let (_, email_was, profile_was) = was(&env).await;
        let is_told = email_was[0]["fault"] == "paused" && profile_was[0]["seen"] == "1 worker ready";
        is_told.then_some((email_was, profile_was))
    };
    let (email_was, profile_was) = eventually("the worker's report", Duration::from_secs(30), reported).await;
    assert_eq!((email_was.len(), profile_was.len()), (1, 1));
    assert!(email_was[0]["seen"].as_str().unwrap().starts_with("1 of 1 worker: paused: waiting for smtp"));
    // `status` knows what the worker reports in Redis, and without Redis nothing.
    let shown = async |env: &Environment| {
        let output = execute(env, &["status"]).await;
        assert!(output.status.success() && output.stderr.iter().all(|b| b.is_ascii()));
        String::from_utf8(output.stdout).unwrap()
    };
    let reported = async || shown(&env).await.contains("\n email: 1 worker: paused: waiting for smtp").then_some(());
    eventually("the worker's report", Duration::from_secs(30), reported).await;
    let redis = env.remove("REDIS_URL").unwrap();
    let table = shown(&env).await;
    assert!(table.contains("workers: nobody was asked") && !table.contains("paused"), "{table}");
    env.insert("REDIS_URL".to_owned(), redis);

    env.insert("HTTP_ADDR".to_owned(), at.clone());
    let (code, email_was, profile_was) = was(&env).await;
    let (fault, seen) = (&email_was[0]["fault"], email_was[0]["seen"].as_str().unwrap());
    assert_eq!((code, fault), (Some(69), &json!("paused")));
    assert!(seen.contains("paused") && seen.contains("smtp"), "{seen}");
    assert_eq!((&profile_was[0]["check"], &profile_was[0]["seen"]), (&json!("worker"), &json!("ready")));

    let output = execute(&env, &["status"]).await;
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 80), "wider than a terminal:\n{table}");
    let waits = |line: &str| line.starts_with(" email: paused") && line.contains("smtp");
    assert!(table.lines().any(waits) && table.contains("\n profile: ready"), "{table}");
    assert_eq!(output.status.code(), Some(0), "it tells, and judges not");
    let output = execute(&env, &["status", "--json"]).await;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(told["reactions"][0]["worker"].as_str().unwrap().contains("smtp"), "{told}");
    assert_eq!(told["reactions"][1]["worker"], "ready");

    assert_eq!(worker.terminate().await, Some(0));
    assert_eq!(smtp.accepted_to(&address(&world.id)), 0);
}

#[tokio::test]
async fn the_doctor_prints_every_mistake_of_the_configuration_at_once_and_exits_78() {
    let env: Environment = [("EMAIL_QUEUE_URL", "q"), ("USER_EVENTS_TOPIC_ARN", "t"), ("REDIS_URL", SECRET)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let output = execute(&env, &["doctor"]).await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    for name in ["EMAIL_QUEUE_URL", "USER_EVENTS_TOPIC_ARN", "REDIS_URL"] {
        assert!(stderr.contains(name), "{name}: {stderr}");
    }
    assert!(!stderr.contains(SECRET));
}
