//! `CloudEvents`: what the SDK for Node publishes is done, what it refuses is refused, and an event without an id is one event.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;
use user_events::event::{Arrival, Event, Opened, Timestamp, read};
use user_events::events::UserSignedUp;
use user_events::profiles::redis::RedisProfiles;

use crate::world::patience::patience;
use crate::world::processes::{Worker, both, environment, example, execute_by};
use crate::world::smtp::SmtpServer;
use crate::world::{EMPTY, TestQueue, World, address, eventually, redis};

const SOON: Duration = Duration::from_secs(60);

/// Runs `tests/interop/cloud_events.mjs`; answers its lines.
async fn sdk(arguments: &[&str], input: &str) -> Vec<String> {
    let node = std::env::var("TEST_NODE").expect("no Node with `cloudevents`: run the tests by `make test`");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/cloud_events.mjs");
    let mut command = Command::new(node);
    command.arg(script).args(arguments).env_clear().kill_on_drop(true);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("Node");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).await.expect("it reads");
    let ended = timeout(patience(SOON), child.wait_with_output()).await.expect("the script ends").expect("Node runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).expect("text").lines().map(str::to_owned).collect()
}

/// `examples/orders.rs` on a queue, with its journal in a folder of its own.
struct Orders {
    env: BTreeMap<String, String>,
    folder: tempfile::TempDir,
    worker: Worker,
}

impl Orders {
    fn start(world: &World, queue: &TestQueue) -> Self {
        let mut env = environment(world, "smtp://127.0.0.1:1");
        env.insert("ORDERS_QUEUE_URL".to_owned(), queue.url.clone());
        let folder = tempfile::tempdir().expect("a folder");
        let worker = Worker::by(&example("orders"), &env, folder.path(), &["run"]);
        Self { worker, env, folder }
    }

    async fn redrive(&self) {
        let redrive = execute_by(&example("orders"), &self.env, &["dlq", "redrive", "--yes"]).await;
        assert!(redrive.status.success(), "{}", String::from_utf8_lossy(&redrive.stderr));
    }

    fn journal(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("journal.txt")).unwrap_or_default();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    async fn stop(self) {
        assert_eq!(self.worker.terminate().await, Some(0));
    }
}

#[tokio::test]
async fn what_the_sdk_of_cloud_events_publishes_is_done_once_though_it_comes_wrapped_and_raw() {
    let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    let orders_queue = world.queue("orders", Duration::from_secs(30)).await;
    let queues = [&email, &profile, &orders_queue];
    let topic = world.topic(&queues).await;
    let written: Vec<Value> =
        sdk(&["write", &world.id], "").await.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |event: &Value, field: &str| event[field].as_str().expect("text").to_owned();
    let bodies: Vec<_> = written.iter().map(|event| text(event, "body")).collect();
    for body in &bodies {
        world.sns.publish().topic_arn(&topic).message(body).send().await.expect("LocalStack publishes");
    }
    for queue in queues {
        world.send_all(queue, &bodies).await;
    }
    let worker = Worker::start(&both(&world, &smtp, &email, &profile));
    let orders = Orders::start(&world, &orders_queue);
    tokio::join!(world.drained(&email, SOON), world.drained(&profile, SOON), world.drained(&orders_queue, SOON));

    let of = |kind: &str| {
        written.iter().filter(|event| event["kind"] == kind).map(|event| text(event, "name")).collect::<Vec<_>>()
    };
    let users = of("user");
    assert_eq!((users.len(), smtp.accepted().len()), (10, 10));
    for user in &users {
        assert_eq!(smtp.accepted_to(&address(user)), 1, "mails to {user}");
        let stored = redis().hash(&RedisProfiles::key(&user.parse().unwrap())).await.unwrap();
        assert_eq!((stored["email"].as_str(), stored["plan"].as_str()), (address(user).as_str(), "pro"));
        assert_eq!(stored["signed_up_at"] == "2026-01-02T03:04:05.678Z", user.ends_with("-timed"), "{stored:?}");
    }
    let signed_up = users.iter().map(|user| format!("{user} signed up"));
    let mut expected: Vec<_> = of("order").iter().map(|id| format!("{id} paid 12.5")).chain(signed_up).collect();
    expected.sort();
    assert_eq!(orders.journal(), expected);
    for queue in queues {
        assert_eq!(world.depth(&queue.dlq_url).await, EMPTY, "{}", queue.url);
    }
    assert_eq!(worker.terminate().await, Some(0));
    orders.stop().await;
}

