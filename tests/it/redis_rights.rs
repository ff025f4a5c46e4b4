//! The least rights of a Redis user: those that docs/configuration.md names are enough, and each of them is needed.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use user_events::audit::{Audit, Deed};
use user_events::event::Timestamp;
use user_events::events::UserSignedUp;
use user_events::fleet::Report;
use user_events::fleet::redis::Fleet;
use user_events::idempotency::neighbours::Neighbours;
use user_events::idempotency::records::{Forgotten, Records};
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Begin, Claim, Fingerprint, Key, Ledger, Release, Request, State, Terms};
use user_events::pauses::PauseMarks;
use user_events::profiles::redis::RedisProfiles;
use user_events::profiles::{Applied, ProfileChange, Profiles};
use user_events::redis_link::RedisLink;
use user_events::worker::Pause;

use super::KIND;
use crate::world::processes::{Worker, both, execute};
use crate::world::redis_server::{Keep, Kind, RedisServer};
use crate::world::smtp::SmtpServer;
use crate::world::{EMPTY, World, event};

const TERMS: Terms = Terms::new(Duration::from_secs(20), Duration::from_secs(600));

const IN_A_CLUSTER: [&str; 2] = ["+cluster|slots", "+asking"];

/// The words of the line in docs/configuration.md, behind the user's name and password.
fn rights() -> Vec<String> {
    let page = include_str!("../../docs/configuration.md");
    let line = page.lines().find_map(|line| line.strip_prefix("ACL SETUSER user-events on >PASSWORD "));
    let mut words: Vec<_> = line.expect("the page names them").split(' ').map(str::to_owned).collect();
    assert!(words.len() > 10, "{words:?}");
    if KIND == Kind::Cluster {
        assert!(page.contains(&format!("in a Redis Cluster `{}` too", IN_A_CLUSTER.join(" "))));
        words.extend(IN_A_CLUSTER.map(str::to_owned));
    }
    words
}

/// The user may do this and nothing else; answers the URL that names it.
async fn allow(redis: &RedisServer, rights: &[String], prefix: &str) -> String {
    let rights: Vec<_> = rights.iter().map(|word| word.replace('~', &format!("~{prefix}"))).collect();
    let user = ["ACL", "SETUSER", "user-events", "reset", "on", ">pw-for-tests"];
    let words: Vec<&str> = user.into_iter().chain(rights.iter().map(String::as_str)).collect();
    let _: () = redis.command(&words).await;
    format!("redis://user-events:pw-for-tests@127.0.0.1:{}", redis.port())
}

#[tokio::test]
async fn the_rights_that_the_readme_names_are_enough_for_run_doctor_and_idem() {
    let (world, smtp, redis) =
        tokio::join!(World::start(), SmtpServer::start(), RedisServer::start_as(KIND, Keep::Nothing));
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    let mut env = both(&world, &smtp, &email, &profile);
    env.insert("REDIS_URL".to_owned(), allow(&redis, &rights(), "staging:").await);
    env.insert("REDIS_PREFIX".to_owned(), "staging:".to_owned());
    env.insert("REQUIRE_NOEVICTION".to_owned(), "true".to_owned());
    let body = event("u-1");
    tokio::join!(world.send(&email, &body), world.send(&profile, &body));
    let worker = Worker::start(&env);
    smtp.wait_for(1, Duration::from_secs(20)).await;
    for handler in ["email", "profile"] {
        worker
            .says(&format!("\"handler\":\"{handler}\"").replace("email", "welcome_email"), Duration::from_secs(20))
            .await;
    }
    tokio::join!(world.drained(&email, Duration::from_secs(20)), world.drained(&profile, Duration::from_secs(20)));
    assert_eq!((world.depth(&email.dlq_url).await, world.depth(&profile.dlq_url).await), (EMPTY, EMPTY));
    let warned: Vec<_> =
        worker.log().into_iter().filter(|line| line.contains("WARN") && line.contains("redis")).collect();
    assert_eq!(warned, [""; 0]);

    let doctor = execute(&env, &["doctor", "--json"]).await;
    let told: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let of_redis = |found: &&Value| found["group"] == "Redis" || found["check"] == "namespace";
    let found: Vec<_> = told["findings"].as_array().unwrap().iter().filter(of_redis).collect();
    let faults: Vec<_> = found.iter().filter_map(|found| found["fault"].as_str()).collect();
    // It is one that keeps nothing; that it lets us see that is what it is about.
    let expected = match KIND {
        Kind::One => (7, vec!["redis_forgets"]),
        Kind::Cluster => (10, vec!["redis_alone", "redis_forgets"]),
    };
    assert_eq!((found.len(), faults), expected, "{found:?}");
    for (arguments, says) in [
        (&["idem", "get", "--reaction", "email", "u-1"][..], "done: sent"),
        (&["idem", "stats"], "welcome_email"),
        (&["idem", "forget", "--reaction", "email", "u-1", "--yes"], "forgotten"),
    ] {
        let output = execute(&env, arguments).await;
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && shown.contains(says), "{arguments:?}: {shown}");
    }
    assert_eq!(worker.terminate().await, Some(0));
}

