//! The webhook with its queue: what is tried again, how often, and what lies in the DLQ at the end.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use user_events::backoff::Backoff;
use user_events::idempotency::memory::MemoryLedger;
use user_events::idempotency::{OnAmbiguous, Terms};
use user_events::queue::memory::{Depth, MemoryQueue};
use user_events::queue::{Attributes, Delivery, Queue};
use user_events::worker::{Reaction as Reacting, Settings, Summary, Worker};

use super::service::{Reaction, Service, status};
use super::{SECOND, row, settings, webhook};
use crate::world::eventually;
use crate::world::patience::at_this_pace;

const SOON: Duration = Duration::from_secs(30);
const EMPTY: Depth = Depth { visible: 0, in_flight: 0 };

/// A worker that runs.
struct Running {
    queue: MemoryQueue,
    dlq: MemoryQueue,
    stop: CancellationToken,
    task: JoinHandle<Summary>,
}

impl Running {
    /// One after the other, tried again at once, three times.
    fn start(service: &Service, field: Option<&'static str>, on_ambiguous: OnAmbiguous) -> Self {
        Self::tried_after(Duration::from_millis(10), service, field, on_ambiguous)
    }

    fn tried_after(delay: Duration, service: &Service, field: Option<&'static str>, on_ambiguous: OnAmbiguous) -> Self {
        let second = at_this_pace(SECOND);
        let dlq = MemoryQueue::new("crm-dlq", 3 * second);
        let queue = MemoryQueue::with_dlq("crm", 3 * second, &dlq, 100);
        let terms = Terms::new(2 * second, 600 * second).on_ambiguous(on_ambiguous);
        let handler = webhook(settings(&service.url), field);
        let reaction = Reacting::recorded(handler, MemoryLedger::default(), terms, second).with_row(row(field));
        let backoff = Backoff::try_new(delay, delay).unwrap();
        let settings =
            Settings::default().with_wait(SECOND).with_concurrency(1).with_backoff(backoff).with_max_attempts(Some(3));
        let (worker, stop) = (Worker::new(queue.clone(), reaction, settings), CancellationToken::new());
        Self { queue, dlq, task: tokio::spawn(worker.run(stop.clone())), stop }
    }

    fn send(&self, body: &str) {
        self.queue.send(body, Attributes::new()).expect("it fits");
    }

    /// Waits until the queue is empty. Answers the reasons and details of the letters.
    async fn letters(self) -> Vec<String> {
        let is_empty = async || (self.queue.depth() == EMPTY).then_some(());
        eventually("the queue is empty", SOON, is_empty).await;
        self.stop.cancel();
        self.task.await.expect("it ends well");
        let letters = self.dlq.receive(10, Duration::ZERO).await.expect("an answer");
        let field = |letter: &Delivery, name: &str| letter.attributes[name].value.clone();
        letters.iter().map(|l| format!("{}: {}", field(l, "failure.reason"), field(l, "failure.detail"))).collect()
    }
}

fn event(id: &str, fields: &str) -> String {
    format!(r#"{{"type":"order.paid","eventId":"{id}"{fields}}}"#)
}

#[tokio::test]
async fn a_call_without_an_answer_is_tried_max_attempts_times_with_one_id_and_then_quarantined() {
    for silence in [Reaction::Closes, Reaction::Stalls] {
        let service = Service::start().await;
        service.always(Some(silence));
        let running = Running::start(&service, None, OnAmbiguous::RESEND);
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
    let running = Running::start(&service, None, OnAmbiguous::RESEND);
    running.send(&event("e-1", ""));
    assert_eq!(running.letters().await, [""; 0]);
    assert_eq!(service.requests().len(), 3);
}

#[tokio::test]
async fn a_call_once_for_a_field_without_an_answer_is_made_twice_at_most() {
    let service = Service::start().await;
    service.always(Some(Reaction::Closes));
    let running = Running::start(&service, Some("userId"), OnAmbiguous::RESEND);
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
        let running = Running::start(&service, field, OnAmbiguous::Park);
        running.send(&event("e-1", r#","userId":7"#));
        let letters = running.letters().await;
        assert_eq!((service.requests().len(), letters.len()), (1, 1), "{letters:?}");
        assert!(letters[0].starts_with("outcome_unknown: "), "{letters:?}");
    }
}

#[tokio::test]
async fn a_webhook_once_for_a_field_is_called_once_for_each_value_and_an_event_without_one_is_quarantined() {
    let service = Service::start().await;
    let running = Running::start(&service, Some("userId"), OnAmbiguous::RESEND);
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
    let running = Running::tried_after(at_this_pace(SECOND), &service, None, OnAmbiguous::RESEND);
    (0..10).for_each(|n| running.send(&event(&format!("e-{n}"), "")));
    assert_eq!(running.letters().await, [""; 0]);
    let answered = service.requests().len();
    assert_eq!(answered, 15, "each event once, and once more for each failure");
}

#[tokio::test]
async fn a_refused_event_of_a_webhook_lies_in_the_dlq_with_the_status() {
    let service = Service::start().await;
    service.script([410, 301, 422].map(|code| status(code, "")));
    let running = Running::start(&service, None, OnAmbiguous::RESEND);
    (0..4).for_each(|n| running.send(&event(&format!("e-{n}"), "")));
    let mut letters = running.letters().await;
    letters.sort();
    assert_eq!(letters, [301, 410, 422].map(|code| format!("webhook_refused: answered {code}")));
}
