//! The table, row by row.

use super::*;

fn tries(failures: u32, receives: u32) -> Tries {
    let setbacks = Setbacks { failures, history: "transient@1".to_owned(), ..Setbacks::default() };
    let patience = Patience { retry_for: Duration::from_secs(3600), retention: None };
    let limits = Limits { attempts: 4, receives: Some(9), patience };
    Tries { setbacks, receives: Attempt::new(receives), age: Duration::ZERO, limits }
}

fn missing() -> Missing {
    Missing { dependency: "smtp", detail: String::new(), outage: Outage::Down }
}

fn verdict(outcome: &Outcome) -> Verdict {
    outcome.verdict(&tries(1, 1), &Backoff::HANDLER, "h", "450 at RCPT")
}

#[test]
fn attempts_are_exhausted_by_failures_of_its_own_or_on_the_last_receive_that_the_queue_allows() {
    for (failures, receives, exhausted) in [(1, 1, false), (3, 8, false), (4, 4, true), (1, 9, true), (0, 9, true)] {
        for outcome in [Outcome::Transient, Outcome::Panicked, Outcome::TimedOut] {
            match outcome.verdict(&tries(failures, receives), &Backoff::HANDLER, "h", "450 at RCPT") {
                Verdict::Quarantine(failure) => {
                    assert!(exhausted, "{failures} failures in {receives} receives");
                    assert_eq!((failure.reason, failure.history.as_str()), ("attempts_exhausted", "transient@1"));
                }
                other => assert!(!exhausted, "{failures} failures in {receives} receives: {other:?}"),
            }
        }
    }
    let outage = Outcome::Unavailable(missing()).verdict(&tries(8, 8), &Backoff::HANDLER, "h", "450 at RCPT");
    assert!(matches!(outage, Verdict::RetryIn(_)), "an outage is not the message's fault");
}

#[test]
fn on_its_last_receive_nothing_is_given_back_every_letter_has_a_reason() {
    let second = Duration::from_secs(1);
    for (outcome, reason) in [
        (Outcome::Busy(second), "busy_too_long"),
        (Outcome::Unavailable(missing()), "unavailable"),
        (Outcome::OutcomeUnknown, "outcome_unknown"),
        (Outcome::LeaseLost, "lease_lost"),
        (Outcome::NotBegun, "not_begun"),
        (Outcome::Transient, "attempts_exhausted"),
        (Outcome::Deferred { in_a_row: 6, at_least: Duration::ZERO }, "deferred_too_long"),
        (Outcome::Doubted { reason: "mail_refused", in_a_row: 3 }, "mail_refused"),
    ] {
        let verdict = |receives| outcome.verdict(&tries(0, receives), &Backoff::HANDLER, "h", "");
        assert!(matches!(verdict(8), Verdict::RetryIn(_) | Verdict::Leave), "{outcome:?}");
        let Verdict::Quarantine(failure) = verdict(9) else { panic!("{outcome:?}") };
        assert_eq!(failure.reason, reason);
    }
}

#[test]
fn the_limit_is_kept_below_the_receives_that_the_queue_allows() {
    let facts = |most| Facts { visibility: Duration::ZERO, max_receive_count: most, has_dlq: true, retention: None };
    let hour = Duration::from_secs(3600);
    let attempts = |set, most| Limits::new(set, hour, &facts(most)).attempts;
    assert_eq!([attempts(None, Some(5)), attempts(Some(3), Some(5)), attempts(None, None)], [4, 3, 8]);
    assert_eq!(attempts(None, Some(100)), 8, "receives are for deferrals, not for failures");
    assert_eq!(attempts(None, Some(1)), 1, "a queue that allows one receive");
    let without_dlq = Facts { has_dlq: false, ..facts(None) };
    let limits = Limits::new(Some(3), hour, &without_dlq);
    assert_eq!((limits.attempts, limits.receives, limits.patience.retry_for), (u32::MAX, None, Duration::MAX));
}

#[test]
fn only_what_is_done_or_needs_nothing_is_deleted() {
    use Outcome::*;
    let all = [
        (Done, true),
        (DoneUnrecorded, true),
        (Duplicate, true),
        (Stale, true),
        (Ignored, true),
        (UnknownType(&[]), false),
        (Busy(Duration::ZERO), false),
        (Conflict, false),
        (Parked, false),
        (Refused(Refusal::NotJson), false),
        (Permanent("x"), false),
        (Transient, false),
        (Panicked, false),
        (TimedOut, false),
        (Unavailable(missing()), false),
        (KillsItsWorker, false),
        (Doubted { reason: "x", in_a_row: 3 }, false),
        (Deferred { in_a_row: 1, at_least: Duration::ZERO }, false),
        (OutcomeUnknown, false),
        (LeaseLost, false),
        (NotBegun, false),
    ];
    for (outcome, deleted) in all {
        assert_eq!(verdict(&outcome) == Verdict::Delete, deleted, "{outcome:?}");
    }
}

#[test]
fn what_will_never_succeed_is_quarantined_with_its_reason() {
    let reason = |outcome: Outcome| match verdict(&outcome) {
        Verdict::Quarantine(failure) => failure.reason,
        other => panic!("{outcome:?} gave {other:?}"),
    };
    assert_eq!(reason(Outcome::Refused(Refusal::TooDeep)), "too_deep");
    assert_eq!(reason(Outcome::Permanent("mail_refused")), "mail_refused");
    assert_eq!(reason(Outcome::Conflict), "conflict");
    assert_eq!(reason(Outcome::Parked), "outcome_unknown");
    assert_eq!(reason(Outcome::KillsItsWorker), "kills_its_worker");
    assert_eq!(reason(Outcome::UnknownType(&[])), "unknown_type");
}

#[test]
fn a_deferral_waits_and_is_quarantined_with_what_was_said_when_it_lasts_too_long_or_no_receive_is_left() {
    let outcomes = [
        (Outcome::Deferred { in_a_row: 1, at_least: Duration::ZERO }, "deferred_too_long"),
        (Outcome::Doubted { reason: "mail_refused", in_a_row: 3 }, "mail_refused"),
    ];
    for (outcome, reason) in outcomes {
        let verdict = |tries: &Tries| outcome.verdict(tries, &Backoff::HANDLER, "h", "450 at RCPT");
        assert!(matches!(verdict(&tries(8, 1)), Verdict::RetryIn(_)), "failures are not its matter");
        let mut too_long = tries(0, 2);
        (too_long.setbacks.deferrals, too_long.setbacks.deferred_for) = (9, Duration::from_secs(3600));
        for given_up in [too_long, tries(0, 9)] {
            let Verdict::Quarantine(failure) = verdict(&given_up) else { panic!("{given_up:?}") };
            assert_eq!((failure.reason, failure.detail.as_str()), (reason, "450 at RCPT"));
        }
    }
}

#[test]
fn a_busy_effect_is_looked_at_again_only_after_its_lease_and_ever_later_while_it_is_renewed() {
    let left = Duration::from_secs(30);
    for (receives, leases) in [(1, 1), (2, 2), (3, 4), (4, 8), (8, 8)] {
        let verdict = Outcome::Busy(left).verdict(&tries(0, receives), &Backoff::HANDLER, "h", "");
        let Verdict::RetryIn(delay) = verdict else { panic!("not retried") };
        assert!((1..=3).contains(&(delay - leases * left).as_secs()), "{delay:?} at receive {receives}");
    }
}
