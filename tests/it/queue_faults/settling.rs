//! Deletes that fail: the effect is there, and the message must go all the same.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::{Effect, Running, assert_each_once, events, queue, seconds, settings};
use crate::world::aws_faults::{DELETE, Fault, SqsProxy};
use crate::world::{World, eventually};

#[tokio::test]
async fn a_delete_that_fails_times_out_or_loses_its_answer_is_tried_again_and_repeats_no_effect() {
    let world = World::start().await;
    let broken = [
        (Fault::Error, 5),
        (Fault::Refused("RequestThrottled"), 5),
        (Fault::Reset, 2),
        (Fault::Torn, 2),
        (Fault::AnswerLost, 2),
        (Fault::Silent, 1),
        (Fault::SilentAfter, 1),
    ];
    let each = broken.map(|(fault, calls)| {
        let world = &world;
        async move {
            let (proxy, queue) = (SqsProxy::start(world).await, queue(world, seconds(30)).await);
            let users = events(world, &queue, 10).await;
            proxy.next(DELETE, calls, fault);
            let effect = Effect::default();
            let running = Running::start(&proxy.aws(world), &queue, &effect, settings()).await;
            // Some happened and were not confirmed: then the queue is empty before the last try.
            proxy.called(DELETE, calls + 1, seconds(25)).await;
            world.drained(&queue, seconds(10)).await;
            let outcomes = running.end().await;
            assert_eq!(outcomes, [("done", 10)].into(), "{fault:?}: none came again");
            assert_each_once(world, &queue, &effect, &users, &format!("{fault:?}")).await;
        }
    });
    join_all(each).await;
}

#[tokio::test]
async fn a_delete_that_fails_in_part_is_tried_again_for_that_part_alone() {
    const PLACES: &[usize] = &[0, 2, 5];
    let world = World::start().await;
    let (proxy, queue) = (SqsProxy::start(&world).await, queue(&world, seconds(30)).await);
    let users = events(&world, &queue, 10).await;
    proxy.next(DELETE, 2, Fault::FailEntries(PLACES));
    let effect = Effect::default();
    let running = Running::start(&proxy.aws(&world), &queue, &effect, settings()).await;
    world.drained(&queue, seconds(25)).await;
    assert_eq!(running.end().await, [("done", 10)].into());

    let (mut gone, mut failed) = (BTreeSet::new(), 0);
    for (n, call) in proxy.calls(DELETE).into_iter().enumerate() {
        for (place, receipt) in call.receipts.into_iter().enumerate() {
            let fails = n < 2 && PLACES.contains(&place);
            failed += usize::from(fails);
            assert!(!gone.contains(&receipt), "call {n} asks again for what was confirmed");
            if !fails {
                gone.insert(receipt);
            }
        }
    }
    assert!(failed >= 2, "too few entries failed to show anything");
    assert_eq!(gone.len(), 10);
    assert_each_once(&world, &queue, &effect, &users, "in part").await;
}

#[tokio::test]
async fn a_delete_that_is_given_up_brings_its_message_again_as_a_duplicate() {
    let world = World::start().await;
    let (proxy, queue) = (SqsProxy::start(&world).await, queue(&world, seconds(4)).await);
    let users = events(&world, &queue, 5).await;
    proxy.set(DELETE, Fault::Error);
    let effect = Effect::default();
    let running = Running::start(&proxy.aws(&world), &queue, &effect, settings()).await;
    let again = || async { running.outcomes().contains_key("duplicate").then_some(()) };
    eventually("a message comes again", seconds(60), again).await;
    proxy.heal();
    world.drained(&queue, seconds(40)).await;
    println!("{:?}", running.end().await);
    assert_each_once(&world, &queue, &effect, &users, "given up").await;
}
