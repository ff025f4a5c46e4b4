//! `idem`: records as a person sees them, and taken back without a delivery noticing too late.

use std::collections::BTreeMap;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use user_events::idempotency::records::{Forgotten, Records};
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{
    Begin, Claim, Fingerprint, Key, Lease, Ledger, OnAmbiguous, Release, Request, State, Terms,
};
use user_events::redis_link::RedisLink;

use crate::world::processes::execute;
use crate::world::redis_server::{Keep, RedisServer};
use crate::world::{redis, servers, unique};

const TERMS: Terms = Terms::new(Duration::from_secs(30), Duration::from_secs(600));

fn request(user: &str, content: &str) -> Request {
    Request::new(Key::new("welcome_email", user), Fingerprint::of(&[content]))
}

/// A ledger beside the records that a person sees.
fn both() -> (RedisLedger, Records) {
    (RedisLedger::new(redis()), Records::new(redis()))
}

async fn claimed(ledger: &RedisLedger, user: &str, content: &str) -> Lease {
    match ledger.claim(&request(user, content), &unique(), &TERMS).await.unwrap() {
        Claim::Acquired(lease) => lease,
        other => panic!("not acquired: {other:?}"),
    }
}

async fn run(arguments: &[&str]) -> Output {
    execute(&servers(), arguments).await
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn shown(user: &str) -> Value {
    let output = run(&["idem", "get", "--reaction", "email", user, "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["record"].take()
}

#[tokio::test]
async fn a_record_is_shown_in_each_of_its_states() {
    let (ledger, _) = both();
    let user = unique();
    assert_eq!(shown(&user).await, Value::Null);

    let lease = claimed(&ledger, &user, "a").await;
    let record = shown(&user).await;
    assert_eq!((&record["state"], &record["sends"]), (&"claimed".into(), &0.into()));
    assert!((1..=30_000).contains(&record["heldForMs"].as_u64().unwrap()), "{record}");

    assert_eq!(ledger.begin(&lease, &TERMS).await, Ok(Begin::Go));
    let record = shown(&user).await;
    assert_eq!((&record["state"], &record["sends"]), (&"begun".into(), &1.into()));

    ledger.commit(&lease, "id@acme.example", &TERMS).await.unwrap();
    let record = shown(&user).await;
    assert_eq!((&record["state"], &record["receipt"]), (&"done".into(), &"id@acme.example".into()));
    assert_eq!(record["heldForMs"], Value::Null, "what is done is held by nobody");
    assert!(record["claimedAt"].as_str() <= record["settledAt"].as_str(), "{record}");
    assert!(record["settledAt"].as_str() < record["keptUntil"].as_str(), "{record}");

    let parked = unique();
    let once = Terms::new(Duration::from_millis(1), TERMS.retention).on_ambiguous(OnAmbiguous::Park);
    let Claim::Acquired(lease) = ledger.claim(&request(&parked, "a"), "t1", &once).await.unwrap() else { panic!() };
    assert_eq!(ledger.begin(&lease, &once).await, Ok(Begin::Go));
    crate::world::eventually("the lease is over", Duration::from_secs(5), || async {
        let claim = ledger.claim(&request(&parked, "a"), &unique(), &once).await.unwrap();
        matches!(claim, Claim::Parked).then_some(())
    })
    .await;
    assert_eq!(shown(&parked).await["state"], "parked");
}

#[tokio::test]
async fn forgetting_is_the_remedy_for_a_conflict() {
    let (ledger, _) = both();
    let user = unique();
    let lease = claimed(&ledger, &user, "wrong@example.com").await;
    ledger.release(&lease, Release::Uncounted).await.unwrap();
    let right = request(&user, "right@example.com");
    assert!(matches!(ledger.claim(&right, &unique(), &TERMS).await.unwrap(), Claim::Conflict));

    let rehearsal = run(&["idem", "forget", "--reaction", "email", &user]).await;
    assert_eq!(rehearsal.status.code(), Some(0));
    assert!(stdout(&rehearsal).contains("Nothing was changed"), "{}", stdout(&rehearsal));
    assert!(matches!(ledger.claim(&right, &unique(), &TERMS).await.unwrap(), Claim::Conflict), "a dry run wrote");

    let done = run(&["idem", "forget", "--reaction", "email", &user, "--yes"]).await;
    assert_eq!((done.status.code(), &*stdout(&done).chars().take(9).collect::<String>()), (Some(0), "forgotten"));
    assert!(matches!(ledger.claim(&right, &unique(), &TERMS).await.unwrap(), Claim::Acquired(_)));
}

#[tokio::test]
async fn a_record_is_not_forgotten_under_a_delivery_that_holds_its_lease() {
    let (ledger, records) = both();
    let user = unique();
    let lease = claimed(&ledger, &user, "a").await;
    for arguments in [&["--yes"][..], &[]] {
        let refused = run(&[&["idem", "forget", "--reaction", "email", &user], arguments].concat()).await;
        assert_eq!(refused.status.code(), Some(69));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("holds its lease"));
    }
    assert_eq!(ledger.begin(&lease, &TERMS).await, Ok(Begin::Go), "the delivery goes on");
    assert!(matches!(records.forget(&key_of(&user), false).await.unwrap(), Forgotten::Held(_)));

    let forced = run(&["idem", "forget", "--reaction", "email", &user, "--force", "--yes"]).await;
    assert_eq!(forced.status.code(), Some(0), "{}", String::from_utf8_lossy(&forced.stderr));
    assert_eq!(ledger.begin(&lease, &TERMS).await, Ok(Begin::Lost), "and is stopped once it was forced");
}

fn key_of(user: &str) -> Key {
    Key::new("welcome_email", user)
}

#[tokio::test]
async fn an_owner_that_paused_does_not_pass_for_the_one_after_the_forgetting() {
    let (ledger, records) = both();
    let user = unique();
    let old = claimed(&ledger, &user, "a").await;
    assert_eq!(records.forget(&key_of(&user), true).await, Ok(Forgotten::Yes(State::Claimed)));
    assert_eq!(records.forget(&key_of(&user), true).await, Ok(Forgotten::NoRecord));
    let new = claimed(&ledger, &user, "b").await;
    assert_eq!(ledger.begin(&old, &TERMS).await, Ok(Begin::Lost));
    assert_eq!(ledger.renew(&old, &TERMS).await, Ok(false));
    ledger.release(&old, Release::Uncounted).await.unwrap();
    assert_eq!(ledger.begin(&new, &TERMS).await, Ok(Begin::Go));
}

/// On a Redis of its own: the shared one holds other tests' records.
#[tokio::test]
async fn all_records_are_counted_by_handler_and_state_and_strangers_keys_are_not() {
    let server = RedisServer::start(Keep::Nothing).await;
    let link = RedisLink::new(&server.url().into()).unwrap();
    let ledger = RedisLedger::new(link.clone());
    // More than one page, so that pages are put together.
    for user in (0..2_500).map(|n| format!("u{n}")) {
        let lease = claimed(&ledger, &user, "a").await;
        match user.as_str() {
            "u0" | "u1" => drop(ledger.begin(&lease, &TERMS).await.unwrap()),
            "u2" => ledger.commit(&lease, "r", &TERMS).await.unwrap(),
            _ => {}
        }
    }
    let other = Request::new(Key::new("greeter", "}odd user{"), Fingerprint::of(&["a"]));
    assert!(matches!(ledger.claim(&other, "t", &TERMS).await.unwrap(), Claim::Acquired(_)));
    ledger.ping().await.unwrap();
    let _: () = server.command(&["HSET", "idem:v2:{u}:other", "st", "D"]).await;

    let mut pages = 0;
    let counts = Records::new(link).count(|_| pages += 1).await.unwrap();
    let of = |states: &[(State, u64)]| states.iter().copied().collect::<BTreeMap<_, _>>();
    let emails = of(&[(State::Claimed, 2_497), (State::Begun, 2), (State::Done, 1)]);
    let expected = [("greeter".to_owned(), of(&[(State::Claimed, 1)])), ("welcome_email".to_owned(), emails)].into();
    assert_eq!(counts, expected);
    assert!(pages > 1, "one page shows nothing");

    let env = BTreeMap::from([("REDIS_URL".to_owned(), server.url())]);
    let output = execute(&env, &["idem", "stats", "--json"]).await;
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let emails = serde_json::json!({ "claimed": 2_497, "begun": 2, "done": 1, "parked": 0 });
    assert_eq!(shown["handlers"]["welcome_email"], emails);
    let memory = &shown["memory"];
    let of = |name: &str| memory[name].as_f64().unwrap_or_else(|| panic!("{name}: {memory}"));
    // Of 2,503 keys 2,000 are drawn, some more than once.
    assert!((1_000.0..=2_000.0).contains(&of("sampled")), "{memory}");
    assert!((200.0..=600.0).contains(&of("bytesEach")), "{memory}");
    assert_eq!((of("newADay"), memory["maxBytes"].is_null()), (2_501.0, true), "{memory}");
    assert!((of("bytes") - of("bytesEach") * 2_501.0).abs() <= 1.0, "{memory}");
    let grown = of("usedBytesInAWeek") - of("usedBytes");
    // They are kept for less than a week: those that are there end.
    assert!((grown - 6.0 * of("bytes")).abs() <= 1_000.0, "{grown} bytes more in a week: {memory}");
    let shown = String::from_utf8(execute(&env, &["idem", "stats"]).await.stdout).unwrap();
    assert!(shown.contains("2501 records take about") && shown.contains("without a maxmemory"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "wider than a terminal:\n{shown}");
    server.kill();
    let output = execute(&env, &["idem", "stats"]).await;
    assert_eq!(output.status.code(), Some(69), "{}", String::from_utf8_lossy(&output.stderr));
}
