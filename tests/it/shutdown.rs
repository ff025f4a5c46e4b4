//! Told to stop: what runs is finished, what was not begun is given back, nothing is repeated.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;
use user_events::idempotency::Key;
use user_events::profiles::redis::RedisProfiles;

use crate::world::aws_faults::{RECEIVE, SqsProxy};
use crate::world::patience::at_this_pace;
use crate::world::processes::{Worker, both};
use crate::world::smtp::SmtpServer;
use crate::world::{EMPTY, World, address, event, redis};

#[tokio::test]
async fn sigterm_under_load_finishes_what_runs_and_strands_and_repeats_nothing() {
    const EVENTS: usize = 300;
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    // Longer than the test: a message stranded invisible would be missed at the end.
    let (email, profile) = world.email_and_profile(Duration::from_secs(300)).await;
    let users: Vec<String> = (0..EVENTS).map(|n| format!("{}-{n}", world.id)).collect();
    let bodies: Vec<String> = users.iter().map(|user| event(user)).collect();
    tokio::join!(world.send_all(&email, &bodies), world.send_all(&profile, &bodies));

    let env = both(&world, &smtp, &email, &profile);
    for stop_after in [20, 60, 120] {
        let mut worker = Worker::start(&env);
        smtp.wait_for(stop_after, Duration::from_secs(60)).await;
        worker.signal("TERM");
        let told = Instant::now();
        assert_eq!(worker.exit(Duration::from_secs(15)).await, Some(0));
        println!("stopped in {:?}: {}", told.elapsed(), worker.log().last().cloned().unwrap_or_default());
        let stopped: Vec<_> = worker.log().into_iter().filter(|line| line.contains("stopped: drained")).collect();
        assert_eq!(stopped.len(), 2, "each worker says how it ended");
        assert!(stopped.iter().all(|line| line.contains("abandoned 0")), "{stopped:?}");
        let (email, profile) = tokio::join!(world.depth(&email.url), world.depth(&profile.url));
        assert_eq!((email.in_flight, profile.in_flight), (0, 0), "stranded invisible");
    }
    assert!(smtp.accepted().len() < EVENTS, "the load has to outlast the stops, or nothing was shown");

    let last = Worker::start(&env);
    smtp.wait_for(EVENTS, Duration::from_secs(90)).await;
    tokio::join!(world.drained(&email, Duration::from_secs(30)), world.drained(&profile, Duration::from_secs(30)));
    assert!(users.iter().all(|user| smtp.accepted_to(&address(user)) == 1), "an effect was repeated or lost");
    assert_eq!((world.depth(&email.dlq_url).await, world.depth(&profile.dlq_url).await), (EMPTY, EMPTY));
    assert_eq!(last.terminate().await, Some(0));
}

