//! What holds of every adapter, and of a handler on the whole engine, as tests to run on your own.
//!
//! Enters: an adapter (a [`Queue`](crate::queue::Queue), a [`Ledger`](crate::idempotency::Ledger), a
//! [`Topic`](crate::topic::Topic)) or a [`Handler`](crate::handler::Handler). Leaves: a panic that names each clause
//! that is broken. Promises: our own adapters pass the same functions, unchanged. Knows no server, no environment and
//! no clock but tokio's: for virtual time write `#[tokio::test(start_paused = true)]`, with tokio's feature `test-util`
//! on your side.
//!
//! # Each clause a test
//! [`queue_contract!`](crate::queue_contract), [`fifo_contract!`](crate::fifo_contract),
//! [`ledger_contract!`](crate::ledger_contract) and [`topic_contract!`](crate::topic_contract) write one test a clause,
//! named as the clause: the test runner shows what ran, and runs them side by side. [`queue::contract`],
//! [`queue::fifo::contract`], [`ledger::contract`] and [`topic::contract`] run all of a suite in one test, one after
//! the other, and answer their names.
//!
//! # Excuses
//! An adapter that cannot keep a clause says so (`EXCUSED`). An excused clause runs all the same, and must fail: an
//! excuse that is not needed any more breaks the test, as `#[expect]` does.
#![expect(clippy::expect_used, reason = "a clause that is broken says so by panicking")]

mod away;
pub mod ledger;
pub mod queue;
pub mod topic;
pub mod world;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_util::FutureExt;

pub use away::Away;
pub use world::{Rules, World};

pub use crate::queue::memory::faults::{Call, Fault};

/// A clause by its name, about to run.
type Clause = (&'static str, Pin<Box<dyn Future<Output = ()>>>);

fn boxed(name: &'static str, runs: impl Future<Output = ()> + 'static) -> Clause {
    (name, Box::pin(runs))
}

/// Runs one clause of the contract of `port`. For the macros.
///
/// # Panics
/// If it is broken, and not excused; or excused, and not broken. The clause's name is said.
pub async fn clause(port: &str, name: &str, excused: &[&str], runs: impl Future<Output = ()>) {
    if let Err(why) = judged(name, excused, runs).await {
        panic!("the contract of {port}, clause `{name}`: {why}");
    }
}

/// Runs each clause. Answers the names of those that are kept; what is excused is not among them.
async fn each(port: &str, excused: &[&str], clauses: Vec<Clause>) -> Vec<&'static str> {
    let (mut kept, mut broken) = (Vec::new(), Vec::new());
    for (name, runs) in clauses {
        match judged(name, excused, runs).await {
            Ok(()) => kept.push(name),
            Err(why) => broken.push(format!("\n  clause `{name}`: {why}")),
        }
    }
    assert!(broken.is_empty(), "the contract of {port} is broken:{}", broken.concat());
    kept.retain(|name| !excused.contains(name));
    kept
}

async fn judged(name: &str, excused: &[&str], runs: impl Future<Output = ()>) -> Result<(), String> {
    let broken = AssertUnwindSafe(runs).catch_unwind().await.err();
    match (broken, excused.contains(&name)) {
        (Some(_), true) | (None, false) => Ok(()),
        (Some(panic), false) => Err(words(&*panic)),
        (None, true) => Err("it is excused, and it is kept: take the excuse away".to_owned()),
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked without a word").to_owned()
}

/// Eight letters that nothing else has.
fn unique() -> String {
    std::iter::repeat_with(fastrand::lowercase).take(8).collect()
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    async fn breaks() {
        assert_eq!(1 + 1, 3, "sums");
    }

    #[tokio::test]
    async fn a_broken_clause_is_named_with_what_it_said() {
        let told = AssertUnwindSafe(clause("a port", "it_adds_up", &[], breaks())).catch_unwind().await;
        let told = words(&*told.expect_err("it is broken"));
        assert!(told.starts_with("the contract of a port, clause `it_adds_up`: ") && told.contains("sums"), "{told}");
    }

    #[tokio::test]
    async fn all_that_is_broken_is_told_at_once() {
        let clauses = vec![boxed("one", breaks()), boxed("two", ready(())), boxed("three", breaks())];
        let told = AssertUnwindSafe(each("a port", &[], clauses)).catch_unwind().await;
        let told = words(&*told.expect_err("two are broken"));
        assert!(told.contains("`one`") && told.contains("`three`") && !told.contains("`two`"), "{told}");
    }

    #[tokio::test]
    async fn an_excuse_is_for_what_is_broken_and_for_nothing_else() {
        let clauses = vec![boxed("one", breaks()), boxed("two", ready(()))];
        assert_eq!(each("a port", &["one"], clauses).await, ["two"]);
        assert!(judged("two", &["two"], ready(())).await.is_err_and(|why| why.contains("excuse")));
    }
}
