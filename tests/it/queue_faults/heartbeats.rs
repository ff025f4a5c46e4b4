//! Heartbeats that fail: a message may be shown again under its worker's hands, and is done once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;

use super::{Effect, Running, assert_each_once, events, queue, seconds, settings};
use crate::world::aws_faults::{Fault, RECEIVE, SqsProxy, VISIBILITY};
use crate::world::patience::at_this_pace;
use crate::world::{World, eventually};

/// One event at a worker whose heartbeats go as `broken` says, with a healthy worker beside it: which of them did it.
async fn beside_a_healthy_one(world: &World, effect: &Effect, broken: impl Fn(&SqsProxy)) -> [bool; 2] {
    // Beats about a second apart.
    let (proxy, queue) = (SqsProxy::start(world).await, queue(world, at_this_pace(seconds(3))).await);
    let users = events(world, &queue, 1).await;
    broken(&proxy);
    let sick = Running::start(&proxy.aws(world), &queue, effect, settings()).await;
    let started = || async { (effect.starts.load(Ordering::SeqCst) > 0).then_some(()) };
    eventually("the first worker is at it", seconds(20), started).await;
    // Whatever is shown again is the other one's.
    proxy.set(RECEIVE, Fault::Error);
    let healthy = Running::start(&world.aws, &queue, effect, settings()).await;

    eventually("the effect", at_this_pace(seconds(40)), || async { (effect.total() > 0).then_some(()) }).await;
    world.drained(&queue, seconds(30)).await;
    // Whoever of the two is not done must be, before it is counted; the fault has shown what it does.
    proxy.heal();
    let outcomes = [sick.end().await, healthy.end().await];
    println!("{outcomes:?}, {:?}", proxy.counts());
    assert!(!proxy.calls(VISIBILITY).is_empty(), "no heartbeat was met by the fault");
    assert_each_once(world, &queue, effect, &users, "beside a healthy one").await;
    outcomes.map(|outcomes| outcomes.contains_key("done"))
}

#[tokio::test]
async fn a_heartbeat_that_fails_costs_no_second_effect() {
    let world = World::start().await;
    let ms = Duration::from_millis;
    let faults = [Fault::Error, Fault::Silent, Fault::FailEntries(&[0])];
    // Before the fence its handler is stopped, and the other one does it.
    let before = faults.map(|fault| {
        let world = &world;
        async move {
            let effect = Effect { before: at_this_pace(seconds(8)), ..Effect::default() };
            let done = beside_a_healthy_one(world, &effect, |proxy| proxy.set(VISIBILITY, fault)).await;
            assert_eq!(done, [false, true], "{fault:?} before the fence");
        }
    });
    // Behind it nobody can stop it, and the other one waits.
    let behind = faults.map(|fault| {
        let world = &world;
        async move {
            let effect = Effect { before: ms(200), behind: at_this_pace(seconds(8)), ..Effect::default() };
            let done = beside_a_healthy_one(world, &effect, |proxy| proxy.set(VISIBILITY, fault)).await;
            assert_eq!(done, [true, false], "{fault:?} behind the fence");
        }
    });
    tokio::join!(join_all(before), join_all(behind));
}

#[tokio::test]
async fn a_heartbeat_that_fails_now_and_then_is_made_up_for_by_the_next() {
    let world = World::start().await;
    let (proxy, queue) = (SqsProxy::start(&world).await, queue(&world, at_this_pace(seconds(9))).await);
    let users = events(&world, &queue, 1).await;
    // One beat, with the SDK's own tries.
    proxy.next(VISIBILITY, 3, Fault::Error);
    let effect = Effect { before: at_this_pace(seconds(14)), ..Effect::default() };
    let running = [
        Running::start(&proxy.aws(&world), &queue, &effect, settings()).await,
        Running::start(&proxy.aws(&world), &queue, &effect, settings()).await,
    ];
    eventually("the effect", at_this_pace(seconds(40)), || async { (effect.total() > 0).then_some(()) }).await;
    world.drained(&queue, seconds(10)).await;
    for worker in running {
        worker.end().await;
    }
    assert!(proxy.calls(VISIBILITY).len() > 3, "the fault outlasted the handler");
    assert_eq!(effect.starts.load(Ordering::SeqCst), 1, "shown again under its worker's hands");
    assert_each_once(&world, &queue, &effect, &users, "now and then").await;
}
