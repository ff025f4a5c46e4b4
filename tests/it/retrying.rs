//! `status` of workers that fail: what they retry and why, how fast they are, how old the oldest message is.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use user_events::event::log_hash;

use crate::world::processes::{Worker, environment, execute};
use crate::world::redis_server::{Keep, RedisServer};
use crate::world::smtp::{Phase, Reaction, SmtpServer};
use crate::world::tty::at_terminal;
use crate::world::{World, address, event, eventually};

const SOON: Duration = Duration::from_secs(60);

async fn json(env: &BTreeMap<String, String>, arguments: &[&str]) -> Value {
    let output = execute(env, arguments).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn status_tells_which_events_are_retried_and_why_and_names_no_address() {
    let (world, smtp, redis) = tokio::join!(World::start(), SmtpServer::start(), RedisServer::start(Keep::Nothing));
    let queue = world.queue_with("email", Duration::from_secs(60), 100).await;
    let mut env = environment(&world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());
    env.insert("REDIS_URL".to_owned(), redis.url());
    env.insert("REDIS_PREFIX".to_owned(), "staging:".to_owned());
    let full = Reaction::Reply { at: Phase::Rcpt, code: 452, text: "4.2.2 the mailbox is full" };
    smtp.script_for(&address("u-1"), vec![full; 50]);
    let worker = Worker::start(&env);
    for user in ["u-1", "u-2"] {
        world.send(&queue, &event(user)).await;
    }
    smtp.wait_for(1, SOON).await;
    let told = async || {
        let told = json(&env, &["status", "--retrying", "--json"]).await;
        told["retrying"].as_array().unwrap().first().cloned()
    };
    let one = eventually("a report of what is retried", SOON, told).await;
    assert_eq!((&one["reaction"], &one["outcome"]), (&"email".into(), &"deferred".into()));
    assert_eq!((&one["type"], &one["subject"]), (&"user.signed_up".into(), &log_hash("u-1").to_string().into()));
    assert!(one["detail"].as_str().unwrap().contains("452") && one["due"].is_string(), "{one}");
    assert!(!one.to_string().contains("example.com"), "{one}");

    let status = json(&env, &["status", "--json"]).await;
    let row = &status["reactions"][0];
    assert_eq!((&row["retrying"], &row["workers"]["ready"]), (&1.into(), &1.into()), "{row}");
    assert!(row["perSecond"].is_number(), "{row}");
    for columns in [80, 60] {
        let (code, shown) = at_terminal(&env, columns, &["status", "--retrying"], "").await;
        assert!(shown.lines().all(|line| line.chars().count() <= columns), "{columns}:\n{shown}");
        assert!(code == Some(0) && shown.contains("deferred") && shown.contains("452"), "{shown}");
        assert!(columns == 60 || shown.contains("user.signed_up"), "{shown}");
    }
    let (_, shown) = at_terminal(&env, 80, &["status"], "").await;
    assert!(shown.contains("email: 1 event being retried (status --retrying)"), "{shown}");
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn without_redis_nothing_is_known_of_what_is_retried_and_that_is_said() {
    let world = World::start().await;
    let mut env = world.env.clone();
    env.insert("EMAIL_QUEUE_URL".to_owned(), world.queue("email", SOON).await.url);
    env.insert("REDIS_URL".to_owned(), "redis://127.0.0.1:9".to_owned());
    let output = execute(&env, &["status", "--retrying"]).await;
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(69) && told.contains("redis at 127.0.0.1:9"), "{told}");
    env.remove("REDIS_URL");
    let output = execute(&env, &["status", "--retrying"]).await;
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(78) && told.contains("REDIS_URL"), "{told}");
}
