//! A Redis whose settings do not fit, or are hidden from us.

use std::time::Duration;

use user_events::profiles::redis::RedisProfiles;

use super::KIND;
use crate::world::processes::{Worker, environment, execute};
use crate::world::redis_server::{Keep, RedisServer};
use crate::world::{EMPTY, World, event};

#[tokio::test]
async fn a_redis_that_may_evict_records_is_warned_of_or_refused() {
    let world = World::start().await;
    let redis = RedisServer::start_as(KIND, Keep::Nothing).await;
    let _: () = redis.command(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]).await;
    let mut env = environment(&world, "smtp://127.0.0.1:1");
    let queue = world.queue("profile", Duration::from_secs(30)).await;
    env.insert("PROFILE_QUEUE_URL".to_owned(), queue.url);
    env.insert("REDIS_URL".to_owned(), redis.url());

    let worker = Worker::start(&env);
    worker.says("maxmemory-policy is volatile-lru", Duration::from_secs(10)).await;
    assert_eq!(worker.terminate().await, Some(0));

    env.insert("REQUIRE_NOEVICTION".to_owned(), "true".to_owned());
    let output = execute(&env, &["run"]).await;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    assert!(stderr.contains("maxmemory-policy is volatile-lru"), "{stderr}");

    redis.kill();
    let output = execute(&env, &["run"]).await;
    assert_eq!(output.status.code(), Some(69), "what has to be checked has to be there");
}

#[tokio::test]
async fn a_redis_user_without_info_or_config_is_warned_of_once_and_works() {
    let world = World::start().await;
    let redis = RedisServer::start_as(KIND, Keep::Nothing).await;
    let rights = ["on", ">pw-for-tests", "~*", "+@all", "-info", "-config"];
    let _: () = redis.command(&[&["ACL", "SETUSER", "worker"][..], &rights].concat()).await;
    let queue = world.queue("profile", Duration::from_secs(30)).await;
    let mut env = environment(&world, "smtp://127.0.0.1:1");
    env.insert("PROFILE_QUEUE_URL".to_owned(), queue.url.clone());
    env.insert("REDIS_URL".to_owned(), format!("redis://worker:pw-for-tests@127.0.0.1:{}", redis.port()));
    world.send(&queue, &event(&world.id)).await;
    let worker = Worker::start(&env);
    world.drained(&queue, Duration::from_secs(20)).await;
    let _: u8 = redis.command(&["DEL", &RedisProfiles::key(&world.id.parse().unwrap())]).await;
    let warned: Vec<_> =
        worker.log().into_iter().filter(|line| line.contains("WARN") && line.contains("redis")).collect();
    assert!(warned.len() == 1 && warned[0].contains("does not let us look"), "{warned:?}");
    assert_eq!(worker.terminate().await, Some(0));
    assert_eq!(world.depth(&queue.dlq_url).await, EMPTY);

    env.insert("REQUIRE_NOEVICTION".to_owned(), "true".to_owned());
    let output = execute(&env, &["run"]).await;
    assert_eq!(output.status.code(), Some(78), "what has to be checked has to be told");
}
