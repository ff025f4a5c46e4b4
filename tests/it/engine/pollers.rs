//! How often the queue is asked: what it costs at full load, and what it costs to wait.

use super::*;

fn calls(tapped: &Tapped) -> usize {
    tapped.receives().len() + tapped.deletes().len()
}

#[tokio::test(start_paused = true)]
async fn at_full_load_a_message_costs_at_most_a_fifth_of_a_call_and_a_little() {
    for concurrency in [10, 25, 100] {
        let (queue, _dlq) = queue_and_dlq();
        send_events(&queue, 2_000);
        let tapped = Tapped::new(&queue);
        let handler = Does(async |_| {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..20))).await;
            Ok(())
        });
        let worker = Running::start(tapped.clone(), handler, settings().with_concurrency(concurrency));
        emptied(&queue).await;
        let calls = calls(&tapped);
        assert!(calls <= 420, "{calls} calls for 2,000 messages on {concurrency} slots");
        worker.stopped().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_queue_is_asked_once_in_twenty_seconds() {
    let (queue, _dlq) = queue_and_dlq();
    let tapped = Tapped::new(&queue);
    let _worker = Running::start(tapped.clone(), counting(&Arc::default()), settings().with_concurrency(100));
    tokio::time::sleep(HOUR).await;
    let calls = calls(&tapped);
    assert!((180..=181).contains(&calls), "{calls}: three a minute, and the one under way");
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_asked_by_several_receives_at_once_and_a_quiet_queue_by_one() {
    let (queue, _dlq) = queue_and_dlq();
    send_events(&queue, 200);
    let tapped = Tapped::new(&queue);
    // Slow enough that receives meet.
    queue.set_faults(|call| (call == Call::Receive).then_some(Fault::Slow(Duration::from_millis(100))));
    let _worker = Running::start(tapped.clone(), counting(&Arc::default()), settings().with_concurrency(30));
    emptied(&queue).await;
    assert_eq!(tapped.most_receives(), 3, "thirty slots are three receives");
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(tapped.receives_under_way(), 1);
}