/// Everything that `run`, `doctor` and `idem` ask of a Redis that knows nothing yet; the steps that failed.
async fn walk(redis: &RedisServer, url: &str) -> BTreeSet<&'static str> {
    for flush in [&["FLUSHALL"][..], &["SCRIPT", "FLUSH"]] {
        let _: () = redis.command(flush).await;
    }
    let link = RedisLink::new(&url.to_owned().into()).unwrap();
    let (ledger, records) = (RedisLedger::new(link.clone()), Records::new(link.clone()));
    let (profiles, here) = (RedisProfiles::new(link.clone()), Neighbours::new(link.clone()));
    let pauses = PauseMarks::new(link.clone());
    let mut failed = BTreeSet::new();
    let mut step = |name, is_well: bool| {
        if !is_well {
            failed.insert(name);
        }
    };
    let key = Key::new("welcome_email", "u-1");
    let request = Request::new(key.clone(), Fingerprint::of(&["a"]));
    let event = UserSignedUp::new("u-1".parse().unwrap(), "u@example.com".parse().unwrap(), None);

    if let Ok(Claim::Acquired(lease)) = ledger.claim(&request, "a", &TERMS).await {
        step("begin", ledger.begin(&lease, &TERMS).await == Ok(Begin::Go));
        step("renew", ledger.renew(&lease, &TERMS).await == Ok(true));
        let failed = Release::Failed { message_id: "m", outcome: "transient" };
        step("release", ledger.release(&lease, failed).await.is_ok_and(|told| told.failures == 1));
    } else {
        step("claim", false);
    }
    match ledger.claim(&request, "b", &TERMS).await {
        Ok(Claim::Acquired(lease)) => step("commit", ledger.commit(&lease, "r", &TERMS).await.is_ok()),
        _ => step("claim", false),
    }
    if KIND == Kind::Cluster {
        let moving = Request::new(Key::new("welcome_email", "moving"), Fingerprint::of(&["a"]));
        redis.hands_over(moving.key.as_str()).await;
        step("asking", ledger.claim(&moving, "a", &TERMS).await.is_ok());
        redis.keeps(moving.key.as_str()).await;
    }
    step("ping", ledger.ping().await.is_ok());
    step("profile", profiles.apply(&ProfileChange::of(&event)).await == Ok(Applied::Created));
    step("meet", here.meet("email", "ours").await == Ok(Vec::new()));
    let now = Timestamp::now();
    let pause = Pause { by: "a".to_owned(), why: "b".to_owned(), since: now, until: now };
    step("pause", pauses.set("email", &pause).await.is_ok() && pauses.clear("email").await.is_ok());
    step("neighbours", here.look("email").await == Ok(vec!["ours".to_owned()]));
    step("facts", link.facts().await.is_ok());
    step("persists", link.persists().await == Ok(Some(false)));
    step("get", records.look(&key).await.is_ok_and(|record| record.is_some_and(|record| record.state == State::Done)));
    step("stats", records.count(|_| ()).await.is_ok_and(|counts| counts.len() == 1));
    step("sample", records.sample(0).await.is_ok_and(|sample| sample.weights.records == 1));
    let fleet = Fleet::new(link.clone());
    step("say", fleet.say("email", "here", &Report::default()).await.is_ok());
    step("fleet", fleet.look("email").await.is_ok_and(|fleet| fleet.len() == 1));
    let audit = Audit::new(Some(link.clone()));
    audit.say(&Deed::new("anna", "drop", "email")).await;
    step("deeds", audit.last(9).await.is_ok_and(|deeds| deeds.len() == 1));
    step("forget", records.forget(&key, false).await == Ok(Forgotten::Yes(State::Done)));
    failed
}

#[tokio::test]
async fn each_right_that_the_readme_names_is_needed() {
    let (redis, rights) = (RedisServer::start_as(KIND, Keep::Nothing).await, rights());
    let url = allow(&redis, &rights, "").await;
    assert_eq!(walk(&redis, &url).await, BTreeSet::new());
    for taken in &rights {
        let rest: Vec<_> = rights.iter().filter(|right| *right != taken).cloned().collect();
        let url = allow(&redis, &rest, "").await;
        let failed = walk(&redis, &url).await;
        println!("without {taken}: {failed:?}");
        assert!(!failed.is_empty(), "nobody needs {taken}");
    }
}