#[tokio::test]
async fn fifty_stops_under_load_strand_nothing_burn_no_attempt_and_repeat_no_effect() {
    const STOPS: usize = 50;
    // Never fewer waiting than one worker takes at once, however fast it is.
    const BACKLOG: usize = 60;
    let budget = at_this_pace(Duration::from_secs(10));
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    // Longer than the test: a message stranded invisible would be missed at the end.
    let (email, profile) = world.email_and_profile(Duration::from_secs(600)).await;
    let mut env = both(&world, &smtp, &email, &profile);
    env.insert("SHUTDOWN_TIMEOUT".to_owned(), format!("{}s", budget.as_secs()));
    let users = Mutex::new(Vec::new());
    let publishing = async {
        loop {
            let first = users.lock().unwrap().len();
            let more: Vec<String> = (first..first + 20).map(|n| format!("{}-{n}", world.id)).collect();
            let bodies: Vec<String> = more.iter().map(|user| event(user)).collect();
            tokio::join!(world.send_all(&email, &bodies), world.send_all(&profile, &bodies));
            users.lock().unwrap().extend(more);
            smtp.wait_for((first + 20).saturating_sub(BACKLOG), Duration::from_secs(60)).await;
        }
    };
    let stopping = async {
        let (mut log, mut slowest) = (Vec::new(), Duration::ZERO);
        for _ in 0..STOPS {
            let before = smtp.accepted().len();
            let mut worker = Worker::start(&env);
            worker.says("\"running\"", Duration::from_secs(10)).await;
            // From the very start to the thick of it.
            smtp.wait_for(before + fastrand::usize(0..20), Duration::from_secs(30)).await;
            worker.signal("TERM");
            let told = Instant::now();
            assert_eq!(worker.exit(budget).await, Some(0));
            slowest = slowest.max(told.elapsed());
            log.extend(worker.log());
        }
        (log, slowest)
    };
    let (log, slowest) = tokio::select! {
        () = publishing => unreachable!("it never ends"),
        stopped = stopping => stopped,
    };

    // What was sent while the publisher was cut short is in the queues and not on its list: done all the same.
    let users = users.into_inner().unwrap();
    let last = Worker::start(&env);
    let started = Instant::now();
    tokio::join!(world.drained(&email, Duration::from_secs(30)), world.drained(&profile, Duration::from_secs(30)));
    let number = |line: &String, name: &str| -> usize {
        let after = line.split(&format!("{name} ")).nth(1).unwrap_or_default();
        after.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse().expect("a number")
    };
    let stopped: Vec<&String> = log.iter().filter(|line| line.contains("stopped: drained")).collect();
    let [drained, returned, abandoned] =
        ["drained", "returned", "abandoned"].map(|name| stopped.iter().map(|line| number(line, name)).sum::<usize>());
    println!("{STOPS} stops among {} events: {drained} drained, {returned} returned; slowest {slowest:?}", users.len());
    println!("the rest was done within {:?} of the last start", started.elapsed());
    assert_eq!((stopped.len(), abandoned), (2 * STOPS, 0));
    assert!(drained + returned >= STOPS, "too little was under way to show anything");

    let log = [log, last.log()].concat();
    let burnt = ["transient", "panicked", "timed_out", "permanent", "lease_lost", "outcome_unknown", "unavailable"];
    let burnt = burnt.map(|outcome| format!("\"outcome\":\"{outcome}"));
    let burnt = log.iter().find(|line| burnt.iter().any(|outcome| line.contains(outcome)));
    assert_eq!(burnt, None, "a delivery was cut short by a stop");
    for user in &users {
        assert_eq!(smtp.accepted_to(&address(user)), 1, "mails to {user}");
        let record = redis().hash(Key::new("welcome_email", user).as_str()).await.unwrap();
        assert_eq!((record["st"].as_str(), record["att"].as_str(), record.get("fn")), ("D", "1", None), "{user}");
        let stored = redis().hash(&RedisProfiles::key(&user.parse().unwrap())).await.unwrap();
        assert_eq!(stored["plan"], "pro", "{user}");
    }
    assert_eq!((world.depth(&email.dlq_url).await, world.depth(&profile.dlq_url).await), (EMPTY, EMPTY));
    assert_eq!(last.terminate().await, Some(0));
}

#[tokio::test]
async fn a_worker_that_is_told_to_quit_or_hung_up_on_stops_as_on_sigterm() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    for signal in ["QUIT", "HUP"] {
        let mut worker = Worker::start(&both(&world, &smtp, &email, &profile));
        worker.says("\"running\"", Duration::from_secs(10)).await;
        worker.signal(signal);
        assert_eq!(worker.exit(Duration::from_secs(15)).await, Some(0), "{signal}");
        let stopped = worker.log().into_iter().filter(|line| line.contains("stopped: drained")).count();
        assert_eq!(stopped, 2, "{signal}: each reaction says how it ended");
    }
}

#[tokio::test]
async fn a_second_signal_leaves_at_once() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    let mut env = both(&world, &smtp, &email, &profile);
    env.insert("RECEIVE_WAIT".to_owned(), "20s".to_owned());
    let proxy = SqsProxy::start(&world).await;
    env.insert("AWS_ENDPOINT_URL".to_owned(), proxy.url());
    let mut worker = Worker::start(&env);
    // Told before its first long poll, it would have nothing to wait for.
    proxy.called(RECEIVE, 2, Duration::from_secs(10)).await;

    worker.signal("INT");
    worker.says("stopping", Duration::from_secs(5)).await;
    worker.signal("INT");
    // Whoever waits for what is in flight ends with 0.
    assert_eq!(worker.exit(Duration::from_secs(5)).await, Some(130));
    let ends = worker.log().into_iter().filter(|line| line.contains("stopped: drained")).count();
    assert_eq!(ends, 0, "the 20 s long poll was waited for");
}

#[tokio::test]
async fn the_health_check_sees_a_worker_that_runs_and_one_that_does_not() {
    use crate::world::processes::execute;
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    let mut env = both(&world, &smtp, &email, &profile);
    let worker = Worker::start(&env);
    let line = worker.says("\"running\"", Duration::from_secs(10)).await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    env.insert("HTTP_ADDR".to_owned(), line["address"].as_str().unwrap().to_owned());

    assert_eq!(execute(&env, &["healthcheck"]).await.status.code(), Some(0));
    assert_eq!(worker.terminate().await, Some(0));
    assert_eq!(execute(&env, &["healthcheck"]).await.status.code(), Some(69));
}
