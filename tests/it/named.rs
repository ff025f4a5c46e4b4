//! What is waited for bears the name that an operator knows, and says where it is.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use user_events::idempotency::Key;

use crate::world::http::get;
use crate::world::processes::{Worker, both, environment, execute};
use crate::world::proxy::free_port;
use crate::world::redis_server::RedisServer;
use crate::world::smtp::SmtpServer;
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

#[tokio::test]
async fn a_redis_cluster_is_said_so_at_start_by_doctor_and_of_each_record_on_another_shard() {
    const SAID: &str = "this redis is a Redis Cluster, which is not followed yet";
    let (world, servers, smtp) = tokio::join!(World::start(), RedisServer::start_cluster(), SmtpServer::start());
    let queue = world.queue_with("email", Duration::from_secs(30), 100).await;
    let mut env = environment(&world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());

    // By MOVED alone, of the one that has not the key by which it is looked for.
    let slot: u16 = servers[0].command(&["CLUSTER", "KEYSLOT", "idem:v1:ping"]).await;
    let [near, far] = if slot < 8192 { [&servers[0], &servers[1]] } else { [&servers[1], &servers[0]] };
    let _: () = far.command(&["ACL", "SETUSER", "worker", "on", ">pw-for-tests", "~*", "+@all", "-info"]).await;
    env.insert("REDIS_URL".to_owned(), format!("redis://worker:pw-for-tests@127.0.0.1:{}", far.port()));
    assert_eq!(faults_of_redis(&env).await, ["redis_cluster"]);
    let worker = Worker::start(&env);
    worker.says(SAID, SOON).await;
    assert_eq!(worker.terminate().await, Some(0));

    env.insert("REDIS_URL".to_owned(), near.url());
    assert_eq!(faults_of_redis(&env).await, ["redis_cluster", "redis_forgets"]);
    let mut users: [Vec<String>; 2] = Default::default();
    for n in 0..20 {
        let user = format!("{}-{n}", world.id);
        let its: u16 = near.command(&["CLUSTER", "KEYSLOT", Key::new("welcome_email", &user).as_str()]).await;
        users[usize::from((its < 8192) != (slot < 8192))].push(user);
    }
    let [own, others] = users;
    assert!(!own.is_empty() && !others.is_empty(), "all records on one shard");
    let worker = Worker::start(&env);
    worker.says(SAID, SOON).await;
    world.send(&queue, &event(&others[0])).await;
    worker.says("MOVED: the record lies on another shard, and Redis Cluster is not followed yet", SOON).await;
    for user in &own {
        world.send(&queue, &event(user)).await;
    }
    smtp.wait_for(own.len(), Duration::from_secs(60)).await;
    assert_eq!(smtp.accepted().len(), own.len(), "the other shard's waits");
    assert_eq!(world.depth(&queue.dlq_url).await, EMPTY);
    worker.terminate().await;
}

/// What `doctor` finds about Redis.
async fn faults_of_redis(env: &BTreeMap<String, String>) -> Vec<String> {
    let output = execute(env, &["doctor", "--json"]).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of_redis = |finding: &&Value| finding["group"] == "Redis" && finding["level"] != "ok";
    let findings = report["findings"].as_array().unwrap().iter().filter(of_redis);
    findings.map(|finding| finding["fault"].as_str().unwrap().to_owned()).collect()
}
