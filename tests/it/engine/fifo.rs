//! FIFO queues: a group in order, groups side by side, and a failure stops its group alone.

use std::collections::BTreeMap;

use super::*;

const GROUPS: usize = 100;
const EACH: usize = 20;

fn fifo_and_dlq(max_receive_count: u32) -> (MemoryQueue, MemoryQueue) {
    let dlq = MemoryQueue::new("work-dlq.fifo", VISIBILITY);
    (MemoryQueue::with_dlq("work.fifo", VISIBILITY, &dlq, max_receive_count), dlq)
}

/// The n-th event of a group: a user of its own, so that no two are one effect.
fn send_in_group(queue: &MemoryQueue, group: usize, n: usize) {
    let user = format!("{group}-{n}");
    queue.send_in_group(&event(&user), Attributes::new(), &group.to_string(), &user).expect("it fits");
}

fn place(event: &UserSignedUp) -> (usize, usize) {
    let (group, n) = event.user_id.as_str().split_once('-').expect("group and place");
    (group.parse().expect("a number"), n.parse().expect("a number"))
}

#[tokio::test(start_paused = true)]
async fn a_hundred_groups_of_twenty_with_failures_keep_each_its_order_and_run_side_by_side() {
    let (queue, dlq) = fifo_and_dlq(1000);
    for n in 0..EACH {
        (0..GROUPS).for_each(|group| send_in_group(&queue, group, n));
    }
    let done: Arc<Mutex<BTreeMap<usize, Vec<usize>>>> = Arc::default();
    let (failures, at_once, most) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let (done, failures, at_once, most) = (done.clone(), failures.clone(), at_once.clone(), most.clone());
        Does(move |event: UserSignedUp| {
            let (done, failures, at_once, most) = (done.clone(), failures.clone(), at_once.clone(), most.clone());
            async move {
                let (group, n) = place(&event);
                {
                    let mut at_once = at_once.lock().unwrap();
                    assert!(!at_once.contains(&group), "two of a group at once");
                    at_once.push(group);
                    most.fetch_max(at_once.len(), Ordering::SeqCst);
                }
                tokio::time::sleep(Duration::from_millis(fastrand::u64(1..50))).await;
                at_once.lock().unwrap().retain(|other| *other != group);
                if fastrand::u32(0..100) < 5 {
                    failures.fetch_add(1, Ordering::SeqCst);
                    return Err(transient());
                }
                done.lock().unwrap().entry(group).or_default().push(n);
                Ok(())
            }
        })
    };
    let settings = settings().with_concurrency(50).with_max_attempts(Some(99));
    let worker = Running::start(queue.clone(), handler, settings);
    emptied(&queue).await;
    let in_order: Vec<usize> = (0..EACH).collect();
    let done = done.lock().unwrap();
    assert_eq!(done.len(), GROUPS);
    assert!(done.values().all(|group| *group == in_order), "{done:?}");
    assert!(failures.load(Ordering::SeqCst) > 20, "{failures:?} failures");
    assert!(most.load(Ordering::SeqCst) >= 10, "{most:?} groups at once");
    assert_eq!((dlq.depth(), worker.tally.read().of("panicked")), (EMPTY, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_stops_its_group_and_no_other() {
    let (queue, _dlq) = fifo_and_dlq(1000);
    for n in 0..3 {
        (0..2).for_each(|group| send_in_group(&queue, group, n));
    }
    let handler = Does(async |event: UserSignedUp| if place(&event).0 == 0 { Err(transient()) } else { Ok(()) });
    let worker = Running::start(queue.clone(), handler, settings().with_concurrency(10));
    worker.counted("transient", 1).await;
    worker.counted("done", 3).await;
    worker.counted("transient", 4).await;
    assert_eq!(worker.tally.read().of("done"), 3, "nothing overtook the failing head");
    assert_eq!(queue.depth().visible + queue.depth().in_flight, 3);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_read_is_quarantined_before_its_group_goes_on() {
    let (queue, dlq) = fifo_and_dlq(5);
    queue.send_in_group("<xml/>", Attributes::new(), "0", "a").expect("it fits");
    send_in_group(&queue, 0, 1);
    // The first letters are lost: until one is taken, the group waits.
    let tapped = Tapped::new(&queue);
    // Each is tried four times before the message is shown again.
    tapped.tap.failing_letters.store(8, Ordering::SeqCst);
    let seen = dlq.clone();
    let handler = Does(move |_| {
        assert_eq!(seen.depth().visible, 1, "the letter is there");
        async { Ok(()) }
    });
    let worker = Running::start(tapped, handler, settings().with_concurrency(10));
    emptied(&queue).await;
    assert_eq!((worker.tally.read().of("done"), worker.tally.read().of("refused")), (1, 3));
    let letter = letters(&dlq).await.remove(0);
    assert_eq!((letter.group.as_deref(), reason(&letter)), (Some("0"), "not_json"));
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_a_group_finishes_its_delivery_and_gives_back_the_rest() {
    let (queue, _dlq) = fifo_and_dlq(5);
    (0..4).for_each(|n| send_in_group(&queue, 0, n));
    let held = super::Held::new();
    let worker = Running::start(queue.clone(), held.handler(), settings().with_concurrency(10));
    held.entered.wait().await;
    worker.stop.cancel();
    held.leave.wait().await;
    assert_eq!(worker.stopped().await, Summary { drained: 1, returned: 3, abandoned: 0 });
    assert_eq!(queue.depth(), Depth { visible: 3, in_flight: 0 });
}

#[tokio::test(start_paused = true)]
async fn a_group_that_waits_behind_a_slow_delivery_stays_hidden() {
    let (queue, _dlq) = fifo_and_dlq(5);
    (0..3).for_each(|n| send_in_group(&queue, 0, n));
    let tapped = Tapped::new(&queue);
    let handler = Does(async |_| {
        tokio::time::sleep(VISIBILITY * 2).await;
        Ok(())
    });
    let reaction = Reaction::recorded(handler, MemoryLedger::default(), terms(), HOUR);
    let worker = Running::of(Worker::new(tapped.clone(), reaction, settings().with_concurrency(10)));
    emptied(&queue).await;
    assert_eq!((worker.tally.read().of("done"), tapped.attempts()), (3, vec![1, 1, 1]));
}

#[tokio::test(start_paused = true)]
async fn a_group_id_on_a_queue_that_is_not_fifo_orders_nothing() {
    let (queue, _dlq) = queue_and_dlq();
    (0..2).for_each(|n| send_in_group(&queue, 0, n));
    let together = Arc::new(Barrier::new(2));
    let handler = Does(move |_| {
        let together = together.clone();
        async move {
            // Opens only if both are at work at once.
            together.wait().await;
            Ok(())
        }
    });
    let _worker = Running::start(queue.clone(), handler, settings().with_concurrency(10));
    emptied(&queue).await;
}
