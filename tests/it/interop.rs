//! Others' code: publishers and consumers written from the source's snippets, and a mail server and
//! a deployment that nobody here wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::timeout;
use user_events::profiles::redis::RedisProfiles;

use crate::world::patience::patience;
use crate::world::processes::{Worker, both, environment, execute};
use crate::world::smtp::SmtpServer;
use crate::world::{World, address, eventually, redis};

fn python(world: &World, script: &str, arguments: &[&str]) -> Command {
    let python = std::env::var("TEST_PYTHON").expect("no Python with boto3: run the tests by `make test`");
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
    let mut command = Command::new(python);
    command.arg(script).args(arguments).env_clear().envs(&world.env).kill_on_drop(true);
    let times = patience(Duration::from_secs(1)).as_secs();
    command.env("TEST_PATIENCE", times.to_string()); // for deadlines of its own
    command
}

/// Runs one of tests/interop's scripts, which must succeed.
pub async fn run(world: &World, script: &str, arguments: &[&str]) -> Output {
    let run = python(world, script, arguments).stdin(Stdio::null()).output();
    let output = timeout(patience(Duration::from_secs(120)), run).await.expect("the script ends").expect("Python runs");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

async fn profile_of(user: &str) -> BTreeMap<String, String> {
    let link = redis();
    let key = RedisProfiles::key(&user.parse().unwrap());
    eventually("the profile", Duration::from_secs(30), || async {
        let stored = link.hash(&key).await.unwrap();
        (!stored.is_empty()).then_some(stored)
    })
    .await
}

#[tokio::test]
async fn what_the_sources_publisher_sends_gets_mail_and_profile_from_our_worker() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    let topic = world.topic(&[&email, &profile]).await;
    let worker = Worker::start(&both(&world, &smtp, &email, &profile));
    let (first, second) = (format!("{}-v1", world.id), format!("{}-v2", world.id));
    run(&world, "publish.py", &[&topic, "v1", &first, &address(&first)]).await;
    run(&world, "publish.py", &[&topic, "v2", &second, &address(&second)]).await;

    smtp.wait_for(2, Duration::from_secs(30)).await;
    assert_eq!((smtp.accepted_to(&address(&first)), smtp.accepted_to(&address(&second))), (1, 1));
    let (first, second) = (profile_of(&first).await, profile_of(&second).await);
    assert_eq!(first.get("plan"), None, "version 1 says nothing of a plan");
    assert_eq!(second["plan"], "pro");
    assert!(second["signed_up_at"].starts_with("20"), "without a timestamp, SNS's own stands in: {second:?}");
    tokio::join!(world.drained(&email, Duration::from_secs(10)), world.drained(&profile, Duration::from_secs(10)));
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn a_consumer_written_from_the_sources_snippet_reads_what_we_publish() {
    let world = World::start().await;
    let queue = world.queue("snippet", Duration::from_secs(30)).await;
    let topic = world.topic(&[&queue]).await;
    let mut env = world.env.clone();
    env.insert("USER_EVENTS_TOPIC_ARN".to_owned(), topic);
    let user = format!("{}-u", world.id);
    let arguments =
        ["publish", "--user-id", &user, "--email", &address(&user), "--plan", "pro", "--count", "23", "--json"];
    let published = execute(&env, &arguments).await;
    assert_eq!(published.status.code(), Some(0), "{}", String::from_utf8_lossy(&published.stderr));
    let published: serde_json::Value = serde_json::from_slice(&published.stdout).unwrap();
    assert_eq!((&published["published"], &published["failed"]), (&23.into(), &0.into()));

    let output = run(&world, "consume.py", &[&queue.url, "23"]).await;
    let read: Vec<serde_json::Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut users: Vec<_> = read.iter().map(|event| event["userId"].as_str().unwrap().to_owned()).collect();
    users.sort_unstable();
    users.dedup();
    assert_eq!(users.len(), 23);
    for event in &read {
        assert_eq!(
            (&event["type"], &event["version"], &event["plan"]),
            (&"user.signed_up".into(), &"2".into(), &"pro".into())
        );
        assert_eq!(event["email"], address(&user));
        assert_eq!(event["eventId"].as_str().map(str::len), Some(36));
        assert!(event["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')));
    }
}

#[tokio::test]
async fn events_from_a_file_are_all_validated_before_the_first_is_sent() {
    let world = World::start().await;
    let queue = world.queue("file", Duration::from_secs(30)).await;
    let topic = world.topic(&[&queue]).await;
    let mut env = world.env.clone();
    env.insert("USER_EVENTS_TOPIC_ARN".to_owned(), topic);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("events.jsonl");
    let good = crate::world::event("u");
    std::fs::write(&file, format!("{good}\nhello\n{good}\n{{\"type\":\"user.signed_up\"}}\n")).unwrap();

    let output = execute(&env, &["publish", "--file", &file.display().to_string()]).await;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("line 2:") && stderr.contains("line 4:"), "{stderr}");

    std::fs::write(&file, format!("{good}\n\n{good}\n")).unwrap();
    let output = execute(&env, &["publish", "--file", &file.display().to_string()]).await;
    assert_eq!(output.status.code(), Some(0));
    // The topic fans out in order of publishing: had the refused file sent any, there would be more.
    let arrived = || async {
        let visible = world.depth(&queue.url).await.visible;
        (visible >= 2).then_some(visible)
    };
    assert_eq!(eventually("both events", Duration::from_secs(20), arrived).await, 2);
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_an_error_and_never_silence() {
    let world = World::start().await;
    let mut env = world.env.clone();
    env.insert("USER_EVENTS_TOPIC_ARN".to_owned(), format!("arn:aws:sns:us-east-1:000000000000:{}", world.id));
    let output = execute(&env, &["publish", "--user-id", "u", "--email", "u@example.com"]).await;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{stderr}");
    assert!(stderr.contains("NotFound") && !stderr.contains("u@example.com"), "{stderr}");
}

/// A mail server from PyPI; ends when its standard input closes.
pub async fn aiosmtpd(world: &World, directory: &Path, tls: Option<&str>) -> (Child, u16) {
    let (port_file, mails) = (directory.join("port"), directory.join("mails"));
    let (port_name, mails_name) = (port_file.display().to_string(), mails.display().to_string());
    let arguments: Vec<&str> = [port_name.as_str(), &mails_name].into_iter().chain(tls).collect();
    let mut command = python(world, "aiosmtpd_sink.py", &arguments);
    let child = command.stdin(Stdio::piped()).spawn().expect("Python runs");
    let port = eventually("aiosmtpd listens", Duration::from_secs(20), || async {
        std::fs::read_to_string(&port_file).ok()?.trim().parse().ok()
    })
    .await;
    (child, port)
}

async fn first_mail(directory: &Path) -> Option<String> {
    let file = std::fs::read_dir(directory.join("mails/new")).ok()?.next()?.ok()?;
    std::fs::read_to_string(file.path()).ok()
}

#[tokio::test]
async fn mail_goes_out_under_tls_from_the_start_or_by_starttls_to_a_server_that_is_trusted() {
    for (mode, url) in [("tls", "smtps://localhost:PORT"), ("starttls", "smtp://localhost:PORT?tls=required")] {
        let world = World::start().await;
        let directory = tempfile::tempdir().unwrap();
        let (_sink, port) = aiosmtpd(&world, directory.path(), Some(mode)).await;
        let queue = world.queue("email", Duration::from_secs(30)).await;
        world.send(&queue, &crate::world::event(&format!("{}-u", world.id))).await;
        let mut env = environment(&world, &url.replace("PORT", &port.to_string()));
        env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());

        let worker = Worker::start(&env);
        worker.says("waiting", Duration::from_secs(20)).await;
        assert_eq!(worker.terminate().await, Some(0), "a server that is not trusted is waited for");
        assert_eq!(first_mail(directory.path()).await, None, "{mode}");

        env.insert("SSL_CERT_FILE".to_owned(), directory.path().join("port.pem").display().to_string());
        let worker = Worker::start(&env);
        eventually("a mail under TLS", Duration::from_secs(30), || first_mail(directory.path())).await;
        assert_eq!(worker.terminate().await, Some(0));
    }
}

#[tokio::test]
async fn a_test_mail_under_tls_says_whether_the_server_is_trusted() {
    for (mode, url) in [("tls", "smtps://localhost:PORT"), ("starttls", "smtp://localhost:PORT?tls=required")] {
        let world = World::start().await;
        let directory = tempfile::tempdir().unwrap();
        let (_sink, port) = aiosmtpd(&world, directory.path(), Some(mode)).await;
        let mut env = environment(&world, &url.replace("PORT", &port.to_string()));
        env.insert("SEND_TEST_TO".to_owned(), address("u"));

        let output = execute(&env, &["send-test"]).await;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(69), "{mode}: {told}");
        let last = told.lines().last().unwrap();
        assert!(last.starts_with("TLS      FAILED") && last.contains("certificate"), "{mode}: {told}");
        assert_eq!(first_mail(directory.path()).await, None, "{mode}");

        env.insert("SSL_CERT_FILE".to_owned(), directory.path().join("port.pem").display().to_string());
        let output = execute(&env, &["send-test"]).await;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{mode}: {told}");
        assert!(told.contains("TLS      ok"), "{mode}: {told}");
        assert!(first_mail(directory.path()).await.is_some_and(|mail| mail.contains("Subject: Welcome")), "{mode}");
    }
}

#[tokio::test]
async fn the_stack_deployed_from_infra_carries_an_event_to_a_mail_server_nobody_here_wrote() {
    let world = World::start().await;
    let directory = tempfile::tempdir().unwrap();
    let (_sink, port) = aiosmtpd(&world, directory.path(), None).await;
    let reactions = [format!("email-{}", world.id), format!("profile-{}", world.id)];
    let deployed = run(&world, "deploy.py", &[&world.id, &reactions[0], &reactions[1]]).await;
    let outputs: serde_json::Value = serde_json::from_slice(&deployed.stdout).unwrap();
    let output =
        |stack: &str, key: &str| outputs[stack][key].as_str().unwrap_or_else(|| panic!("{outputs}")).to_owned();

    let mut env = environment(&world, &format!("smtp://127.0.0.1:{port}"));
    env.insert("USER_EVENTS_TOPIC_ARN".to_owned(), output("topic", "UserEventsTopicArn"));
    env.insert("EMAIL_QUEUE_URL".to_owned(), output(&reactions[0], "QueueUrl"));
    env.insert("PROFILE_QUEUE_URL".to_owned(), output(&reactions[1], "QueueUrl"));
    let worker = Worker::start(&env);
    let user = format!("{}-u", world.id);
    let arguments = ["publish", "--user-id", &user, "--email", &address(&user), "--plan", "pro"];
    assert_eq!(execute(&env, &arguments).await.status.code(), Some(0));

    let mail =
        eventually("a mail in aiosmtpd's Maildir", Duration::from_secs(30), || first_mail(directory.path())).await;
    for part in [&format!("To: {}", address(&user)), "Subject: Welcome", "multipart/alternative", "Message-ID: <"] {
        assert!(mail.contains(part), "no {part:?} in:\n{mail}");
    }
    assert_eq!(profile_of(&user).await["plan"], "pro");
    assert_eq!(worker.terminate().await, Some(0));
}
