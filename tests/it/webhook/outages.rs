//! A service that goes away and comes back, on real connections: the reaction pauses, nobody is blamed, others go on. How
//! soon its return is noticed is shown in virtual time (`engine/receivers/elsewhere.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::net::TcpListener;
use user_events::backoff::Backoff;
use user_events::idempotency::OnAmbiguous;
use user_events::worker::Settings;

use super::SECOND;
use super::running::{Running, Way};
use super::service::{Service, status};

/// Ten at a time; a failure is tried again after a second.
fn start(url: &str) -> Running {
    let settings = Settings::default().with_backoff(Backoff::try_new(SECOND, SECOND).expect("sound"));
    let on_ambiguous = OnAmbiguous::RESEND;
    Running::start(url, Way { field: None, on_ambiguous, timeout: 5, receives: 5, settings })
}

fn send(to: &Running, events: std::ops::Range<usize>) {
    for n in events {
        to.send(&format!(r#"{{"type":"order.paid","eventId":"e-{n}"}}"#));
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
    let (crm, beside) = (start(&service.url), start(&other.url));
    send(&crm, 0..20);
    crm.emptied().await;
    let before = calls(&service);
    drop(service);
    // While nothing is called, so that each kept connection is seen to be closed.
    tokio::time::sleep(SECOND / 4).await;
    send(&crm, 20..220);
    let told = crm.paused().await;
    assert!(told.contains(&format!("webhook ({address}: Connection refused at connect)")), "{told}");
    // One after the other, so that it had to work all the time.
    for n in 0..20 {
        send(&beside, n * 10..(n + 1) * 10);
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
    let crm = start(&service.url);
    send(&crm, 0..20);
    crm.emptied().await;
    is_away.store(true, Ordering::SeqCst);
    send(&crm, 20..220);
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
