//! The whole engine: leases, heartbeats, batched settling, unwrapping; with an empty handler (`HANDLER=noop`), or with claim and
//! commit in Redis (`HANDLER=redis`).
//!
//! Enters: QUEUE_URL, REDIS_URL, CONCURRENCY. Runs until SIGTERM.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use user_events::app;
use user_events::event::UserSignedUp;
use user_events::handlers::{Handled, Handler, HandlerError};
use user_events::idempotency::atomic::AtomicEffect;
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Fence, Ledger, Terms};
use user_events::queue::sqs::SqsQueue;
use user_events::redis_link::RedisLink;
use user_events::worker::{Reaction, Settings, Worker};

struct Nothing;

impl Handler for Nothing {
    const NAME: &'static str = "nothing";

    async fn handle(&self, _event: &UserSignedUp, _fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        Ok(Handled::Applied)
    }
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

async fn work(ledger: impl Ledger) {
    let second = Duration::from_secs(1);
    let queue = SqsQueue::open(&app::sdk().await, variable("QUEUE_URL", ""), None, 20 * second).await.expect("a queue");
    let terms = Terms { lease: 20 * second, retention: 86_400 * second, max_sends: 2 };
    let concurrency = variable("CONCURRENCY", "10").parse().expect("a number");
    let settings = Settings { concurrency, ..Settings::default() };
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        signal(SignalKind::terminate()).expect("signals").recv().await;
        told.cancel();
    });
    Worker::new(queue, Reaction::new(Nothing, ledger, terms, 60 * second), settings).run(stop).await;
}

fn main() {
    let threads: usize = variable("THREADS", "1").parse().expect("a number");
    let mut runtime = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match variable("HANDLER", "noop").as_str() {
            "redis" => {
                let url = variable("REDIS_URL", "redis://127.0.0.1:6379/0").into();
                work(RedisLedger::new(RedisLink::new(&url).expect("a URL"))).await;
            }
            _ => work(AtomicEffect).await,
        }
    });
}
