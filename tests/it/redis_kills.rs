//! What happened goes on record however long Redis is away.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::KIND;
use crate::world::processes::{Worker, environment};
use crate::world::redis_server::{Keep, Kind, RedisServer};
use crate::world::smtp::{Phase, Reaction, SmtpServer};
use crate::world::{EMPTY, World, address, event, eventually};

/// How often Redis is killed while mails wait for their 250, and how many of these go on side by side.
const ROUNDS: u64 = match KIND {
    Kind::One => 10,
    Kind::Cluster => 3,
};
const AT_ONCE: u64 = 10;
const MAILS: usize = 4;

/// Redis is killed while mails wait for their 250, and is back after 1 to 30 s: for longer, at times, than a claim lasts.
async fn killed_in_the_window(round: u64) {
    let mut dice = fastrand::Rng::with_seed(round);
    let (answer, kill) = (Duration::from_millis(dice.u64(1000..4000)), Duration::from_millis(dice.u64(0..1500)));
    // Of ten rounds, one for each three seconds.
    let outage = Duration::from_millis(1000 + round % 10 * 2900 + dice.u64(0..2900));
    let (world, smtp, redis) =
        tokio::join!(World::start(), SmtpServer::start(), RedisServer::start_as(KIND, Keep::Everything));
    smtp.script(Reaction::Late { at: Phase::Dot, after: answer });
    let queue = world.queue("email", Duration::from_secs(30)).await;
    let mut env = environment(&world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());
    env.insert("REDIS_URL".to_owned(), redis.url());
    let workers = [Worker::start(&env), Worker::start(&env)];
    let users: Vec<String> = (0..MAILS).map(|n| format!("{}-{n}", world.id)).collect();
    world.send_all(&queue, &users.iter().map(|user| event(user)).collect::<Vec<_>>()).await;

    // Taken, and not answered yet.
    smtp.wait_for(1, Duration::from_secs(60)).await;
    sleep(kill.min(answer / 2)).await;
    redis.kill();
    let waiting = smtp.accepted().len();
    sleep(outage).await;
    redis.restart().await;
    smtp.script(Reaction::Accept);

    smtp.wait_for(MAILS, Duration::from_secs(120)).await;
    world.drained(&queue, Duration::from_secs(120)).await;
    let told = format!("round {round}: {waiting} mails waited, away for {outage:?}");
    for user in &users {
        assert_eq!(smtp.accepted_to(&address(user)), 1, "{told}: {user}");
    }
    assert_eq!(world.depth(&queue.dlq_url).await, EMPTY, "{told}");
    for worker in workers {
        let unrecorded = worker.log().into_iter().find(|line| line.contains("not on record"));
        assert_eq!((unrecorded, worker.terminate().await), (None, Some(0)), "{told}");
    }
    println!("{told}: each once, and on record");
}

#[tokio::test]
async fn redis_killed_while_mails_wait_for_their_250_makes_no_second_mail_and_no_letter() {
    let rounds = std::env::var("RECORD_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a whole number"));
    let all: Vec<u64> = (0..rounds).collect();
    for side_by_side in all.chunks(AT_ONCE as usize) {
        join_all(side_by_side.iter().map(|round| killed_in_the_window(*round))).await;
    }
}

#[tokio::test]
async fn redis_dead_between_the_250_and_the_mark_when_a_stop_ends_is_named_and_makes_no_second_mail() {
    let (world, smtp, redis) =
        tokio::join!(World::start(), SmtpServer::start(), RedisServer::start_as(KIND, Keep::Everything));
    smtp.script(Reaction::Late { at: Phase::Dot, after: Duration::from_secs(3) });
    let queue = world.queue("email", Duration::from_secs(30)).await;
    let mut env = environment(&world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());
    env.insert("REDIS_URL".to_owned(), redis.url());
    env.insert("SHUTDOWN_TIMEOUT".to_owned(), "12s".to_owned());
    let mut worker = Worker::start(&env);
    world.send(&queue, &event(&world.id)).await;
    smtp.wait_for(1, Duration::from_secs(60)).await;
    redis.kill();
    worker.signal("TERM");
    let line = worker.says("not on record", Duration::from_secs(30)).await;
    assert!(line.contains("ERROR") && line.contains("message_id"), "{line}");
    assert_eq!(worker.exit(Duration::from_secs(30)).await, Some(0));
    let deleted = || async { (world.depth(&queue.url).await == EMPTY).then_some(()) };
    eventually("the message is deleted: kept, it would be sent again", Duration::from_secs(10), deleted).await;
    redis.restart().await;
    let next = Worker::start(&env);
    next.says("\"running\"", Duration::from_secs(20)).await;
    world.send(&queue, &event(&format!("{}-next", world.id))).await;
    smtp.wait_for(2, Duration::from_secs(60)).await;
    assert_eq!(smtp.accepted_to(&address(&world.id)), 1);
    assert_eq!(next.terminate().await, Some(0));
}
