//! How far an effect has come: who may go on, who is told at the fence, and what is final.
//!
//! Enters: a [`Case`]. Leaves: nothing, or a panic.
#![expect(missing_docs, reason = "a clause's name is its sentence")]

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::{Case, LONG, OVER, unique};
use crate::idempotency::{Begin, Claim, Fingerprint, Key, Ledger, Request};

pub async fn of_twenty_claims_at_once_one_is_granted(case: Case<impl Ledger>) {
    let claims = join_all((0..20).map(async |n| case.claim(&n.to_string(), LONG).await)).await;
    let granted = claims.iter().filter(|claim| matches!(claim, Claim::Acquired(_))).count();
    let busy = claims.iter().filter(|claim| matches!(claim, Claim::Busy(_))).count();
    assert_eq!((granted, busy), (1, 19), "{claims:?}");
}

pub async fn the_same_token_asking_again_gets_the_same_lease(case: Case<impl Ledger>) {
    let first = case.acquire("a", LONG).await;
    let again = case.acquire("a", LONG).await;
    assert_eq!(case.begin(&first, LONG).await, Begin::Go);
    assert_eq!(case.begin(&again, LONG).await, Begin::Go);
    assert!(matches!(case.claim("a", LONG).await, Claim::Ambiguous(_)), "after begin it is told of its own send");
}

pub async fn a_held_effect_is_busy_for_as_long_as_it_says(case: Case<impl Ledger>) {
    let asked = Instant::now();
    let _held = case.acquire("a", case.short).await;
    let Claim::Busy(left) = case.claim("b", LONG).await else { panic!("not busy") };
    assert!(left <= case.short && left + asked.elapsed() >= case.short - Duration::from_millis(2), "{left:?}");
    sleep(left + Duration::from_millis(1)).await;
    case.acquire("b", LONG).await;
}

pub async fn renewing_holds_the_lease_longer(case: Case<impl Ledger>) {
    let lease = case.acquire("a", OVER).await;
    assert!(case.renew(&lease, case.short).await);
    let Claim::Busy(left) = case.claim("b", LONG).await else { panic!("not held") };
    assert!(left <= case.short, "{left:?}");
    assert!(case.renew(&lease, LONG).await);
    let Claim::Busy(left) = case.claim("b", LONG).await else { panic!("not held") };
    assert!(left > case.short, "{left:?}");
}

pub async fn crossing_the_fence_holds_the_lease_longer(case: Case<impl Ledger>) {
    let lease = case.acquire("a", OVER).await;
    assert_eq!(case.begin(&lease, LONG).await, Begin::Go);
    assert!(matches!(case.claim("b", LONG).await, Claim::Busy(_)));
}

pub async fn an_expired_claim_is_taken_over_clean_and_its_owner_is_told_at_the_fence(case: Case<impl Ledger>) {
    let old = case.acquire("a", OVER).await;
    let new = case.acquire("b", LONG).await;
    assert_eq!(case.begin(&old, LONG).await, Begin::Lost);
    assert!(!case.renew(&old, LONG).await);
    case.release(&old).await;
    assert_eq!(case.begin(&new, LONG).await, Begin::Go, "the old owner's release has changed nothing");
}

pub async fn an_old_lease_is_dead_even_when_its_token_holds_again(case: Case<impl Ledger>) {
    let old = case.acquire("a", OVER).await;
    let _between = case.acquire("b", OVER).await;
    let new = case.acquire("a", LONG).await;
    assert_eq!(case.begin(&old, LONG).await, Begin::Lost);
    assert_eq!(case.begin(&new, LONG).await, Begin::Go);
}

pub async fn a_lease_that_ran_out_and_nobody_wanted_still_holds(case: Case<impl Ledger>) {
    let lease = case.acquire("a", OVER).await;
    assert!(case.renew(&lease, OVER).await);
    assert_eq!(case.begin(&lease, OVER).await, Begin::Go);
}

pub async fn the_fence_says_done_after_somebodys_commit(case: Case<impl Ledger>) {
    let slow = case.killed_after_begin("a").await;
    let other = case.take_over("b", LONG).await;
    case.commit(&slow).await;
    assert_eq!(case.begin(&other, LONG).await, Begin::Done);
}

pub async fn a_commit_after_the_lease_was_lost_is_done_for_all(case: Case<impl Ledger>) {
    let slow = case.killed_after_begin("a").await;
    let other = case.take_over("b", LONG).await;
    case.commit(&slow).await;
    assert!(matches!(case.claim("c", LONG).await, Claim::Done));
    assert!(matches!(case.claim("b", LONG).await, Claim::Done));
    assert!(!case.renew(&other, LONG).await);
}

pub async fn crossing_twice_counts_one_send(mut case: Case<impl Ledger>) {
    case.max_sends = 2;
    let lease = case.killed_after_begin("a").await;
    assert_eq!(case.begin(&lease, OVER).await, Begin::Go);
    case.take_over("b", LONG).await;
}

pub async fn an_unknown_send_is_told_to_the_next_and_parked_when_sends_are_used_up(case: Case<impl Ledger>) {
    case.killed_after_begin("a").await;
    case.killed_after_begin("b").await;
    for token in ["c", "a", "d"] {
        assert!(matches!(case.claim(token, LONG).await, Claim::Parked), "{token}");
    }
}

