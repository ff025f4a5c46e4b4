//! Somebody else has written to keys of ours: that is those users' fault alone, and told in words.

use std::collections::BTreeMap;
use std::time::Duration;

use user_events::events::EmailAddress;
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Claim, Fingerprint, Key, Ledger, LedgerError, Release, Request, Setbacks, Terms};
use user_events::mail::Composer;
use user_events::profiles::redis::RedisProfiles;
use user_events::redis_link::RedisLink;

use super::KIND;
use crate::world::http::get;
use crate::world::processes::{Worker, both, execute};
use crate::world::redis_server::{Keep, RedisServer};
use crate::world::smtp::SmtpServer;
use crate::world::{TestQueue, World, address, event, eventually};

const SOON: Duration = Duration::from_secs(20);
/// What somebody else wrote; no letter and no log may hold it.
const THEIRS: &str = "hunter2-Zx9";

/// Reason and detail of each dead letter, by user.
async fn letters(world: &World, queue: &TestQueue, count: u32) -> BTreeMap<String, (String, String)> {
    let all = || async { (world.depth(&queue.dlq_url).await.visible == count).then_some(()) };
    eventually(&format!("{count} dead letters"), SOON, all).await;
    let told = |(body, said): (String, BTreeMap<String, String>)| {
        assert!(!format!("{said:?}").contains(THEIRS), "{said:?}");
        let event: serde_json::Value = serde_json::from_str(&body).unwrap();
        let user = event["userId"].as_str().unwrap().to_owned();
        (user, (said["failure.reason"].clone(), said["failure.detail"].clone()))
    };
    world.dead_letters(queue).await.into_iter().map(told).collect()
}

fn expected(told: &[(&str, &str)]) -> BTreeMap<String, (String, String)> {
    let of = |(user, detail): &(&str, &str)| ((*user).to_owned(), ("record_broken".to_owned(), (*detail).to_owned()));
    told.iter().map(of).collect()
}

#[tokio::test]
async fn a_record_that_nobody_can_read_quarantines_its_own_event_and_pauses_nothing() {
    let (world, smtp, redis) =
        tokio::join!(World::start(), SmtpServer::start(), RedisServer::start_as(KIND, Keep::Nothing));
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    let key = |user: &str| Key::new("welcome_email", user).as_str().to_owned();
    let profile_of = |user: &str| RedisProfiles::key(&user.parse().unwrap());
    let hash = |user: &str, field: &'static str, value: &'static str| {
        // As we write it, but for one field.
        let email: EmailAddress = address(user).parse().unwrap();
        let fingerprint =
            Fingerprint::spelled(&[&email.canonical(), Composer::WELCOME], &[&email.folded(), Composer::WELCOME]);
        let sound = ["st", "P", "gen", "1", "att", "0", "fp", fingerprint.exact(), "tok", "", "dl", "0", field, value];
        [vec!["HSET".to_owned(), key(user)], sound.map(str::to_owned).to_vec()].concat()
    };
    let text = |key: String| ["SET".to_owned(), key, THEIRS.to_owned()].to_vec();
    let stamp = ["HSET".to_owned(), profile_of("u-gen"), "email_at".to_owned(), THEIRS.to_owned()].to_vec();
    for words in [
        text(key("u-type")),
        hash("u-gen", "gen", THEIRS),
        hash("u-state", "st", "Q"),
        hash("u-sends", "att", "1e9"),
        hash("u-lease", "dl", "nan"),
        text(profile_of("u-type")),
        stamp,
    ] {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let _: redis::Value = redis.command(&words).await;
    }

    let users = ["u-good", "u-type", "u-gen", "u-state", "u-sends", "u-lease", "u-fine"];
    let bodies = users.map(event);
    tokio::join!(world.send_all(&email, &bodies), world.send_all(&profile, &bodies));
    let mut env = both(&world, &smtp, &email, &profile);
    env.insert("REDIS_URL".to_owned(), redis.url());
    let worker = Worker::start(&env);
    let told = letters(&world, &email, 5).await;
    let number = |field| format!("its field {field} is no number");
    let (gen_, att, dl) = (number("gen"), number("att"), number("dl"));
    assert_eq!(
        told,
        expected(&[
            ("u-type", "its key holds no hash"),
            ("u-gen", &gen_),
            ("u-state", "its field st is no state"),
            ("u-sends", &att),
            ("u-lease", &dl),
        ])
    );
    let told = letters(&world, &profile, 2).await;
    assert_eq!(told, expected(&[("u-type", "its key holds no hash"), ("u-gen", "a stamp of its is none")]));
    tokio::join!(world.drained(&email, SOON), world.drained(&profile, SOON));
    assert_eq!(
        (smtp.accepted().len(), smtp.accepted_to(&address("u-good")), smtp.accepted_to(&address("u-fine"))),
        (2, 1, 1)
    );
    assert_eq!(get(&worker.address().await, "/readyz").await, (200, "email: ready\nprofile: ready\n".to_owned()));
    let log = worker.log().join("\n");
    assert!(!log.contains("paused") && !log.contains("waiting") && !log.contains(THEIRS), "{log}");
    assert_eq!(worker.terminate().await, Some(0));

    for (user, rule) in [("u-type", "no hash"), ("u-gen", "gen is no number"), ("u-state", "st is no state")] {
        let shown = execute(&env, &["idem", "get", "--reaction", "email", user]).await;
        let shown = (shown.status.code(), String::from_utf8(shown.stderr).unwrap());
        assert!(shown.0 == Some(69) && shown.1.contains("the record is broken") && shown.1.contains(rule), "{shown:?}");
    }
    let forget = async |more: &[&str]| {
        let output = execute(&env, &[&["idem", "forget", "--reaction", "email", "u-type"], more].concat()).await;
        output.status.code()
    };
    assert_eq!((forget(&["--yes"]).await, forget(&["--force", "--yes"]).await), (Some(69), Some(0)));
    let is_there: bool = redis.command(&["EXISTS", &key("u-type")]).await;
    assert!(!is_there, "deleted because somebody insisted");
}

