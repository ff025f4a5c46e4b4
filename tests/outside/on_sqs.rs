//! The `Receipts` of docs/embed.md on servers: a queue in SQS, records in Redis. `tests/it/outside.rs` makes the queue,
//! puts one order on it twice, and builds this beside the lines of that page.

use std::time::Duration;

use receipts::Receipts;
use tokio_util::sync::CancellationToken;
use user_events_engine::idempotency::{Terms, redis::RedisLedger};
use user_events_engine::queue::sqs::SqsQueue;
use user_events_engine::redis_link::RedisLink;
use user_events_engine::worker::{Reaction, Settings, Worker};

const SECOND: Duration = Duration::from_secs(1);

fn told(name: &str) -> String {
    std::env::var(name).expect(name)
}

#[tokio::test]
async fn an_order_that_lies_on_the_queue_twice_has_one_receipt() {
    let (printer, printed) = std::sync::mpsc::channel();
    let print = move |order: &str| printer.send(order.to_owned()).unwrap();
    let aws = aws_config::load_from_env().await;
    let queue = SqsQueue::open(&aws, told("QUEUE_URL"), None, 20 * SECOND).await.unwrap();
    let ledger = RedisLedger::new(RedisLink::new(&told("REDIS_URL").into()).unwrap());
    let terms = Terms::new(20 * SECOND, 3600 * SECOND);
    // One after the other, else the second copy waits for the first one's lease.
    let settings = Settings::default().with_concurrency(1).with_wait(SECOND);
    let reaction = Reaction::recorded(Receipts(print), ledger, terms, 10 * SECOND);
    let worker = Worker::new(queue, reaction, settings);
    let (tally, stop) = (worker.tally(), CancellationToken::new());
    let running = tokio::spawn(worker.run(stop.clone()));
    while tally.read().of("done") + tally.read().of("duplicate") < 2 {
        tokio::time::sleep(SECOND / 10).await;
    }
    stop.cancel();
    running.await.unwrap();
    assert_eq!(printed.try_iter().collect::<Vec<_>>(), [told("ORDER")]);
}
