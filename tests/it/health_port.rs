//! The health port in hostile hands: whoever holds it costs little, stops nothing, and keeps nobody out. How long
//! each is borne, and how many there are, is said to the millisecond in `src/telemetry/port_tests.rs`.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::world::http::get;
use crate::world::patience::{at_this_pace, patience};
use crate::world::processes::{Worker, both, execute};
use crate::world::smtp::{Phase, Reaction, SmtpServer};
use crate::world::{EMPTY, World, event, eventually};

const SOON: Duration = Duration::from_secs(30);

/// Somebody who says so much and nothing more.
async fn hold(address: &str, said: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("somebody listens");
    stream.write_all(said).await.expect("it is taken");
    stream
}

/// The memory that a process holds, in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_byte_on_the_health_port_keeps_no_worker_from_stopping() {
    let budget = at_this_pace(Duration::from_secs(10));
    let (world, smtp) = (World::start().await, SmtpServer::start().await);
    let (email, profile) = world.email_and_profile(SOON).await;
    let mut env = both(&world, &smtp, &email, &profile);
    env.insert("SHUTDOWN_TIMEOUT".to_owned(), format!("{}s", budget.as_secs()));
    let mut worker = Worker::start(&env);
    let at = worker.address().await;
    let _held = hold(&at, b"G").await;
    let mut answered = hold(&at, b"GET /livez HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let mut first = [0; 12];
    answered.read_exact(&mut first).await.expect("an answer, and a connection that stays");
    assert_eq!(&first, b"HTTP/1.1 200");
    worker.signal("TERM");
    // Neither lets go before the worker's end: only the worker can end them.
    assert_eq!(worker.exit(budget + Duration::from_secs(1)).await, Some(0));
    let stopped = worker.log().into_iter().filter(|line| line.contains("stopped: drained")).count();
    assert_eq!(stopped, 2, "each reaction says how it ended");
}

#[tokio::test]
async fn half_a_request_is_shown_out() {
    let (world, smtp) = (World::start().await, SmtpServer::start().await);
    let (email, profile) = world.email_and_profile(SOON).await;
    let worker = Worker::start(&both(&world, &smtp, &email, &profile));
    let mut held = hold(&worker.address().await, b"GET /livez HTTP/1.1\r\n").await;
    let mut rest = Vec::new();
    timeout(patience(SOON), held.read_to_end(&mut rest)).await.expect("it is shown out").expect("in order");
    assert!(!String::from_utf8_lossy(&rest).contains(" 200 "));
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn thousands_of_half_requests_cost_no_memory_and_the_health_check_is_answered() {
    const HALVES: usize = 8_000;
    // As many as a test may have open; the others were shown out long before.
    const OPEN: usize = 500;
    let (world, smtp) = (World::start().await, SmtpServer::start().await);
    let (email, profile) = world.email_and_profile(SOON).await;
    let mut env = both(&world, &smtp, &email, &profile);
    let worker = Worker::start(&env);
    let at = worker.address().await;
    assert_eq!(get(&at, "/livez").await.0, 200);
    let before = resident(worker.pid().expect("it runs"));
    let mut held = VecDeque::new();
    for _ in 0..HALVES {
        held.push_back(hold(&at, b"GET /livez HTTP/1.1\r\nx-half: ").await);
        if held.len() > OPEN {
            held.pop_front();
        }
    }
    env.insert("HTTP_ADDR".to_owned(), at.clone());
    let check = execute(&env, &["healthcheck"]).await;
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stderr));
    let more = resident(worker.pid().expect("it runs")).saturating_sub(before);
    println!("{HALVES} half requests: {more} KiB");
    assert!(more < 10 * 1024, "{more} KiB more");
    drop(held);
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn out_of_file_descriptors_is_told_and_every_event_is_done() {
    const EVENTS: usize = 80;
    let (world, smtp) = (World::start().await, SmtpServer::start().await);
    let (email, profile) = world.email_and_profile(SOON).await;
    let mut env = both(&world, &smtp, &email, &profile);
    env.insert("EMAIL_WORKER_CONCURRENCY".to_owned(), EVENTS.to_string());
    // Every mail has a connection of its own, and more are wanted than may be open.
    smtp.script(Reaction::Late { at: Phase::Greeting, after: Duration::from_secs(2) });
    let bodies: Vec<String> = (0..EVENTS).map(|n| event(&format!("{}-{n}", world.id))).collect();
    world.send_all(&email, &bodies).await;
    let worker = Worker::limited(&env, 64);
    let at = worker.address().await;
    let told = || async {
        drop(TcpStream::connect(&at).await);
        let is_told = |line: &String| line.contains("health port") && line.contains("Too many open files");
        worker.log().iter().any(is_told).then_some(())
    };
    eventually("the log tells of it", SOON, told).await;
    smtp.script(Reaction::Accept);
    smtp.wait_for(EVENTS, SOON * 3).await;
    world.drained(&email, SOON * 2).await;
    assert_eq!((smtp.accepted().len(), world.depth(&email.dlq_url).await), (EVENTS, EMPTY), "each once");
    // Those that were kept go when they have idled for 30 s: then the port has descriptors again.
    let are_gone = || async { (smtp.count("QUIT") >= 20).then_some(()) };
    eventually("kept connections are closed", SOON * 2, are_gone).await;
    assert_eq!(get(&at, "/livez").await.0, 200);
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn a_second_worker_on_one_machine_is_told_which_address_is_taken_and_how_both_can_run() {
    let (world, smtp) = (World::start().await, SmtpServer::start().await);
    let (email, profile) = world.email_and_profile(SOON).await;
    let mut env = both(&world, &smtp, &email, &profile);
    let worker = Worker::start(&env);
    let at = worker.address().await;
    env.insert("HTTP_ADDR".to_owned(), at.clone());
    let second = execute(&env, &["run"]).await;
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(69), "{told}");
    assert!(told.contains(&format!("HTTP_ADDR cannot be listened on: {at}: Address already in use")), "{told}");
    assert!(told.contains("such as HTTP_ADDR=127.0.0.1:8081"), "{told}");
    assert_eq!(worker.terminate().await, Some(0));
}
