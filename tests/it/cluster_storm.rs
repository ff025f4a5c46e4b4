//! Everything at once that can happen to a Redis Cluster, while three workers work: one mail for each event.
//!
//! Enters: `CLUSTER_EVENTS`, `CLUSTER_KILLS` and `CLUSTER_SLOTS` for the long form. Leaves: the figures that are required,
//! printed as measured. A call that takes too long, a lost event, a second mail, a dead letter, or a pause of a worker
//! while slots move fails the test.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Fingerprint, Key, Ledger, Request, Terms};
use user_events::redis_link::{RedisLink, slot_of};

use crate::world::patience::patience;
use crate::world::processes::{Worker, both, execute};
use crate::world::redis_cluster::RedisCluster;
use crate::world::redis_node::RedisNode;
use crate::world::smtp::SmtpServer;
use crate::world::{EMPTY, TestQueue, World, address, event, eventually};

const TERMS: Terms = Terms::new(Duration::from_secs(20), Duration::from_secs(600));
/// No call may keep its caller longer.
const CALL: Duration = Duration::from_secs(2);
/// Within this after another master is there, work goes on.
const RECOVERY: Duration = Duration::from_secs(5);
/// Events that come before each fault.
const PHASES: usize = 4;

fn size(name: &str, short: usize) -> usize {
    std::env::var(name).map_or(short, |text| text.parse().expect("a whole number"))
}

struct Storm {
    world: World,
    cluster: RedisCluster,
    smtp: SmtpServer,
    email: TestQueue,
    profile: TestQueue,
    workers: Vec<Worker>,
    users: AtomicUsize,
    published: Mutex<Vec<String>>,
}

impl Storm {
    async fn begin() -> Self {
        let (world, cluster, smtp) = tokio::join!(World::start(), RedisCluster::start(), SmtpServer::start());
        let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
        let mut env = both(&world, &smtp, &email, &profile);
        env.insert("REDIS_URL".to_owned(), cluster.url());
        let workers = (0..3).map(|_| Worker::start(&env)).collect();
        Self { world, cluster, smtp, email, profile, workers, users: AtomicUsize::new(0), published: Mutex::default() }
    }

    fn next_user(&self) -> String {
        format!("{}-{}", self.world.id, self.users.fetch_add(1, Ordering::Relaxed))
    }

    async fn publish(&self, users: &[String]) {
        self.published.lock().unwrap().extend_from_slice(users);
        let bodies: Vec<_> = users.iter().map(|user| event(user)).collect();
        let (email, profile) = (self.world.send_all(&self.email, &bodies), self.world.send_all(&self.profile, &bodies));
        tokio::join!(email, profile);
    }

    async fn events(&self, count: usize) {
        self.publish(&(0..count).map(|_| self.next_user()).collect::<Vec<_>>()).await;
    }

    /// A mail goes out for a user whose records have this slot; how long that took.
    async fn resumes(&self, slot: u16) -> Duration {
        let range = slot..slot.saturating_add(2_000);
        let user = std::iter::repeat_with(|| self.next_user()).find(|user| range.contains(&slot_of(user))).unwrap();
        let since = Instant::now();
        self.publish(std::slice::from_ref(&user)).await;
        let mail = || async { (self.smtp.accepted_to(&address(&user)) == 1).then_some(()) };
        eventually("work is resumed", RECOVERY, mail).await;
        since.elapsed()
    }

    /// A fault hits the master of a slot; work goes on once another is there.
    async fn hit(&self, slot: u16, fault: &str, hits: impl AsyncFn(&RedisNode), ends: impl AsyncFn(&RedisNode)) {
        let former = self.cluster.master_of(slot).await.expect("somebody has it");
        let since = Instant::now();
        hits(former).await;
        self.cluster.succeeded(former, slot).await;
        let elected = since.elapsed();
        let resumed = self.resumes(slot).await;
        ends(former).await;
        self.cluster.whole().await;
        println!("{fault}: another master after {elected:?}, a mail {resumed:?} later");
    }

    /// Pauses of the workers so far, and how long those took that ended.
    fn pauses(&self) -> (usize, Vec<String>) {
        let logs: Vec<_> = self.workers.iter().flat_map(Worker::log).collect();
        let after = |line: &String| Some(line.split_once("\"after\":\"")?.1.split('"').next()?.to_owned());
        let resumed = logs.iter().filter(|line| line.contains("\"resumed\"")).filter_map(after).collect();
        (logs.iter().filter(|line| line.contains("\"paused: ")).count(), resumed)
    }

