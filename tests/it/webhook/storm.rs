//! A service that does everything wrong that one can do, by a seed: each event has one of four ends, each call its reason.
//!
//! Enters: `WEBHOOK_EVENTS` (a thousand without it) and `WEBHOOK_SEED` (printed). Trusts the service's own diary of what it did
//! with each request, and the DLQ.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::crm::{Crm, events_of};
use super::service::{Reaction, Request, Service, status};
use crate::world::patience::at_this_pace;

const ATTEMPTS: usize = 3;
/// Calls at once. The first ones all meet the longest answer.
const AT_ONCE: usize = 40;
const LONGEST_ANSWER: usize = 10_000_000;
/// In KiB: a third of those answers.
const MEMORY: u64 = 128 * 1024;

/// What the service did with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Did {
    Takes,
    TakesAtLength,
    Fails,
    PutsOff,
    IsGone,
    Refuses,
    Redirects(u16),
    Resets,
    Stalls,
    Closes,
    BreaksOff,
}

use Did::*;

/// Those after which an event is tried again.
const FAULTS: [Did; 6] = [Fails, PutsOff, Resets, Stalls, Closes, BreaksOff];

impl Did {
    /// One event in ten meets the same fault at each try, one after the other of them all.
    fn by(seed: u64, event: usize, nth: usize) -> Self {
        if event < AT_ONCE {
            return TakesAtLength;
        }
        if event.is_multiple_of(10) {
            return FAULTS[event / 10 % FAULTS.len()];
        }
        let mut rng = fastrand::Rng::with_seed(seed ^ (event as u64) << 20 ^ (nth as u64) << 50);
        match rng.u8(..100) {
            0..40 => Takes,
            40..46 => TakesAtLength,
            46..56 => Fails,
            56..63 => PutsOff,
            63..67 => IsGone,
            67..71 => Refuses,
            71..79 => Redirects([301, 302, 303, 307, 308][rng.usize(..5)]),
            79..85 => Resets,
            85..89 => Stalls,
            89..95 => Closes,
            _ => BreaksOff,
        }
    }

    fn reaction(self, elsewhere: &str) -> Reaction {
        match self {
            Takes => status(204, ""),
            TakesAtLength => Reaction::SaysMuch(LONGEST_ANSWER),
            Fails => status(500, ""),
            PutsOff => status(429, "retry-after: 1\r\n"),
            IsGone => status(410, ""),
            Refuses => status(400, ""),
            Redirects(code) => status(code, &format!("location: {elsewhere}\r\n")),
            Resets => Reaction::Resets,
            Stalls => Reaction::Stalls,
            Closes => Reaction::Closes,
            BreaksOff => Reaction::SaysAndCloses("HTTP/1.1 2".to_owned()),
        }
    }

    /// The letter of an event whose last call met this; `None`: it was taken.
    fn letter(self) -> Option<String> {
        Some(match self {
            Takes | TakesAtLength => return None,
            Fails => "attempts_exhausted: answered 500".to_owned(),
            PutsOff => "deferred_too_long: answered 429".to_owned(),
            IsGone => "webhook_refused: answered 410".to_owned(),
            Refuses => "webhook_refused: answered 400".to_owned(),
            Redirects(code) => format!("webhook_refused: answered {code}"),
            Resets => "outcome_unknown: broke off without an answer".to_owned(),
            Stalls => "outcome_unknown: handler: no answer came past the point of no return".to_owned(),
            Closes | BreaksOff => "outcome_unknown: closed without an answer".to_owned(),
        })
    }
}

fn number(request: &Request) -> usize {
    request.headers["webhook-id"].rsplit('-').next().and_then(|n| n.parse().ok()).expect("a number at its end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_of_a_webhook_that_meets_everything_is_done_or_dead_with_its_reason_and_no_call_is_unexplained() {
    let set = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    let events = set("WEBHOOK_EVENTS").unwrap_or(1000) as usize;
    let seed = set("WEBHOOK_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("WEBHOOK_EVENTS={events} WEBHOOK_SEED={seed}");
    let (service, elsewhere) = (Service::start().await, Service::start().await);
    let diary = Arc::<Mutex<BTreeMap<usize, Vec<Did>>>>::default();
    let (writes, to) = (diary.clone(), elsewhere.url.clone());
    service.decides(move |request| {
        let mut diary = writes.lock().unwrap();
        let met = diary.entry(number(request)).or_default();
        let did = Did::by(seed, number(request), met.len());
        met.push(did);
        did.reaction(&to)
    });
    let second = at_this_pace(Duration::from_secs(1));
    let crm = Crm::calling(&service.url, 20 * second).await;
    let settings = [
        ("WORKER_CONCURRENCY", AT_ONCE.to_string()),
        ("HANDLER_TIMEOUT", format!("{}s", second.as_secs())),
        ("MAX_ATTEMPTS", ATTEMPTS.to_string()),
        ("RETRY_FOR", "4s".to_owned()),
    ];
    let crm = settings.into_iter().fold(crm, |crm, (name, value)| crm.with(name, &value));
    crm.send(events).await;
    let worker = crm.worker();
    crm.world.drained(&crm.queue, Duration::from_secs(180)).await;

    let memory = worker.peak_memory();
    let log = worker.log();
    assert_eq!(worker.terminate().await, Some(0));
    let letters = crm.letters().await;
    let diary = diary.lock().unwrap().clone();
    let (mut calls, mut ends) = (0, BTreeMap::<String, usize>::new());
    for n in 0..events {
        let met = diary.get(&n).map(Vec::as_slice).unwrap_or_default();
        let (last, before) = met.split_last().expect("each event was called for");
        let trace = || format!("{} met {met:?}", crm.id(n));
        assert!(before.iter().all(|did| FAULTS.contains(did)), "a call that no fault explains: {}", trace());
        assert!(met.iter().filter(|did| FAULTS.contains(did) && **did != PutsOff).count() <= ATTEMPTS, "{}", trace());
        let letter = letters.get(&crm.id(n));
        assert_eq!(letter, last.letter().as_ref(), "{}", trace());
        calls += met.len();
        *ends.entry(letter.map_or("done", |letter| letter.split(':').next().unwrap()).to_owned()).or_default() += 1;
    }
    println!("{events} events, {calls} calls: {ends:?}, {memory} KiB at most");
    let mut done = events_of(&log, "\"outcome\":\"done\"");
    done.sort();
    done.dedup();
    assert_eq!(done.len(), events - letters.len(), "what was taken is on record as done");
    assert_eq!(ends.len(), 5, "a run without one of the ends has shown little: {ends:?}");
    assert_eq!(elsewhere.connections(), 0, "a redirect was followed");
    assert!(memory < MEMORY, "{memory} KiB");
}
