//! The mail protocol, exhaustively: three copies of one event, every order of steps and faults.
//!
//! `protocol` is the record and its steps, `delivery` a moment of the whole, `moves` the worker's steps and
//! the adversary's, `explore` the search and the properties. `scripts` drives the real scripts against
//! `protocol`. Each thing the protocol has is taken away in turn: then a property must break, or the
//! exploration sees nothing.
//!
//! Not explored, because each only stops copies from coming: the end of a record's retention, which outlives every copy, and
//! what the record counts of messages. The last is in `protocol`, and the real scripts are held to it. The receives that a
//! queue allows are explored by themselves: they only make copies end sooner, with a letter.

mod delivery;
mod explore;
mod moves;
mod protocol;
mod scripts;

use delivery::Budget;
use explore::Property::{
    AtMostMaxSends, DoneIsFinal, EachFurtherSendIsAnnounced, NeverLost, NeverStuck, NoLetterWithoutAReason,
    NoUnexplainedDuplicate, NothingUndoneIsDeleted, OneHolder,
};
use explore::{Explored, Property, explore};
use protocol::{Protocol, Variant};

const RESEND: Protocol = Protocol { variant: Variant::Ours, max_sends: 2 };
const PARK: Protocol = Protocol { variant: Variant::Ours, max_sends: 1 };

const NONE: Budget = Budget { kills: 0, pauses: 0, replies: 0, calls: 0, late_calls: 0, refusals: 0, ends: 0 };
/// Two calls without an answer are one that is given up.
const MANY: Budget = Budget { kills: 2, pauses: 2, replies: 1, calls: 2, refusals: 1, ..NONE };
/// Fewer: a call that runs when nobody waits for it can fall anywhere.
const LATE: Budget = Budget { kills: 1, pauses: 1, replies: 1, calls: 1, late_calls: 1, refusals: 1, ends: 1 };
/// With two receives for each copy.
const FEW: Budget = Budget { kills: 1, pauses: 1, replies: 1, calls: 2, refusals: 1, ..NONE };

/// Explores ours: nothing may break.
fn holds(name: &str, protocol: Protocol, budget: Budget) -> Explored {
    holds_within(None, name, protocol, budget)
}

/// The same, where the queue moves a copy after so many receives.
fn holds_within(receives: Option<u8>, name: &str, protocol: Protocol, budget: Budget) -> Explored {
    let explored = explore(protocol, budget, receives);
    println!("{name}, at most {} sends, {receives:?} receives, {budget}: {explored}", protocol.max_sends);
    assert!(explored.broken.is_empty(), "{name}: {explored}");
    assert!(explored.most_unexcused <= 1, "{name}: {explored}");
    explored
}

/// Explores ours with one thing changed: exactly these break, where ours stands.
fn breaks(variant: Variant, budget: Budget, expected: &[Property]) -> Explored {
    breaks_within(None, variant, budget, expected)
}

fn breaks_within(receives: Option<u8>, variant: Variant, budget: Budget, expected: &[Property]) -> Explored {
    holds_within(receives, "ours", RESEND, budget);
    let explored = explore(Protocol { variant, max_sends: RESEND.max_sends }, budget, receives);
    println!("{variant:?}, {budget}: {explored}");
    assert_eq!(explored.broken.keys().copied().collect::<Vec<_>>(), expected, "{variant:?}: {explored}");
    explored
}

#[test]
fn no_interleaving_sends_a_mail_more_than_twice_or_loses_it() {
    assert_eq!(holds("many faults", RESEND, MANY).most, 2);
    assert_eq!(holds("a late call", RESEND, LATE).most, 2);
}

#[test]
fn parking_sends_at_most_once() {
    assert_eq!(holds("many faults", PARK, MANY).most, 1);
    assert_eq!(holds("a late call", PARK, LATE).most, 1);
}

#[test]
fn with_one_more_send_allowed_there_is_one_more_and_no_further() {
    let budget = Budget { kills: 2, pauses: 1, replies: 1, ..NONE };
    assert_eq!(holds("three sends", Protocol { max_sends: 3, ..RESEND }, budget).most, 3);
}

#[test]
fn without_a_fault_every_order_of_three_copies_ends_with_one_mail_and_no_dead_letter() {
    for protocol in [RESEND, PARK] {
        assert!(holds("no fault", protocol, NONE).ends.into_keys().eq([(1, false)]));
    }
}

