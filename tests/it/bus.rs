//! The in-process bus: the same handlers with no broker between them and the publisher.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::time::{Instant, timeout};
use user_events::bus::{Bus, ReactionOutcome};
use user_events::event::{AnyEvent, Event, EventError, Fields, Head, Published};
use user_events::events::UserSignedUp;
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::idempotency::memory::MemoryLedger;
use user_events::idempotency::{Fence, Terms};
use user_events::one_of;
use user_events::worker::{Outcome, Reaction};

const MINUTE: Duration = Duration::from_secs(60);

fn reaction<H: Handler>(handler: H) -> Reaction<MemoryLedger, H> {
    let terms = Terms::new(MINUTE, 60 * MINUTE);
    Reaction::recorded(handler, MemoryLedger::default(), terms, MINUTE / 2)
}

fn event(user: &str) -> UserSignedUp {
    UserSignedUp::new(user.parse().unwrap(), "user@example.com".parse().unwrap(), None)
}

fn reacted(handler: &'static str, outcome: Outcome) -> ReactionOutcome {
    ReactionOutcome { handler, outcome }
}

/// Succeeds and counts.
struct Greets(Arc<AtomicU32>);

impl Handler for Greets {
    type Event = UserSignedUp;
    const NAME: &'static str = "greets";

    async fn handle(&self, _event: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        let crossing = fence.cross().await?;
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Handled::done(crossing))
    }
}

/// Fails so many times, then succeeds.
struct Stumbles {
    tries: Arc<AtomicU32>,
    failures: u32,
    error: HandlerError,
}

impl Stumbles {
    fn new(failures: u32, error: HandlerError) -> (Self, Arc<AtomicU32>) {
        let tries = Arc::new(AtomicU32::new(0));
        (Self { tries: tries.clone(), failures, error }, tries)
    }
}

impl Handler for Stumbles {
    type Event = UserSignedUp;
    const NAME: &'static str = "stumbles";

    async fn handle(&self, _event: &UserSignedUp, _fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        if self.tries.fetch_add(1, Ordering::SeqCst) < self.failures {
            Err(self.error.clone())
        } else {
            Ok(Handled::Applied)
        }
    }
}

fn transient() -> HandlerError {
    HandlerError::Transient("not now".to_owned())
}

fn permanent() -> HandlerError {
    HandlerError::Permanent { reason: "never", detail: String::new() }
}

/// Panics.
struct Breaks;

impl Handler for Breaks {
    type Event = UserSignedUp;
    const NAME: &'static str = "breaks";

    async fn handle(&self, _event: &UserSignedUp, _fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        panic!("a bug")
    }
}

