//! Redis that is down, slow, read-only, full or forgetful: what the ledger and the worker make of it.
//!
//! Enters: a redis-server of each test's own, behind a proxy where the way there is at fault. Leaves: the
//! figures that are required, printed as measured.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{interval, sleep, timeout};
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Begin, Claim, Fingerprint, Key, Lease, Ledger, Release, Request, Setbacks, Terms};
use user_events::redis_link::RedisLink;

use super::KIND;
use crate::world::patience::patience;
use crate::world::processes::{Worker, both};
use crate::world::proxy::{Cut, Mode};
use crate::world::redis_server::{Keep, Kind, RedisServer, Ways};
use crate::world::smtp::SmtpServer;
use crate::world::{EMPTY, TestQueue, World, address, event, eventually};

const TERMS: Terms = Terms::new(Duration::from_secs(20), Duration::from_secs(600));
/// No call may keep its caller longer.
const CALL: Duration = Duration::from_secs(2);
/// Within this everything works again.
const RECOVERY: Duration = Duration::from_secs(5);

/// A ledger over a proxy before a Redis.
struct Desk {
    server: RedisServer,
    ways: Ways,
    link: RedisLink,
    ledger: RedisLedger,
}

impl Desk {
    async fn set_up() -> Self {
        let (server, ways) = RedisServer::start_behind_proxies(KIND, Keep::Nothing).await;
        let link = RedisLink::new(&ways.url().into()).unwrap();
        Self { ledger: RedisLedger::new(link.clone()), link, server, ways }
    }

    async fn acquired(&self, user: &str) -> Lease {
        match self.ledger.claim(&request(user), user, &TERMS).await {
            Ok(Claim::Acquired(lease)) => lease,
            other => panic!("{user} was not acquired: {other:?}"),
        }
    }

    async fn begun(&self, user: &str) -> Lease {
        let lease = self.acquired(user).await;
        assert_eq!(self.ledger.begin(&lease, &TERMS).await, Ok(Begin::Go));
        lease
    }

    /// Is the record on another server than the one that the URL names, if there is another?
    fn is_elsewhere(&self, user: &str) -> bool {
        KIND == Kind::One || self.server.place_of(Key::new("h", user).as_str()) > 0
    }

    async fn record(&self, user: &str) -> BTreeMap<String, String> {
        self.server.command(&["HGETALL", Key::new("h", user).as_str()]).await
    }

    /// Claims again and again until one is granted; no try may take longer than a call.
    async fn recovered(&self) {
        let (since, tried) = (Instant::now(), AtomicUsize::new(0));
        eventually("a claim is granted", RECOVERY, async || {
            let user = format!("after-{}", tried.fetch_add(1, Ordering::Relaxed));
            within(CALL, self.ledger.claim(&request(&user), &user, &TERMS)).await.ok()
        })
        .await;
        println!("the ledger recovered in {:?}", since.elapsed());
    }
}

fn request(user: &str) -> Request {
    Request::new(Key::new("h", user), Fingerprint::of(&[user]))
}

/// Its answer, which must come by itself: whoever hangs is not waited for.
async fn within<T>(limit: Duration, call: impl Future<Output = T>) -> T {
    timeout(patience(limit), call).await.expect("an answer in time")
}

/// A worker on both queues, a mail server, and a Redis of its own.
struct Service {
    world: World,
    smtp: SmtpServer,
    redis: RedisServer,
    email: TestQueue,
    profile: TestQueue,
}

impl Service {
    async fn set_up() -> Self {
        let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
        let visibility = Duration::from_secs(30);
        let (email, profile) = world.email_and_profile(visibility).await;
        Self { redis: RedisServer::start_as(KIND, Keep::Everything).await, world, smtp, email, profile }
    }

    fn worker(&self) -> Worker {
        let mut env = both(&self.world, &self.smtp, &self.email, &self.profile);
        env.insert("REDIS_URL".to_owned(), self.redis.url());
        Worker::start(&env)
    }

    async fn drained(&self) {
        let within = Duration::from_secs(60);
        tokio::join!(self.world.drained(&self.email, within), self.world.drained(&self.profile, within));
        for queue in [&self.email, &self.profile] {
            assert_eq!(self.world.depth(&queue.dlq_url).await, EMPTY, "an outage must not fill the DLQ");
        }
    }
}

