//! The webhook on the wire: each end of a call, judged by what it means for the event.
//!
//! Enters: events, and a scripted service. Leaves: what came of them, and what the service was sent. `worker` and `outages`
//! have the queue around it; the others the program, which `crm` starts.

mod crm;
mod encrypted;
mod exact;
mod kills;
mod outages;
mod process;
mod running;
mod secrets;
mod service;
mod storm;
mod traced;
mod verified;
mod worker;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use tokio::net::TcpListener;
use user_events::bus::Bus;
use user_events::event::{AnyEvent, Once};
use user_events::handler::{Handled, Handler, HandlerError, Row};
use user_events::handlers::webhook::WebhookHandler;
use user_events::idempotency::memory::MemoryLedger;
use user_events::idempotency::{Fence, OnAmbiguous, Terms};
use user_events::webhook::{SigningKey, Target, Webhook, WebhookSettings, headers};
use user_events::worker::Reaction as Reacting;

use self::service::{Reaction, Service, status};
use crate::world::patience::at_this_pace;

const SECOND: Duration = Duration::from_secs(1);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PREVIOUS: &str = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB";

fn settings(url: &str) -> WebhookSettings {
    let key = |secret: &str| SigningKey::parse(&secret.to_owned().into()).expect("a secret");
    WebhookSettings {
        target: Target::parse(url, true).expect("a target"),
        probe: None,
        keys: vec![key(SECRET), key(PREVIOUS)],
        headers: headers(&"X-Team: crm\nAuthorization: Bearer hunter2".to_owned().into()).expect("headers"),
    }
}

fn webhook(settings: WebhookSettings, field: Option<&'static str>) -> WebhookHandler {
    let trace = || vec![("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned())];
    WebhookHandler::new(Webhook::new(settings), field, Box::new(trace))
}

/// Its row, as the list of reactions has it.
fn row(field: Option<&'static str>) -> Row {
    let once = if field.is_some() { Once::Subject } else { Once::Event };
    Row { name: "crm", once, is_recognised: field.is_none(), ..Row::of::<WebhookHandler>() }
}

/// The webhook, and how it failed.
struct Watched(WebhookHandler, Arc<Mutex<Vec<HandlerError>>>);

impl Handler for Watched {
    type Event = AnyEvent;
    const NAME: &'static str = "webhook";

    async fn handle(&self, event: &AnyEvent, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        self.0.handle(event, fence).await.inspect_err(|error| self.1.lock().unwrap().push(error.clone()))
    }
}

/// The webhook on the in-process bus.
struct Caller {
    bus: Bus,
    failures: Arc<Mutex<Vec<HandlerError>>>,
}

impl Caller {
    /// One that is never in doubt twice: a call whose outcome is unknown is parked.
    fn of(settings: WebhookSettings) -> Self {
        let second = at_this_pace(SECOND);
        let terms = Terms::new(30 * second, 60 * second).on_ambiguous(OnAmbiguous::Park);
        let failures = Arc::<Mutex<Vec<_>>>::default();
        let handler = Watched(webhook(settings, None), failures.clone());
        let reaction = Reacting::recorded(handler, MemoryLedger::default(), terms, second).with_row(row(None));
        Self { bus: Bus::new().react(reaction), failures }
    }

    async fn publish(&self, fields: &str) -> &'static str {
        let event = AnyEvent::with_fields("order.paid", fields).expect("an event");
        self.bus.publish(&event).await.remove(0).outcome.name()
    }

    fn failure(&self) -> String {
        self.failures.lock().unwrap().first().map(ToString::to_string).unwrap_or_default()
    }
}

/// Calls a service that does this with every request: what came of the event, and how it first failed.
async fn one_event(reaction: Reaction) -> (&'static str, String) {
    let service = Service::start().await;
    service.always(Some(reaction));
    let caller = Caller::of(settings(&service.url));
    (caller.publish("{}").await, caller.failure())
}

#[tokio::test]
async fn each_answer_of_a_webhook_means_what_it_says_for_the_event() {
    let moved = "location: http://127.0.0.1:1/\r\n";
    let cases = [
        (status(200, ""), "done", ""),
        (status(202, "x-receipt: r-1\r\n"), "done", ""),
        (status(301, moved), "permanent", "answered 301"),
        (status(307, moved), "permanent", "answered 307"),
        (status(400, ""), "permanent", "answered 400"),
        (status(404, ""), "permanent", "answered 404"),
        (status(410, "retry-after: 1\r\n"), "permanent", "answered 410"),
        (status(408, ""), "deferred", "answered 408"),
        (status(409, ""), "deferred", "answered 409"),
        (status(421, ""), "deferred", "answered 421"),
        (status(423, ""), "deferred", "answered 423"),
        (status(425, ""), "deferred", "answered 425"),
        (status(429, "retry-after: 60\r\n"), "deferred", "answered 429"),
        (status(503, "retry-after: 60\r\n"), "deferred", "answered 503"),
        (status(500, ""), "transient", "answered 500"),
        (status(502, ""), "transient", "answered 502"),
        (status(503, ""), "transient", "answered 503"),
        (status(504, ""), "transient", "answered 504"),
        (status(521, ""), "transient", "answered 521"),
        (status(200, "x-folded: a\r\n b\r\n"), "done", ""),
        (status(200, "x-spaced : a\r\nx odd: b\r\nx-bell: \u{7}\r\n"), "done", ""),
        (Reaction::Closes, "outcome_unknown", "closed without an answer"),
        (Reaction::SaysAndCloses("HTTP/1.1 2".to_owned()), "outcome_unknown", "closed without an answer"),
        (Reaction::SaysAndCloses("hello\r\n\r\n".to_owned()), "outcome_unknown", "answered what is no HTTP"),
        (Reaction::SaysAndCloses("HTTP/1.1 200 Fine\r\n\r\nhalf of".to_owned()), "done", ""),
        (Reaction::SaysAndCloses("HTTP/1.1 200 Fine\r\ncontent-length: 9\r\n\r\nhalf".to_owned()), "done", ""),
        (Reaction::SaysMuch(10_000_000), "done", ""),
        (Reaction::Stalls, "outcome_unknown", ""),
    ];
    for (reaction, outcome, failure) in cases {
        let name = format!("{reaction:?}");
        assert_eq!(one_event(reaction).await, (outcome, failure.to_owned()), "{name}");
    }
}

#[tokio::test]
async fn a_webhook_gets_the_event_to_the_byte_signed_by_both_secrets_with_its_id_and_trace() {
    let service = Service::start().await;
    let caller = Caller::of(settings(&service.url));
    let fields = r#"{"eventId":"e-1", "total": 1.50, "note":"caf\u00e9 é"}"#;
    assert_eq!(caller.publish(fields).await, "done");
    let [request] = &service.requests()[..] else { panic!("{:?}", service.requests()) };
    assert_eq!(request.body, AnyEvent::with_fields("order.paid", fields).unwrap().text());
    assert_eq!(request.line, "POST /hooks/user-events?v=1 HTTP/1.1");
    let header = |name: &str| request.headers[name].as_str();
    assert_eq!([header("webhook-id"), header("idempotency-key")], ["e-1"; 2]);
    assert_eq!([header("content-type"), header("x-team")], ["application/json", "crm"]);
    assert_eq!(header("host"), service.url.split('/').nth(2).unwrap());
    assert!(header("user-agent").starts_with("user-events/") && header("traceparent").starts_with("00-4bf92f"));
    let signed = format!("e-1.{}.{}", header("webhook-timestamp"), request.body);
    let signature = |secret: &str| {
        let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap().as_bytes()).unwrap();
        let hmac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap().chain_update(&signed).finalize();
        format!("v1,{}", BASE64.encode(&hmac.into_bytes()))
    };
    assert_eq!(header("webhook-signature"), format!("{} {}", signature(SECRET), signature(PREVIOUS)));
}

