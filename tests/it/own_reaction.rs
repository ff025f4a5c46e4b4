//! A reaction from outside: `examples/crm_notifier.rs`, on a queue that infra/reaction.yaml makes, beside ours.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

use crate::interop;
use crate::world::patience::patience;
use crate::world::{EMPTY, World, address, eventually, processes};

const SOON: Duration = Duration::from_secs(30);

/// A CRM: what it was told, and how often it refuses at first.
#[derive(Clone, Default)]
struct Crm {
    told: Arc<Mutex<Vec<(String, String)>>>,
    refuses: Arc<Mutex<u32>>,
}

async fn contact(State(crm): State<Crm>, headers: HeaderMap, body: String) -> StatusCode {
    let mut refuses = crm.refuses.lock().unwrap();
    if *refuses > 0 {
        *refuses -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    crm.told.lock().unwrap().push((headers["idempotency-key"].to_str().unwrap().to_owned(), body));
    StatusCode::CREATED
}

#[tokio::test]
async fn the_crm_hears_of_each_new_user_once_by_a_reaction_of_forty_lines() {
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/crm_notifier.rs"));
    assert!(source.unwrap().lines().count() <= 40);
    let world = World::start().await;
    let reaction = format!("crm-{}", world.id);
    let deployed = interop::run(&world, "deploy.py", &[&world.id, &reaction]).await;
    let outputs: serde_json::Value = serde_json::from_slice(&deployed.stdout).unwrap();
    let output = |stack: &str, key: &str| outputs[stack][key].as_str().expect("an output").to_owned();
    let (topic, queue_url) = (output("topic", "UserEventsTopicArn"), output(&reaction, "QueueUrl"));
    let (crm, listener) = (Crm::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    *crm.refuses.lock().unwrap() = 1;
    let url = format!("http://{}/contacts", listener.local_addr().unwrap());
    let router = Router::new().route("/contacts", post(contact)).with_state(crm.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let mut env = world.env.clone();
    let own = [
        ("CRM_QUEUE_URL", queue_url.as_str()),
        ("CRM_URL", &url),
        ("HTTP_ADDR", "127.0.0.1:0"),
        ("RECEIVE_WAIT", "1s"),
        ("RETRY_BACKOFF", "1s..1s"),
    ];
    env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut worker = example("crm_notifier", &env).spawn().expect("the example runs");

    env.insert("USER_EVENTS_TOPIC_ARN".to_owned(), topic);
    let users: Vec<String> = (0..10).map(|n| format!("{}-{n}", world.id)).collect();
    for user in users.iter().chain(&users) {
        let arguments = ["publish", "--user-id", user, "--email", &address(user)];
        assert!(processes::execute(&env, &arguments).await.status.success());
    }
    eventually("the CRM knows all", SOON, async || (crm.told.lock().unwrap().len() >= 10).then_some(())).await;
    let is_empty = async || (world.depth(&queue_url).await == EMPTY).then_some(());
    eventually("its queue is empty", SOON, is_empty).await;
    let mut told: Vec<_> = crm.told.lock().unwrap().iter().map(|(user, _)| user.clone()).collect();
    told.sort();
    assert_eq!(told, users, "each of them once, though published twice and refused once");
    assert!(crm.told.lock().unwrap()[0].1.contains("@example.com"));

    let pid = worker.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let ended = timeout(patience(SOON), worker.wait()).await.expect("it stops").unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn a_reaction_from_outside_names_every_mistake_in_its_settings_and_exits_78() {
    let env = BTreeMap::from([("WORKER_CONCURRENCY".to_owned(), "none".to_owned())]);
    let ended = example("crm_notifier", &env).stderr(Stdio::piped()).output().await.expect("the example runs");
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(78), "{told}");
    assert!(["CRM_QUEUE_URL", "REDIS_URL"].iter().all(|name| told.contains(name)), "{told}");
}

pub fn example(name: &str, env: &BTreeMap<String, String>) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_user-events")).with_file_name("examples").join(name);
    assert!(binary.exists(), "no example at its place: build it by `cargo build --examples`");
    let mut command = Command::new(binary);
    command.env_clear().envs(env).kill_on_drop(true);
    command
}
