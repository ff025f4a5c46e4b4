//! The doctor on workers that run elsewhere: it knows what they report in Redis.

use std::time::Duration;

use user_events::event::Timestamp;
use user_events::fleet::Report;
use user_events::fleet::redis::Fleet;
use user_events::pauses::PauseMarks;
use user_events::redis_link::RedisLink;
use user_events::worker::Pause;

use crate::doctor::{examine, expected, with_queues};
use crate::world::World;
use crate::world::processes::environment;
use crate::world::redis_server::{Keep, RedisServer};

#[tokio::test]
async fn what_workers_report_in_redis_is_judged_wherever_they_run() {
    let world = World::start().await;
    let redis = RedisServer::start(Keep::Everything).await;
    let email = world.queue_with("email", Duration::from_secs(60), 100).await;
    let profile = world.queue("profile", Duration::from_secs(60)).await;
    let mut env = environment(&world, "smtp://127.0.0.1:1");
    with_queues(&mut env, &email, &profile);
    env.insert("REDIS_URL".to_owned(), redis.url());
    let link = RedisLink::new(&redis.url().into()).unwrap();
    let (fleet, marks) = (Fleet::new(link.clone()), PauseMarks::new(link));
    let report = |queue: &str, version: &str| Report {
        queue: queue.to_owned(),
        version: version.to_owned(),
        ..Report::default()
    };
    let waits = Report { paused: Some("paused: waiting for smtp (554)".to_owned()), ..report(&email.arn, "0.2.0") };
    fleet.say("email", "a", &report(&email.arn, "0.1.0")).await.unwrap();
    fleet.say("email", "b", &waits).await.unwrap();
    fleet.say("profile", "c", &report("arn:aws:sqs:us-east-1:000000000000:another", "0.1.0")).await.unwrap();
    let (since, until) = (Timestamp::now(), "9999-01-01T00:00:00Z".parse().unwrap());
    let pause = Pause { by: "anna".to_owned(), why: "a deploy".to_owned(), since, until };
    marks.set("profile", &pause).await.unwrap();
    let of_workers = ["paused", "paused_by_hand", "no_worker", "worker_elsewhere", "releases_differ"];
    let (code, mut faults) = examine(&env).await;
    faults.retain(|(_, fault)| of_workers.contains(&fault.as_str()));
    let found =
        expected(&[("email", &["paused", "releases_differ"]), ("profile", &["paused_by_hand", "worker_elsewhere"])]);
    assert_eq!((code, faults), (Some(69), found));
}
