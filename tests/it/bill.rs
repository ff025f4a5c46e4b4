//! What messages cost: what a worker counts and tells is what SQS was asked.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::world::aws_faults::{Fault, RECEIVE, SqsProxy};
use crate::world::http::get;
use crate::world::processes::{Worker, environment, execute};
use crate::world::smtp::SmtpServer;
use crate::world::{TestQueue, World, event, eventually};

const SOON: Duration = Duration::from_secs(60);
const MESSAGES: usize = 500;

/// What somebody counted.
#[derive(Debug, Clone, Copy)]
struct Counted {
    calls_a_message: f64,
    empty_share: f64,
    dollars_a_million: f64,
}

impl Counted {
    /// Is it the same but for one in a hundred?
    fn agrees(&self, other: &Self) -> bool {
        let near = |one: f64, other: f64| (one - other).abs() <= 0.01 * other.abs();
        near(self.calls_a_message, other.calls_a_message)
            && near(self.dollars_a_million, other.dollars_a_million)
            && near(self.empty_share, other.empty_share)
    }
}

/// A worker on a queue of its own, behind a proxy that counts every call.
struct Desk {
    world: World,
    proxy: SqsProxy,
    queue: TestQueue,
    env: BTreeMap<String, String>,
    smtp: SmtpServer,
}

impl Desk {
    async fn start(price: Option<&str>) -> Self {
        let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
        let (proxy, queue) = tokio::join!(SqsProxy::start(&world), world.queue("email", SOON));
        let mut env = environment(&world, &smtp.url());
        let own = [("EMAIL_QUEUE_URL", queue.url.clone()), ("AWS_ENDPOINT_URL", proxy.url())];
        env.extend(own.map(|(name, value)| (name.to_owned(), value)));
        env.extend(price.map(|price| ("PRICE_PER_MILLION_CALLS".to_owned(), price.to_owned())));
        Self { world, proxy, queue, env, smtp }
    }

    /// What the proxy counted. How many receives were empty the worker alone knows.
    fn asked(&self, empty_receives: f64, price: f64) -> Counted {
        let calls: usize = self.proxy.counts().values().sum();
        let (calls_a_message, receives) = (calls as f64 / MESSAGES as f64, self.proxy.calls(RECEIVE).len() as f64);
        Counted { calls_a_message, empty_share: empty_receives / receives, dollars_a_million: calls_a_message * price }
    }

    /// The sum of a metric's samples that have this label.
    async fn metric(&self, at: &str, name: &str, label: &str) -> f64 {
        let (_, scrape) = get(at, "/metrics").await;
        let of = |line: &&str| line.split(['{', ' ']).next() == Some(name) && line.contains(label);
        scrape.lines().filter(of).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    async fn empty_receives(&self, at: &str) -> f64 {
        self.metric(at, "user_events_sqs_empty_receives_total", "").await
    }

    async fn calls(&self, at: &str, action: &str) -> f64 {
        self.metric(at, "user_events_sqs_calls_total", action).await
    }

    async fn measured(&self, at: &str) -> Counted {
        let handled = self.metric(at, "user_events_deliveries_total", "verdict=\"delete\"").await;
        let billed = self.metric(at, "user_events_sqs_billed_total", "").await;
        let price = self.metric(at, "user_events_sqs_price", "").await;
        Counted {
            calls_a_message: self.calls(at, "").await / handled,
            empty_share: self.empty_receives(at).await / self.calls(at, RECEIVE).await,
            dollars_a_million: billed * price / handled,
        }
    }

    /// What `status` says, asked past the proxy. `None`: no worker has reported all messages yet.
    async fn told(&self) -> Option<Counted> {
        let output = execute(&self.past_the_proxy(), &["status", "--json"]).await;
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let bill = &told["reactions"][0]["bill"];
        let of = |name: &str| bill[name].as_f64();
        let told = Counted {
            calls_a_message: of("callsAMessage")?,
            empty_share: of("emptyShare")?,
            dollars_a_million: of("dollarsAMillion")?,
        };
        (of("handled")? as usize == MESSAGES).then_some(told)
    }

    fn past_the_proxy(&self) -> BTreeMap<String, String> {
        let mut env = self.env.clone();
        env.insert("AWS_ENDPOINT_URL".to_owned(), self.world.env["AWS_ENDPOINT_URL"].clone());
        env
    }
}

#[tokio::test]
async fn metrics_and_status_tell_the_calls_a_message_that_sqs_was_asked() {
    let mut desk = Desk::start(None).await;
    desk.env.insert("RECEIVE_WAIT".to_owned(), "20s".to_owned());
    let bodies: Vec<_> = (0..MESSAGES).map(|n| event(&format!("{}-{n}", desk.world.id))).collect();
    desk.world.send_all(&desk.queue, &bodies).await;
    let worker = Worker::start(&desk.env);
    let at = worker.address().await;
    desk.world.drained(&desk.queue, SOON).await;
    assert_eq!(desk.smtp.accepted().len(), MESSAGES);

    // After the first long poll of 20 s that brings nothing; until the next is over the counts stand still.
    let agrees = || async {
        let (asked, measured) = (desk.asked(desk.empty_receives(&at).await, 0.40), desk.measured(&at).await);
        (measured.empty_share > 0.0 && measured.agrees(&asked)).then_some((asked, measured))
    };
    let (asked, measured) = eventually("/metrics agrees with what SQS was asked", SOON, agrees).await;
    let agrees = || async {
        let told = desk.told().await?;
        told.agrees(&desk.measured(&at).await).then_some(told)
    };
    let told = eventually("status agrees with /metrics", SOON, agrees).await;
    println!("asked {asked:?}, /metrics {measured:?}, status {told:?}");
    for (action, times) in desk.proxy.counts() {
        let counted = desk.calls(&at, &format!("action=\"{action}\"")).await;
        assert!((counted - times as f64).abs() <= 1.0, "{action}: {counted} of {times}");
    }
    let output = execute(&desk.past_the_proxy(), &["status"]).await;
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "wider than a terminal:\n{shown}");
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("calls a message, $0.") && words.contains("of receives empty (1 worker)"), "{shown}");
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn a_call_that_the_sdk_makes_again_and_a_receive_of_nothing_are_counted_as_sqs_bills_them() {
    let desk = Desk::start(Some("2.5")).await;
    let worker = Worker::start(&desk.env);
    let at = worker.address().await;
    desk.proxy.next(RECEIVE, 2, Fault::Error);
    desk.proxy.called(RECEIVE, 8, SOON).await;
    let exact = || async {
        let calls = desk.calls(&at, "").await;
        let billed = desk.metric(&at, "user_events_sqs_billed_total", "").await;
        let asked: usize = desk.proxy.counts().values().sum();
        (calls == asked as f64 && billed == calls).then_some(())
    };
    eventually("each try is counted", SOON, exact).await;
    let exact = || async {
        let empty = desk.empty_receives(&at).await;
        // One may be under way, and two were answered by an error.
        let receives = desk.proxy.calls(RECEIVE).len() as f64;
        (receives - 3.0..=receives - 2.0).contains(&empty).then_some(())
    };
    eventually("each receive of nothing is counted", SOON, exact).await;
    assert_eq!(desk.metric(&at, "user_events_sqs_price", "").await, 2.5);
    let told = || async {
        let output = execute(&desk.past_the_proxy(), &["status"]).await;
        String::from_utf8(output.stdout).unwrap().contains("email: no message yet").then_some(())
    };
    eventually("status tells of the worker", SOON, told).await;
    assert_eq!(worker.terminate().await, Some(0));
}
