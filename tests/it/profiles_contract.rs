//! The contract of [`Profiles`]: a profile is the join of its events, whatever their order and however
//! often they come; kept by the memory and by the Redis script, and by both alike.
//!
//! Enters: events of one user. The properties shuffle and repeat them; equal times are frequent there,
//! because ties are what an order by time alone gets wrong.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tokio::runtime::Builder;
use user_events::event::Timestamp;
use user_events::events::{Plan, UserId, UserSignedUp};
use user_events::profiles::memory::MemoryProfiles;
use user_events::profiles::redis::{FIELDS, RedisProfiles};
use user_events::profiles::{Applied, ProfileChange, Profiles};

use crate::world::{redis, unique};

/// What one event says: its id's number, when, which address, which plan.
type Said = (u8, i64, u8, Option<u8>);

fn event(user: &UserId, (id, at, address, plan): Said) -> UserSignedUp {
    let email = format!("a{address}@example.com").parse().expect("an address");
    let plan = plan.map(|plan| format!("plan-{plan}").parse::<Plan>().expect("a plan"));
    let mut event = UserSignedUp::new(user.clone(), email, plan);
    event.head.id = format!("event-{id}").parse().expect("an id");
    event.head.occurred_at = Timestamp::from_unix_millis(1_767_225_600_000 + at).expect("a moment");
    event
}

fn user() -> UserId {
    unique().parse().expect("an id")
}

async fn apply(store: &impl Profiles, user: &UserId, said: Said) -> Applied {
    store.apply(&ProfileChange::of(&event(user, said))).await.expect("an answer")
}

async fn the_first_event_of_a_user_creates_the_profile(store: impl Profiles) {
    assert_eq!(apply(&store, &user(), (1, 0, 0, None)).await, Applied::Created);
    assert_eq!(apply(&store, &user(), (1, 0, 0, None)).await, Applied::Created, "another user's is another");
    store.ping().await.expect("there");
}

async fn a_newer_event_updates_it(store: impl Profiles) {
    let user = user();
    apply(&store, &user, (1, 0, 0, None)).await;
    assert_eq!(apply(&store, &user, (2, 1, 1, Some(1))).await, Applied::Updated);
    assert_eq!(apply(&store, &user, (3, 2, 1, Some(2))).await, Applied::Updated);
}

async fn an_older_event_updates_what_the_newer_ones_left_open(store: impl Profiles) {
    let user = user();
    apply(&store, &user, (1, 5, 0, None)).await;
    assert_eq!(apply(&store, &user, (2, 4, 1, Some(1))).await, Applied::Updated, "the plan and the first time");
    assert_eq!(apply(&store, &user, (3, 3, 1, None)).await, Applied::Updated, "the first time");
}

async fn an_event_that_says_nothing_new_is_stale(store: impl Profiles) {
    let user = user();
    apply(&store, &user, (1, 0, 0, None)).await;
    apply(&store, &user, (2, 9, 1, Some(1))).await;
    assert_eq!(apply(&store, &user, (3, 5, 2, Some(2))).await, Applied::Stale);
}

async fn an_event_that_comes_again_is_done(store: impl Profiles) {
    let user = user();
    apply(&store, &user, (1, 0, 0, Some(1))).await;
    assert_eq!(apply(&store, &user, (1, 0, 0, Some(1))).await, Applied::Done);
    apply(&store, &user, (2, 1, 1, None)).await;
    assert_eq!(apply(&store, &user, (1, 0, 0, Some(1))).await, Applied::Done, "the plan is still its own");
    assert_eq!(apply(&store, &user, (2, 1, 1, None)).await, Applied::Done);
}

async fn one_event_with_two_contents_is_a_conflict(store: impl Profiles) {
    let user = user();
    apply(&store, &user, (1, 0, 0, Some(1))).await;
    assert_eq!(apply(&store, &user, (1, 0, 1, Some(1))).await, Applied::Conflict, "another address");
    assert_eq!(apply(&store, &user, (1, 0, 0, Some(2))).await, Applied::Conflict, "another plan");
    assert_eq!(apply(&store, &user, (1, 0, 0, None)).await, Applied::Conflict, "no plan");
    assert_eq!(apply(&store, &user, (1, 0, 0, Some(1))).await, Applied::Done, "nothing of them was written");
}

async fn one_event_in_two_spellings_of_its_address_is_done(store: impl Profiles) {
    let said = async |user: &UserId, email: &str, plan| {
        let event = UserSignedUp { email: email.parse().expect("an address"), ..event(user, (1, 0, 0, plan)) };
        store.apply(&ProfileChange::of(&event)).await.expect("an answer")
    };
    for (first, again) in [
        ("user@bücher.example", "user@xn--bcher-kva.example"),
        ("user@xn--bcher-kva.example", "User@BÜCHER.example"),
        ("Ann.Lee@example.com", "ann.lee@EXAMPLE.com"),
    ] {
        let user = user();
        assert_eq!(said(&user, first, Some(1)).await, Applied::Created);
        assert_eq!(said(&user, again, Some(1)).await, Applied::Done, "{first}, then {again}");
        assert_eq!(said(&user, again, Some(2)).await, Applied::Conflict, "another plan");
        assert_eq!(said(&user, "bob@example.com", Some(1)).await, Applied::Conflict, "another address");
    }
}

macro_rules! contract {
    ($($sentence:ident)*) => {
        mod memory {
            $(#[tokio::test(start_paused = true)]
            async fn $sentence() {
                super::$sentence(super::MemoryProfiles::default()).await;
            })*
        }
        mod redis {
            $(#[tokio::test]
            async fn $sentence() {
                super::$sentence(super::RedisProfiles::new(crate::world::redis())).await;
            })*
        }
    };
}

