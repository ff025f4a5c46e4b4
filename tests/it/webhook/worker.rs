//! The webhook with its queue: what is tried again, how often, and what lies in the DLQ at the end.

use std::time::Duration;

use user_events::backoff::Backoff;
use user_events::idempotency::OnAmbiguous;
use user_events::worker::Settings;

use super::SECOND;
use super::running::{Running, Way};
use super::service::{Reaction, Service, status};
use crate::world::patience::at_this_pace;

/// One after the other, tried again at once, three times.
fn start(service: &Service, field: Option<&'static str>, on_ambiguous: OnAmbiguous) -> Running {
    tried_after(Duration::from_millis(10), service, field, on_ambiguous)
}

fn tried_after(delay: Duration, service: &Service, field: Option<&'static str>, on_ambiguous: OnAmbiguous) -> Running {
    let backoff = Backoff::try_new(delay, delay).unwrap();
    let settings = Settings::default().with_concurrency(1).with_backoff(backoff).with_max_attempts(Some(3));
    Running::start(&service.url, Way { field, on_ambiguous, timeout: 1, receives: 100, settings })
}

fn event(id: &str, fields: &str) -> String {
    format!(r#"{{"type":"order.paid","eventId":"{id}"{fields}}}"#)
}

#[tokio::test]
async fn a_call_without_an_answer_is_tried_max_attempts_times_with_one_id_and_then_quarantined() {
    for silence in [Reaction::Closes, Reaction::Stalls] {
        let service = Service::start().await;
        service.always(Some(silence));
        let running = start(&service, None, OnAmbiguous::RESEND);
        running.send(&event("e-1", ""));
        let letters = running.letters().await;
        let ids: Vec<_> = service.requests().iter().map(|request| request.headers["webhook-id"].clone()).collect();
        assert_eq!(ids, ["e-1"; 3], "{letters:?}");
        assert!(letters.len() == 1 && letters[0].starts_with("outcome_unknown: "), "{letters:?}");
    }
}

#[tokio::test]
async fn a_call_without_an_answer_succeeds_when_it_is_tried_again() {
    let service = Service::start().await;
    service.script([Reaction::Closes, status(500, "")]);
    let running = start(&service, None, OnAmbiguous::RESEND);
    running.send(&event("e-1", ""));
    assert_eq!(running.letters().await, [""; 0]);
    assert_eq!(service.requests().len(), 3);
}

#[tokio::test]
async fn a_call_once_for_a_field_without_an_answer_is_made_twice_at_most() {
    let service = Service::start().await;
    service.always(Some(Reaction::Closes));
    let running = start(&service, Some("userId"), OnAmbiguous::RESEND);
    running.send(&event("e-1", r#","userId":7"#));
    let letters = running.letters().await;
    assert_eq!((service.requests().len(), letters.len()), (2, 1), "{letters:?}");
    assert!(letters[0].starts_with("outcome_unknown: "), "{letters:?}");
}

#[tokio::test]
async fn a_call_without_an_answer_is_not_made_again_under_park() {
    for field in [None, Some("userId")] {
        let service = Service::start().await;
        service.always(Some(Reaction::Closes));
        let running = start(&service, field, OnAmbiguous::Park);
        running.send(&event("e-1", r#","userId":7"#));
        let letters = running.letters().await;
        assert_eq!((service.requests().len(), letters.len()), (1, 1), "{letters:?}");
        assert!(letters[0].starts_with("outcome_unknown: "), "{letters:?}");
    }
}

#[tokio::test]
async fn a_webhook_once_for_a_field_is_called_once_for_each_value_and_an_event_without_one_is_quarantined() {
    let service = Service::start().await;
    let running = start(&service, Some("userId"), OnAmbiguous::RESEND);
    for (n, fields) in
        [r#","userId":7"#, r#","userId":"7""#, r#","userId":"8""#, "", r#","userId":[1]"#].iter().enumerate()
    {
        running.send(&event(&format!("e-{n}"), fields));
    }
    let mut letters = running.letters().await;
    letters.sort();
    let rule = "invalid_field: userId: must be a string or a number: calls are made single by it";
    assert_eq!(letters, [rule, "missing_field: userId: must be there"]);
    assert_eq!(service.requests().len(), 2, "7 and \"7\" are one user");
}

#[tokio::test]
async fn three_events_in_a_row_that_meet_a_proxy_without_its_service_pause_a_webhook_and_none_is_lost() {
    let service = Service::start().await;
    service.script([502, 503, 504, 502, 502].map(|code| status(code, "")));
    let running = tried_after(at_this_pace(SECOND), &service, None, OnAmbiguous::RESEND);
    (0..10).for_each(|n| running.send(&event(&format!("e-{n}"), "")));
    assert_eq!(running.letters().await, [""; 0]);
    let answered = service.requests().len();
    assert_eq!(answered, 15, "each event once, and once more for each failure");
}

#[tokio::test]
async fn a_refused_event_of_a_webhook_lies_in_the_dlq_with_the_status() {
    let service = Service::start().await;
    service.script([410, 301, 422].map(|code| status(code, "")));
    let running = start(&service, None, OnAmbiguous::RESEND);
    (0..4).for_each(|n| running.send(&event(&format!("e-{n}"), "")));
    let mut letters = running.letters().await;
    letters.sort();
    assert_eq!(letters, [301, 410, 422].map(|code| format!("webhook_refused: answered {code}")));
}