#[tokio::test]
async fn nothing_follows_a_redirect_of_a_webhook() {
    let (service, elsewhere) = (Service::start().await, Service::start().await);
    service.always(Some(status(307, &format!("location: {}\r\n", elsewhere.url))));
    let caller = Caller::of(settings(&service.url));
    assert_eq!((caller.publish("{}").await, elsewhere.connections()), ("permanent", 0));
}

#[tokio::test]
async fn a_webhook_that_is_down_costs_no_doubt() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let caller = Caller::of(settings(&format!("http://{address}/")));
    assert_eq!(caller.publish(r#"{"eventId":"e-1"}"#).await, "unavailable");
    assert_eq!(caller.failure(), format!("webhook: {address}: Connection refused at connect"));
    let service = Service::on(TcpListener::bind(address).await.unwrap());
    // It would be parked if it might have been called.
    assert_eq!((caller.publish(r#"{"eventId":"e-1"}"#).await, service.requests().len()), ("done", 1));
}

#[tokio::test]
async fn calls_of_a_webhook_one_after_the_other_share_a_connection_and_those_at_once_have_one_each() {
    let service = Service::start().await;
    let caller = Caller::of(settings(&service.url));
    for _ in 0..10 {
        assert_eq!(caller.publish("{}").await, "done");
    }
    assert_eq!(service.connections(), 1);
    for _ in 0..5 {
        let calls = (0..4).map(|_| caller.publish("{}"));
        assert_eq!(futures_util::future::join_all(calls).await, ["done"; 4]);
    }
    assert!(service.connections() <= 4, "{}", service.connections());
}

#[tokio::test]
async fn a_connection_that_a_webhook_closed_or_left_half_read_is_not_used_again() {
    for last in [
        Reaction::SaysAndCloses("HTTP/1.1 200 Fine\r\ncontent-length: 0\r\n\r\n".to_owned()),
        Reaction::Says("HTTP/1.1 200 Fine\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()),
        Reaction::SaysMuch(10_000_000),
    ] {
        let service = Service::start().await;
        service.script([last.clone()]);
        let caller = Caller::of(settings(&service.url));
        assert_eq!([caller.publish("{}").await, caller.publish("{}").await], ["done"; 2], "{last:?}");
        assert_eq!((service.connections(), service.requests().len()), (2, 2), "{last:?}");
    }
}

#[tokio::test]
async fn a_health_path_of_a_webhook_is_asked_by_head_and_alive_below_500() {
    let (service, health) = (Service::start().await, Service::start().await);
    let mut settings = settings(&service.url);
    settings.probe = Some(Target::parse(&health.url, true).unwrap());
    let handler = webhook(settings, None);
    health.script([status(200, ""), status(404, ""), status(503, ""), Reaction::Closes]);
    let mut alive = Vec::new();
    for _ in 0..4 {
        alive.push(handler.probe().await.is_ok());
    }
    assert_eq!(alive, [true, true, false, false]);
    assert!(health.requests().iter().all(|request| request.line.starts_with("HEAD ") && request.body.is_empty()));
    assert_eq!(service.connections(), 0);
}
