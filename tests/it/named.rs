//! What is waited for bears the name that an operator knows, and says where it is.

use std::time::Duration;

use serde_json::Value;

use crate::world::aws_faults::{Fault, RECEIVE, SqsProxy, VISIBILITY};
use crate::world::http::{get, try_get};
use crate::world::processes::{Worker, both, environment, execute};
use crate::world::proxy::free_port;
use crate::world::smtp::{Phase, Reaction, SmtpServer};
use crate::world::{EMPTY, World, event, eventually};

const SOON: Duration = Duration::from_secs(20);
const SECRET: &str = "pw-for-tests-Zx9";

#[tokio::test]
async fn a_redis_that_is_gone_is_named_with_its_host_and_port_and_never_with_its_password() {
    let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    let mut env = both(&world, &smtp, &email, &profile);
    let (gone, at) = (free_port(), free_port());
    env.insert("REDIS_URL".to_owned(), format!("redis://worker:{SECRET}@127.0.0.1:{gone}"));
    env.insert("HTTP_ADDR".to_owned(), format!("127.0.0.1:{at}"));
    let worker = Worker::start(&env);

    let waits = format!(": paused: waiting for redis (redis at 127.0.0.1:{gone}: ");
    let address = worker.address().await;
    let told = eventually("both wait for redis", SOON, || async {
        let (status, told) = get(&address, "/readyz").await;
        (status == 503 && told.matches(&waits).count() == 2).then_some(told)
    });
    let told = told.await;
    let output = execute(&env, &["doctor", "--json"]).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let seen = |fault: &str| {
        let of = |finding: &&Value| finding["fault"] == fault;
        report["findings"].as_array().unwrap().iter().filter(of).map(|f| f["seen"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(seen("redis_silent").len(), 1, "{report}");
    assert!(seen("redis_silent")[0].contains(&format!("redis at 127.0.0.1:{gone}")), "{report}");
    assert_eq!(seen("paused").iter().filter(|seen| seen.contains("waiting for redis (")).count(), 2, "{report}");
    let status = String::from_utf8(execute(&env, &["status", "--json"]).await.stdout).unwrap();
    assert_eq!(status.matches("paused: waiting for redis (").count(), 2, "{status}");

    worker.says("\"dependency\":\"redis\"", SOON).await;
    let all = [told, report.to_string(), status, worker.log().join("\n")].concat();
    assert!(!all.contains(SECRET) && !all.contains("ledger"), "{all}");
    assert_eq!(worker.terminate().await, Some(0));
}

/// A worker of one reaction whose calls to SQS go by `proxy`, and where it answers.
fn by_way_of(world: &World, smtp: &SmtpServer, url: &str, proxy: &str) -> (Worker, String) {
    let mut env = environment(world, &smtp.url());
    let at = format!("127.0.0.1:{}", free_port());
    // Alone in its Redis: else others under its name are told of.
    let prefix = format!("{}:", world.id);
    let set = [("EMAIL_QUEUE_URL", url), ("AWS_ENDPOINT_URL", proxy), ("HTTP_ADDR", &at), ("REDIS_PREFIX", &prefix)];
    env.extend(set.map(|(name, value)| (name.to_owned(), value.to_owned())));
    (Worker::start(&env), at)
}

async fn waits(at: &str, what: &str) {
    let told = format!("email: paused: waiting for sqs ({what}");
    let red = || async {
        let answer = try_get(at, "/readyz").await?;
        (answer.0 == 503 && answer.1.starts_with(&told) && answer.1.contains(") since 20")).then_some(())
    };
    eventually(&told, Duration::from_secs(30), red).await;
    assert_eq!(get(at, "/livez").await.0, 200);
}

#[tokio::test]
async fn an_sqs_that_throttles_fails_or_is_gone_at_start_is_waited_for_and_sigterm_ends_that_at_once() {
    const OPEN: &str = "GetQueueAttributes";
    let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
    let queue = world.queue("email", Duration::from_secs(30)).await;
    world.send(&queue, &event(&world.id)).await;
    let proxy = SqsProxy::start(&world).await;
    proxy.set(OPEN, Fault::Refused("ThrottlingException"));
    let (worker, at) = by_way_of(&world, &smtp, &queue.url, &proxy.url());
    waits(&at, "the queue did not answer: ThrottlingException").await;
    proxy.set(OPEN, Fault::Error);
    waits(&at, "the queue did not answer: unknown").await;
    proxy.heal();
    smtp.wait_for(1, Duration::from_secs(40)).await;
    assert_eq!(get(&at, "/readyz").await, (200, "email: ready\n".to_owned()));
    assert_eq!(worker.terminate().await, Some(0));

    let nobody = format!("http://127.0.0.1:{}", free_port());
    let (mut worker, at) = by_way_of(&world, &smtp, &queue.url, &nobody);
    waits(&at, "the queue did not answer: no connection").await;
    worker.signal("TERM");
    assert_eq!(worker.exit(Duration::from_secs(3)).await, Some(0));

    // A refusal is for an operator, and is told at once.
    proxy.set(OPEN, Fault::Refused("AccessDeniedException"));
    let (mut worker, _) = by_way_of(&world, &smtp, &queue.url, &proxy.url());
    assert_eq!(worker.exit(Duration::from_secs(20)).await, Some(69));
}

#[tokio::test]
async fn without_the_right_to_hide_a_message_nothing_more_is_received_until_it_is_granted_and_readyz_names_it() {
    let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
    let queue = world.queue("email", Duration::from_secs(10)).await;
    let proxy = SqsProxy::start(&world).await;
    smtp.script(Reaction::Reply { at: Phase::Rcpt, code: 450, text: "not now" });
    proxy.set(VISIBILITY, Fault::Refused("AccessDeniedException"));
    world.send(&queue, &event(&world.id)).await;
    let (worker, at) = by_way_of(&world, &smtp, &queue.url, &proxy.url());
    waits(&at, "the right to sqs:ChangeMessageVisibility is missing").await;
    assert!(worker.log().iter().any(|line| line.contains("ERROR") && line.contains("sqs:ChangeMessageVisibility")));

    world.send(&queue, &event(&format!("{}-2", world.id))).await;
    let before = proxy.calls(RECEIVE).len();
    proxy.called(VISIBILITY, proxy.calls(VISIBILITY).len() + 3, Duration::from_secs(60)).await;
    assert!(proxy.calls(RECEIVE).len() <= before + 1, "it goes on to receive");
    smtp.script(Reaction::Accept);
    proxy.heal();
    smtp.wait_for(2, Duration::from_secs(60)).await;
    world.drained(&queue, Duration::from_secs(20)).await;
    assert_eq!((smtp.accepted().len(), world.depth(&queue.dlq_url).await), (2, EMPTY));
    assert_eq!(get(&at, "/readyz").await, (200, "email: ready\n".to_owned()));
    assert_eq!(worker.terminate().await, Some(0));
}
