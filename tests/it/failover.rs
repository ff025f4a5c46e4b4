//! Redis fails over, or hands its keys over: who has them now is found within 5 s, and nobody else notices.
//!
//! Enters: a cluster of six for each test. Leaves: the figures that are required, printed as measured.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Begin, Claim, Fingerprint, Key, Ledger, LedgerError, Request, Terms};
use user_events::redis_link::{RedisLink, slot_of};

use crate::world::eventually;
use crate::world::patience::patience;
use crate::world::redis_cluster::RedisCluster;
use crate::world::redis_node::RedisNode;
use crate::world::redis_server::{Keep, RedisServer};

const TERMS: Terms = Terms::new(Duration::from_secs(20), Duration::from_secs(600));
/// No call may keep its caller longer.
const CALL: Duration = Duration::from_secs(2);
/// Within this everything works again.
const RECOVERY: Duration = Duration::from_secs(5);

fn ledger(url: String) -> RedisLedger {
    RedisLedger::new(RedisLink::new(&url.into()).unwrap())
}

fn request(user: &str) -> Request {
    Request::new(Key::new("h", user), Fingerprint::of(&[user]))
}

/// A user whose records have this slot; each number another user.
fn user_of(slot: u16, number: usize) -> String {
    (0_u32..).map(|n| format!("u{number}-{n}")).find(|user| slot_of(user) == slot).unwrap()
}

async fn claims(ledger: &RedisLedger, user: &str) -> Result<Claim, LedgerError> {
    timeout(patience(CALL), ledger.claim(&request(user), user, &TERMS)).await.expect("an answer in time")
}

/// Claims records of this slot until one is granted; how long that took.
async fn recovered(ledger: &RedisLedger, slot: u16) -> Duration {
    let (since, tried) = (Instant::now(), AtomicUsize::new(1_000));
    eventually("a claim is granted", RECOVERY, async || {
        claims(ledger, &user_of(slot, tried.fetch_add(1, Ordering::Relaxed))).await.ok()
    })
    .await;
    since.elapsed()
}

#[tokio::test]
async fn a_demoted_primary_is_left_within_5_s_of_a_writable_one() {
    let server = RedisServer::start(Keep::Nothing).await;
    let ledger = ledger(server.url());
    let Ok(Claim::Acquired(lease)) = claims(&ledger, "u").await else { panic!("not acquired") };
    assert_eq!(ledger.begin(&lease, &TERMS).await, Ok(Begin::Go));
    let _: String = server.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    assert!(claims(&ledger, "v").await.is_err(), "a replica took a claim");
    assert!(ledger.commit(&lease, "", &TERMS).await.is_err());
    assert!(ledger.ping().await.is_err(), "a probe that reads only would end the pause too early");
    let _: String = server.command(&["REPLICAOF", "NO", "ONE"]).await;
    println!("the ledger recovered in {:?}", recovered(&ledger, 0).await);
    assert_eq!(ledger.commit(&lease, "m", &TERMS).await, Ok(()));
    assert!(matches!(ledger.claim(&request("u"), "other", &TERMS).await, Ok(Claim::Done)));
}

#[tokio::test]
async fn a_demoted_primary_of_a_cluster_is_left_within_5_s_of_a_writable_one() {
    let cluster = RedisCluster::start().await;
    let ledger = ledger(cluster.url());
    let former = cluster.master_of(0).await.unwrap();
    let user = user_of(0, 1);
    let Ok(Claim::Acquired(lease)) = claims(&ledger, &user).await else { panic!("not acquired") };
    cluster.promote(former, 0).await;
    println!("promoted: {:?} until a claim", recovered(&ledger, 0).await);
    assert_eq!(ledger.begin(&lease, &TERMS).await, Ok(Begin::Go), "handed over in order, it is all there");
}

