//! The contract of the ledger's port, which `engine::testing` holds, kept by the memory, watched and unwatched, and by
//! Redis: each clause a test.
//!
//! Enters: a case of each. Leaves: what is broken, and what of a record Redis keeps. What any sequence of steps must
//! keep is in `ledger_model`.

use engine::testing::ledger::{Case, LONG, deferred, failed};
use user_events::idempotency::memory::MemoryLedger;
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Claim, Ledger};
use user_events::telemetry::WatchedLedger;

use crate::world::patience::at_this_pace;
use crate::world::redis;
use crate::world::watched::watch;

/// One effect in a ledger, at this machine's pace.
fn case<L: Ledger>(ledger: L) -> Case<L> {
    let case = Case::on(ledger);
    Case { short: at_this_pace(case.short), ..case }
}

pub fn in_memory() -> Case<MemoryLedger> {
    case(MemoryLedger::default())
}

fn watched() -> Case<WatchedLedger<MemoryLedger>> {
    case(watch().ledger(MemoryLedger::default()))
}

pub fn in_redis() -> Case<RedisLedger> {
    case(RedisLedger::new(redis()))
}

mod memory {
    ::engine::ledger_contract! { #[tokio::test(start_paused = true)] super::in_memory() }
}
mod watched {
    ::engine::ledger_contract! { #[tokio::test(start_paused = true)] super::watched() }
}
mod redis {
    ::engine::ledger_contract! { #[tokio::test] super::in_redis() }
}

/// As an outside team may call it: a suite in one test.
#[tokio::test(start_paused = true)]
async fn the_whole_contract_in_one_test_names_what_was_kept() {
    use ::engine::testing::ledger::{CLAUSES, contract};
    assert_eq!(contract(in_memory).await, CLAUSES);
}

#[tokio::test]
async fn of_what_was_counted_a_commit_leaves_no_field() {
    let mut case = in_redis();
    case.gives_back("a", failed("one")).await;
    case.gives_back("b", deferred("one")).await;
    case.dies("one", 2).await;
    let stored = redis().hash(case.request.key.as_str()).await.unwrap();
    for field in ["fm", "fn", "fh", "dm", "dn", "d0", "cm", "k:one"] {
        assert!(stored.contains_key(field), "{field} is not in {stored:?}");
    }
    let Claim::Acquired(lease) = case.claim_of("one", "c", LONG).await else { panic!("blamed too early") };
    case.commit(&lease).await;
    let stored = redis().hash(case.request.key.as_str()).await.unwrap();
    let fields: Vec<&str> = stored.keys().map(String::as_str).collect();
    assert_eq!(fields, ["att", "ff", "fp", "gen", "mid", "st", "t0", "t1", "tok"]);
}
