//! A team's own events: `examples/orders.rs` on a queue that infra/reaction.yaml makes for two types of event, asked by its
//! own commands.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::interop;
use crate::world::processes::{Worker, example, execute, execute_by};
use crate::world::{EMPTY, World, eventually};

const SOON: Duration = Duration::from_secs(30);

/// The stacks of its reaction, and a folder for its journal.
struct Orders {
    world: World,
    env: BTreeMap<String, String>,
    queue_url: String,
    folder: tempfile::TempDir,
}

impl Orders {
    async fn deploy() -> Self {
        let world = World::start().await;
        let reaction = format!("orders-{}", world.id);
        let wanted = format!("{reaction}:EventTypes=order.paid,user.signed_up:Program=orders");
        let told = interop::run(&world, "deploy.py", &[&world.id, &wanted]).await;
        let outputs: Value = serde_json::from_slice(&told.stdout).unwrap();
        let output = |stack: &str, key: &str| outputs[stack][key].as_str().expect("an output").to_owned();
        let (topic, queue_url) = (output("topic", "UserEventsTopicArn"), output(&reaction, "QueueUrl"));
        let mut env = world.env.clone();
        let own = [
            ("ORDERS_QUEUE_URL", queue_url.as_str()),
            ("USER_EVENTS_TOPIC_ARN", &topic),
            ("HTTP_ADDR", "127.0.0.1:0"),
            ("RECEIVE_WAIT", "1s"),
            ("LOG_FORMAT", "json"),
        ];
        env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Self { world, env, queue_url, folder: tempfile::tempdir().unwrap() }
    }

    /// Its worker; from here on its commands ask it.
    async fn run(&mut self) -> Worker {
        let worker = Worker::by(&example("orders"), &self.env, self.folder.path(), &["run"]);
        self.env.insert("HTTP_ADDR".to_owned(), worker.address().await);
        worker
    }

    /// Published by a program that knows no order.
    async fn publish(&self, arguments: &[&str]) {
        let ended = execute(&self.env, &[&["publish"], arguments].concat()).await;
        assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    }

    async fn paid(&self, event: &str, order: &Value) {
        let mut data = order.clone();
        data["eventId"] = event.into();
        self.publish(&["--type", "order.paid", "--data", &data.to_string()]).await;
    }

    /// What its effects left, in order of the words.
    fn journal(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("journal.txt")).unwrap_or_default();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Waits until nothing is left to do.
    async fn is_at_rest_after(&self, effects: usize) {
        let all = async || (self.journal().len() >= effects).then_some(());
        eventually("all effects", SOON, all).await;
        let is_empty = async || (self.world.depth(&self.queue_url).await == EMPTY).then_some(());
        eventually("its queue is empty", SOON, is_empty).await;
    }