/// While this master is away: calls for its keys end in time, those for other keys are done.
async fn is_missed_by_its_own_keys_alone(ledger: &RedisLedger, slots: [u16; 3]) {
    for number in 0..5 {
        let [its, others @ ..] = slots;
        let (its_user, others) = (user_of(its, number), others.map(|slot| user_of(slot, number)));
        let others = join_all(others.iter().map(|user| claims(ledger, user)));
        let (its, others) = tokio::join!(claims(ledger, &its_user), others);
        assert!(others.iter().all(Result::is_ok), "{others:?}");
        assert_eq!(ledger.ping().await, Ok(()), "events of the other shards go on");
        if its.is_ok() {
            println!("elected before the call of round {number} ended");
        }
    }
}

async fn one_is_gone(goes: impl AsyncFn(&RedisNode), comes_back: impl AsyncFn(&RedisNode)) {
    let cluster = RedisCluster::start().await;
    let ledger = ledger(cluster.url());
    for slot in [0, 8_000, 16_000] {
        claims(&ledger, &user_of(slot, 999)).await.unwrap();
    }
    let former = cluster.master_of(0).await.unwrap();
    goes(former).await;
    is_missed_by_its_own_keys_alone(&ledger, [0, 8_000, 16_000]).await;
    cluster.succeeded(former, 0).await;
    println!("another was elected: {:?} until a claim", recovered(&ledger, 0).await);
    comes_back(former).await;
    cluster.whole().await;
    println!("the former is back: {:?} until a claim", recovered(&ledger, 0).await);
}

#[tokio::test]
async fn a_master_that_is_killed_is_missed_by_its_own_keys_alone_and_its_successor_found_within_5_s() {
    one_is_gone(async |node| node.kill(), async |node| node.restart().await).await;
}

#[tokio::test]
async fn a_master_that_is_frozen_is_missed_by_its_own_keys_alone_and_its_successor_found_within_5_s() {
    one_is_gone(async |node| node.pause(), async |node| node.resume()).await;
}

#[tokio::test]
async fn keys_that_move_to_another_server_are_followed_without_one_error() {
    let cluster = RedisCluster::start().await;
    let ledger = ledger(cluster.url());
    let (from, to) = (cluster.master_of(0).await.unwrap(), cluster.master_of(16_000).await.unwrap());
    let users: Vec<_> = (0..200).map(|number| user_of(number % 20, usize::from(number))).collect();
    let mut leases = Vec::new();
    for user in &users {
        let Ok(Claim::Acquired(lease)) = claims(&ledger, user).await else { panic!("{user}") };
        leases.push(lease);
    }

    // Half way: what was there moves by and by, what is new goes to the new server.
    let id = async |node: &RedisNode| node.command::<String>(&["CLUSTER", "MYID"]).await;
    let (source, target) = (id(from).await, id(to).await);
    let _: () = to.command(&["CLUSTER", "SETSLOT", "5", "IMPORTING", &source]).await;
    let _: () = from.command(&["CLUSTER", "SETSLOT", "5", "MIGRATING", &target]).await;
    // None of them is there: each asks the new server, many at once by one connection, and it learns the script.
    let fresh: Vec<_> = (5_000..5_050).map(|number| user_of(5, number)).collect();
    let answers = join_all(fresh.iter().map(|user| claims(&ledger, user))).await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Claim::Acquired(_)))), "{answers:?}");
    let there: u32 = to.command(&["CLUSTER", "COUNTKEYSINSLOT", "5"]).await;
    assert_eq!(there, 50, "they are where the slot goes");

    let renews = async {
        let mut rounds = 0;
        loop {
            for renewed in
                join_all(leases.iter().map(|lease| timeout(patience(CALL), ledger.renew(lease, &TERMS)))).await
            {
                assert_eq!(renewed.expect("in time"), Ok(true));
            }
            rounds += 1;
            sleep(Duration::from_millis(5)).await;
            if cluster.master_of(19).await.is_some_and(|master| master.port == to.port) && rounds > 5 {
                return rounds;
            }
        }
    };
    let (moved, rounds) = tokio::join!(cluster.move_slots(0..20, to), renews);
    println!("{moved} slots moved during {rounds} rounds of {} calls", leases.len());
    for (lease, user) in leases.iter().zip(&users) {
        assert_eq!(ledger.begin(lease, &TERMS).await, Ok(Begin::Go), "{user}");
    }
}
