//! A Redis Cluster is found out, judged by `doctor`, and looked at as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use user_events::events::UserSignedUp;
use user_events::idempotency::records::{Counts, Records};
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Claim, Fingerprint, Key, Ledger, Request, Terms};
use user_events::profiles::redis::RedisProfiles;
use user_events::redis_link::{RedisLink, slot_of};

use crate::house::files;
use crate::world::processes::{Worker, environment, execute};
use crate::world::redis_cluster::{RedisCluster, tag_of};
use crate::world::redis_server::{Keep, Kind, RedisServer, url};
use crate::world::smtp::SmtpServer;
use crate::world::{EMPTY, World, address, event};

const SOON: Duration = Duration::from_secs(20);
const TERMS: Terms = Terms::new(Duration::from_secs(20), Duration::from_secs(600));

/// Every script of the code, and the keys that it may get for one user.
#[test]
fn all_keys_of_a_script_lie_in_the_slot_of_its_subject_with_any_prefix() {
    let scripts: Vec<_> = ["engine/src", "src"].iter().flat_map(|folder| files(folder, &[".lua"])).collect();
    assert!(scripts.len() >= 9, "{scripts:?}");
    for (path, text) in &scripts {
        let code: String = text.lines().filter(|line| !line.starts_with("--")).collect();
        assert_eq!(code.matches("KEYS").count(), 1, "{path} has one key, and names no other");
        assert!(code.contains("KEYS[1]"), "{path}");
        let calls = code.split("redis.call('").skip(1).filter(|call| !call.starts_with("TIME'"));
        for call in calls {
            let (_, arguments) = call.split_once("', ").unwrap();
            assert!(arguments.starts_with("key"), "{path} calls for another key: {arguments}");
        }
    }
    for user in ["123", "u-1_A", "a}b{c", "jürgen", ""] {
        let hashed = user_events::idempotency::key_part(user);
        for prefix in ["", "staging:", "a_b-c:"] {
            let keys = [
                Key::new("welcome_email", user).as_str().to_owned(),
                Key::of_event("crm", user, "event}{1").as_str().to_owned(),
                Key::of_type("crm", user, "order.paid").as_str().to_owned(),
            ];
            let slots: BTreeSet<_> = keys.iter().map(|key| slot_of(&format!("{prefix}{key}"))).collect();
            assert_eq!(slots, BTreeSet::from([slot_of(&hashed)]), "{user:?} {prefix:?}");
        }
    }
    let event = UserSignedUp::new("123".parse().unwrap(), "u@example.com".parse().unwrap(), None);
    assert_eq!(slot_of(&RedisProfiles::key(&event.user_id)), slot_of("123"), "a profile lies beside its records");
}

/// What `doctor` finds about Redis, and what it saw of the cluster.
async fn told(env: &BTreeMap<String, String>) -> (Vec<String>, String) {
    let output = execute(env, &["doctor", "--json"]).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of_redis: Vec<_> = report["findings"].as_array().unwrap().iter().filter(|f| f["group"] == "Redis").collect();
    let faults = of_redis.iter().filter_map(|finding| finding["fault"].as_str()).map(str::to_owned).collect();
    let seen = of_redis.iter().find(|f| f["check"] == "cluster").map_or(String::new(), |f| f["seen"].to_string());
    (faults, seen)
}