#[tokio::test(start_paused = true)]
async fn one_publish_reaches_every_reaction() {
    let ((stumbles, tries), greeted) = (Stumbles::new(0, transient()), Arc::default());
    let bus = Bus::new().react(reaction(Greets(Arc::clone(&greeted)))).react(reaction(stumbles));
    let outcomes = bus.publish(&event("1")).await;
    assert_eq!(outcomes, [reacted("greets", Outcome::Done), reacted("stumbles", Outcome::Done)]);
    assert_eq!((greeted.load(Ordering::SeqCst), tries.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn reactions_run_side_by_side() {
    struct Meets(Arc<Barrier>);
    impl Handler for Meets {
        type Event = UserSignedUp;
        const NAME: &'static str = "meets";
        async fn handle(&self, _event: &UserSignedUp, _fence: &Fence<'_>) -> Result<Handled, HandlerError> {
            self.0.wait().await;
            Ok(Handled::Applied)
        }
    }
    let both = Arc::new(Barrier::new(2));
    let bus = Bus::new().react(reaction(Meets(both.clone()))).react(reaction(Meets(both)));
    let outcomes = timeout(MINUTE / 4, bus.publish(&event("1"))).await.expect("neither waits for the other's end");
    assert!(outcomes.iter().all(|reacted| reacted.outcome == Outcome::Done), "{outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn one_reaction_that_fails_does_not_disturb_another() {
    let (stumbles, tries) = Stumbles::new(u32::MAX, permanent());
    let greeted = Arc::default();
    let bus =
        Bus::new().react(reaction(stumbles)).react(reaction(Breaks)).react(reaction(Greets(Arc::clone(&greeted))));
    let outcomes = bus.publish(&event("1")).await;
    let expected = [
        reacted("stumbles", Outcome::Permanent("never")),
        reacted("breaks", Outcome::Panicked),
        reacted("greets", Outcome::Done),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(
        (tries.load(Ordering::SeqCst), greeted.load(Ordering::SeqCst)),
        (1, 1),
        "a permanent failure is not retried"
    );
}

#[tokio::test(start_paused = true)]
async fn what_fails_in_passing_is_tried_again() {
    let (stumbles, tries) = Stumbles::new(3, transient());
    let outcomes = Bus::new().react(reaction(stumbles)).publish(&event("1")).await;
    assert_eq!((outcomes, tries.load(Ordering::SeqCst)), (vec![reacted("stumbles", Outcome::Done)], 4));
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_failing_is_reported_as_it_stands() {
    let (stumbles, tries) = Stumbles::new(u32::MAX, transient());
    let before = Instant::now();
    let outcomes = Bus::new().react(reaction(stumbles)).publish(&event("1")).await;
    assert_eq!((outcomes, tries.load(Ordering::SeqCst)), (vec![reacted("stumbles", Outcome::Transient)], 4));
    assert!(before.elapsed() < MINUTE, "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_same_event_published_twice_has_one_effect_and_another_content_is_a_conflict() {
    let greeted = Arc::default();
    let bus = Bus::new().react(reaction(Greets(Arc::clone(&greeted))));
    let event = event("1");
    assert_eq!(bus.publish(&event).await, [reacted("greets", Outcome::Done)]);
    assert_eq!(bus.publish(&event).await, [reacted("greets", Outcome::Duplicate)]);
    let other = UserSignedUp { email: "other@example.com".parse().unwrap(), ..event };
    assert_eq!(bus.publish(&other).await, [reacted("greets", Outcome::Conflict)]);
    assert_eq!(greeted.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn copies_published_at_once_have_one_effect() {
    let greeted = Arc::default();
    let bus = Bus::new().react(reaction(Greets(Arc::clone(&greeted))));
    let event = event("1");
    tokio::join!(bus.publish(&event), bus.publish(&event), bus.publish(&event));
    assert_eq!(greeted.load(Ordering::SeqCst), 1);
}

#[derive(Debug)]
struct Closed {
    head: Head,
    user: String,
}

impl Event for Closed {
    const TYPES: &'static [&'static str] = &["account.closed"];

    fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
        Ok(Self { head, user: fields.required("user")? })
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn subject(&self) -> &str {
        &self.user
    }
}

impl Published for Closed {
    fn to_json(&self) -> String {
        serde_json::json!({ "type": "account.closed", "eventId": self.head.id.as_str(), "user": self.user }).to_string()
    }
}

one_of! { enum Account { SignedUp(UserSignedUp), Closed(Closed) } }

/// Takes both, once for each user.
struct Follows;

impl Handler for Follows {
    type Event = Account;
    const NAME: &'static str = "follows";

    async fn handle(&self, _event: &Account, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        Ok(Handled::done(fence.cross().await?))
    }
}

#[tokio::test(start_paused = true)]
async fn each_reaction_hears_of_its_own_types_and_a_user_who_comes_and_goes_makes_two_effects() {
    let bus = Bus::new().react(reaction(Greets(Arc::default()))).react(reaction(Follows));
    let both = |outcome: Outcome| vec![reacted("greets", outcome.clone()), reacted("follows", outcome)];
    assert_eq!(bus.publish(&event("7")).await, both(Outcome::Done));
    assert_eq!(bus.publish(&event("7")).await, both(Outcome::Duplicate));
    let closed = || Closed { head: Head::new("account.closed", 1), user: "7".to_owned() };
    assert_eq!(bus.publish(&closed()).await, [reacted("follows", Outcome::Done)], "another type about the same user");
    assert_eq!(bus.publish(&closed()).await, [reacted("follows", Outcome::Duplicate)]);
    let other = AnyEvent::with_fields("order.paid", "{}").expect("an event");
    assert_eq!(bus.publish(&other).await, []);
    let nobody = Closed { user: String::new(), ..closed() };
    let [refused] = &bus.publish(&nobody).await[..] else { panic!("one reaction takes it") };
    assert!(matches!(refused.outcome, Outcome::Refused(_)), "about nobody it would be about all: {refused:?}");
}