#[test]
fn each_fault_alone_doubles_a_mail_only_where_it_can_fall_into_the_window() {
    let table = [
        ("kills", Budget { kills: 2, ..NONE }, 2),
        ("pauses", Budget { pauses: 2, ..NONE }, 2),
        ("lost replies to the dot", Budget { replies: 2, ..NONE }, 2),
        ("a record that waits for the ledger", Budget { calls: 3, ..NONE }, 1),
        ("a stop that ends before the record", Budget { calls: 1, ends: 1, ..NONE }, 2),
        ("one call without an answer", Budget { calls: 1, ..NONE }, 1),
        ("one late call", Budget { late_calls: 1, ..NONE }, 1),
        ("refusals and cuts", Budget { refusals: 3, ..NONE }, 1),
    ];
    for (name, budget, most) in table {
        assert_eq!(holds(name, RESEND, budget).most, most, "{name}");
        assert_eq!(holds(name, PARK, budget).most, 1, "{name}");
    }
}

#[test]
fn without_an_owner_token_one_pause_makes_two_holders_and_three_mails_come_of_it() {
    let budget = Budget { kills: 1, pauses: 1, ..NONE };
    let seen = breaks(Variant::WithoutOwner, budget, &[AtMostMaxSends, NoUnexplainedDuplicate, OneHolder]);
    assert_eq!((seen.most, seen.most_unexcused), (3, 2));
}

#[test]
fn with_the_lease_as_the_keys_time_to_live_two_kills_make_three_mails_and_nobody_is_told() {
    let budget = Budget { kills: 2, ..NONE };
    let seen = breaks(Variant::LeaseIsTimeToLive, budget, &[AtMostMaxSends, EachFurtherSendIsAnnounced]);
    assert_eq!(seen.most, 3);
}

#[test]
fn with_the_mark_before_the_send_one_kill_loses_the_mail() {
    let budget = Budget { kills: 1, ..NONE };
    let seen = breaks(Variant::MarkFirst, budget, &[NeverLost, NothingUndoneIsDeleted]);
    assert!(seen.ends.contains_key(&(0, false)), "{seen}");
}

#[test]
fn with_get_send_set_three_copies_make_three_mails_without_any_fault() {
    let expected = [AtMostMaxSends, NoUnexplainedDuplicate, EachFurtherSendIsAnnounced, OneHolder];
    assert_eq!(breaks(Variant::GetSendSet, NONE, &expected).most_unexcused, 3);
}

#[test]
fn with_a_release_that_forgets_earlier_sends_two_kills_and_a_4xx_make_three_mails() {
    let budget = Budget { kills: 2, refusals: 1, ..NONE };
    let seen = breaks(Variant::ReleaseForgets, budget, &[AtMostMaxSends, EachFurtherSendIsAnnounced]);
    assert_eq!(seen.most, 3);
}

#[test]
fn without_the_fence_a_pause_before_it_doubles_the_mail() {
    let budget = Budget { pauses: 1, ..NONE };
    let seen = breaks(Variant::WithoutFence, budget, &[NoUnexplainedDuplicate, OneHolder]);
    assert_eq!(seen.most_unexcused, 2);
}

#[test]
fn with_a_lease_that_never_ends_one_kill_leaves_the_mail_waiting_for_ever() {
    breaks(Variant::LeaseNeverEnds, Budget { kills: 1, ..NONE }, &[NeverStuck]);
}

#[test]
fn with_a_mark_forgotten_while_copies_can_arrive_each_copy_is_a_mail() {
    let expected = [AtMostMaxSends, NoUnexplainedDuplicate, EachFurtherSendIsAnnounced, DoneIsFinal];
    assert_eq!(breaks(Variant::MarkIsForgotten, NONE, &expected).most_unexcused, 3);
}

#[test]
fn a_record_that_is_given_up_after_two_calls_doubles_the_mail() {
    let seen = breaks(Variant::GivesUpTheRecord, Budget { calls: 2, ..NONE }, &[NoUnexplainedDuplicate]);
    assert_eq!(seen.most_unexcused, 2);
}

#[test]
fn no_copy_that_a_worker_has_in_hand_becomes_a_letter_without_a_reason() {
    for protocol in [RESEND, PARK] {
        holds_within(Some(1), "one receive", protocol, FEW);
        holds_within(Some(2), "two receives", protocol, FEW);
    }
}

#[test]
fn a_copy_on_its_last_receive_waits_for_the_one_at_work_and_becomes_no_letter() {
    assert!(holds_within(Some(1), "no fault", RESEND, NONE).ends.into_keys().eq([(1, false)]));
    breaks_within(Some(1), Variant::BusyIsGivenBack, NONE, &[NoLetterWithoutAReason]);
}

#[test]
fn where_nobody_looks_at_the_last_receive_a_refusal_and_a_lost_reply_are_letters_without_a_reason() {
    for budget in [Budget { refusals: 1, ..NONE }, Budget { replies: 1, ..NONE }] {
        breaks_within(Some(1), Variant::LetterWithoutAReason, budget, &[NoLetterWithoutAReason]);
    }
}
