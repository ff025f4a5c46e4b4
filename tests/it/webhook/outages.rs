//! A service that goes away and comes back, on real connections: the reaction pauses, nobody is blamed, others go on. How
//! soon its return is noticed is shown in virtual time (`engine/receivers/elsewhere.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use user_events::backoff::Backoff;
use user_events::idempotency::Terms;
use user_events::idempotency::memory::MemoryLedger;
use user_events::queue::memory::{Depth, MemoryQueue};
use user_events::queue::{Attributes, Queue};
use user_events::worker::{Reaction as Reacting, Settings, Summary, Tally, Vitals, Worker};

use super::service::{Service, status};
use super::{SECOND, row, settings, webhook};
use crate::world::eventually;
use crate::world::patience::at_this_pace;

const SOON: Duration = Duration::from_secs(30);
const EMPTY: Depth = Depth { visible: 0, in_flight: 0 };

/// A reaction at work, ten at a time.
struct Running {
    queue: MemoryQueue,
    dlq: MemoryQueue,
    vitals: Vitals,
    tally: Tally,
    stop: CancellationToken,
    task: JoinHandle<Summary>,
}

impl Running {
    fn start(url: &str) -> Self {
        let second = at_this_pace(SECOND);
        let dlq = MemoryQueue::new("crm-dlq", 30 * second);
        let queue = MemoryQueue::with_dlq("crm", 30 * second, &dlq, 5);
        let terms = Terms::new(20 * second, 600 * second);
        let handler = webhook(settings(url), None);
        let reaction = Reacting::recorded(handler, MemoryLedger::default(), terms, 5 * second).with_row(row(None));
        let settings =
            Settings::default().with_wait(SECOND).with_backoff(Backoff::try_new(SECOND, SECOND).expect("sound"));
        let (worker, stop) = (Worker::new(queue.clone(), reaction, settings), CancellationToken::new());
        let (vitals, tally) = (worker.vitals(), worker.tally());
        Self { queue, dlq, vitals, tally, task: tokio::spawn(worker.run(stop.clone())), stop }
    }

    fn send(&self, events: std::ops::Range<usize>) {
        for n in events {
            let body = format!(r#"{{"type":"order.paid","eventId":"e-{n}"}}"#);
            self.queue.send(&body, Attributes::new()).expect("it fits");
        }
    }

    async fn emptied(&self) {
        let is_empty = async || (self.queue.depth() == EMPTY).then_some(());
        eventually("the queue is empty", SOON, is_empty).await;
    }

    async fn paused(&self) -> String {
        eventually("it pauses", SOON, async || self.vitals.missing().filter(|told| told.contains("webhook"))).await
    }

    /// Ends it, and demands that no event is dead. Answers how many attempts failed.
    async fn burnt(self) -> u64 {
        self.stop.cancel();
        self.task.await.expect("it ends well");
        assert_eq!(self.dlq.receive(10, Duration::ZERO).await.expect("an answer").len(), 0, "no event is dead");
        let count = self.tally.read();
        assert_eq!(self.vitals.missing(), None);
        count.outcomes.iter().filter(|(name, _)| !["done", "unavailable"].contains(name)).map(|(_, times)| times).sum()
    }
}

/// How often each event was answered 204.
fn calls(service: &Service) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for request in service.requests() {
        *calls.entry(request.headers["webhook-id"].clone()).or_default() += 1;
    }
    calls
}

#[tokio::test]
async fn a_webhook_that_is_down_under_events_pauses_burns_no_attempt_and_disturbs_no_other_reaction() {
    let (service, other) = (Service::start().await, Service::start().await);
    let address = service.url.split('/').nth(2).expect("a host").to_owned();
    let (crm, beside) = (Running::start(&service.url), Running::start(&other.url));
    crm.send(0..20);
    crm.emptied().await;
    let before = calls(&service);
    drop(service);
    // While nothing is called, so that each kept connection is seen to be closed.
    tokio::time::sleep(SECOND / 4).await;
    crm.send(20..220);
    let told = crm.paused().await;
    assert!(told.contains("Connection refused at connect"), "{told}");
    // One after the other, so that it had to work all the time.
    for n in 0..20 {
        beside.send(n * 10..(n + 1) * 10);
        beside.emptied().await;
        tokio::time::sleep(SECOND / 8).await;
    }
    assert_eq!(crm.queue.depth().visible + crm.queue.depth().in_flight, 200, "all wait");
    let service = Service::on(TcpListener::bind(address).await.expect("its port"));
    crm.emptied().await;
    let calls = calls(&service);
    assert_eq!((before.len(), calls.len()), (20, 200));
    assert!(before.values().chain(calls.values()).all(|times| *times == 1), "{before:?} {calls:?}");
    assert_eq!((crm.burnt().await, beside.burnt().await), (0, 0));
    assert_eq!(other.requests().len(), 200);
}

#[tokio::test]
async fn a_deploy_behind_a_proxy_that_answers_502_and_503_pauses_a_webhook_and_no_event_is_dead() {
    let service = Service::start().await;
    let (is_away, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (away, nth) = (is_away.clone(), answers.clone());
    service.decides(move |_| match away.load(Ordering::SeqCst) {
        true => status([502, 503, 504][nth.fetch_add(1, Ordering::SeqCst) % 3], ""),
        false => status(204, ""),
    });
    let crm = Running::start(&service.url);
    crm.send(0..20);
    crm.emptied().await;
    is_away.store(true, Ordering::SeqCst);
    crm.send(20..220);
    let told = crm.paused().await;
    assert!(told.contains("every event meets answered 50"), "{told}");
    tokio::time::sleep(3 * SECOND).await;
    is_away.store(false, Ordering::SeqCst);
    crm.emptied().await;
    let (calls, answers) = (calls(&service), answers.load(Ordering::SeqCst));
    assert_eq!(
        (calls.len(), calls.values().sum::<usize>()),
        (220, 220 + answers),
        "each once but for the proxy's answers"
    );
    let burnt = crm.burnt().await;
    assert!(burnt <= 2, "{burnt} attempts burnt");
}