pub async fn with_one_send_allowed_the_first_unknown_one_is_parked(mut case: Case<impl Ledger>) {
    case.max_sends = 1;
    let lease = case.killed_after_begin("a").await;
    assert!(matches!(case.claim("b", LONG).await, Claim::Parked));
    assert_eq!(case.begin(&lease, LONG).await, Begin::Lost);
    assert!(!case.renew(&lease, LONG).await);
    case.release(&lease).await;
    assert!(matches!(case.claim("c", LONG).await, Claim::Parked), "no release takes it out");
    case.commit(&lease).await;
    assert!(matches!(case.claim("d", LONG).await, Claim::Done), "a fact does");
}

pub async fn what_is_released_before_the_fence_is_claimed_clean(case: Case<impl Ledger>) {
    let lease = case.acquire("a", LONG).await;
    case.release(&lease).await;
    assert_eq!(case.begin(&lease, LONG).await, Begin::Lost, "the released lease is spent");
    let next = case.acquire("b", LONG).await;
    case.release(&lease).await;
    assert_eq!(case.begin(&next, LONG).await, Begin::Go, "releasing twice takes nothing from the next");
}

pub async fn what_is_released_after_the_fence_is_claimed_clean_and_counts_no_send(mut case: Case<impl Ledger>) {
    case.max_sends = 1;
    for token in ["a", "b", "c"] {
        let lease = case.acquire(token, LONG).await;
        assert_eq!(case.begin(&lease, LONG).await, Begin::Go);
        case.release(&lease).await;
    }
    case.acquire("d", LONG).await;
}

pub async fn releasing_a_takeover_keeps_the_earlier_send_in_doubt(case: Case<impl Ledger>) {
    case.killed_after_begin("a").await;
    let before_the_fence = case.take_over("b", LONG).await;
    case.release(&before_the_fence).await;
    let after_the_fence = case.take_over("c", LONG).await;
    assert_eq!(case.begin(&after_the_fence, LONG).await, Begin::Go);
    case.release(&after_the_fence).await;
    case.take_over("d", LONG).await;
}

pub async fn done_is_final(case: Case<impl Ledger>) {
    let loser = case.acquire("a", OVER).await;
    let lease = case.acquire("b", LONG).await;
    assert_eq!(case.begin(&lease, LONG).await, Begin::Go);
    for _ in 0..2 {
        case.commit(&lease).await;
        case.commit(&loser).await;
        case.release(&lease).await;
        case.release(&loser).await;
        assert!(!case.renew(&lease, LONG).await);
        assert_eq!(case.begin(&lease, LONG).await, Begin::Done);
        for token in ["a", "b", "c"] {
            assert!(matches!(case.claim(token, LONG).await, Claim::Done), "{token}");
        }
    }
}

pub async fn other_content_is_a_conflict_in_every_state(mut case: Case<impl Ledger>) {
    let (ours, other) = (Fingerprint::of(&["a"]), Fingerprint::of(&["b"]));
    case.max_sends = 1;
    let held = case.acquire("a", LONG).await;
    for state in ["held", "released", "in doubt", "parked", "done"] {
        match state {
            "released" => case.release(&held).await,
            "in doubt" => drop(case.killed_after_begin("b").await),
            "parked" => assert!(matches!(case.claim("c", LONG).await, Claim::Parked)),
            "done" => case.commit(&held).await,
            _ => {}
        }
        case.request.fingerprint = other.clone();
        assert!(matches!(case.claim("d", LONG).await, Claim::Conflict), "{state}");
        case.request.fingerprint = ours.clone();
    }
}

pub async fn another_spelling_of_the_same_content_is_no_conflict_in_any_state(mut case: Case<impl Ledger>) {
    let [ann, capital, upper] = ["ann", "Ann", "ANN"].map(|given| Fingerprint::spelled(&[given], &["ann"]));
    for (first, second) in [(&ann, &upper), (&upper, &ann), (&capital, &upper)] {
        case.request = Request::new(Key::new("contract", &unique()), first.clone());
        let held = case.acquire("a", LONG).await;
        case.request.fingerprint = second.clone();
        assert!(matches!(case.claim("b", LONG).await, Claim::Busy(_)), "held");
        case.release(&held).await;
        let lease = case.acquire("b", LONG).await;
        assert_eq!(case.begin(&lease, OVER).await, Begin::Go);
        case.request.fingerprint = first.clone();
        let lease = case.take_over("c", LONG).await;
        case.commit(&lease).await;
        for spelling in [first, second, &ann, &capital, &upper] {
            case.request.fingerprint = spelling.clone();
            assert!(matches!(case.claim("d", LONG).await, Claim::Done), "{spelling:?}");
        }
        for other in [Fingerprint::of(&["bob"]), Fingerprint::spelled(&["Bob"], &["bob"])] {
            case.request.fingerprint = other;
            assert!(matches!(case.claim("e", LONG).await, Claim::Conflict));
        }
    }
}

pub async fn effects_of_other_users_and_handlers_are_others(case: Case<impl Ledger>) {
    let _held = case.acquire("a", LONG).await;
    let user = unique();
    for key in [Key::new("contract", &user), Key::new("another", &user)] {
        let request = Request::new(key, Fingerprint::of(&["b"]));
        let claim = case.ledger.claim(&request, "b", &case.terms(LONG)).await;
        assert!(matches!(claim, Ok(Claim::Acquired(_))), "{claim:?}");
    }
    case.ledger.ping().await.expect("there");
}