    /// Moves so many slots from one master to the next, under load; no worker pauses meanwhile.
    async fn move_slots(&self, count: usize) {
        let (before, _) = self.pauses();
        let (since, mut moved) = (Instant::now(), 0);
        let masters = join_all([0, 6_000, 12_000].map(|slot| self.cluster.master_of(slot))).await;
        for first in (0..16_000).step_by(1_000).cycle() {
            if moved >= count {
                break;
            }
            let of = self.cluster.master_of(first).await.expect("a master").port;
            let to = masters.iter().flatten().find(|master| master.port != of).expect("another");
            moved += self.cluster.move_slots(first..first + 1_000, to).await;
        }
        println!("{moved} slots moved in {:?}", since.elapsed());
        let (after, lengths) = self.pauses();
        assert_eq!(after, before, "a worker paused while slots moved: {lengths:?}");
    }
}

/// Claims records all the time; each call must end in time. How many were done, how many were not, and the longest.
async fn probe(url: String, stop: CancellationToken) -> (usize, BTreeMap<String, usize>, Duration) {
    let ledger = RedisLedger::new(RedisLink::new(&url.into()).unwrap());
    let (mut done, mut failed, mut longest) = (0, BTreeMap::new(), Duration::ZERO);
    while !stop.is_cancelled() {
        let user = fastrand::u64(..).to_string();
        let request = Request::new(Key::new("probe", &user), Fingerprint::of(&[&user]));
        let since = Instant::now();
        match timeout(patience(CALL), ledger.claim(&request, &user, &TERMS)).await.expect("an answer in time") {
            Ok(_) => done += 1,
            Err(error) => *failed.entry(error.to_string()).or_default() += 1,
        }
        longest = longest.max(since.elapsed());
        sleep(Duration::from_millis(5)).await;
    }
    (done, failed, longest)
}

#[tokio::test]
async fn masters_die_freeze_hand_over_and_slots_move_while_three_workers_work_and_each_event_has_one_mail() {
    let (events, kills, slots) = (size("CLUSTER_EVENTS", 400), size("CLUSTER_KILLS", 1), size("CLUSTER_SLOTS", 1_000));
    let storm = Storm::begin().await;
    let stop = CancellationToken::new();
    let probing = tokio::spawn(probe(storm.cluster.url(), stop.clone()));

    for kill in 0..kills {
        storm.events(events / PHASES / kills).await;
        let slot = [0, 6_000, 12_000][kill % 3];
        storm.hit(slot, "killed", async |node| node.kill(), async |node| node.restart().await).await;
    }
    storm.events(events / PHASES).await;
    storm.hit(6_000, "frozen", async |node| node.pause(), async |node| node.resume()).await;
    storm.events(events / PHASES).await;
    let promotes = async |_: &RedisNode| {
        let master = storm.cluster.master_of(12_000).await.unwrap();
        storm.cluster.promote(master, 12_000).await;
    };
    storm.hit(12_000, "promoted", promotes, async |_| ()).await;
    let so_far = storm.published.lock().unwrap().len();
    let (_, ()) = tokio::join!(storm.events(events.saturating_sub(so_far)), storm.move_slots(slots));

    let within = Duration::from_secs(180);
    tokio::join!(storm.world.drained(&storm.email, within), storm.world.drained(&storm.profile, within));
    stop.cancel();
    let (done, failed, longest) = probing.await.unwrap();
    println!("{done} probes were done, the longest took {longest:?}; those that were not: {failed:?}");
    println!("pauses of three workers, two reactions each: {:?}", storm.pauses());

    for queue in [&storm.email, &storm.profile] {
        assert_eq!(storm.world.depth(&queue.dlq_url).await, EMPTY);
    }
    let published = storm.published.lock().unwrap().clone();
    let with_mails = |n: usize| published.iter().filter(|user| storm.smtp.accepted_to(&address(user)) == n).count();
    println!("{} events: {} without a mail, {} with one", published.len(), with_mails(0), with_mails(1));
    assert_eq!((published.len() >= events, with_mails(1)), (true, published.len()), "each has one");
    for worker in storm.workers {
        assert_eq!(worker.terminate().await, Some(0));
    }
    let env = BTreeMap::from([("REDIS_URL".to_owned(), storm.cluster.url())]);
    let stats = execute(&env, &["idem", "stats"]).await;
    println!("{}", String::from_utf8_lossy(&stats.stdout));
}