/// With these fields beside its own; `null` takes one away.
fn event(more: &Value) -> String {
    let data = json!({ "userId": "123", "email": "user@example.com" });
    let mut event =
        json!({ "specversion": "1.0", "id": "1", "source": "/auth", "type": "user.signed_up", "data": data });
    for (name, value) in more.as_object().expect("an object") {
        event[name] = value.clone();
    }
    event.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    event.to_string()
}

#[tokio::test]
async fn a_cloud_event_that_its_sdk_refuses_is_refused_by_field_and_rule() {
    let refused = [
        (json!({ "source": null }), "source: must be there"),
        (json!({ "source": null, "id": null }), "source: must be there"),
        (json!({ "source": "" }), "source: must not be empty"),
        (json!({ "source": 7 }), "source: must be a string"),
        (json!({ "specversion": "0.3" }), "specversion: must be 1.0"),
        (json!({ "specversion": "2.0" }), "specversion: must be 1.0"),
        (json!({ "specversion": 1 }), "specversion: must be a string"),
        (json!({ "type": null }), "type: must be there"),
        (json!({ "type": 7 }), "type: must be a string"),
        (json!({ "id": 7 }), "id: must be a string"),
        (
            json!({ "data": null, "data_base64": "%%%" }),
            "data_base64: must be a JSON object, or a string that holds one",
        ),
    ];
    let taken = [
        json!({}),
        json!({ "id": null }),
        json!({ "id": "" }),
        json!({ "time": "2026-01-02T03:04:05.678Z" }),
        json!({ "version": 2, "tenant": "t1", "urgent": true }),
        json!({ "data": "{\"userId\":\"1\",\"email\":\"user@example.com\"}" }),
        json!({ "datacontenttype": "application/json; charset=utf-8", "dataschema": "https://example.com/user" }),
    ];
    // What costs no event here: a form that nothing of ours depends on.
    let borne = [json!({ "time": "yesterday" }), json!({ "userId": "x" }), json!({ "source": "a b" })];

    let all: Vec<_> = refused.iter().map(|(more, _)| more).chain(&taken).chain(&borne).map(event).collect();
    let judged = sdk(&["judge"], &all.join("\n")).await;
    assert_eq!(judged.len(), all.len(), "{judged:?}");
    let is_taken = [vec![false; refused.len()], vec![true; taken.len()], vec![false; borne.len()]].concat();
    for ((body, judged), is_taken) in all.iter().zip(&judged).zip(is_taken) {
        assert_eq!(judged == "ok", is_taken, "{body}: {judged}");
    }
    for (n, body) in all.iter().enumerate() {
        let ours = read::<UserSignedUp>(body, &Arrival::raw(Timestamp::now()), UserSignedUp::TYPES);
        match refused.get(n) {
            Some((_, rule)) => assert_eq!(ours.expect_err(body).detail(), *rule, "{body}"),
            None => assert!(matches!(ours, Ok(Opened::Ours(_))), "{body}: {ours:?}"),
        }
    }
}

#[tokio::test]
async fn an_event_without_an_id_that_comes_raw_and_is_redriven_twice_has_one_effect() {
    let world = World::start().await;
    let queue = world.queue("orders", Duration::from_secs(30)).await;
    let order = |form: &str| json!({ "orderId": format!("{}-{form}", world.id), "total": { "amount": 1.5 } });
    let mut own = order("own");
    own["type"] = "order.paid".into();
    let cloud = json!({ "specversion": "1.0", "source": "/shop", "type": "order.paid", "data": order("cloud") });
    let bodies = [own.to_string(), cloud.to_string()];
    let orders = Orders::start(&world, &queue);
    let expected = ["cloud", "own"].map(|form| format!("{}-{form} paid 1.5", world.id));
    let bury = async |body: &str| {
        world.sqs.send_message().queue_url(&queue.dlq_url).message_body(body).send().await.expect("it is taken");
    };

    world.send_all(&queue, &bodies).await;
    let journal = async || (orders.journal() == expected).then_some(());
    eventually("both are in the journal", SOON, journal).await;
    world.drained(&queue, SOON).await;
    // A redrive that was killed between send and delete leaves such a copy, and so does one that is repeated.
    for _ in 0..2 {
        for body in &bodies {
            bury(body).await;
        }
        orders.redrive().await;
        world.drained(&queue, SOON).await;
    }
    assert_eq!(orders.journal(), expected, "one effect each, under three ids of SQS");
    assert_eq!(world.depth(&queue.dlq_url).await, EMPTY);
    orders.stop().await;
}
