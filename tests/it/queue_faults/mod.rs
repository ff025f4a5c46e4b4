//! SQS when it is not well: what it costs in time, in calls and in log lines, and never in effects.
//!
//! Enters: a worker, as a process or in this one, that reaches LocalStack by way of a proxy which breaks
//! calls by name. Leaves: effects counted by user, queues looked at past the proxy, calls with their times.

mod economy;
mod heartbeats;
mod receiving;
mod settling;
mod twice;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::SdkConfig;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use user_events::events::UserSignedUp;
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Fence, Ledger, Terms};
use user_events::queue::Queue;
use user_events::queue::sqs::SqsQueue;
use user_events::worker::{Reaction, Settings, Summary, Tally, Worker};

use crate::world::patience::at_this_pace;
use crate::world::{EMPTY, TestQueue, World, event, redis};

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A long poll as short as whole seconds allow.
const WAIT: Duration = seconds(1);

/// Takes its time, before the fence or behind it, and counts.
#[derive(Clone, Default)]
struct Effect {
    before: Duration,
    behind: Duration,
    starts: Arc<AtomicUsize>,
    by_user: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Handler for Effect {
    type Event = UserSignedUp;
    const NAME: &'static str = "effect";

    async fn handle(&self, event: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        self.starts.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.before).await;
        let crossing = fence.cross().await?;
        tokio::time::sleep(self.behind).await;
        *self.by_user.lock().unwrap().entry(event.user_id.as_str().to_owned()).or_default() += 1;
        Ok(Handled::done(crossing))
    }
}

impl Effect {
    fn total(&self) -> usize {
        self.by_user.lock().unwrap().values().sum()
    }
}

/// A worker in this process.
struct Running {
    tally: Tally,
    stop: CancellationToken,
    worker: JoinHandle<Summary>,
}

impl Running {
    /// On `queue` by way of `aws`, with records in Redis.
    async fn start(aws: &SdkConfig, queue: &TestQueue, effect: &Effect, settings: Settings) -> Self {
        Self::with(aws, queue, effect, RedisLedger::new(redis()), settings).await
    }

    async fn with(
        aws: &SdkConfig,
        queue: &TestQueue,
        effect: &Effect,
        ledger: impl Ledger,
        settings: Settings,
    ) -> Self {
        let queue = SqsQueue::open(aws, queue.url.clone(), None, settings.wait).await.expect("the queue opens");
        let terms = Terms::new(queue.facts().visibility * 3 / 4, seconds(600));
        let worker =
            Worker::new(queue, Reaction::recorded(effect.clone(), ledger, terms, at_this_pace(seconds(60))), settings);
        let (tally, stop) = (worker.tally(), CancellationToken::new());
        Self { tally, worker: tokio::spawn(worker.run(stop.clone())), stop }
    }

    fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        self.tally.read().outcomes
    }

    async fn end(self) -> BTreeMap<&'static str, u64> {
        self.stop.cancel();
        self.worker.await.expect("a worker does not panic");
        self.tally.read().outcomes
    }
}

fn settings() -> Settings {
    Settings::default().with_wait(WAIT)
}

/// A queue of its own for each part of a test.
async fn queue(world: &World, visibility: Duration) -> TestQueue {
    world.queue(&crate::world::unique(), visibility).await
}

/// That many users, each with an event on the queue.
async fn events(world: &World, queue: &TestQueue, count: usize) -> Vec<String> {
    let users: Vec<String> = (0..count).map(|n| format!("{}-{n}", crate::world::unique())).collect();
    world.send_all(queue, &users.iter().map(|user| event(user)).collect::<Vec<_>>()).await;
    users
}

/// All were done once, nothing is left, nothing was given up.
async fn assert_each_once(world: &World, queue: &TestQueue, effect: &Effect, users: &[String], what: &str) {
    let once: BTreeMap<String, usize> = users.iter().map(|user| (user.clone(), 1)).collect();
    assert_eq!(*effect.by_user.lock().unwrap(), once, "{what}: effects by user");
    let depths = (world.depth(&queue.url).await, world.depth(&queue.dlq_url).await);
    assert_eq!(depths, (EMPTY, EMPTY), "{what}: the queue and its DLQ");
}