    /// Runs a command of its own program, which must end so.
    async fn says(&self, code: i32, arguments: &[&str]) -> String {
        let ended = execute_by(&example("orders"), &self.env, arguments).await;
        let told = [ended.stdout, ended.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {told}");
        told
    }

    /// What it prints for machines.
    async fn json(&self, arguments: &[&str]) -> Value {
        let ended = execute_by(&example("orders"), &self.env, arguments).await;
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {told}"))
    }

    /// Its dead letters, once there are so many.
    async fn letters(&self, count: usize) -> Vec<Value> {
        let look = async || {
            let letters = self.json(&["dlq", "list", "--json"]).await["letters"].as_array().cloned()?;
            (letters.len() == count).then_some(letters)
        };
        eventually("its dead letters", SOON, look).await
    }
}

fn order(order: &str, amount: f64) -> Value {
    json!({ "orderId": order, "userId": "u-1", "total": { "amount": amount, "currency": "EUR" } })
}

#[tokio::test]
async fn a_teams_own_events_are_handled_once_each_beside_user_signed_up_on_one_queue() {
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/orders.rs"));
    assert!(source.unwrap().lines().count() <= 60);
    let mut orders = Orders::deploy().await;
    let id = orders.world.id.clone();
    let event = |n: u32| format!("{id}-e{n}");
    let signed_up = |n: u32, user: &str| {
        json!({ "type": "user.signed_up", "eventId": event(n), "userId": format!("{id}-{user}"),
            "email": "user@example.com" })
    };
    let mut third = order(&format!("{id}-o3"), 3.5);
    (third["type"], third["eventId"]) = ("order.paid".into(), event(4).into());
    let another = json!({ "type": "order.shipped", "orderId": "o-1" });
    let lines: Vec<_> = [third, signed_up(5, "u1"), another, signed_up(6, "u2")].iter().map(Value::to_string).collect();
    let file = orders.folder.path().join("mixed.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let worker = orders.run().await;

    for _ in 0..2 {
        // Two orders of one user, and the second is paid in two parts: an effect for each event, not for each order.
        orders.paid(&event(1), &order(&format!("{id}-o1"), 19.9)).await;
        orders.paid(&event(2), &order(&format!("{id}-o2"), 5.0)).await;
        orders.paid(&event(3), &order(&format!("{id}-o2"), 7.0)).await;
        orders.publish(&["--file", file.to_str().unwrap()]).await;
    }
    orders.is_at_rest_after(6).await;
    let done = ["o1 paid 19.9", "o2 paid 5", "o2 paid 7", "o3 paid 3.5", "u1 signed up", "u2 signed up"];
    assert_eq!(orders.journal(), done.map(|line| format!("{id}-{line}")), "each once, though published twice");
    assert_eq!(orders.letters(0).await, Vec::<Value>::new());
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn an_event_of_ones_own_that_lacks_a_field_is_quarantined_by_its_name_and_sent_back_by_ones_own_program() {
    let mut orders = Orders::deploy().await;
    let id = orders.world.id.clone();
    let worker = orders.run().await;
    let incomplete = json!({ "orderId": format!("{id}-o1") });
    let refused = ["publish", "--type", "order.paid", "--data", &incomplete.to_string()];
    assert!(orders.says(2, &refused).await.contains("no field `total`"), "its own program knows its own rules");
    orders.paid(&format!("{id}-e1"), &incomplete).await;

    let letter = orders.letters(1).await.remove(0);
    assert_eq!((&letter["reason"], &letter["detail"]), (&json!("missing_field"), &json!("total: must be there")));
    assert!(orders.says(0, &["dlq", "list", "--by-detail"]).await.contains("total: must be there"));
    let shown = orders.says(0, &["dlq", "show", letter["id"].as_str().unwrap(), "--body"]).await;
    assert!(shown.contains("missing_field") && shown.contains(&format!("{id}-o1")), "{shown}");

    let by_reason = ["dlq", "redrive", "--reason", "missing_field", "--json"];
    let rehearsed = orders.json(&by_reason).await;
    assert_eq!((&rehearsed["dryRun"], &rehearsed["selected"]), (&json!(true), &json!(1)));
    let sent_back = orders.json(&[&by_reason[..], &["--yes"]].concat()).await;
    assert_eq!(sent_back["moved"], 1, "{sent_back}");
    // It lacks the field still.
    let again = orders.letters(1).await.remove(0);
    assert!(again["id"] != letter["id"] && again["detail"] == letter["detail"], "{again}");
    orders.json(&["dlq", "drop", "--all", "--yes", "--json"]).await;
    assert_eq!(orders.letters(0).await, Vec::<Value>::new());
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn a_teams_own_program_has_every_command_for_its_own_reaction() {
    let mut orders = Orders::deploy().await;
    let id = orders.world.id.clone();
    orders.says(69, &["healthcheck"]).await;
    let worker = orders.run().await;
    orders.says(0, &["healthcheck"]).await;
    orders.paid(&format!("{id}-e1"), &order(&format!("{id}-o1"), 1.0)).await;
    orders.is_at_rest_after(1).await;

    let report = orders.json(&["doctor", "--json"]).await;
    let findings = report["findings"].as_array().expect("findings");
    assert_eq!(report["healthy"], true, "{report}");
    let of_orders = findings.iter().filter(|finding| finding["group"] == "orders");
    let seen: BTreeMap<_, _> = of_orders.map(|found| (found["check"].as_str().unwrap(), &found["seen"])).collect();
    assert_eq!(seen["filter policy"], "order.paid and user.signed_up pass", "{report}");
    assert!(seen.contains_key("worker") && findings.iter().all(|finding| finding["group"] != "mail"), "{report}");
    assert!(orders.says(0, &["status"]).await.contains("orders: ready"));

    let get = ["idem", "get", "--reaction", "orders", &format!("{id}-o1")];
    assert!(orders.says(2, &get).await.contains("--event"), "which of the order's events?");
    let record = orders.json(&[&get[..], &["--event", &format!("{id}-e1"), "--json"]].concat()).await;
    assert_eq!(record["record"]["state"], "done", "{record}");

    let settings = orders.says(0, &["config"]).await;
    assert!(settings.contains("ORDERS_QUEUE_URL") && !settings.contains("EMAIL_"), "{settings}");
    let asyncapi = orders.json(&["schema", "asyncapi"]).await;
    let [consumer] = asyncapi["operations"]["publish"]["bindings"]["sns"]["consumers"].as_array().unwrap().as_slice()
    else {
        panic!("one consumer: {asyncapi}")
    };
    assert_eq!(consumer["filterPolicy"], json!({ "type": ["order.paid", "user.signed_up"] }));
    let schema = orders.says(0, &["schema"]).await;
    assert!(["order.paid", "user.signed_up"].iter().all(|kind| schema.contains(kind)), "{schema}");
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn words_that_ones_own_program_does_not_know_are_refused_with_its_usage_and_start_nothing() {
    let env = BTreeMap::from([("ORDERS_QUEUE_URL".to_owned(), "http://127.0.0.1:1/1/q".to_owned())]);
    let cases: [&[&str]; 7] = [
        &[],
        &["runn"],
        &["run", "email"],
        &["run", "orders", "order.paid"],
        &["dlq", "list", "profile"],
        &["idem", "get", "--reaction", "email", "1"],
        &["crm_notifier"],
    ];
    for words in cases {
        let ended = execute_by(&example("orders"), &env, words).await;
        let told = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{words:?}: {told}");
        assert!(told.contains("Usage: orders") && !told.contains("user-events"), "{words:?}: {told}");
    }
}
