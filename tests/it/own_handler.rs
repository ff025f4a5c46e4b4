//! A team tries its own handler in `engine::testing::World`: what it shows there, in five lines each.
//!
//! Enters: `order.paid`, and a handler that writes receipts into a list. Leaves: that the world tells what happened,
//! and that a handler which does wrong is found out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::testing::{Rules, World};
use user_events::event::{Event, EventError, Fields, Head, Once};
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::idempotency::{Fence, OnAmbiguous, memory::MemoryLedger};
use user_events::worker::Outcome;

const PAID: &str = r#"{"type":"order.paid","eventId":"e-1","orderId":"7"}"#;

#[derive(Debug)]
struct OrderPaid {
    head: Head,
    order: String,
}

impl Event for OrderPaid {
    const TYPES: &'static [&'static str] = &["order.paid"];

    fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
        Ok(Self { head, order: fields.id("orderId")? })
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn subject(&self) -> &str {
        &self.order
    }
}

/// What the receipts' printer answers, first things first; then it prints.
#[derive(Clone, Default)]
struct Printer {
    answers: Arc<Mutex<Vec<HandlerError>>>,
    printed: Arc<Mutex<Vec<String>>>,
    takes: Duration,
}

impl Printer {
    fn answering(answers: impl IntoIterator<Item = HandlerError>) -> Self {
        let answers: Vec<_> = answers.into_iter().collect();
        Self { answers: Arc::new(Mutex::new(answers.into_iter().rev().collect())), ..Self::default() }
    }

    fn receipts(&self) -> usize {
        self.printed.lock().unwrap().len()
    }
}

/// Prints a receipt for each paid order, once.
struct Receipts(Printer);

impl Handler for Receipts {
    type Event = OrderPaid;
    const NAME: &'static str = "receipts";
    const ONCE: Once = Once::Event;

    async fn handle(&self, event: &OrderPaid, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        tokio::time::sleep(self.0.takes).await;
        let refused = self.0.answers.lock().unwrap().pop();
        if let Some(error) = refused {
            return Err(error);
        }
        let crossing = fence.cross().await?;
        self.0.printed.lock().unwrap().push(event.order.clone());
        Ok(Handled::done(crossing))
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_delivered_twice_has_one_receipt() {
    let printer = Printer::default();
    let mut world = World::new(Receipts(printer.clone()));
    world.deliver_twice(PAID).await;
    assert_eq!(world.deliver(PAID).await, [Outcome::Duplicate]);
    assert_eq!(printer.receipts(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_can_never_be_printed_is_a_dead_letter_with_our_reason() {
    let mut world = World::new(Receipts(Printer::answering([HandlerError::permanent("no_such_order", "7")])));
    assert_eq!(world.deliver(PAID).await, [Outcome::Permanent("no_such_order")]);
    let letters = world.letters().await;
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((letter.reason(), letter.original().unwrap().0.as_str()), ("no_such_order", PAID));
    assert_eq!(world.letters().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again_and_not_for_ever() {
    let jam = || HandlerError::Transient("paper jam".to_owned());
    let mut world = World::new(Receipts(Printer::answering([jam()])));
    assert_eq!(world.deliver(PAID).await, [Outcome::Transient, Outcome::Done]);
    // Unless told, eight failures are borne.
    let mut world = World::new(Receipts(Printer::answering(std::iter::repeat_with(jam).take(9))));
    assert_eq!(world.deliver(PAID).await, vec![Outcome::Transient; 8]);
    assert_eq!(world.letters().await[0].reason(), "attempts_exhausted");
}

#[tokio::test(start_paused = true)]
async fn killed_behind_the_fence_there_are_at_most_as_many_receipts_as_sends_are_allowed() {
    for (max_sends, kills, receipts, letters) in [(2, 1, 2, 0), (2, 9, 2, 1), (1, 9, 1, 1)] {
        let printer = Printer::default();
        let mut rules = Rules::default();
        rules.terms = rules.terms.on_ambiguous(OnAmbiguous::ResendUpTo(max_sends));
        let mut world = World::with(Receipts(printer.clone()), MemoryLedger::default(), rules);
        world.kill_before_the_record(kills);
        world.deliver(PAID).await;
        let reasons: Vec<_> = world.letters().await.iter().map(|letter| letter.reason().to_owned()).collect();
        assert_eq!((printer.receipts(), &reasons), (receipts, &vec!["outcome_unknown".to_owned(); letters]));
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_ledger_is_away_nothing_is_printed_and_then_it_is() {
    let printer = Printer::default();
    let mut world = World::new(Receipts(printer.clone()));
    world.ledger.goes_away(Duration::from_secs(600));
    let began = tokio::time::Instant::now();
    assert_eq!(world.deliver(PAID).await.last(), Some(&Outcome::Done));
    assert!(began.elapsed() >= Duration::from_secs(600), "{:?}", began.elapsed());
    assert_eq!((printer.receipts(), world.letters().await.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_message_is_shown_again_before_the_fence_is_cut_without_effect() {
    let printer = Printer { takes: Duration::from_secs(90), ..Printer::default() };
    let rules = Rules { timeout: Duration::from_secs(600), max_receive_count: 5, ..Rules::default() };
    let mut world = World::with(Receipts(printer.clone()), MemoryLedger::default(), rules);
    world.lose_heartbeats();
    let outcomes = world.deliver(PAID).await;
    assert!(outcomes.contains(&Outcome::LeaseLost) && !outcomes.contains(&Outcome::Done), "{outcomes:?}");
    assert_eq!(printer.receipts(), 0);
}
