//! What the record counts of the messages that asked, and what an outage explains.
//!
//! Enters: a [`Case`], and messages by name. A claim is dead when its lease of [`OVER`] ran out and nobody gave it
//! back. Leaves: nothing, or a panic.
#![expect(missing_docs, reason = "a clause's name is its sentence")]

use std::time::Duration;

use tokio::time::sleep;

use super::{Case, LONG, OVER, deferred, failed, unique, unknown};
use crate::idempotency::{Begin, Claim, Key, Ledger, MAX_EXPIRED_CLAIMS, Release, Setbacks};

const SOON: Duration = Duration::from_millis(30);
/// A server's clock may count whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(2);

pub async fn failures_are_counted_per_message_and_nothing_else_is(case: Case<impl Ledger>) {
    assert_eq!(case.gives_back("a", failed("one")).await.failures, 1);
    assert_eq!(case.gives_back("b", Release::Uncounted).await, Setbacks::default(), "an outage, a deploy");
    let second = case.gives_back("c", failed("one")).await;
    assert_eq!((second.failures, second.history.matches("transient@").count()), (2, 2), "{second:?}");
    assert_eq!(case.gives_back("d", failed("another")).await.failures, 1, "redriven, it starts anew");
    let mut setbacks = Setbacks::default();
    for n in 2..=100 {
        setbacks = case.gives_back(&n.to_string(), failed("another")).await;
    }
    assert_eq!(setbacks.failures, 100);
    let history = setbacks.history;
    assert!((900..=1000).contains(&history.len()) && history.starts_with("transient@"), "{history}");
    let old = case.acquire("e", OVER).await;
    let lease = case.acquire("f", LONG).await;
    for why in [failed("another"), deferred("another")] {
        assert_eq!(case.ledger.release(&old, why).await, Ok(Setbacks::default()), "not the owner's any more");
    }
    case.commit(&lease).await;
}

pub async fn a_deferral_is_counted_from_its_first_and_is_no_failure(case: Case<impl Ledger>) {
    let first = case.gives_back("a", deferred("one")).await;
    assert_eq!(first, Setbacks { deferrals: 1, ..Setbacks::default() });
    sleep(SOON).await;
    let second = case.gives_back("b", deferred("one")).await;
    assert_eq!((second.deferrals, second.failures, second.history.as_str()), (2, 0, ""));
    assert!(second.deferred_for + ROUNDING >= SOON, "{second:?}");
    assert_eq!(case.gives_back("c", Release::Uncounted).await, Setbacks::default());
    sleep(SOON).await;
    let failure = case.gives_back("d", failed("one")).await;
    assert_eq!((failure.deferrals, failure.failures), (2, 1), "both are told, one was counted");
    assert!(failure.deferred_for + ROUNDING >= 2 * SOON, "since the first: {failure:?}");
    let third = case.gives_back("e", deferred("one")).await;
    assert_eq!((third.deferrals, third.failures), (3, 1), "both are told, one was counted");
    assert_eq!(third.history, failure.history);
    assert!(third.deferred_for >= failure.deferred_for && third.deferred_for < LONG, "{third:?}");
}

pub async fn a_redriven_message_starts_its_deferrals_anew(case: Case<impl Ledger>) {
    case.gives_back("a", deferred("one")).await;
    case.gives_back("b", failed("one")).await;
    sleep(SOON).await;
    case.gives_back("c", deferred("one")).await;
    assert_eq!(case.gives_back("d", deferred("redriven")).await, Setbacks { deferrals: 1, ..Setbacks::default() });
    let failure = case.gives_back("e", failed("redriven")).await;
    assert_eq!((failure.failures, failure.deferrals), (1, 1));
}

