//! `pause` and `resume`: every worker of a reaction obeys, nothing is lost, and no receive is spent.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use crate::world::http::get;
use crate::world::processes::{Worker, environment, execute};
use crate::world::redis_server::{Keep, RedisServer};
use crate::world::smtp::SmtpServer;
use crate::world::{Depth, TestQueue, World, event, eventually};

const SOON: Duration = Duration::from_secs(20);

/// A mail server, a queue and a Redis of its own.
struct Stage {
    world: World,
    smtp: SmtpServer,
    queue: TestQueue,
    redis: RedisServer,
    env: BTreeMap<String, String>,
}

impl Stage {
    async fn start() -> Self {
        let (world, smtp, redis) = tokio::join!(World::start(), SmtpServer::start(), RedisServer::start(Keep::Nothing));
        let queue = world.queue("email", Duration::from_secs(30)).await;
        let mut env = environment(&world, &smtp.url());
        let url = redis.url();
        for (name, value) in [("EMAIL_QUEUE_URL", queue.url.as_str()), ("REDIS_URL", &url), ("RECEIVE_WAIT", "0s")] {
            env.insert(name.to_owned(), value.to_owned());
        }
        Self { world, smtp, queue, redis, env }
    }

    /// What a command says, and its exit.
    async fn says(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let output = execute(&self.env, arguments).await;
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8(said).unwrap(), output.status.code())
    }

    async fn sends(&self, users: std::ops::Range<usize>) {
        for user in users {
            self.world.send(&self.queue, &event(&format!("u-{user}"))).await;
        }
    }

    async fn depth(&self) -> Depth {
        self.world.depth(&self.queue.url).await
    }
}

/// Waits until the worker's `/readyz` is green and begins with these words.
async fn is(worker: &Worker, words: &str) -> String {
    let at = worker.address().await;
    let look = async || {
        let (status, told) = get(&at, "/readyz").await;
        (status == 200 && told.starts_with(words)).then_some(told)
    };
    eventually(words, SOON, look).await
}

#[tokio::test]
async fn four_workers_paused_by_hand_receive_nothing_lose_nothing_and_go_on_when_told() {
    let stage = Stage::start().await;
    let mut workers: Vec<Worker> = (0..4).map(|_| Worker::start(&stage.env)).collect();
    stage.sends(0..4).await;
    stage.smtp.wait_for(4, SOON).await;

    let (said, code) = stage.says(&["pause", "email", "--why", "the CRM is moved", "--as", "night shift"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("email: paused by night shift: the CRM is moved (since 2"), "{said}");
    assert!(said.contains("To end it: user-events resume email\n"), "{said}");
    join_all(workers.iter().map(|worker| is(worker, "email: paused by night shift: the CRM is moved"))).await;
    eventually("all is settled", SOON, async || (stage.depth().await.in_flight == 0).then_some(())).await;

    let told = async || stage.says(&["status"]).await.0.contains("4 workers: paused by night shift").then_some(());
    eventually("the status", 2 * SOON, told).await;

    // One of them starts anew meanwhile.
    stage.sends(4..24).await;
    assert_eq!(workers.pop().unwrap().terminate().await, Some(0));
    workers.push(Worker::start(&stage.env));
    join_all(workers.iter().map(|worker| is(worker, "email: paused by night shift"))).await;
    assert_eq!(stage.depth().await, Depth { visible: 20, in_flight: 0 });

    let (said, code) = stage.says(&["resume", "email"]).await;
    assert_eq!((said.lines().next(), code), (Some("email: its workers receive within 6 s"), Some(0)));
    stage.smtp.wait_for(24, SOON).await;
    stage.world.drained(&stage.queue, SOON).await;
    for worker in workers {
        is(&worker, "email: ready").await;
        let log = worker.log();
        assert!(log.iter().filter(|line| line.contains("\"outcome\"")).all(|line| line.contains("\"attempt\":1")));
        assert_eq!(worker.terminate().await, Some(0));
    }
}

#[tokio::test]
async fn a_pause_holds_while_redis_is_away_and_ends_by_itself() {
    let stage = Stage::start().await;
    let worker = Worker::start(&stage.env);
    is(&worker, "email: ready").await;
    let (said, code) = stage.says(&["pause", "email", "--for", "20s", "--why", "a test"]).await;
    assert_eq!(code, Some(0), "{said}");
    is(&worker, "email: paused by ").await;
    stage.redis.kill();
    stage.sends(0..1).await;
    let (said, code) = stage.says(&["resume", "email"]).await;
    assert_eq!(code, Some(69), "{said}");
    assert_eq!(stage.depth().await, Depth { visible: 1, in_flight: 0 });
    stage.redis.restart().await;
    stage.smtp.wait_for(1, 2 * SOON).await;
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn a_pause_that_outlasts_half_of_the_retention_or_says_no_reason_is_refused_with_exit_2() {
    let stage = Stage::start().await;
    for (arguments, words) in [
        (&["pause", "email", "--why", "x", "--for", "49h"][..], "at most 2days, half of the 4days"),
        (&["pause", "email", "--why", "x", "--for", "0s"], "--for"),
        (&["pause", "email", "--why", " "], "--why must have 1 to 200 characters"),
        (&["pause", "email"], "--why"),
        (&["pause", "mail", "--why", "x"], "email"),
    ] {
        let (said, code) = stage.says(arguments).await;
        assert!(code == Some(2) && said.contains(words), "{arguments:?}: {code:?} {said}");
    }
    let (said, code) = stage.says(&["resume", "email"]).await;
    assert!(code == Some(0) && said.contains("was not paused"), "{said}");
}
