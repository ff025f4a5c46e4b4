//! The whole engine: leases, heartbeats, batched settling, unwrapping, metrics, and the service's own runtime and allocator;
//! with an empty handler (`HANDLER=noop`), or with claim and commit in Redis (`HANDLER=redis`).
//!
//! Enters: QUEUE_URL, REDIS_URL, CONCURRENCY. Runs until SIGTERM.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use user_events::config::{self, Environment, LogFormat, SettingsReader};
use user_events::events::UserSignedUp;
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Fence, Ledger, Terms};
use user_events::queue::Queue;
use user_events::queue::sqs::SqsQueue;
use user_events::redis_link::RedisLink;
use user_events::telemetry::{Telemetry, Watch};
use user_events::worker::{Reaction, Settings, Worker};
use user_events::{aws, ops, shutdown};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TIMEOUT: Duration = Duration::from_secs(60);

struct Nothing;

impl Handler for Nothing {
    type Event = UserSignedUp;
    const NAME: &'static str = "nothing";

    async fn handle(&self, _event: &UserSignedUp, _fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        Ok(Handled::Applied)
    }
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

async fn work<L: Ledger>(queue: SqsQueue, reaction: Reaction<L, Nothing>, watch: Watch, stop: CancellationToken) {
    let concurrency = variable("CONCURRENCY", "10").parse().expect("a number");
    let settings = Settings::default().with_concurrency(concurrency);
    let worker = Worker::new(watch.queue(queue), reaction, settings);
    // As in the service: what `block_on` waits for itself is woken by a system call each time.
    tokio::spawn(worker.observed(std::sync::Arc::new(watch)).run(stop)).await.expect("a worker ends well");
}

async fn run() {
    let environment = Environment::of_process();
    let mut reader = SettingsReader::new(&environment);
    let (telemetry, told) = (config::telemetry(&mut reader), config::aws(&mut reader));
    let telemetry = Telemetry::start(&telemetry, "off", LogFormat::Json).expect("telemetry");
    let stop = shutdown::on_signal().expect("signals");
    let longest = Duration::from_secs(20);
    let aws = aws::load(&told).await.expect("a region");
    let queue = SqsQueue::open(&aws, variable("QUEUE_URL", ""), None, longest).await.expect("a queue");
    let watch = telemetry.reaction(Nothing::NAME, queue.name());
    if variable("HANDLER", "noop") == "redis" {
        let url = variable("REDIS_URL", "redis://127.0.0.1:6379/0").into();
        let ledger = watch.ledger(RedisLedger::new(RedisLink::new(&url).expect("a URL")));
        let terms = Terms::new(Duration::from_secs(20), Duration::from_secs(86_400));
        work(queue, Reaction::recorded(Nothing, ledger, terms, TIMEOUT), watch, stop).await;
    } else {
        work(queue, Reaction::atomic(Nothing, TIMEOUT), watch, stop).await;
    }
}

fn main() {
    ops::runtime().expect("a runtime").block_on(run());
}
