//! The simulator: the real engine on the queue in memory, in virtual time, under schedules made from seeds.
//!
//! Enters: seeds (`SEEDS=n`, or `SEED=n` for one alone). Leaves: for each, whether every invariant held
//! while messages arrived, came twice and out of order, answers were lost, calls throttled, handlers slow,
//! failing and panicking, and workers were killed, stopped and started. A seed plays the same each time.
//! `tests/mutations` shows that each invariant can fail.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail, and tells how it went"
)]

mod answers;
mod doubles;
mod fate;
mod plan;
mod play;
mod story;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use plan::Plan;
use play::{Ended, play};

/// Without SEEDS. Each kind of trouble has met each other kind by then; `make simulate` plays more.
const SEEDS: u64 = 2_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("SEED and SEEDS are whole numbers"))
}

fn tell(seed: u64, ended: &Ended) -> String {
    let (plan, violations) = (Plan::new(seed), ended.violations.join("\n  "));
    let last = ended.lines.iter().rev().take(60).rev().map(String::as_str).collect::<Vec<_>>().join("\n  ");
    format!(
        "seed {seed} broke:\n  {violations}\n{plan:?}\nits last steps:\n  {last}\nSEED={seed} make simulate plays it again"
    )
}

#[test]
fn every_invariant_holds_on_every_seed() {
    play::silence_planned_panics();
    if let Some(seed) = number("SEED") {
        let ended = play(seed);
        println!("{}", ended.lines.join("\n"));
        assert!(ended.violations.is_empty(), "{}", tell(seed, &ended));
        return;
    }
    let seeds = number("SEEDS").unwrap_or(SEEDS);
    let (next, broken, seen) = (AtomicU64::new(0), Mutex::new(None), Mutex::new(BTreeMap::<&str, u64>::new()));
    let started = Instant::now();
    let play_on = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds || broken.lock().unwrap().is_some() {
                return;
            }
            let ended = play(seed);
            let mut all = seen.lock().unwrap();
            ended.seen.iter().for_each(|(what, times)| *all.entry(what).or_default() += times);
            if !ended.violations.is_empty() {
                *broken.lock().unwrap() = Some(tell(seed, &ended));
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(play_on))));
    if let Some(told) = broken.into_inner().unwrap() {
        panic!("{told}");
    }
    let seen = seen.into_inner().unwrap();
    println!("{seeds} seeds, every invariant held, {:.1} s\n{seen:#?}", started.elapsed().as_secs_f64());
    // Trouble that never happens proves nothing.
    let missing: Vec<_> = play::TROUBLE.iter().filter(|what| !seen.contains_key(*what)).collect();
    assert!(seeds < 1000 || missing.is_empty(), "never seen: {missing:?}");
}

#[test]
fn a_seed_plays_the_same_each_time() {
    play::silence_planned_panics();
    for seed in 0..20 {
        let [first, again] = [play(seed), play(seed)];
        let differs = first.lines.iter().zip(&again.lines).find(|(one, other)| one != other);
        assert!(differs.is_none() && first.lines.len() == again.lines.len(), "seed {seed}: {differs:?}");
    }
}
