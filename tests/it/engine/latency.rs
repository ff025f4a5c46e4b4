//! How soon: an event that comes while the worker waits, and one whose neighbour is slow.

use super::*;

/// A handler that notes when it is called, and takes 25 s for the first user.
fn noting(calls: &Arc<Mutex<Vec<Instant>>>) -> impl Handler + use<> {
    let calls = calls.clone();
    Does(move |event: UserSignedUp| {
        calls.lock().unwrap().push(Instant::now());
        let is_slow = event.user_id.as_str() == "user-0";
        async move {
            tokio::time::sleep(if is_slow { seconds(25) } else { Duration::ZERO }).await;
            Ok(())
        }
    })
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_while_the_worker_idles_is_handled_at_once() {
    let ((queue, _dlq), calls) = (queue_and_dlq(), Arc::default());
    let worker = Running::start(queue.clone(), noting(&calls), settings());
    for pause in [0, 1, 19, 20, 21, 3_601] {
        tokio::time::sleep(seconds(pause)).await;
        let sent = Instant::now();
        send(&queue, &event(&format!("user-after-{pause}")));
        emptied(&queue).await;
        let began = *calls.lock().unwrap().last().expect("handled");
        assert!(began - sent <= Duration::from_millis(5), "after {pause} s idle: {:?}", began - sent);
    }
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_delays_none_of_its_neighbours() {
    let ((queue, _dlq), calls) = (queue_and_dlq(), Arc::<Mutex<Vec<Instant>>>::default());
    let begun = Instant::now();
    send_events(&queue, 100);
    let worker = Running::start(queue.clone(), noting(&calls), settings().with_concurrency(10));
    let one_left = async || (queue.depth() == Depth { visible: 0, in_flight: 1 }).then_some(());
    eventually("all but the slow one are done", HOUR, one_left).await;
    assert!(begun.elapsed() < seconds(2), "nine slots did 99 events in {:?}", begun.elapsed());
    assert_eq!(calls.lock().unwrap().len(), 100);
    emptied(&queue).await;
    worker.stopped().await;
}