#[tokio::test]
async fn a_worker_started_before_its_redis_waits_and_works_within_2_s_of_its_return() {
    let service = Service::set_up().await;
    service.redis.kill();
    let user = format!("{}-u", service.world.id);
    service.world.send(&service.email, &event(&user)).await;
    service.world.send(&service.profile, &event(&user)).await;
    let worker = service.worker();
    worker.says("waiting", Duration::from_secs(10)).await;

    service.redis.restart().await;
    let back = Instant::now();
    let line = worker.says("\"message\":\"delivery\"", Duration::from_secs(2)).await;
    println!("the first delivery ended {:?} after Redis's return", back.elapsed());
    assert!(line.contains("\"attempt\":1"), "{line}");
    service.smtp.wait_for(1, Duration::from_secs(10)).await;
    service.drained().await;
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn redis_killed_for_60_s_with_a_thousand_events_queued_costs_no_dead_letter_and_work_resumes_within_5_s() {
    const EVENTS: usize = 1_000;
    let service = Service::set_up().await;
    let users: Vec<String> = (0..EVENTS).map(|n| format!("{}-{n}", service.world.id)).collect();
    let bodies: Vec<String> = users.iter().map(|user| event(user)).collect();
    tokio::join!(service.world.send_all(&service.email, &bodies), service.world.send_all(&service.profile, &bodies));
    let worker = service.worker();
    service.smtp.wait_for(5, Duration::from_secs(20)).await;

    service.redis.kill();
    let (down, link) = (Instant::now(), RedisLink::new(&service.redis.url().into()).unwrap());
    let mut ticks = interval(Duration::from_millis(400));
    while down.elapsed() < Duration::from_secs(60) {
        ticks.tick().await;
        assert!(within(CALL, link.ping()).await.is_err(), "a dead server answered");
    }
    let before = service.smtp.accepted().len();
    assert!(before < EVENTS, "nothing was left to do after the outage");
    service.redis.restart().await;
    let back = Instant::now();
    service.smtp.wait_for(before + 1, RECOVERY).await;
    let resumed = back.elapsed();
    service.smtp.wait_for(EVENTS, Duration::from_secs(60)).await;
    service.drained().await;

    let log = worker.log();
    let attempt = |line: &String| line.split_once("\"attempt\":")?.1.split([',', '}']).next()?.parse::<u32>().ok();
    let attempts = log.iter().filter_map(attempt).max().unwrap_or(0);
    println!("{before} mails before; resumed {resumed:?} after; at most {attempts} receives");
    assert!(attempts <= 2, "{attempts} receives of one message");
    assert!(users.iter().all(|user| service.smtp.accepted_to(&address(user)) == 1), "one mail each");
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn no_call_outlasts_2_s_while_redis_is_slow_silent_frozen_or_gone() {
    let desk = Desk::set_up().await;
    let lease = desk.begun("u").await;
    let calls = async || {
        let claim = within(CALL, desk.ledger.claim(&request("v"), "v", &TERMS)).await;
        assert!(claim.is_err(), "{claim:?}");
        let begin = within(CALL, desk.ledger.begin(&lease, &TERMS)).await;
        assert!(begin.is_err(), "{begin:?}");
        assert!(within(CALL, desk.ledger.ping()).await.is_err());
        // Many at once, all in need of a new connection.
        let commits = (0..10).map(|_| within(CALL, desk.ledger.commit(&lease, "", &TERMS)));
        for commit in futures_util::future::join_all(commits).await {
            assert!(commit.is_err());
        }
    };
    for mode in [Mode::Delay(Duration::from_secs(3)), Mode::Hole, Mode::Refuse] {
        desk.ways.set(mode);
        desk.ways.reset();
        calls().await;
        desk.ways.set(Mode::Pass);
        desk.recovered().await;
    }
    desk.server.pause();
    calls().await;
    desk.server.resume();
    desk.recovered().await;
    desk.server.kill();
    calls().await;
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_not_busy_for_its_own_token() {
    let desk = Desk::set_up().await;
    // There is a connection to every server.
    for number in 0..20 {
        desk.acquired(&format!("warm-{number}")).await;
    }

    // Slow: the request arrives after its caller has given up.
    desk.ways.set(Mode::Delay(Duration::from_secs(3)));
    assert!(within(CALL, desk.ledger.claim(&request("slow"), "slow", &TERMS)).await.is_err());
    desk.ways.set(Mode::Pass);
    let late = || async { (!desk.record("slow").await.is_empty()).then_some(()) };
    eventually("the late claim is on record", Duration::from_secs(5), late).await;
    let lease = desk.acquired("slow").await;
    assert_eq!(desk.ledger.begin(&lease, &TERMS).await, Ok(Begin::Go));
    assert_eq!(desk.record("slow").await["att"], "1");

    // Cut: it was done, and its answer never came. At each place of what comes to the client, up to behind its end.
    let mut places = 0;
    for bytes in (0..).step_by(6) {
        let user = (0..).map(|n| format!("cut-{bytes}-{n}")).find(|user| desk.is_elsewhere(user)).unwrap();
        let place = desk.server.place_of(Key::new("h", &user).as_str());
        let fresh = || RedisLedger::new(RedisLink::new(&desk.ways.url().into()).unwrap());
        let broken = desk.ways.broken();
        desk.ways.cut_next(place, Cut::ToClient(bytes));
        let claim = fresh().claim(&request(&user), &user, &TERMS).await;
        let Ok(Claim::Acquired(lease)) = claim else { panic!("{user}: {claim:?}") };
        let was_cut = desk.ways.broken() > broken;
        desk.ways.cut_next(place, Cut::ToClient(bytes));
        assert_eq!(fresh().begin(&lease, &TERMS).await, Ok(Begin::Go));
        let record = desk.record(&user).await;
        assert_eq!((record["gen"].as_str(), record["att"].as_str()), ("1", "1"), "asked twice, counted once");
        if !was_cut {
            break;
        }
        places += 1;
    }
    assert!(places > 5, "the first connection was cut at {places} places");

    // Frozen: the server itself answers late.
    desk.server.pause();
    assert!(within(CALL, desk.ledger.claim(&request("frozen"), "frozen", &TERMS)).await.is_err());
    desk.server.resume();
    let lease = desk.acquired("frozen").await;
    assert_eq!(desk.ledger.begin(&lease, &TERMS).await, Ok(Begin::Go));
    assert_eq!(desk.record("frozen").await["gen"], "1");
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_replaced_within_5_s() {
    let desk = Desk::set_up().await;
    let lease = desk.begun("u").await;
    desk.ways.set(Mode::Hole);
    assert!(within(CALL, desk.ledger.renew(&lease, &TERMS)).await.is_err());
    desk.ways.set(Mode::Pass);
    desk.recovered().await;

    // Silent for one connection only: the caller does not even notice.
    desk.ways.set(Mode::Hole);
    let renew = desk.ledger.renew(&lease, &TERMS);
    let heal = async {
        sleep(Duration::from_millis(300)).await;
        desk.ways.set(Mode::Pass);
    };
    let (renewed, ()) = tokio::join!(within(CALL, renew), heal);
    assert_eq!(renewed, Ok(true), "the second try is made on a new connection");
}

#[tokio::test]
async fn a_redis_out_of_memory_refuses_claims_and_takes_commits_renewals_and_releases() {
    let desk = Desk::set_up().await;
    let (sent, waiting, unsent) =
        (desk.begun("sent").await, desk.begun("waiting").await, desk.acquired("unsent").await);
    let _: String = desk.server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;

    assert!(desk.ledger.claim(&request("new"), "new", &TERMS).await.is_err(), "claimed without a record");
    assert!(desk.record("new").await.is_empty());
    assert!(desk.ledger.begin(&unsent, &TERMS).await.is_err(), "the fence opened without a record");
    assert!(desk.ledger.ping().await.is_err(), "the pause would end too early");
    assert_eq!(desk.ledger.commit(&sent, "m", &TERMS).await, Ok(()));
    assert_eq!(desk.record("sent").await["st"], "D");
    assert_eq!(desk.ledger.renew(&waiting, &TERMS).await, Ok(true));
    // Even for a server that has forgotten the scripts.
    let _: String = desk.server.command(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(desk.ledger.release(&waiting, Release::Uncounted).await, Ok(Setbacks::default()));
    assert_eq!(desk.record("waiting").await["st"], "P");

    let _: String = desk.server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    desk.recovered().await;
    assert!(matches!(desk.ledger.claim(&request("sent"), "other", &TERMS).await, Ok(Claim::Done)));
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_scripts_is_told_them_again() {
    let desk = Desk::set_up().await;
    let lease = desk.begun("u").await;
    let _: String = desk.server.command(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(desk.ledger.commit(&lease, "m", &TERMS).await, Ok(()));
    desk.server.restart().await;
    desk.recovered().await;
    assert!(desk.record("u").await.is_empty(), "this one keeps nothing over a restart");
    assert!(desk.link.hash("none").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_failover_that_loses_a_record_costs_a_second_mail_only_if_a_copy_is_still_to_come() {
    let service = Service::set_up().await;
    let worker = service.worker();
    let user = format!("{}-u", service.world.id);
    let key = Key::new("welcome_email", &user);
    service.world.send(&service.email, &event(&user)).await;
    service.smtp.wait_for(1, Duration::from_secs(20)).await;
    service.drained().await;

    // After the delete there is nothing that could be delivered again.
    assert_eq!(service.redis.command::<u32>(&["DEL", key.as_str()]).await, 1);
    let mut polls = interval(Duration::from_millis(1500));
    for _ in 0..3 {
        polls.tick().await;
    }
    assert_eq!(service.smtp.accepted_to(&address(&user)), 1);

    service.world.send(&service.email, &event(&user)).await;
    service.smtp.wait_for(2, Duration::from_secs(20)).await;
    service.drained().await;
    let mails = service.smtp.accepted();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].message_id, mails[1].message_id, "a receiver can tell the copy");
    assert_eq!(worker.terminate().await, Some(0));
}