pub async fn a_claim_that_ran_out_five_times_without_a_word_is_answered_kills(mut case: Case<impl Ledger>) {
    case.dies("one", MAX_EXPIRED_CLAIMS - 1).await;
    let Claim::Acquired(last) = case.claim_of("one", "last", OVER).await else { panic!("one too early") };
    for token in ["a", "a", "last", "b"] {
        let claim = case.claim_of("one", token, LONG).await;
        assert!(matches!(claim, Claim::KillsItsWorker), "{token}: {claim:?}, though the letter may not have been sent");
    }
    assert_eq!(case.begin(&last, LONG).await, Begin::Lost, "it only paused, and is stopped at the fence");
    assert!(!case.renew(&last, LONG).await);
    case.commit(&last).await;
    assert!(matches!(case.claim_of("one", "c", LONG).await, Claim::Done), "a fact is one");
}

pub async fn a_message_that_kills_behind_the_fence_is_parked_before_it_is_blamed(mut case: Case<impl Ledger>) {
    case.max_sends = MAX_EXPIRED_CLAIMS;
    "one".clone_into(&mut case.request.message_id);
    for n in 0..MAX_EXPIRED_CLAIMS {
        case.killed_after_begin(&n.to_string()).await;
    }
    assert!(matches!(case.claim("last", LONG).await, Claim::Parked));
}

pub async fn what_may_have_happened_stays_on_record_though_its_claim_is_given_back_as_failed(
    mut case: Case<impl Ledger>,
) {
    case.max_sends = u32::MAX;
    "one".clone_into(&mut case.request.message_id);
    let mut lease = case.acquire("a", LONG).await;
    for n in 1..=MAX_EXPIRED_CLAIMS + 1 {
        assert_eq!(case.begin(&lease, LONG).await, Begin::Go);
        let setbacks = case.ledger.release(&lease, unknown("one")).await.expect("an answer");
        assert_eq!(setbacks.failures, n, "counted as a failure");
        let Claim::Ambiguous(again) = case.claim(&n.to_string(), LONG).await else { panic!("no word of it at {n}") };
        lease = again;
    }
    assert_eq!(case.begin(&lease, LONG).await, Begin::Go);
    assert_eq!(case.ledger.release(&lease, failed("one")).await.expect("an answer").failures, MAX_EXPIRED_CLAIMS + 2);
    let Claim::Ambiguous(_) = case.claim("surely not", OVER).await else { panic!("those before it may have happened") };
    case.max_sends = 1;
    assert!(matches!(case.claim("last", LONG).await, Claim::Parked));
}

pub async fn a_released_claim_is_no_takeover(mut case: Case<impl Ledger>) {
    "one".clone_into(&mut case.request.message_id);
    for n in 0..=MAX_EXPIRED_CLAIMS {
        for why in [Release::Uncounted, failed("one"), deferred("one")] {
            case.gives_back(&n.to_string(), why).await;
        }
        let lease = case.acquire("late", OVER).await;
        assert_eq!(case.begin(&lease, OVER).await, Begin::Go);
        case.release(&lease).await;
    }
    case.dies("one", MAX_EXPIRED_CLAIMS).await;
}

pub async fn a_claim_that_asks_again_or_is_renewed_is_no_takeover(mut case: Case<impl Ledger>) {
    "one".clone_into(&mut case.request.message_id);
    let lease = case.acquire("a", OVER).await;
    for _ in 0..=MAX_EXPIRED_CLAIMS {
        case.acquire("a", OVER).await;
        assert!(case.renew(&lease, LONG).await);
        assert!(matches!(case.claim("b", LONG).await, Claim::Busy(_)));
        assert!(case.renew(&lease, OVER).await);
    }
    case.release(&lease).await;
    case.dies("one", MAX_EXPIRED_CLAIMS).await;
}

