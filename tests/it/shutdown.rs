//! Told to stop: what runs is finished, what was not begun is given back, nothing is repeated.

use std::time::Duration;

use tokio::time::Instant;

use crate::world::processes::{Worker, both};
use crate::world::smtp::SmtpServer;
use crate::world::{EMPTY, World, address, event};

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
async fn a_second_signal_leaves_at_once() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    let mut env = both(&world, &smtp, &email, &profile);
    env.insert("RECEIVE_WAIT".to_owned(), "20s".to_owned());
    let mut worker = Worker::start(&env);
    worker.says("\"running\"", Duration::from_secs(10)).await;

    worker.signal("INT");
    worker.says("stopping", Duration::from_secs(5)).await;
    let told_again = Instant::now();
    worker.signal("INT");
    assert_eq!(worker.exit(Duration::from_secs(5)).await, Some(130));
    assert!(told_again.elapsed() < Duration::from_secs(2), "the 20 s long poll was waited for");
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