#[tokio::test]
async fn a_redis_cluster_is_found_out_by_one_server_and_every_shards_mails_go_out() {
    let (world, cluster, smtp) = tokio::join!(World::start(), RedisCluster::start(), SmtpServer::start());
    let queue = world.queue_with("email", Duration::from_secs(30), 100).await;
    let mut env = environment(&world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());
    env.insert("REDIS_URL".to_owned(), format!("{}/0", url(cluster.nodes()[0].port)));
    let worker = Worker::start(&env);
    let line = worker.says("redis is a Redis Cluster", SOON).await;
    assert!(line.contains("\"masters\":3") && line.contains("\"replicas\":3"), "{line}");
    let users: Vec<_> = (0..30).map(|n| format!("{}-{n}", world.id)).collect();
    world.send_all(&queue, &users.iter().map(|user| event(user)).collect::<Vec<_>>()).await;
    smtp.wait_for(users.len(), Duration::from_secs(60)).await;
    world.drained(&queue, SOON).await;
    assert!(users.iter().all(|user| smtp.accepted_to(&address(user)) == 1), "one mail each");
    assert_eq!(world.depth(&queue.dlq_url).await, EMPTY);

    let (faults, seen) = told(&env).await;
    assert_eq!(faults, ["redis_forgets"], "it is one that keeps nothing");
    assert_eq!(seen, "\"a cluster: 3 masters, 3 replicas, 16384 of 16384 slots\"");
    let shown = String::from_utf8(execute(&env, &["doctor"]).await.stdout).unwrap();
    assert!(shown.contains("Redis (a cluster: 3 masters, 3 replicas, 16384 of 16384 slots)"), "{shown}");

    // All servers are looked at, whichever is named.
    let stats = String::from_utf8(execute(&env, &["idem", "stats", "--json"]).await.stdout).unwrap();
    let stats: Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(stats["handlers"]["welcome_email"]["done"], 30, "{stats}");
    for user in &users[..6] {
        let forgot = execute(&env, &["idem", "forget", "--reaction", "email", user, "--yes"]).await;
        assert!(String::from_utf8_lossy(&forgot.stdout).starts_with("forgotten"), "{user}");
    }
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn all_records_of_a_cluster_are_counted_page_by_page() {
    let redis = RedisServer::start_as(Kind::Cluster, Keep::Nothing).await;
    let link = RedisLink::new(&redis.url().into()).unwrap().under("staging:");
    let ledger = RedisLedger::new(link.clone());
    for chunk in (0..4_000).collect::<Vec<_>>().chunks(200) {
        let claims = chunk.iter().map(async |n| {
            let request = Request::new(Key::new("h", &format!("u{n}")), Fingerprint::of(&["a"]));
            assert!(matches!(ledger.claim(&request, "t", &TERMS).await, Ok(Claim::Acquired(_))));
        });
        futures_util::future::join_all(claims).await;
    }
    let mut pages = 0;
    let counts: Counts = Records::new(link).count(|_| pages += 1).await.unwrap();
    assert_eq!(counts["h"].values().sum::<u64>(), 4_000);
    assert!(pages > 3, "{pages} pages of three servers show nothing");
}

#[tokio::test]
async fn what_is_wrong_with_a_cluster_is_told_by_doctor_with_its_remedy() {
    let world = World::start().await;
    let redis = RedisServer::start_as(Kind::Cluster, Keep::Everything).await;
    let queue = world.queue("profile", Duration::from_secs(30)).await;
    let mut env = environment(&world, "smtp://127.0.0.1:1");
    env.insert("PROFILE_QUEUE_URL".to_owned(), queue.url);
    env.insert("REDIS_URL".to_owned(), redis.url());
    assert_eq!(told(&env).await.0, ["redis_alone"]);
    let _: () = redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    redis.lose_slot(100).await;
    let (faults, seen) = told(&env).await;
    assert_eq!(faults, ["redis_slots", "redis_alone", "redis_evicts"]);
    assert!(seen.contains("3 masters, 0 replicas, 16383 of 16384 slots"), "{seen}");
    let shown = String::from_utf8(execute(&env, &["doctor"]).await.stdout).unwrap();
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("without 100-100;") && shown.contains("eviction: allkeys-lru at 127.0.0.1:"), "{shown}");
    let user = format!("{{{}}}", tag_of(100));
    let link = RedisLink::new(&redis.url().into()).unwrap();
    let lost = link.hash(&user).await.unwrap_err().to_string();
    assert!(lost.ends_with("CLUSTERDOWN"), "{lost}");
    assert!(link.ping().await.is_ok() && link.hash(&format!("{{{}}}", tag_of(101))).await.is_ok());

    // A user that may not ask for the map.
    let rights = ["ACL", "SETUSER", "worker", "on", ">pw-for-tests", "~*", "+@all", "-cluster"];
    let _: () = redis.command(&rights).await;
    env.insert("REDIS_URL".to_owned(), format!("redis://worker:pw-for-tests@127.0.0.1:{}", redis.port()));
    assert_eq!(told(&env).await.0, ["redis_map_denied"]);
    assert_eq!(execute(&env, &["run"]).await.status.code(), Some(78));
}

#[tokio::test]
async fn a_url_that_says_cluster_and_names_a_redis_that_is_none_is_refused() {
    let (world, redis) = tokio::join!(World::start(), RedisServer::start(Keep::Nothing));
    let queue = world.queue("profile", Duration::from_secs(30)).await;
    let mut env = environment(&world, "smtp://127.0.0.1:1");
    env.insert("PROFILE_QUEUE_URL".to_owned(), queue.url);
    for url in [format!("{}?cluster=true", redis.url()), format!("{},127.0.0.1:{}", redis.url(), redis.port())] {
        env.insert("REDIS_URL".to_owned(), url);
        assert_eq!(told(&env).await.0, ["redis_no_cluster"]);
        let output = execute(&env, &["run"]).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{stderr}");
        assert!(stderr.contains("REDIS_URL: ") && stderr.contains("this server is none"), "{stderr}");
    }
}