pub async fn a_takeover_while_the_ledger_was_away_is_not_counted(mut case: Case<impl Ledger>) {
    // Asked with a lease of `LONG`: it failed as lately as twice that before the dead claim's end, or it did not.
    case.dies("one", MAX_EXPIRED_CLAIMS - 1).await;
    for failed_ago in [Duration::ZERO, LONG, 2 * LONG] {
        case.request.ledger_failed_ago = Some(failed_ago);
        let Claim::Acquired(lease) = case.claim_of("one", &format!("{failed_ago:?}"), LONG).await else {
            panic!("blamed for the ledger, {failed_ago:?} after")
        };
        assert!(case.renew(&lease, OVER).await);
    }
    // The fourth death was not counted, nor those after it: it takes two more, the ledger long back or never away.
    case.request.ledger_failed_ago = Some(3 * LONG);
    let Claim::Acquired(lease) = case.claim_of("one", "long back", LONG).await else { panic!("blamed too early") };
    assert!(case.renew(&lease, OVER).await);
    assert!(matches!(case.claim_of("one", "blamed", LONG).await, Claim::KillsItsWorker));
}

/// A copy claims in the moment in which the ledger is back.
pub async fn an_effect_whose_record_waited_for_the_ledger_is_recorded_before_a_copy_may_claim_it(
    mut case: Case<impl Ledger>,
) {
    for max_sends in [1, 2] {
        case.max_sends = max_sends;
        case.request.key = Key::new("h", &unique());
        let lease = case.killed_after_begin("a").await;
        case.request.ledger_failed_ago = Some(Duration::ZERO);
        let Claim::Busy(left) = case.claim("b", LONG).await else { panic!("taken over, or parked") };
        assert_eq!(left, LONG, "as long as a claim lasts, from when the ledger last failed");
        case.commit(&lease).await;
        assert!(matches!(case.claim("b", LONG).await, Claim::Done));

        // Nobody records: then it is as after any kill.
        case.request.key = Key::new("h", &unique());
        case.killed_after_begin("a").await;
        case.request.ledger_failed_ago = Some(LONG);
        let claim = case.claim("b", LONG).await;
        assert!(matches!((max_sends, &claim), (1, Claim::Parked) | (2, Claim::Ambiguous(_))), "{claim:?}");
    }
}

pub async fn another_message_of_the_same_user_is_not_blamed(mut case: Case<impl Ledger>) {
    case.dies("one", MAX_EXPIRED_CLAIMS).await;
    // It is the other that finds the fifth dead.
    let Claim::Acquired(lease) = case.claim_of("another", "a", LONG).await else { panic!("another was blamed") };
    assert!(matches!(case.claim_of("one", "b", LONG).await, Claim::Busy(_)), "while it is held, nobody is blamed");
    case.release(&lease).await;
    for _ in 0..2 {
        assert!(matches!(case.claim_of("one", "c", LONG).await, Claim::KillsItsWorker));
    }
    case.dies("another", 1).await;
    case.dies("", MAX_EXPIRED_CLAIMS + 1).await;
    assert!(matches!(case.claim_of("one", "d", LONG).await, Claim::KillsItsWorker));
    case.dies("another", MAX_EXPIRED_CLAIMS - 1).await;
    assert!(matches!(case.claim_of("another", "e", LONG).await, Claim::KillsItsWorker));
    let Claim::Acquired(lease) = case.claim_of("redriven", "f", LONG).await else { panic!("redriven, it is blamed") };
    case.commit(&lease).await;
}

pub async fn a_commit_forgets_deferrals_and_takeovers(mut case: Case<impl Ledger>) {
    case.gives_back("a", failed("one")).await;
    case.gives_back("b", deferred("one")).await;
    case.dies("one", MAX_EXPIRED_CLAIMS).await;
    assert!(matches!(case.claim_of("one", "c", LONG).await, Claim::KillsItsWorker));
    let Claim::Acquired(lease) = case.claim_of("another", "d", LONG).await else { panic!("another was blamed") };
    case.commit(&lease).await;
    assert!(matches!(case.claim_of("one", "e", LONG).await, Claim::Done));
    for why in [failed("one"), deferred("one")] {
        assert_eq!(case.ledger.release(&lease, why).await, Ok(Setbacks::default()));
    }
}
