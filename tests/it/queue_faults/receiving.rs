//! Receives that fail, or never end.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Effect, Running, WAIT, assert_each_once, events, queue, seconds, settings};
use crate::world::aws_faults::{Fault, RECEIVE, SqsProxy};
use crate::world::patience::patience;
use crate::world::processes::{Worker, environment};
use crate::world::{EMPTY, World, event, eventually, unique};

#[tokio::test]
async fn a_receive_that_never_answers_is_given_up_within_its_wait_and_6_s() {
    let world = World::start().await;
    // Each reaches the worker, whatever the SDK would try. What one of them had already brought
    // stays hidden for its 10 s, and then comes again.
    let broken = [(Fault::Silent, 4), (Fault::SilentAfter, 1)].map(|(fault, calls)| {
        let world = &world;
        async move {
            let (proxy, queue) = (SqsProxy::start(world).await, queue(world, seconds(10)).await);
            let users = events(world, &queue, 1).await;
            proxy.next(RECEIVE, calls, fault);
            let effect = Effect::default();
            let running = Running::start(&proxy.aws(world), &queue, &effect, settings()).await;
            proxy.called(RECEIVE, calls + 1, seconds(40)).await;
            let times: Vec<Instant> = proxy.calls(RECEIVE).iter().map(|call| call.at).collect();
            let gaps: Vec<Duration> = times.windows(2).take(calls).map(|pair| pair[1] - pair[0]).collect();
            println!("{fault:?}: the next poll after {gaps:?}");
            let most = patience(WAIT + seconds(6));
            assert!(gaps.iter().all(|gap| *gap <= most), "{fault:?}: {gaps:?}");
            world.drained(&queue, seconds(20)).await;
            running.end().await;
            assert_each_once(world, &queue, &effect, &users, &format!("{fault:?}")).await;
        }
    });
    join_all(broken).await;
}

#[tokio::test]
async fn an_sqs_that_answers_500_throttles_refuses_or_resets_is_asked_again_ever_later_and_ends_nothing() {
    let world = World::start().await;
    let faults = [
        Fault::Error,
        Fault::Refused("ThrottlingException"),
        Fault::Refused("RequestThrottled"),
        Fault::Refused("AccessDeniedException"),
        Fault::Reset,
        Fault::Torn,
    ];
    join_all(faults.map(|fault| outlives(&world, fault))).await;
}

/// A worker with receives broken for long enough that it asks but rarely.
async fn outlives(world: &World, fault: Fault) {
    let (proxy, queue) = (SqsProxy::start(world).await, queue(world, seconds(20)).await);
    let mut env = environment(world, "smtp://127.0.0.1:1");
    env.insert("PROFILE_QUEUE_URL".to_owned(), queue.url.clone());
    env.insert("AWS_ENDPOINT_URL".to_owned(), proxy.url());
    let worker = Worker::start(&env);
    proxy.called(RECEIVE, 2, seconds(20)).await;
    let lines_before = worker.log().len();
    let calls_before = proxy.calls(RECEIVE).len();
    proxy.set(RECEIVE, fault);
    let broken_at = Instant::now();

    // The SDK's own pauses are shorter than 4 s, and so are the worker's first ones.
    let rarely = || async {
        let calls = proxy.calls(RECEIVE);
        let is_rare = calls.len() > calls_before + 3 && calls[calls.len() - 1].at.elapsed() > seconds(4);
        (is_rare && worker.log().len() > lines_before).then_some(())
    };
    eventually("it asks more rarely", seconds(90), rarely).await;
    let calls = proxy.calls(RECEIVE).len() - calls_before;
    let lines = worker.log().split_off(lines_before);
    let outage = broken_at.elapsed();
    proxy.heal();
    let well_at = Instant::now();
    // What a torn answer had brought is hidden as long as any other.
    world.send(&queue, &event(&unique())).await;
    worker.says("\"outcome\":\"done\"", seconds(40)).await;
    println!("{fault:?}: {calls} calls, {} lines in {outage:?}; done {:?} after", lines.len(), well_at.elapsed());
    world.drained(&queue, seconds(10)).await;

    let (tens, most) = (outage.as_secs() / 10, 4 * (outage.as_secs() as usize + 1));
    assert!(lines.len() as u64 <= 1 + tens, "{fault:?}: {outage:?}:\n{}", lines.join("\n"));
    assert!(calls <= most, "{fault:?}: {calls} calls in {outage:?}");
    assert_eq!(world.depth(&queue.dlq_url).await, EMPTY);
    assert_eq!(worker.terminate().await, Some(0), "{fault:?}");
}
