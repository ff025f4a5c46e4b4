//! What IAM allows is what the binary asks for: each call is recorded, and held against the deployed policies.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::put;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::infra::{container, deploy};
use crate::interop;
use crate::world::processes::{Worker, execute};
use crate::world::recorder::{Call, Recorder};
use crate::world::smtp::{Phase, Reaction, SmtpServer};
use crate::world::{EMPTY, TestQueue, World, address, eventually};

const SOON: Duration = Duration::from_secs(30);

/// Is the call within what the action and the resource of a statement cover?
fn covers((action, resource): &Call, call: &Call) -> bool {
    let within = match resource.strip_suffix('*') {
        Some(start) => call.1.starts_with(start),
        None => call.1 == *resource,
    };
    *action == call.0 && within
}

/// Each action with each resource of these statements.
fn grants(statements: &Value) -> Vec<Call> {
    let list = |value: &Value| match value {
        Value::Array(all) => all.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
        one => vec![one.as_str().unwrap().to_owned()],
    };
    let mut grants = Vec::new();
    for statement in statements.as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        for action in list(&statement["Action"]) {
            grants.extend(list(&statement["Resource"]).into_iter().map(|resource| (action.clone(), resource)));
        }
    }
    grants
}

/// Every call is allowed, and nothing is allowed that no call asked for.
fn assert_exact(who: &str, statements: &Value, calls: &BTreeSet<Call>) {
    let grants = grants(statements);
    let refused: Vec<_> = calls.iter().filter(|call| !grants.iter().any(|grant| covers(grant, call))).collect();
    let unused: Vec<_> = grants.iter().filter(|grant| !calls.iter().any(|call| covers(grant, call))).collect();
    assert!(refused.is_empty() && unused.is_empty(), "{who}: refused {refused:?}, allowed in vain {unused:?}");
}

/// ECS's agent, which acts with the task's role; by AWS's own account it asks for both.
async fn agent(cluster: &str) -> (String, Arc<Mutex<BTreeSet<Call>>>, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (uri, calls) = (format!("http://{}", listener.local_addr().unwrap()), Arc::<Mutex<BTreeSet<Call>>>::default());
    let (task, seen) = (format!("{cluster}/0123456789abcdef0123456789abcdef"), Arc::clone(&calls));
    let protect = async move || {
        let asked = ["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"];
        seen.lock().unwrap().extend(asked.map(|action| (action.to_owned(), task.clone())));
        json!({ "protection": { "ProtectionEnabled": true } }).to_string()
    };
    let router = Router::new().route("/task-protection/v1/state", put(protect));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (uri, calls, AbortOnDropHandle::new(serving))
}

#[tokio::test]
async fn the_policies_allow_each_call_that_the_binary_makes_and_nothing_else() {
    let mut world = World::in_an_account_of_its_own().await;
    let smtp = SmtpServer::start().await;
    world.env.insert("SMTP_URL".to_owned(), smtp.url());
    let deployed = deploy(&world, &["email"]).await;
    let policies = interop::run(&world, "infra.py", &["policies", "user-events-email-worker"]).await;
    let policies: Value = serde_json::from_slice(&policies.stdout).unwrap();
    let resource = |name: &str| deployed["stacks"]["user-events-email"]["resources"][name].as_str().unwrap().to_owned();
    let queue = TestQueue { url: resource("Queue"), arn: String::new(), dlq_url: resource("DeadLetterQueue") };

    let recorder = Recorder::start(&world.env["AWS_ENDPOINT_URL"]).await;
    let account = &world.env["AWS_ACCESS_KEY_ID"];
    let (uri, asked, _agent) = agent(&format!("arn:aws:ecs:us-east-1:{account}:task/user-events")).await;
    let mut env = container(&world, &deployed, "email");
    env.insert("AWS_ENDPOINT_URL".to_owned(), recorder.url());
    env.insert("RECEIVE_WAIT".to_owned(), "1s".to_owned());
    // A first "not now" waits for half a minute, or for as long as this.
    env.insert("RETRY_FOR".to_owned(), "2s".to_owned());
    env.insert("ECS_AGENT_URI".to_owned(), uri);

    // The worker: a mail that goes out at the second try, and six bodies that are no event.
    let worker = Worker::start(&env);
    let again = address(&world.id);
    smtp.script_for(&again, vec![Reaction::Reply { at: Phase::Dot, code: 451, text: "not now" }]);
    world.send(&queue, &crate::world::event(&world.id)).await;
    world.send_all(&queue, &vec!["no event".to_owned(); 6]).await;
    smtp.wait_for(1, SOON).await;
    world.drained(&queue, SOON).await;
    assert_eq!(worker.terminate().await, Some(0));
    let calls: BTreeSet<Call> = recorder.calls().into_iter().chain(asked.lock().unwrap().clone()).collect();
    assert_exact("worker", &policies["worker"], &calls);

    // The operator: every command that calls AWS, with a move by SQS itself that is cancelled.
    let recorder = Recorder::start(&world.env["AWS_ENDPOINT_URL"]).await;
    env.insert("AWS_ENDPOINT_URL".to_owned(), recorder.url());
    let publish = ["publish", "--user-id", "u", "--email", "u@example.com"];
    let looks = [&publish[..], &["status"], &["dlq", "list", "--limit", "1"]];
    for arguments in looks.into_iter().chain([&["dlq", "redrive", "email", "--limit", "1", "--yes"][..]]) {
        let ended = execute(&env, arguments).await;
        assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    }
    // It finds dead letters, and perhaps a Redis of no durability: what it looked at is what counts.
    assert!(matches!(execute(&env, &["doctor"]).await.status.code(), Some(0 | 69)));
    let mut moving = Worker::of(&env, &["dlq", "redrive", "email", "--all", "--rate", "1", "--yes"]);
    let looked = async || recorder.saw("sqs:StartMessageMoveTask").then_some(());
    eventually("the move starts", SOON, looked).await;
    moving.signal("INT");
    assert_eq!(moving.exit(SOON).await, Some(130));
    assert!(recorder.saw("sqs:CancelMessageMoveTask"), "{:?}", recorder.calls());
    assert!(execute(&env, &["dlq", "drop", "email", "--all", "--yes"]).await.status.success());
    assert_eq!(world.depth(&queue.dlq_url).await, EMPTY);
    assert_exact("operator", &policies["operator"], &recorder.calls());

    // The rest calls nobody.
    let recorder = Recorder::start(&world.env["AWS_ENDPOINT_URL"]).await;
    env.insert("AWS_ENDPOINT_URL".to_owned(), recorder.url());
    for arguments in [&["config"][..], &["idem", "stats"], &["schema"], &["render"]] {
        assert!(execute(&env, arguments).await.status.success(), "{arguments:?}");
    }
    assert_eq!(recorder.calls(), BTreeSet::new());
}
