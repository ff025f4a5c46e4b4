//! One message, twice in one answer.

use futures_util::future::join_all;
use user_events::profiles::redis::RedisProfiles;

use super::{Effect, Running, assert_each_once, events, queue, seconds, settings};
use crate::world::aws_faults::{Fault, RECEIVE, SqsProxy};
use crate::world::patience::at_this_pace;
use crate::world::processes::{Worker, environment};
use crate::world::{EMPTY, World, event, eventually, redis, unique};

#[tokio::test]
async fn a_message_that_comes_twice_in_one_batch_is_done_once_and_both_are_settled() {
    let world = World::start().await;
    let each = [Fault::TwiceByOneHandle, Fault::TwiceByTwoHandles].map(|fault| {
        let world = &world;
        async move { tokio::join!(with_a_fence(world, fault), with_an_atomic_effect(world, fault)) }
    });
    join_all(each).await;
}

/// The copy finds the effect busy.
async fn with_a_fence(world: &World, fault: Fault) {
    let (proxy, queue) = (SqsProxy::start(world).await, queue(world, at_this_pace(seconds(6))).await);
    let users = events(world, &queue, 1).await;
    proxy.next(RECEIVE, 1, fault);
    let effect = Effect { before: seconds(1), ..Effect::default() };
    let running = Running::start(&proxy.aws(world), &queue, &effect, settings()).await;
    let both = || async { (running.outcomes().values().sum::<u64>() >= 2).then_some(()) };
    eventually("both are judged", at_this_pace(seconds(20)), both).await;
    world.drained(&queue, seconds(20)).await;
    let outcomes = running.end().await;
    println!("{fault:?}: {outcomes:?}");
    assert_eq!((outcomes["done"], outcomes["busy"]), (1, 1), "{fault:?}");
    assert_each_once(world, &queue, &effect, &users, &format!("{fault:?}")).await;
}

/// The copy finds it done, so that one batch deletes both.
async fn with_an_atomic_effect(world: &World, fault: Fault) {
    let (proxy, queue) = (SqsProxy::start(world).await, queue(world, seconds(60)).await);
    let user = unique();
    world.send(&queue, &event(&user)).await;
    proxy.next(RECEIVE, 1, fault);
    let mut env = environment(world, "smtp://127.0.0.1:1");
    env.insert("PROFILE_QUEUE_URL".to_owned(), queue.url.clone());
    env.insert("AWS_ENDPOINT_URL".to_owned(), proxy.url());
    // Alone in its Redis: else others under its name are warned of.
    env.insert("REDIS_PREFIX".to_owned(), format!("{user}:"));
    let worker = Worker::start(&env);
    worker.says("\"outcome\":\"duplicate\"", seconds(20)).await;
    worker.says("\"outcome\":\"done\"", seconds(20)).await;
    world.drained(&queue, seconds(20)).await;
    let log = worker.log().into_iter().skip_while(|line| !line.contains("\"running\"")).collect::<Vec<_>>().join("\n");
    let stored = redis().under(&format!("{user}:")).hash(&RedisProfiles::key(&user.parse().unwrap())).await.unwrap();
    assert_eq!(stored["plan"], "pro");
    assert_eq!(world.depth(&queue.dlq_url).await, EMPTY);
    assert_eq!(worker.terminate().await, Some(0));
    assert!(!log.contains("\"WARN\"") && !log.contains("\"ERROR\""), "{fault:?}: nothing is amiss, but:\n{log}");
}