contract! {
    the_first_event_of_a_user_creates_the_profile
    a_newer_event_updates_it
    an_older_event_updates_what_the_newer_ones_left_open
    an_event_that_says_nothing_new_is_stale
    an_event_that_comes_again_is_done
    one_event_with_two_contents_is_a_conflict
    one_event_in_two_spellings_of_its_address_is_done
}

#[tokio::test]
async fn a_profile_in_redis_has_the_key_and_the_fields_that_the_readme_tells_of() {
    let (link, name) = (redis(), unique());
    let store = RedisProfiles::new(link.clone());
    let (user, key) = (name.parse().expect("an id"), format!("profile:{{{name}}}"));
    let all: Vec<&str> = FIELDS.iter().flat_map(|(names, _)| names.iter().copied()).collect();
    let fields = async || -> BTreeMap<String, String> { link.hash(&key).await.expect("a hash") };

    apply(&store, &user, (1, 5, 0, None)).await;
    let without_plan: BTreeSet<_> = all.iter().copied().filter(|name| !name.starts_with("plan")).collect();
    assert_eq!(fields().await.keys().map(String::as_str).collect::<BTreeSet<_>>(), without_plan);

    apply(&store, &user, (2, 7, 1, Some(1))).await;
    apply(&store, &user, (3, 0, 2, Some(2))).await;
    let profile = fields().await;
    assert_eq!(profile.keys().map(String::as_str).collect::<BTreeSet<_>>(), all.into_iter().collect());
    let told = ["user_id", "email", "plan", "signed_up_at"].map(|field| profile[field].as_str());
    assert_eq!(told, [name.as_str(), "a1@example.com", "plan-1", "2026-01-01T00:00:00.000Z"]);
    for field in ["email_at", "plan_at", "first_at"] {
        assert_eq!(profile[field].len(), 47, "{field}");
    }

    let odd = "jürgen}".parse().expect("an id");
    let hash = "a18434f208241562687b7e50781be46ffe93f08335e96623a3f2118db8ab9770";
    assert_eq!(RedisProfiles::key(&odd), format!("profile:{{{hash}}}"));
}

/// One to six events with ids of their own, and an order of them in which each comes at least once.
fn events_and_an_order() -> impl Strategy<Value = (Vec<Said>, Vec<Said>)> {
    let said = (0..4_i64, 0..3_u8, prop::option::of(0..3_u8));
    prop::collection::vec(said, 1..7).prop_flat_map(|all| {
        let events: Vec<Said> = (0..).zip(all).map(|(id, (at, address, plan))| (id, at, address, plan)).collect();
        let again = prop::collection::vec(prop::sample::select(events.clone()), 0..6);
        let order = (Just(events.clone()), again).prop_map(|(events, again)| [events, again].concat());
        (Just(events), order.prop_shuffle())
    })
}

/// The profile by its definition: the newest address, the newest plan, the oldest time.
fn by_definition(user: &UserId, events: &[Said]) -> [Option<String>; 3] {
    let mut events: Vec<_> = events.iter().map(|said| event(user, *said)).collect();
    events.sort_by_key(|event| ProfileChange::of(event).stamp);
    let email = events.last().map(|event| event.email.as_str().to_owned());
    let plan = events.iter().rev().find_map(|event| event.plan.as_ref()).map(|plan| plan.as_str().to_owned());
    [email, plan, events.first().map(|event| event.head.occurred_at.to_string())]
}

fn of_memory(store: &MemoryProfiles, user: &UserId) -> [Option<String>; 3] {
    let profile = store.get(user).expect("a profile");
    let plan = profile.plan.map(|plan| plan.as_str().to_owned());
    [Some(profile.email.as_str().to_owned()), plan, Some(profile.signed_up_at.to_string())]
}

fn of_redis(hash: &BTreeMap<String, String>) -> [Option<String>; 3] {
    ["email", "plan", "signed_up_at"].map(|field| hash.get(field).cloned())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_repetition_end_in_the_same_profile((events, order) in events_and_an_order()) {
        let (store, user) = (MemoryProfiles::default(), user());
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            for said in &order {
                let applied = apply(&store, &user, *said).await;
                prop_assert_ne!(applied, Applied::Conflict);
            }
            Ok(())
        })?;
        prop_assert_eq!(of_memory(&store, &user), by_definition(&user, &events));
        prop_assert_eq!(store.count(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_redis_too_and_each_answer_is_the_memorys((events, order) in events_and_an_order()) {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (link, memory) = (redis(), MemoryProfiles::default());
            let store = RedisProfiles::new(link.clone());
            // One user takes the events as they were made, another as they came.
            let (straight, shuffled) = (user(), user());
            for said in &events {
                apply(&store, &straight, *said).await;
            }
            for said in &order {
                prop_assert_eq!(apply(&store, &shuffled, *said).await, apply(&memory, &shuffled, *said).await);
            }
            let mut first = link.hash(&RedisProfiles::key(&straight)).await.expect("a hash");
            let mut second = link.hash(&RedisProfiles::key(&shuffled)).await.expect("a hash");
            prop_assert_eq!(of_redis(&second), by_definition(&shuffled, &events));
            prop_assert_eq!(first.remove("user_id"), Some(straight.as_str().to_owned()));
            prop_assert_eq!(second.remove("user_id"), Some(shuffled.as_str().to_owned()));
            prop_assert_eq!(first, second, "marks included");
            Ok(())
        })?;
    }
}
