//! A panic tells where it was, and never what it says: that may be an address, and may steer a terminal.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::world::processes::Worker;

const SOON: Duration = Duration::from_secs(30);

/// The demo's workers are real ones; this one's handlers panic before each mail, with an address and an escape sequence.
fn panicking(more: &[(&str, &str)]) -> (tempfile::TempDir, Worker) {
    let folder = tempfile::tempdir().unwrap();
    let all = [("FAILPOINTS", "prepared=panic")].iter().chain(more);
    let env = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>();
    let mails = folder.path().display().to_string();
    let worker = Worker::of(&env, &["demo", "--mails", &mails]);
    (folder, worker)
}

/// All of it, once it has ended; what it must not hold the harness looks for, too.
async fn ended(mut worker: Worker) -> String {
    worker.signal("INT");
    assert_eq!(worker.exit(SOON).await, Some(130), "a panic ends nothing else");
    let told = [worker.log().join("\n"), worker.printed().await].concat();
    assert!(!told.contains("anna") && !told.contains("[2J"), "{told}");
    told
}

#[tokio::test]
async fn no_panic_prints_a_value() {
    let (_folder, worker) = panicking(&[]);
    let line = worker.says("panicked; what it said is left out", SOON).await;
    assert!(line.contains("engine/src/failpoint.rs:") && line.starts_with("thread `"), "{line}");
    assert!(!ended(worker).await.contains("backtrace"));

    let (_folder, worker) = panicking(&[("RUST_LOG", "info"), ("LOG_FORMAT", "json"), ("RUST_BACKTRACE", "1")]);
    let line = worker.says("panicked; what it said is left out", SOON).await;
    let told: Value = serde_json::from_str(&line).expect("a line of the log");
    assert!(told["at"].as_str().is_some_and(|at| at.starts_with("engine/src/failpoint.rs:")), "{line}");
    assert!(told["thread"].is_string() && told["span"]["subject"].is_string(), "it says which message: {line}");
    assert!(told["backtrace"].as_str().is_some_and(|trace| trace.contains("user_events::")), "{line}");
    ended(worker).await;
}

#[test]
fn a_reader_of_the_log_who_has_gone_ends_no_worker() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut demo = Command::new(env!("CARGO_BIN_EXE_user-events"));
    demo.arg("demo").arg("--mails").arg(folder.path()).env_clear().env("RUST_LOG", "info");
    let output = demo.stderr(writer).stdout(Stdio::piped()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}
