//! Chaos: workers are killed, frozen and cut off while events arrive; then the books are balanced.
//!
//! Enters: `CHAOS_EVENTS`, `CHAOS_KILLS`, `CHAOS_WORKERS`, `CHAOS_SEED` (short without them; the seed is
//! printed). Leaves: a table. Promises: nothing is lost, no mail goes out more than twice, and each
//! second mail is paired with a fault that fell between the first one's acceptance and its record.

mod checker;
mod fleet;
mod history;
mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::sleep;
use user_events::profiles::redis::RedisProfiles;

use self::checker::Books;
use self::fleet::{Command, Slot};
use self::history::{History, What, Who};
use self::plan::{Fault, Plan, RECEIVES, Settings, Side, handler, visibility};
use crate::world::processes::{Worker, both, environment};
use crate::world::proxy::{Mode, Proxy};
use crate::world::redis_server::{Keep, RedisServer};
use crate::world::smtp::SmtpServer;
use crate::world::{EMPTY, TestQueue, World, address, event, redis};

/// All that a run consists of.
pub struct Arena {
    pub world: World,
    pub smtp: SmtpServer,
    pub redis: RedisServer,
    pub email: TestQueue,
    pub profile: TestQueue,
    pub history: History,
    pub users: Vec<String>,
    slots: Vec<Slot>,
    /// One fault at a time on each proxy, so that the end of one is not the end of another.
    proxies: Vec<[Mutex<()>; 2]>,
    server: Mutex<()>,
}