#[tokio::test]
async fn a_count_that_somebody_has_been_at_is_a_broken_record_and_no_outage() {
    let redis = RedisServer::start_as(KIND, Keep::Nothing).await;
    let ledger = RedisLedger::new(RedisLink::new(&redis.url().into()).unwrap());
    let terms = Terms::new(SOON, SOON);
    let failed = Release::Failed { message_id: "m", outcome: "transient" };
    let deferred = Release::Deferred { message_id: "m" };
    let other = Release::Failed { message_id: "another", outcome: "transient" };
    let released = async |user: &str, words: &[&str], why: Release<'static>| {
        let request = Request::new(Key::new("h", user), Fingerprint::of(&[user]));
        let mut setbacks = Ok(Setbacks::default());
        for (token, why) in [("first", failed), ("second", deferred), ("third", why)] {
            let claimed = ledger.claim(&request, token, &terms).await;
            let Ok(Claim::Acquired(lease)) = claimed else { panic!("{user}: {claimed:?}") };
            if token == "third" {
                let (word, rest) = words.split_first().expect("a command");
                let words = [&[*word, request.key.as_str()], rest].concat();
                let _: redis::Value = redis.command(&words).await;
            }
            setbacks = ledger.release(&lease, why).await;
        }
        setbacks
    };
    let count = Err(LedgerError::Broken("a count of its is no number"));
    let history = Err(LedgerError::Broken("its field fh is no history"));
    assert_eq!(released("fn", &["HDEL", "fn"], failed).await, count);
    assert_eq!(released("fn-deferred", &["HDEL", "fn"], deferred).await, count);
    assert_eq!(released("fn-odd", &["HSET", "fn", THEIRS], failed).await, count);
    assert_eq!(released("fh", &["HDEL", "fh"], failed).await, history);
    assert_eq!(released("fh-odd", &["HSET", "fh", THEIRS], failed).await, history);
    assert_eq!(released("dn", &["HDEL", "dn"], deferred).await, count);
    assert_eq!(released("d0", &["HDEL", "d0"], failed).await, count);
    assert_eq!(released("former", &["HDEL", "fh", "fn"], other).await.map(|told| told.failures), Ok(1));
    assert_eq!(released("sound", &["HSET", "mine", THEIRS], failed).await.map(|told| told.failures), Ok(2));
}
