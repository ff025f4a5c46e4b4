//! Who may try, and when, on a paused clock.

use super::*;
use crate::backoff::Outage;

/// Answers as it is told, and counts how often it was asked.
#[derive(Default)]
struct Server {
    is_down: std::sync::atomic::AtomicBool,
    asked: AtomicUsize,
}

impl Needs for Server {
    async fn look(&self) -> Result<(), Missing> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.is_down.load(Ordering::Relaxed) { Err(missing(Outage::Down)) } else { Ok(()) }
    }
}

fn missing(outage: Outage) -> Missing {
    Missing { dependency: "smtp", detail: "554 5.7.1 at dot".to_owned(), outage }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A breaker after its first check, which found everything there.
async fn closed() -> (Breaker, Server) {
    let (breaker, server) = (Breaker::default(), Server::default());
    breaker.wait_for_turn(Who::Fresh, &server).await;
    assert!(breaker.is_closed());
    (breaker, server)
}

/// How long the next caller waits for its turn.
async fn waited(breaker: &Breaker, server: &Server) -> Duration {
    let asked = Instant::now();
    breaker.wait_for_turn(Who::Fresh, server).await;
    asked.elapsed()
}

#[tokio::test(start_paused = true)]
async fn it_opens_on_an_outage_and_closes_only_after_work_that_succeeded() {
    let (breaker, server) = closed().await;
    breaker.weigh(Evidence::Fails(missing(Outage::Down)));
    breaker.weigh(Evidence::Fails(missing(Outage::Down)));
    breaker.weigh(Evidence::Works);
    assert!(!breaker.is_closed(), "a straggler proves nothing");
    assert!(breaker.missing().is_some_and(|told| told.contains("smtp (554 5.7.1 at dot) since ")));
    server.is_down.store(true, Ordering::Relaxed);
    assert!(tokio::time::timeout(seconds(10), breaker.wait_for_turn(Who::Fresh, &server)).await.is_err(), "it is down");
    assert!((10..=15).contains(&server.asked.load(Ordering::Relaxed)), "about once a second");
    server.is_down.store(false, Ordering::Relaxed);
    breaker.wait_for_turn(Who::Fresh, &server).await;
    assert_eq!((breaker.is_closed(), breaker.missing()), (false, None), "it answers; a message has to prove it");
    breaker.weigh(Evidence::Nothing);
    assert_eq!(waited(&breaker, &server).await, Duration::ZERO, "a duplicate needed no mail server");
    breaker.weigh(Evidence::Works);
    assert!(breaker.is_closed());
    assert_eq!(breaker.pauses(), BTreeMap::from([("smtp", 1)]), "one outage, however many it hit");
}

#[tokio::test(start_paused = true)]
async fn a_start_without_a_dependency_waits_for_it() {
    let (breaker, server) = (Breaker::default(), Server::default());
    assert!(breaker.missing().is_some());
    server.is_down.store(true, Ordering::Relaxed);
    assert!(tokio::time::timeout(seconds(5), breaker.wait_for_turn(Who::Fresh, &server)).await.is_err());
    assert!(breaker.missing().is_some_and(|told| told.contains("smtp")));
    assert_eq!(breaker.pauses(), BTreeMap::new(), "nothing was interrupted");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_and_refuses_is_tried_ever_more_rarely_and_told_of_all_the_time() {
    let (breaker, server) = closed().await;
    breaker.weigh(Evidence::Fails(missing(Outage::Refusing)));
    for longest in [15, 30, 60, 120, 240, 480, 900, 900] {
        let waited = waited(&breaker, &server).await;
        assert!(waited <= seconds(longest) && waited >= seconds(longest) * 9 / 10, "{waited:?} of {longest} s");
        assert!(breaker.missing().is_some(), "that it answers proves nothing");
        breaker.weigh(Evidence::Fails(missing(Outage::Refusing)));
    }
    breaker.wait_for_turn(Who::Fresh, &server).await;
    breaker.weigh(Evidence::Works);
    assert_eq!((breaker.is_closed(), breaker.missing()), (true, None));
}

#[tokio::test(start_paused = true)]
async fn a_doubt_lets_one_at_a_time_try_and_no_pause_is_told_of() {
    let (breaker, server) = closed().await;
    breaker.weigh(Evidence::Doubts);
    assert_eq!((breaker.is_closed(), breaker.missing()), (false, None));
    assert_eq!(waited(&breaker, &server).await, Duration::ZERO);
    let second = tokio::time::timeout(seconds(60), breaker.wait_for_turn(Who::Fresh, &server));
    assert!(second.await.is_err(), "one at a time");
    breaker.weigh(Evidence::Doubts);
    assert_eq!(waited(&breaker, &server).await, Duration::ZERO, "the next one at once");
    breaker.weigh(Evidence::Works);
    assert!(breaker.is_closed());
    assert_eq!(breaker.pauses(), BTreeMap::new());

    breaker.weigh(Evidence::Doubts);
    breaker.wait_for_turn(Who::Fresh, &server).await;
    breaker.weigh(Evidence::Fails(missing(Outage::Refusing)));
    assert!(breaker.missing().is_some(), "it was everybody");
    assert_eq!(breaker.pauses(), BTreeMap::from([("smtp", 1)]), "that is a pause");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_try_in_the_order_they_came_and_one_success_lets_all_go() {
    let (breaker, server) = closed().await;
    breaker.weigh(Evidence::Fails(missing(Outage::Busy)));
    let order = Mutex::new(Vec::new());
    let wait = async |who: usize| {
        // The first two of them fail, and wait again.
        loop {
            breaker.wait_for_turn(Who::Held, &server).await;
            let tries = {
                let mut order = order.lock().unwrap_or_else(PoisonError::into_inner);
                order.push(who);
                order.len()
            };
            if breaker.is_closed() {
                return;
            }
            breaker.weigh(if tries < 3 { Evidence::Fails(missing(Outage::Busy)) } else { Evidence::Works });
            if breaker.is_closed() {
                return;
            }
        }
    };
    tokio::join!(wait(1), wait(2), wait(3), wait(4));
    let order = order.into_inner().unwrap_or_default();
    assert_eq!(order[..3], [1, 2, 3], "each try another: {order:?}");
    assert_eq!(order.len(), 6, "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn as_many_wait_as_fill_all_slots_and_one_for_each_try_while_the_first_is_held() {
    let breaker = Breaker::default();
    let places: Vec<_> = (0..PLACES + 3).map_while(|_| breaker.waiting_place(3)).collect();
    assert!(places.len() == PLACES + 3 && breaker.waiting_place(3).is_none() && breaker.waiting_place(4).is_some());
    drop(places);
    assert!(breaker.waiting_place(3).is_some() && !breaker.is_waited_for());
}

#[tokio::test(start_paused = true)]
async fn a_fresh_message_and_one_that_failed_try_by_turns_the_fresh_one_first() {
    let (breaker, server) = closed().await;
    breaker.weigh(Evidence::Fails(missing(Outage::Busy)));
    let order = Mutex::new(Vec::new());
    let wait = async |who: Who| {
        loop {
            breaker.wait_for_turn(who, &server).await;
            let is_over = {
                let mut order = order.lock().unwrap_or_else(PoisonError::into_inner);
                order.push(who);
                order.len() >= 6
            };
            breaker.weigh(if is_over { Evidence::Works } else { Evidence::Fails(missing(Outage::Busy)) });
            if breaker.is_closed() {
                return;
            }
        }
    };
    tokio::join!(wait(Who::Held), wait(Who::Held), wait(Who::Held), wait(Who::Fresh));
    let order = order.into_inner().unwrap_or_default();
    let expected = [Who::Fresh, Who::Held].repeat(3);
    assert_eq!(order[..6], expected, "{order:?}");
}