impl Arena {
    async fn set_up(settings: &Settings, plan: &Plan) -> Self {
        let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
        let redis = RedisServer::start(Keep::Everything).await;
        let (email, profile) = tokio::join!(
            world.queue_with("email", visibility(), RECEIVES),
            world.queue_with("profile", visibility(), RECEIVES)
        );
        let users: Vec<String> = (0..settings.events).map(|n| format!("{}-{n}", world.id)).collect();
        for (user, replies) in &plan.replies {
            smtp.script_for(&address(&users[*user]), replies.clone());
        }
        let mut env = environment(&world, &smtp.url());
        let handler = format!("{}s", handler().as_secs());
        let ours = [
            ("EMAIL_QUEUE_URL", email.url.as_str()),
            ("PROFILE_QUEUE_URL", &profile.url),
            ("HANDLER_TIMEOUT", &handler),
            ("SMTP_REPLY_TIMEOUT", &handler),
            ("RETRY_BACKOFF", "1s..4s"),
            // Kills eat receives: the last of them would wait for most of it.
            ("RETRY_FOR", "2m"),
            ("FAILPOINTS", &plan.failpoints),
        ];
        env.extend(ours.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let history = History::default();
        let mut slots = Vec::new();
        for slot in 0..settings.workers {
            slots.push(Slot::start(slot, env.clone(), (redis.port(), smtp.port()), history.clone()).await);
        }
        let proxies = slots.iter().map(|_| [Mutex::default(), Mutex::default()]).collect();
        Self { world, smtp, redis, email, profile, history, users, slots, proxies, server: Mutex::default() }
    }

    async fn publish(&self, copies: &[usize]) {
        let bodies: Vec<String> = copies.iter().map(|user| event(&self.users[*user])).collect();
        tokio::join!(self.world.send_all(&self.email, &bodies), self.world.send_all(&self.profile, &bodies));
    }

    /// Causes one fault, waits for its end, and writes it down.
    async fn cause(&self, fault: Fault) {
        match fault {
            Fault::Kill { slot } => self.slots[slot].tell(Command::Kill),
            Fault::Stop { slot, lasting } => self.slots[slot].tell(Command::Stop(lasting)),
            Fault::Reset { slot, side } => self.slots[slot].proxy(side).reset(),
            Fault::Cut { slot, side, cut } => self.slots[slot].proxy(side).cut_next(cut),
            Fault::Mode { slot, side, mode, lasting } => {
                let _alone = self.proxies[slot][side as usize].lock().await;
                let from = Instant::now();
                self.slots[slot].proxy(side).set(mode);
                sleep(lasting).await;
                self.slots[slot].proxy(side).set(side.as_usual());
                self.history.add(Who::Slot(slot), What::Mode(side, mode), from);
            }
            Fault::RedisKill { down } => {
                let _alone = self.server.lock().await;
                let from = Instant::now();
                self.redis.kill();
                sleep(down).await;
                self.redis.restart().await;
                self.history.add(Who::All, What::RedisDown, from);
            }
            Fault::ReadOnly { lasting } => {
                let orders = [["REPLICAOF", "127.0.0.1", "1"].as_slice(), &["REPLICAOF", "NO", "ONE"]];
                self.order(orders, lasting, What::ReadOnly).await;
            }
            Fault::OutOfMemory { lasting } => {
                let set = |bytes| ["CONFIG", "SET", "maxmemory", bytes];
                self.order([&set("1"), &set("0")], lasting, What::OutOfMemory).await;
            }
        }
    }

    async fn order(&self, [begin, end]: [&[&str]; 2], lasting: Duration, what: What) {
        let _alone = self.server.lock().await;
        let from = Instant::now();
        let _: String = self.redis.command(begin).await;
        sleep(lasting).await;
        let _: String = self.redis.command(end).await;
        self.history.add(Who::All, what, from);
    }

    /// Publishes and breaks, step by step; then waits until the last fault is over.
    async fn rage(self: &Arc<Self>, plan: &Plan) {
        let steps = plan.steps.len();
        let mut faults = JoinSet::new();
        for (n, (pause, fault)) in plan.steps.iter().enumerate() {
            let share = plan.copies.len() * n / steps..plan.copies.len() * (n + 1) / steps;
            self.publish(&plan.copies[share]).await;
            sleep(*pause).await;
            let (arena, fault) = (self.clone(), *fault);
            faults.spawn(async move { arena.cause(fault).await });
        }
        while let Some(ended) = faults.join_next().await {
            ended.expect("the fault was caused");
        }
    }

    /// Sound processes on sound ways finish what is there.
    async fn recover(&self, within: Duration) {
        for slot in &self.slots {
            slot.tell(Command::Calm);
        }
        tokio::join!(self.world.drained(&self.email, within), self.world.drained(&self.profile, within));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_loses_nothing_and_leaves_no_duplicate_unexplained() {
    let settings = Settings::read();
    println!("{settings:?}");
    let plan = settings.plan();
    let started = Instant::now();
    let arena = Arc::new(Arena::set_up(&settings, &plan).await);
    arena.rage(&plan).await;
    let raged = started.elapsed();
    // A mail that met several faults has been told "not now" as often: it waits for minutes.
    arena.recover(Duration::from_secs(900)).await;
    println!("faults for {raged:.0?}, drained {:.0?} later", started.elapsed() - raged);

    let mut arena = Arc::into_inner(arena).expect("every fault has ended");
    let mut past = Vec::new();
    for (slot, running) in std::mem::take(&mut arena.slots).into_iter().enumerate() {
        for (side, proxy) in [(Side::Redis, &running.redis), (Side::Smtp, &running.smtp)] {
            for at in proxy.broken() {
                arena.history.add_moment(Who::Slot(slot), What::Broken(side), at);
            }
        }
        past.extend(running.end().await);
    }
    let books = Books::balance(&arena, &past).await;
    println!("{books}");
    books.demand();
}

/// Every worker's way to the mail server is slow, so that deliveries of one event overlap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_alone_make_no_duplicate() {
    const USERS: usize = 60;
    let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
    let slow = Proxy::start(smtp.port()).await;
    slow.set(Mode::Delay(Duration::from_millis(20)));
    let (email, profile) = world.email_and_profile(visibility()).await;
    let mut env = both(&world, &smtp, &email, &profile);
    env.insert("SMTP_URL".to_owned(), format!("smtp://127.0.0.1:{}", slow.port()));
    let workers: Vec<Worker> = (0..3).map(|_| Worker::start(&env)).collect();
    let users: Vec<String> = (0..USERS).map(|n| format!("{}-{n}", world.id)).collect();
    let bodies: Vec<String> = users.iter().flat_map(|user| vec![event(user); 4]).collect();
    tokio::join!(world.send_all(&email, &bodies), world.send_all(&profile, &bodies));

    let within = Duration::from_secs(90);
    smtp.wait_for(USERS, within).await;
    tokio::join!(world.drained(&email, within), world.drained(&profile, within));
    let outcomes = end(workers).await;
    println!("outcomes: {outcomes:?}");
    assert!(outcomes.contains_key("busy"), "no two deliveries overlapped: this run has shown nothing");
    for user in &users {
        assert_eq!(smtp.accepted_to(&address(user)), 1, "mails to {user}");
        let profile = redis().hash(&RedisProfiles::key(&user.parse().unwrap())).await.unwrap();
        assert_eq!(profile["email"], address(user));
    }
    assert_eq!((world.depth(&email.dlq_url).await, world.depth(&profile.dlq_url).await), (EMPTY, EMPTY));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_event_twenty_times_on_eight_workers_sends_one_mail() {
    let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
    let (email, profile) =
        tokio::join!(world.queue_with("email", visibility(), 50), world.queue_with("profile", visibility(), 50));
    let mut env = both(&world, &smtp, &email, &profile);
    env.insert("WORKER_CONCURRENCY".to_owned(), "3".to_owned());
    let workers: Vec<Worker> = (0..8).map(|_| Worker::start(&env)).collect();
    for worker in &workers {
        worker.says("\"running\"", Duration::from_secs(20)).await;
    }
    let user = format!("{}-u", world.id);
    world.send_all(&email, &vec![event(&user); 20]).await;

    smtp.wait_for(1, Duration::from_secs(30)).await;
    world.drained(&email, Duration::from_secs(60)).await;
    let outcomes = end(workers).await;
    println!("outcomes: {outcomes:?}");
    assert_eq!(smtp.accepted_to(&address(&user)), 1);
    assert_eq!((outcomes["done"], outcomes["duplicate"]), (1, 19), "each copy is deleted once");
    assert_eq!(world.depth(&email.dlq_url).await, EMPTY);
}

/// Ends workers in good order. Answers how many deliveries had which outcome.
async fn end(workers: Vec<Worker>) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    for mut worker in workers {
        worker.signal("TERM");
        assert_eq!(worker.exit(Duration::from_secs(30)).await, Some(0));
        for line in worker.log() {
            let Some((_, rest)) = line.split_once("\"outcome\":\"") else { continue };
            let name = rest.split('"').next().unwrap_or_default();
            *outcomes.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    outcomes
}
