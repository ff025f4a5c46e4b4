//! A reaction `crm` of the real program, with a queue of its own.
//!
//! Enters: the URL of the service that it calls, and settings. Leaves: workers, commands, what lies in the DLQ.

use std::collections::BTreeMap;
use std::time::Duration;

use super::SECRET;
use crate::world::processes::{Worker, environment, execute};
use crate::world::{TestQueue, World};

pub struct Crm {
    pub world: World,
    pub queue: TestQueue,
    pub env: BTreeMap<String, String>,
}

impl Crm {
    /// Its queue moves no message by itself within a test.
    pub async fn calling(url: &str, visibility: Duration) -> Self {
        let world = World::start().await;
        let queue = world.queue_with("crm", visibility, 50).await;
        let env = environment(&world, "smtp://127.0.0.1:1");
        let crm = Self { env, world, queue };
        let own = [
            ("CRM_QUEUE_URL", crm.queue.url.clone()),
            ("CRM_WEBHOOK_URL", url.to_owned()),
            ("CRM_WEBHOOK_ALLOW_PLAINTEXT", "true".to_owned()),
            ("CRM_WEBHOOK_SECRET", SECRET.to_owned()),
            ("CRM_RETRY_BACKOFF", "1s..1s".to_owned()),
        ];
        own.into_iter().fold(crm, |crm, (name, value)| crm.with(name, &value))
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The id of its `n`th event. All tests share a Redis, and a record goes by reaction and id.
    pub fn id(&self, n: usize) -> String {
        format!("{}-{n}", self.world.id)
    }

    /// That event, with these fields beside its id.
    pub fn event(&self, n: usize, fields: &str) -> String {
        format!(r#"{{ "type":"order.paid", "eventId":"{}"{fields} }}"#, self.id(n))
    }

    /// So many events.
    pub async fn send(&self, events: usize) {
        let bodies: Vec<_> = (0..events).map(|n| self.event(n, "")).collect();
        self.world.send_all(&self.queue, &bodies).await;
    }

    pub fn worker(&self) -> Worker {
        Worker::of(&self.env, &["run", "crm"])
    }

    /// Runs a command that must succeed. Answers all that it printed.
    pub async fn says(&self, arguments: &[&str]) -> String {
        let ended = execute(&self.env, arguments).await;
        let told = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {told}");
        told
    }

    /// Reason and detail of each dead letter, by its event's id.
    pub async fn letters(&self) -> BTreeMap<String, String> {
        let letters = self.world.dead_letters(&self.queue).await;
        let told = |(body, attributes): (String, BTreeMap<String, String>)| {
            let body: serde_json::Value = serde_json::from_str(&body).expect("we sent JSON");
            let field = |name: &str| attributes.get(name).cloned().unwrap_or_default();
            let why = format!("{}: {}", field("failure.reason"), field("failure.detail"));
            (body["eventId"].as_str().expect("we sent an id").to_owned(), why)
        };
        letters.into_iter().map(told).collect()
    }
}

/// The event ids of the log lines that hold this.
pub fn events_of(log: &[String], text: &str) -> Vec<String> {
    let id = |line: &String| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let span = line.get("span").and_then(|span| span.get("event_id"));
        Some(span.or_else(|| line.get("event_id"))?.as_str()?.trim_matches('"').to_owned())
    };
    log.iter().filter(|line| line.contains(text)).filter_map(id).collect()
}
