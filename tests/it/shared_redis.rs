//! Several environments on one Redis: apart by their prefixes, and warned of each other without them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::KIND;
use crate::world::http::get;
use crate::world::processes::{Worker, environment, execute};
use crate::world::redis_server::{Keep, RedisServer};
use crate::world::smtp::SmtpServer;
use crate::world::{EMPTY, TestQueue, World, address, event, eventually};

const SOON: Duration = Duration::from_secs(20);

/// One environment: a mail server and a queue of its own, on a Redis that others use too.
struct Team {
    world: World,
    smtp: SmtpServer,
    queue: TestQueue,
    env: BTreeMap<String, String>,
}

impl Team {
    async fn on(redis: &RedisServer, prefix: &str) -> Self {
        let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
        let queue = world.queue_with("email", Duration::from_secs(30), 100).await;
        let mut env = environment(&world, &smtp.url());
        let url = redis.url();
        for (name, value) in [("EMAIL_QUEUE_URL", queue.url.as_str()), ("REDIS_URL", &url), ("REDIS_PREFIX", prefix)] {
            env.insert(name.to_owned(), value.to_owned());
        }
        Self { world, smtp, queue, env }
    }

    /// Publishes the user's event and waits for the mail.
    async fn welcomes(&self, user: &str) {
        self.world.send(&self.queue, &event(user)).await;
        let mail = async || (self.smtp.accepted_to(&address(user)) == 1).then_some(());
        eventually(&format!("a mail for {user}"), SOON, mail).await;
        self.world.drained(&self.queue, SOON).await;
        assert_eq!(self.world.depth(&self.queue.dlq_url).await, EMPTY);
    }

    async fn says(&self, arguments: &[&str]) -> String {
        String::from_utf8(execute(&self.env, arguments).await.stdout).unwrap()
    }

    /// What the doctor saw of the namespace, if it found it shared.
    async fn namespace_shared(&self) -> Option<String> {
        let findings: Value = serde_json::from_str(&self.says(&["doctor", "--json"]).await).unwrap();
        let mut of = findings["findings"].as_array().unwrap().iter().filter(|found| found["check"] == "namespace");
        let found = of.next().expect("it was looked at");
        (found["fault"] == "namespace_shared").then(|| found["seen"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn two_environments_with_prefixes_share_a_redis_and_both_mails_go_out() {
    let redis = RedisServer::start_as(KIND, Keep::Nothing).await;
    let (staging, live) = tokio::join!(Team::on(&redis, "staging:"), Team::on(&redis, "live:"));
    let workers = [Worker::start(&staging.env), Worker::start(&live.env)];
    tokio::join!(staging.welcomes("u-1"), live.welcomes("u-1"));
    live.welcomes("u-2").await;

    // Each sees its own records, and takes back its own.
    let stats = |told: &str| serde_json::from_str::<Value>(told).unwrap()["handlers"]["welcome_email"]["done"].clone();
    let arguments = ["idem", "stats", "--json"];
    assert_eq!((stats(&staging.says(&arguments).await), stats(&live.says(&arguments).await)), (1.into(), 2.into()));
    let forget = ["idem", "forget", "--reaction", "email", "u-1", "--yes"];
    assert!(staging.says(&forget).await.starts_with("forgotten"));
    let get = ["idem", "get", "--reaction", "email", "u-1"];
    assert!(staging.says(&get).await.contains("no record") && live.says(&get).await.contains("done: sent"));
    let mut keys = redis.keys().await;
    keys.retain(|key| !key.starts_with("staging:") && !key.starts_with("live:"));
    assert_eq!(keys, [""; 0], "every key stands behind a prefix");

    assert_eq!((staging.namespace_shared().await, live.namespace_shared().await), (None, None));
    for worker in workers {
        assert_eq!(self::get(&worker.address().await, "/readyz").await, (200, "email: ready\n".to_owned()));
        assert_eq!(worker.terminate().await, Some(0));
    }
}

#[tokio::test]
async fn two_environments_under_one_name_are_warned_of_each_other_by_log_doctor_and_readyz() {
    let redis = RedisServer::start_as(KIND, Keep::Nothing).await;
    let (first, second) = tokio::join!(Team::on(&redis, ""), Team::on(&redis, ""));
    let earlier = Worker::start(&first.env);
    first.welcomes("u-1").await;
    assert_eq!(first.namespace_shared().await, None);
    let later = Worker::start(&second.env);
    let line = later.says("another queue is worked on under this name", SOON).await;
    assert!(line.contains("WARN") && line.contains("\"email\"") && line.contains(&first.queue.arn), "{line}");
    second.world.send(&second.queue, &event("u-1")).await;
    later.says("\"outcome\":\"duplicate\"", SOON).await;
    assert_eq!(second.smtp.accepted().len(), 0, "what the first has done the second takes for done");

    let (status, told) = get(&later.address().await, "/readyz").await;
    let lines: Vec<_> = told.lines().collect();
    assert_eq!((status, lines.len(), lines[0]), (200, 2, "email: ready"), "it works: {told}");
    assert!(lines[1].starts_with("warning: email: ") && lines[1].contains(&first.queue.arn), "{told}");
    assert_eq!(second.namespace_shared().await, Some(first.queue.arn.clone()));
    assert_eq!(first.namespace_shared().await, Some(second.queue.arn.clone()));
    // The earlier one hears of it when it next says that it is here.
    let hears = async || get(&earlier.address().await, "/readyz").await.1.contains(&second.queue.arn).then_some(());
    eventually("the earlier one hears of it", Duration::from_secs(30), hears).await;
    let is_kept: u64 = redis.command(&["PTTL", "reaction:email"]).await;
    assert!((3_000_000..=3_600_000).contains(&is_kept), "for an hour: {is_kept} ms");
    assert_eq!((earlier.terminate().await, later.terminate().await), (Some(0), Some(0)));
}

#[tokio::test]
async fn a_marker_that_may_not_be_written_is_warned_of_and_nothing_else() {
    let redis = RedisServer::start_as(KIND, Keep::Nothing).await;
    let rights = ["on", ">pw-for-tests", "~idem:*", "+@all"];
    let _: () = redis.command(&[&["ACL", "SETUSER", "worker"][..], &rights].concat()).await;
    let mut team = Team::on(&redis, "").await;
    let url = format!("redis://worker:pw-for-tests@127.0.0.1:{}", redis.port());
    team.env.insert("REDIS_URL".to_owned(), url);
    let worker = Worker::start(&team.env);
    team.welcomes("u-1").await;
    worker.says("it is not known who else works under this name", SOON).await;
    let (status, told) = get(&worker.address().await, "/readyz").await;
    assert!(status == 200 && told.starts_with("email: ready\nwarning: email: it is not known"), "{told}");
    assert_eq!(worker.terminate().await, Some(0));
}
