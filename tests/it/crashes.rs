//! Crashes: the process is killed at a named step, and another takes over. Each row of the protocol's
//! crash table is a test of that name; the mail server is the ground truth.

use std::collections::BTreeMap;
use std::time::Duration;

use user_events::profiles::redis::RedisProfiles;

use crate::world::patience::at_this_pace;
use crate::world::processes::{Worker, both};
use crate::world::smtp::SmtpServer;
use crate::world::{EMPTY, TestQueue, World, address, event, eventually, redis};

/// Short, so that a takeover is soon; the lease is three quarters of it.
fn visibility() -> Duration {
    at_this_pace(Duration::from_secs(4))
}

struct Crash {
    world: World,
    smtp: SmtpServer,
    email: TestQueue,
    profile: TestQueue,
    env: BTreeMap<String, String>,
    user: String,
}

impl Crash {
    async fn set_up() -> Self {
        let world = World::start().await;
        let smtp = SmtpServer::start().await;
        let (email, profile) = world.email_and_profile(visibility()).await;
        let env = both(&world, &smtp, &email, &profile);
        Self { user: format!("{}-u", world.id), world, smtp, email, profile, env }
    }

    fn worker(&self, failpoints: &str) -> Worker {
        if cfg!(not(feature = "failpoints")) {
            panic!("built without failpoints: run the tests by `make test` or `tests/run FILTER`");
        }
        let mut env = self.env.clone();
        env.insert("FAILPOINTS".to_owned(), failpoints.to_owned());
        Worker::start(&env)
    }

    /// Starts a worker that is to be killed, and waits until it was.
    async fn killed_at(&self, step: &str) {
        let mut worker = self.worker(&format!("{step}=kill"));
        assert_eq!(worker.exit(Duration::from_secs(20)).await, None, "killed by a signal at {step}");
    }

    /// Lets a sound worker finish what is there. Answers its log.
    async fn recover(&self) -> String {
        let worker = self.worker("");
        self.world.drained(&self.email, Duration::from_secs(30)).await;
        self.world.drained(&self.profile, Duration::from_secs(30)).await;
        let log = worker.log().join("\n");
        assert_eq!(worker.terminate().await, Some(0));
        log
    }

    /// One mail event, one kill at `step`, one recovery. Answers the mails accepted, and the log.
    async fn one_kill(step: &str) -> (usize, String) {
        let crash = Self::set_up().await;
        crash.world.send(&crash.email, &event(&crash.user)).await;
        crash.killed_at(step).await;
        let log = crash.recover().await;
        assert_eq!(crash.world.depth(&crash.email.dlq_url).await, EMPTY, "nothing was lost to the DLQ");
        (crash.smtp.accepted_to(&address(&crash.user)), log)
    }
}

const AMBIGUOUS: &str = "may be a duplicate";

#[tokio::test]
async fn killed_after_receive_before_claim_sends_one_mail() {
    let (accepted, log) = Crash::one_kill("received").await;
    assert_eq!(accepted, 1);
    assert!(!log.contains(AMBIGUOUS), "{log}");
}

#[tokio::test]
async fn killed_after_claim_before_begin_sends_one_mail() {
    for (accepted, log) in [Crash::one_kill("claimed").await, Crash::one_kill("prepared").await] {
        assert_eq!(accepted, 1);
        assert!(!log.contains(AMBIGUOUS), "{log}");
    }
}

#[tokio::test]
async fn killed_after_begin_before_the_dot_sends_one_mail_and_tells_of_a_possible_duplicate() {
    let (accepted, log) = Crash::one_kill("begun").await;
    assert_eq!(accepted, 1);
    assert!(log.contains(AMBIGUOUS), "{log}");
}

#[tokio::test]
async fn killed_after_the_dot_before_commit_sends_two_mails_with_one_message_id() {
    let crash = Crash::set_up().await;
    crash.world.send(&crash.email, &event(&crash.user)).await;
    crash.killed_at("sent").await;
    let log = crash.recover().await;
    let mails = crash.smtp.accepted();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].message_id, mails[1].message_id, "a receiver can tell the copy");
    assert!(log.contains(AMBIGUOUS), "{log}");
}

