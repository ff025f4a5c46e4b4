//! A reaction from outside: `examples/crm_notifier.rs`, on a queue that infra/reaction.yaml makes, beside ours.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;

use crate::interop;
use crate::world::processes::{Worker, example, execute, execute_by};
use crate::world::{EMPTY, World, address, eventually};

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

/// The stacks of the CRM's reaction, whose program is the example.
struct Deployed {
    topic: String,
    queue_url: String,
    dlq_url: String,
    /// What each alarm tells whoever it wakes.
    alarms: Vec<String>,
}

async fn deploy(world: &World) -> Deployed {
    let reaction = format!("crm-{}", world.id);
    let told = interop::run(world, "deploy.py", &[&world.id, &format!("{reaction}:Program=crm_notifier")]).await;
    let outputs: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let output = |stack: &str, key: &str| outputs[stack][key].as_str().expect("an output").to_owned();
    let alarms = outputs[&reaction]["alarms"].as_array().expect("alarms").iter();
    Deployed {
        topic: output("topic", "UserEventsTopicArn"),
        queue_url: output(&reaction, "QueueUrl"),
        dlq_url: output(&reaction, "DeadLetterQueueUrl"),
        alarms: alarms.map(|text| text.as_str().expect("a description").to_owned()).collect(),
    }
}

#[tokio::test]
async fn the_crm_hears_of_each_new_user_once_by_a_reaction_of_forty_lines() {
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/crm_notifier.rs"));
    assert!(source.unwrap().lines().count() <= 40);
    let world = World::start().await;
    let Deployed { topic, queue_url, .. } = deploy(&world).await;
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
    let worker = Worker::by(&example("crm_notifier"), &env, &std::env::temp_dir(), &["run"]);

    env.insert("USER_EVENTS_TOPIC_ARN".to_owned(), topic);
    let users: Vec<String> = (0..10).map(|n| format!("{}-{n}", world.id)).collect();
    for user in users.iter().chain(&users) {
        let arguments = ["publish", "--user-id", user, "--email", &address(user)];
        assert!(execute(&env, &arguments).await.status.success());
    }
    eventually("the CRM knows all", SOON, async || (crm.told.lock().unwrap().len() >= 10).then_some(())).await;
    let is_empty = async || (world.depth(&queue_url).await == EMPTY).then_some(());
    eventually("its queue is empty", SOON, is_empty).await;
    let mut told: Vec<_> = crm.told.lock().unwrap().iter().map(|(user, _)| user.clone()).collect();
    told.sort();
    assert_eq!(told, users, "each of them once, though published twice and refused once");
    assert!(crm.told.lock().unwrap()[0].1.contains("@example.com"));

    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn each_command_that_an_alarm_of_ones_own_reaction_names_works_by_ones_own_program() {
    let world = World::start().await;
    let Deployed { topic, queue_url, dlq_url, alarms } = deploy(&world).await;
    world.sqs.send_message().queue_url(&dlq_url).message_body("x").send().await.unwrap();
    let mut env = world.env.clone();
    let own = [("CRM_QUEUE_URL", queue_url), ("USER_EVENTS_TOPIC_ARN", topic), ("HTTP_ADDR", "127.0.0.1:0".to_owned())];
    env.extend(own.map(|(name, value)| (name.to_owned(), value)));
    let mut commands: Vec<_> = alarms.iter().map(|text| text.split_once(": crm_notifier ").expect(text).1).collect();
    assert_eq!(commands.len(), 4, "{alarms:?}");
    commands.sort_unstable();
    commands.dedup();
    assert_eq!(commands, ["dlq list --by-reason", "doctor", "status"]);
    for words in commands {
        let words: Vec<_> = words.split(' ').collect();
        let ended = execute_by(&example("crm_notifier"), &env, &words).await;
        let told = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert_eq!(ended.status.code(), Some(0), "{words:?}: {told}");
        assert!(told.contains("crm"), "{words:?}: {told}");
    }
}

#[tokio::test]
async fn a_reaction_from_outside_names_every_mistake_in_its_settings_and_exits_78() {
    let env = BTreeMap::from([("WORKER_CONCURRENCY".to_owned(), "none".to_owned())]);
    let ended = execute_by(&example("crm_notifier"), &env, &["run"]).await;
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(78), "{told}");
    assert!(["CRM_QUEUE_URL", "REDIS_URL"].iter().all(|name| told.contains(name)), "{told}");
}
