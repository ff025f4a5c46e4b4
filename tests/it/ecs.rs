//! ECS's scale-in protection, against an agent that answers as the real one does and writes down what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::put;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use user_events::ecs::{Agent, Protection, protect};
use user_events::events::UserSignedUp;
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::idempotency::Fence;
use user_events::queue::Attributes;
use user_events::queue::memory::MemoryQueue;
use user_events::worker::{Duty, Reaction, Settings, Worker};

use crate::world::processes::{self, both};
use crate::world::smtp::SmtpServer;
use crate::world::{World, event, eventually};

const SOON: Duration = Duration::from_secs(10);

/// A stand-in for the agent.
#[derive(Clone, Default)]
struct Fake {
    asked: Arc<Mutex<Vec<(Instant, Value)>>>,
    answer: Arc<Mutex<Option<Value>>>,
}

impl Fake {
    /// Starts it; answers its `ECS_AGENT_URI`.
    async fn start(&self) -> (String, AbortOnDropHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/api/0a1b", listener.local_addr().unwrap());
        let router = Router::new().route("/api/0a1b/task-protection/v1/state", put(state)).with_state(self.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (uri, AbortOnDropHandle::new(serving))
    }

    fn answers(&self, answer: Value) {
        *self.answer.lock().unwrap() = Some(answer);
    }

    /// What was asked, protection on or off.
    fn asked(&self) -> Vec<bool> {
        self.asked.lock().unwrap().iter().map(|(_, body)| body["ProtectionEnabled"].as_bool().unwrap()).collect()
    }
}

async fn state(State(fake): State<Fake>, body: String) -> String {
    let body: Value = serde_json::from_str(&body).unwrap();
    let granted = json!({ "protection": { "ExpirationDate": "2026-01-02T03:04:05Z",
        "ProtectionEnabled": body["ProtectionEnabled"], "TaskArn": "arn:aws:ecs:eu-central-1:0:task/a/b" } });
    fake.asked.lock().unwrap().push((Instant::now(), body));
    fake.answer.lock().unwrap().clone().unwrap_or(granted).to_string()
}

/// Does nothing until the test lets it.
struct Waits(Arc<Semaphore>);

impl Handler for Waits {
    type Event = UserSignedUp;
    const NAME: &'static str = "waits";

    async fn handle(&self, _event: &UserSignedUp, _fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        self.0.acquire().await.expect("open").forget();
        Ok(Handled::Applied)
    }
}

/// A worker on a queue in memory, one at a time, protected by the fake.
async fn protected(fake: &Fake) -> (MemoryQueue, Arc<Semaphore>, Duty, [AbortOnDropHandle<()>; 3]) {
    let (uri, serving) = fake.start().await;
    let (queue, go, duty) =
        (MemoryQueue::new("q", Duration::from_secs(60)), Arc::new(Semaphore::new(0)), Duty::default());
    let second = Duration::from_secs(1);
    let reaction = Reaction::atomic(Waits(go.clone()), 60 * second);
    let settings = Settings::default().with_concurrency(1).with_wait(second);
    let worker = Worker::new(queue.clone(), reaction, settings).on_duty(&duty).run(CancellationToken::new());
    let worker = tokio::spawn(async {
        let _summary = worker.await;
    });
    let guard = tokio::spawn(protect(Agent::new(&uri).unwrap(), duty.clone()));
    (queue, go, duty, [serving, AbortOnDropHandle::new(worker), AbortOnDropHandle::new(guard)])
}

fn send(queue: &MemoryQueue, users: &[&str]) {
    users.iter().for_each(|user| drop(queue.send(&event(user), Attributes::new()).unwrap()));
}

#[tokio::test]
async fn a_task_is_protected_while_work_is_in_flight_and_released_once_idle() {
    let fake = Fake::default();
    let (queue, go, _duty, _tasks) = protected(&fake).await;
    send(&queue, &["a", "b", "c"]);
    eventually("protection", SOON, async || (fake.asked() == [true]).then_some(())).await;
    go.add_permits(3);
    eventually("release", 3 * SOON, async || (fake.asked() == [true, false]).then_some(())).await;
    let asked = fake.asked.lock().unwrap().clone();
    assert_eq!(asked[0].1["ExpiresInMinutes"], 10);
    assert!(asked[1].0 - asked[0].0 >= Duration::from_secs(10), "not after each message");
}

#[tokio::test]
async fn refused_protection_stops_polling_until_it_is_granted_and_what_runs_goes_on() {
    let fake = Fake::default();
    fake.answers(json!({ "failure": { "Arn": "arn", "Detail": null, "Reason": "DEPLOYMENT_BLOCKED" } }));
    let (queue, go, duty, _tasks) = protected(&fake).await;
    send(&queue, &["a", "b"]);
    eventually("a refusal", SOON, async || (!duty.takes()).then_some(())).await;
    go.add_permits(2);
    eventually("the one that ran is done", SOON, async || (queue.depth().in_flight == 0).then_some(())).await;
    assert_eq!(queue.depth().visible, 1, "the other one was not taken");
    *fake.answer.lock().unwrap() = None;
    eventually("the other one too", 5 * SOON, async || (queue.depth().visible == 0).then_some(())).await;
    assert_eq!(fake.asked()[..2], [true, true]);
}

#[tokio::test]
async fn an_agent_that_denies_or_does_not_answer_costs_no_work() {
    let fake = Fake::default();
    fake.answers(
        json!({ "error": { "Arn": "arn", "Code": "AccessDeniedException", "Message": "no" }, "requestID": "1" }),
    );
    let (queue, go, _duty, _tasks) = protected(&fake).await;
    send(&queue, &["a", "b"]);
    go.add_permits(2);
    eventually("both done", SOON, async || (queue.depth().visible + queue.depth().in_flight == 0).then_some(())).await;
    assert!(fake.asked().contains(&true));
    let gone = Agent::new("http://127.0.0.1:1/api/x").unwrap();
    assert!(gone.set(true).await.is_err());
    fake.answers(json!({ "failure": { "Arn": "arn", "Reason": "TASK_NOT_VALID" } }));
    let (uri, _serving) = fake.start().await;
    assert_eq!(Agent::new(&uri).unwrap().set(true).await, Ok(Protection::NotInAService));
}

#[tokio::test]
async fn the_worker_asks_the_agent_that_ecs_names_and_none_outside_of_ecs() {
    let (world, fake, smtp) = (World::start().await, Fake::default(), SmtpServer::start().await);
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    let topic = world.topic(&[&email, &profile]).await;
    let mut env = both(&world, &smtp, &email, &profile);
    env.insert("USER_EVENTS_TOPIC_ARN".to_owned(), topic);
    let (uri, _serving) = fake.start().await;
    let publish = async |env: &_, user: &str| {
        let user = format!("{}-{user}", world.id);
        let arguments = ["publish", "--user-id", &user, "--email", &crate::world::address(&user)];
        assert!(processes::execute(env, &arguments).await.status.success());
    };
    let outside = processes::Worker::start(&env);
    publish(&env, "outside").await;
    smtp.wait_for(1, 3 * SOON).await;
    assert_eq!(outside.terminate().await, Some(0));
    assert_eq!(fake.asked(), [false; 0]);

    env.insert("ECS_AGENT_URI".to_owned(), uri);
    let inside = processes::Worker::start(&env);
    publish(&env, "inside").await;
    smtp.wait_for(2, 3 * SOON).await;
    eventually("protection", SOON, async || fake.asked().contains(&true).then_some(())).await;
    assert_eq!(inside.terminate().await, Some(0));
}