#[tokio::test]
async fn killed_after_the_dot_before_commit_with_park_sends_one_mail_and_quarantines_the_event() {
    let mut crash = Crash::set_up().await;
    crash.env.insert("ON_AMBIGUOUS".to_owned(), "park".to_owned());
    crash.world.send(&crash.email, &event(&crash.user)).await;
    crash.killed_at("sent").await;
    crash.recover().await;
    assert_eq!(crash.smtp.accepted().len(), 1);
    let letters = crash.world.dead_letters(&crash.email).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].1["failure.reason"], "outcome_unknown");
}

#[tokio::test]
async fn a_second_kill_in_that_window_quarantines_the_event_after_two_mails() {
    let crash = Crash::set_up().await;
    crash.world.send(&crash.email, &event(&crash.user)).await;
    crash.killed_at("sent").await;
    crash.killed_at("sent").await;
    crash.recover().await;
    assert_eq!(crash.smtp.accepted().len(), 2);
    let letters = crash.world.dead_letters(&crash.email).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].1["failure.reason"], "outcome_unknown");
}

#[tokio::test]
async fn killed_after_commit_before_delete_sends_one_mail() {
    let (accepted, log) = Crash::one_kill("recorded").await;
    assert_eq!(accepted, 1);
    assert!(log.contains("\"outcome\":\"duplicate\""), "{log}");
}

#[tokio::test]
async fn a_message_that_kills_its_worker_five_times_is_quarantined_as_that() {
    let mut crash = Crash::set_up().await;
    // As many receives as a mail that is deferred for a day may need: no protection from this one.
    let patient = crash.world.queue_with("patient", visibility(), 100).await;
    crash.env.insert("EMAIL_QUEUE_URL".to_owned(), patient.url.clone());
    crash.email = patient;
    crash.world.send(&crash.email, &event(&crash.user)).await;
    for _ in 0..5 {
        assert_eq!(crash.world.depth(&crash.email.dlq_url).await, EMPTY, "given up too early");
        crash.killed_at("claimed").await;
    }
    let log = crash.recover().await;
    assert!(log.contains("\"outcome\":\"kills_its_worker\""), "{log}");
    assert_eq!(crash.smtp.accepted().len(), 0);
    let letters = crash.world.dead_letters(&crash.email).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].1["failure.reason"], "kills_its_worker");
}

#[tokio::test]
async fn stopped_longer_than_the_lease_before_begin_sends_one_mail() {
    let crash = Crash::set_up().await;
    crash.world.send(&crash.email, &event(&crash.user)).await;
    let frozen = crash.worker("prepared=stop");
    // It says 354 and freezes; its lease and its message's visibility run out meanwhile.
    eventually("the frozen worker is at DATA", Duration::from_secs(20), || async {
        crash.smtp.commands().iter().any(|verb| verb == "DATA").then_some(())
    })
    .await;
    crash.recover().await;
    assert_eq!(crash.smtp.accepted().len(), 1, "the other worker took over");

    frozen.signal("CONT");
    let line = frozen.says("\"message\":\"delivery\"", Duration::from_secs(10)).await;
    assert!(!line.contains("\"outcome\":\"done\""), "the fence let it pass: {line}");
    assert_eq!(frozen.terminate().await, Some(0));
    assert_eq!(crash.smtp.accepted().len(), 1);
}

#[tokio::test]
async fn a_profile_is_written_exactly_once_wherever_its_worker_is_killed() {
    for step in ["received", "claimed", "sent", "recorded"] {
        let crash = Crash::set_up().await;
        crash.world.send(&crash.profile, &event(&crash.user)).await;
        crash.killed_at(step).await;
        let log = crash.recover().await;
        let key = RedisProfiles::key(&crash.user.parse().unwrap());
        assert_eq!(redis().hash(&key).await.unwrap()["email"], address(&crash.user), "killed at {step}");
        let again = if matches!(step, "sent" | "recorded") { "duplicate" } else { "done" };
        assert!(log.contains(&format!("\"outcome\":\"{again}\"")), "killed at {step}: {log}");
    }
}
