//! What SQS is asked, and thus paid for.

use user_events::idempotency::memory::MemoryLedger;
use user_events::worker::Settings;

use super::{Effect, Running, assert_each_once, events, queue, seconds, settings};
use crate::world::aws_faults::{DELETE, RECEIVE, SqsProxy};
use crate::world::{World, eventually};

#[tokio::test]
async fn api_calls_a_message_are_at_most_0_21_at_full_load() {
    const MESSAGES: usize = 2_000;
    let world = World::start().await;
    for concurrency in [10, 40] {
        let (proxy, queue) = (SqsProxy::start(&world).await, queue(&world, seconds(60)).await);
        let users = events(&world, &queue, MESSAGES).await;
        let (effect, settings) = (Effect::default(), settings().with_concurrency(concurrency));
        let running = Running::with(&proxy.aws(&world), &queue, &effect, MemoryLedger::default(), settings).await;
        eventually("all are done", seconds(80), || async { (effect.total() == MESSAGES).then_some(()) }).await;
        assert_eq!(running.end().await, [("done", MESSAGES as u64)].into());
        let counts = proxy.counts();
        let calls: usize = counts.values().sum();
        let filled = |kind| MESSAGES as f64 / counts[kind] as f64;
        println!(
            "concurrency {concurrency}: {calls} calls, {:.4} a message; {:.2} messages a receive, {:.2} a delete; {counts:?}",
            calls as f64 / MESSAGES as f64,
            filled(RECEIVE),
            filled(DELETE),
        );
        assert!(calls * 100 <= MESSAGES * 21, "{calls} calls for {MESSAGES} messages: {counts:?}");
        assert_each_once(&world, &queue, &effect, &users, "at full load").await;
    }
}

#[tokio::test]
async fn an_idle_queue_costs_one_receive_in_20_s() {
    let world = World::start().await;
    let (proxy, queue) = (SqsProxy::start(&world).await, queue(&world, seconds(60)).await);
    let settings = Settings::default().with_wait(seconds(20));
    let running = Running::start(&proxy.aws(&world), &queue, &Effect::default(), settings).await;
    let first = proxy.called(RECEIVE, 1, seconds(10)).await;
    let fourth = proxy.called(RECEIVE, 4, seconds(90)).await;
    let (counts, passed) = (proxy.counts(), fourth.at - first.at);
    println!("{counts:?} in {passed:?}");
    // LocalStack may count its 20 s a little short.
    assert!(passed >= seconds(59), "three receives in {passed:?}");
    assert_eq!(counts, [("GetQueueAttributes".to_owned(), 1), (RECEIVE.to_owned(), 4)].into());
    // The last long poll need not be waited for.
    running.worker.abort();
}
