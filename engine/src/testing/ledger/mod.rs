//! The contract of [`Ledger`], one sentence a function.
//!
//! Enters: a [`Case`], one effect's record. Leaves: nothing, or a panic that names the sentence. Promises: a lease of
//! [`OVER`] has run out as soon as it is granted, so only the sentences about time itself wait. `effect` holds how far
//! an effect has come, `counts` what the record counts of the messages that asked. What is public here beside them is
//! for sentences of your own.

mod counts;
mod effect;

use std::time::Duration;

pub use counts::*;
pub use effect::*;

use super::{boxed, each, unique};
use crate::idempotency::{
    Begin, Claim, Fingerprint, Key, Lease, Ledger, OnAmbiguous, Release, Request, Setbacks, Terms,
};

/// Writes one test for each clause of the ledger's contract, by the test attribute and an expression that makes a
/// [`Case`](crate::testing::ledger::Case):
///
/// ```text
/// mod in_memory {
///     user_events_engine::ledger_contract! { #[tokio::test(start_paused = true)] Case::on(MemoryLedger::default()) }
/// }
/// ```
#[macro_export]
macro_rules! ledger_contract {
    (#$test:tt $case:expr) => {
        $crate::ledger_contract! { @all tests [#$test $case] }
    };
    (@all $then:ident $with:tt) => {
        $crate::ledger_contract! { @$then $with
            of_twenty_claims_at_once_one_is_granted
            the_same_token_asking_again_gets_the_same_lease
            a_held_effect_is_busy_for_as_long_as_it_says
            renewing_holds_the_lease_longer
            crossing_the_fence_holds_the_lease_longer
            an_expired_claim_is_taken_over_clean_and_its_owner_is_told_at_the_fence
            an_old_lease_is_dead_even_when_its_token_holds_again
            a_lease_that_ran_out_and_nobody_wanted_still_holds
            the_fence_says_done_after_somebodys_commit
            a_commit_after_the_lease_was_lost_is_done_for_all
            crossing_twice_counts_one_send
            an_unknown_send_is_told_to_the_next_and_parked_when_sends_are_used_up
            with_one_send_allowed_the_first_unknown_one_is_parked
            what_is_released_before_the_fence_is_claimed_clean
            what_is_released_after_the_fence_is_claimed_clean_and_counts_no_send
            releasing_a_takeover_keeps_the_earlier_send_in_doubt
            done_is_final
            other_content_is_a_conflict_in_every_state
            another_spelling_of_the_same_content_is_no_conflict_in_any_state
            effects_of_other_users_and_handlers_are_others
            failures_are_counted_per_message_and_nothing_else_is
            a_deferral_is_counted_from_its_first_and_is_no_failure
            a_redriven_message_starts_its_deferrals_anew
            a_claim_that_ran_out_five_times_without_a_word_is_answered_kills
            a_message_that_kills_behind_the_fence_is_parked_before_it_is_blamed
            what_may_have_happened_stays_on_record_though_its_claim_is_given_back_as_failed
            a_released_claim_is_no_takeover
            a_claim_that_asks_again_or_is_renewed_is_no_takeover
            a_takeover_while_the_ledger_was_away_is_not_counted
            an_effect_whose_record_waited_for_the_ledger_is_recorded_before_a_copy_may_claim_it
            another_message_of_the_same_user_is_not_blamed
            a_commit_forgets_deferrals_and_takeovers
        }
    };
    (@tests [#$test:tt $case:expr] $($clause:ident)*) => {
        $(#$test
        async fn $clause() {
            let case = $case;
            let excused = case.excused;
            let runs = $crate::testing::ledger::$clause(case);
            $crate::testing::clause("Ledger", stringify!($clause), excused, runs).await;
        })*
    };
    (@names [] $($clause:ident)*) => {
        &[$(stringify!($clause)),*]
    };
    (@boxed [$make:ident] $($clause:ident)*) => {
        vec![$(boxed(stringify!($clause), $clause($make()))),*]
    };
}

/// What [`ledger_contract!`](crate::ledger_contract) makes tests of.
pub const CLAUSES: &[&str] = ledger_contract! { @all names [] };

/// Holds a ledger to every clause, one after the other, each on a case of its own. Answers the names of those that are
/// kept.
///
/// # Panics
/// If any is broken: all that are, by name.
pub async fn contract<L: Ledger>(make: impl Fn() -> Case<L>) -> Vec<&'static str> {
    let excused = make().excused;
    each("Ledger", excused, ledger_contract! { @all boxed [make] }).await
}

/// Holds for the whole test.
pub const LONG: Duration = Duration::from_secs(600);
/// Has run out already: its holder has paused, or was killed.
pub const OVER: Duration = Duration::ZERO;

/// One effect in one ledger.
#[derive(Debug)]
pub struct Case<L> {
    /// The adapter under test.
    pub ledger: L,
    /// What its deliveries ask: of an effect that no other case has.
    pub request: Request,
    /// [`OnAmbiguous::max_sends`]: 2 at first.
    pub max_sends: u32,
    /// A lease within which the test has time to ask: 2 s. Longer for a machine that is slow.
    pub short: Duration,
    /// Clauses that this ledger does not keep: each of them must fail.
    pub excused: &'static [&'static str],
}

impl<L: Ledger> Case<L> {
    /// An effect in this ledger that has no record yet.
    #[must_use]
    pub fn on(ledger: L) -> Self {
        let request = Request::new(Key::new("contract", &unique()), Fingerprint::of(&["a"]));
        Self { ledger, request, max_sends: 2, short: Duration::from_secs(2), excused: &[] }
    }

    /// Terms with this lease.
    #[must_use]
    pub fn terms(&self, lease: Duration) -> Terms {
        Terms::new(lease, LONG).on_ambiguous(OnAmbiguous::ResendUpTo(self.max_sends))
    }

    /// A claim by whichever delivery `token` names.
    pub async fn claim(&self, token: &str, lease: Duration) -> Claim {
        self.ledger.claim(&self.request, token, &self.terms(lease)).await.expect("an answer")
    }

    /// A claim by a delivery of `message`; so are all that follow.
    pub async fn claim_of(&mut self, message: &str, token: &str, lease: Duration) -> Claim {
        message.clone_into(&mut self.request.message_id);
        self.claim(token, lease).await
    }

    /// A claim by a delivery that found the effect clean.
    pub async fn acquire(&self, token: &str, lease: Duration) -> Lease {
        match self.claim(token, lease).await {
            Claim::Acquired(lease) => lease,
            other => panic!("{token}: {other:?}"),
        }
    }

    /// A claim by a delivery that was told of an earlier one's possible send.
    pub async fn take_over(&self, token: &str, lease: Duration) -> Lease {
        match self.claim(token, lease).await {
            Claim::Ambiguous(lease) => lease,
            other => panic!("{token}: {other:?}"),
        }
    }

    /// The fence.
    pub async fn begin(&self, lease: &Lease, until: Duration) -> Begin {
        self.ledger.begin(lease, &self.terms(until)).await.expect("an answer")
    }

    /// The lease, held for longer.
    pub async fn renew(&self, lease: &Lease, until: Duration) -> bool {
        self.ledger.renew(lease, &self.terms(until)).await.expect("an answer")
    }

    /// The effect has happened.
    pub async fn commit(&self, lease: &Lease) {
        self.ledger.commit(lease, "receipt", &self.terms(LONG)).await.expect("an answer");
    }

    /// The lease goes back, and nothing is counted.
    pub async fn release(&self, lease: &Lease) {
        self.ledger.release(lease, Release::Uncounted).await.expect("an answer");
    }

    /// A delivery that crossed the fence and was killed: the record stands at S, its lease is over.
    pub async fn killed_after_begin(&self, token: &str) -> Lease {
        let lease = match self.claim(token, OVER).await {
            Claim::Acquired(lease) | Claim::Ambiguous(lease) => lease,
            other => panic!("{token}: {other:?}"),
        };
        assert_eq!(self.begin(&lease, OVER).await, Begin::Go);
        lease
    }

    /// Deliveries of `message` that each are granted the claim and die.
    pub async fn dies(&mut self, message: &str, times: u32) {
        for n in 0..times {
            let claim = self.claim_of(message, &format!("{message} {n}"), OVER).await;
            assert!(matches!(claim, Claim::Acquired(_)), "{message}, delivery {n}: {claim:?}");
        }
    }

    /// A clean claim, given back for this reason.
    pub async fn gives_back(&self, token: &str, why: Release<'_>) -> Setbacks {
        let lease = self.acquire(token, LONG).await;
        self.ledger.release(&lease, why).await.expect("an answer")
    }
}

/// Of this message: its handler failed.
#[must_use]
pub fn failed(message_id: &str) -> Release<'_> {
    Release::Failed { message_id, outcome: "transient" }
}

/// Of this message: nobody knows, and its receiver recognises a repeat.
#[must_use]
pub fn unknown(message_id: &str) -> Release<'_> {
    Release::Unknown { message_id, outcome: "outcome_unknown" }
}

/// Of this message: it was told "not now".
#[must_use]
pub fn deferred(message_id: &str) -> Release<'_> {
    Release::Deferred { message_id }
}
