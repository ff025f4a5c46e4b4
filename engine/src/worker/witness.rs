//! Does a refusal concern this event or all events? Other events that are accepted are the witnesses.
//!
//! Enters: events refused, deferred and accepted, by the key of their effect. Leaves: whether a refusal is believed,
//! and how many different events in a row have met the same. Promises: while no event is accepted, at most three
//! refusals are believed; an event that was doubted is believed once another was accepted after it. Pure but for its
//! lock.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::idempotency::Key;

/// When this many different events in a row were refused or deferred, the cause concerns all events.
pub(super) const EVERYBODY: usize = 6;
/// This many refusals are believed without a witness: a single bad address is the usual case.
const WITHOUT_WITNESS: usize = 2;
/// With a witness, this many in all until the next event is accepted: the server may refuse all events by now.
const IN_ALL: usize = 3;
/// When this many different events in a row met a receiver that looks down, it is.
const DOWN: usize = 3;
/// When more events than this are known to have a witness, all are forgotten. A forgotten one is doubted once more.
const REMEMBERED: usize = 10_000;

/// What this process has seen of one reaction since an event was last accepted.
#[derive(Debug, Default)]
pub(super) struct Witness(Mutex<Refusals>);

#[derive(Debug, Default)]
struct Refusals {
    refused: HashSet<Key>,
    deferred: HashSet<Key>,
    /// They met a receiver that looks down, and nobody has met another since.
    faltered: HashSet<Key>,
    /// They met an answer that concerns all events.
    stopped: HashSet<Key>,
    believed: usize,
    /// Refused or stopped, and another was accepted since.
    vouched: HashSet<Key>,
}

/// What to make of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belief {
    /// It is this event's fault.
    Believed,
    /// Not known. How many different events in a row were refused, this one included.
    Doubted(usize),
}

impl Witness {
    /// An event was accepted: those that were refused before it now have a witness.
    pub(super) fn accepted(&self) {
        let mut refusals = self.lock();
        refusals.faltered.clear();
        if refusals.refused.is_empty() && refusals.deferred.is_empty() && refusals.stopped.is_empty() {
            return;
        }
        let Refusals { refused, deferred, stopped, believed, vouched, .. } = &mut *refusals;
        if vouched.len() > REMEMBERED {
            vouched.clear();
        }
        vouched.extend(refused.drain().chain(stopped.drain()));
        deferred.clear();
        *believed = 0;
    }

    /// An event was refused.
    pub(super) fn refused(&self, who: &Key) -> Belief {
        let mut refusals = self.lock();
        refusals.refused.insert(who.clone());
        let most = if refusals.vouched.contains(who) { IN_ALL } else { WITHOUT_WITNESS };
        if refusals.believed < most {
            refusals.believed += 1;
            refusals.vouched.remove(who);
            return Belief::Believed;
        }
        Belief::Doubted(refusals.refused.len())
    }

    /// An event was deferred. Returns how many different ones in a row, this one included.
    pub(super) fn deferred(&self, who: &Key) -> usize {
        let mut refusals = self.lock();
        refusals.deferred.insert(who.clone());
        refusals.deferred.len()
    }

    /// An event met a receiver that looks down. `true`: it is down, as different events in a row have met the same.
    pub(super) fn faltered(&self, who: &Key) -> bool {
        let mut refusals = self.lock();
        refusals.faltered.insert(who.clone());
        refusals.faltered.len() >= DOWN
    }

    /// The receiver itself has answered an event, whatever it said: it is not down.
    pub(super) fn answered(&self) {
        self.lock().faltered.clear();
    }

    /// An event met an answer that concerns all events. `true`: it is this event's own all the same, because it met
    /// the same before and another was accepted since. (A server may hang up on one mail whenever it comes.)
    pub(super) fn stopped(&self, who: &Key) -> bool {
        let mut refusals = self.lock();
        refusals.vouched.contains(who) || {
            refusals.stopped.insert(who.clone());
            false
        }
    }

    fn lock(&self) -> MutexGuard<'_, Refusals> {
        // A panic cannot leave the counts wrong.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use proptest::prelude::*;

    use super::*;

    fn key(n: usize) -> Key {
        Key::new("h", &n.to_string())
    }

    #[test]
    fn two_refusals_are_believed_and_from_the_third_on_a_witness_is_needed() {
        let witness = Witness::default();
        let met: Vec<_> = (0..6).map(|n| witness.refused(&key(n))).collect();
        use Belief::{Believed, Doubted};
        assert_eq!(met, [Believed, Believed, Doubted(3), Doubted(4), Doubted(5), Doubted(EVERYBODY)]);
        assert_eq!(witness.refused(&key(5)), Doubted(6), "the same event again is no further one");
        witness.accepted();
        assert_eq!([2, 3, 4].map(|n| witness.refused(&key(n))), [Believed; 3], "they have a witness");
        assert_eq!(witness.refused(&key(5)), Doubted(4), "and it may be everybody's fault by now");
    }

    #[test]
    fn deferrals_are_counted_by_event_until_one_is_accepted() {
        let witness = Witness::default();
        assert_eq!([0, 1, 1, 2].map(|n| witness.deferred(&key(n))), [1, 2, 2, 3]);
        witness.accepted();
        assert_eq!(witness.deferred(&key(3)), 1);
    }

    #[test]
    fn a_receiver_is_down_once_three_different_events_in_a_row_found_it_so() {
        let witness = Witness::default();
        assert_eq!([0, 0, 1, 1, 2, 0].map(|n| witness.faltered(&key(n))), [false, false, false, false, true, true]);
        for up in [Witness::answered, Witness::accepted] {
            up(&witness);
            assert_eq!([3, 4].map(|n| witness.faltered(&key(n))), [false, false], "the row begins anew");
        }
    }

    #[test]
    fn what_everybody_would_meet_is_an_events_own_once_another_was_accepted_since() {
        let witness = Witness::default();
        assert!(!witness.stopped(&key(0)) && !witness.stopped(&key(0)));
        witness.accepted();
        assert!(witness.stopped(&key(0)) && !witness.stopped(&key(1)));
    }

    proptest! {
        /// Good and bad events in any mixture, and spells in which every event is refused. One at a time, as the
        /// breaker allows once a refusal is doubted.
        #[test]
        fn a_bad_event_ends_a_good_one_waits_for_five_refusals_at_most_and_a_spell_costs_three(
            is_bad in proptest::collection::vec(proptest::bool::weighted(0.4), 1..60),
            spells in proptest::collection::vec((0_usize..200, 1_usize..60), 0..3),
        ) {
            let witness = Witness::default();
            let mut queue: VecDeque<usize> = (0..is_bad.len()).collect();
            let (mut sent, mut dead) = (BTreeSet::new(), BTreeSet::new());
            let (mut letters, mut row) = (0, BTreeSet::new());
            for step in 0.. {
                // At the end a good one comes in now and then, or the last bad ones would wait for a witness for hours.
                let Some(n) = queue.pop_front() else { break };
                let all_refused = spells.iter().any(|(from, long)| (*from..from + long).contains(&step));
                let is_good = n >= is_bad.len() || !is_bad[n];
                if is_good && !all_refused {
                    // In a row of bad ones only one at a time was received, and no pause came before the sixth.
                    sent.insert(n);
                    witness.accepted();
                    (letters, row) = (0, BTreeSet::new());
                    continue;
                }
                row.insert(n);
                match witness.refused(&key(n)) {
                    Belief::Believed => {
                        dead.insert(n);
                        letters += 1;
                        prop_assert!(letters <= IN_ALL, "{letters} letters while nobody was accepted");
                    }
                    Belief::Doubted(in_a_row) => {
                        prop_assert_eq!(in_a_row, row.len());
                        prop_assert!(row.len() > WITHOUT_WITNESS);
                        queue.push_back(n);
                        queue.push_back(is_bad.len() + step);
                    }
                }
                prop_assert!(step < 5_000, "{queue:?} is left");
            }
            let wronged = dead.iter().filter(|n| **n >= is_bad.len() || !is_bad[**n]).count();
            prop_assert!(wronged <= IN_ALL * spells.len(), "{wronged} good ones were given up in {spells:?}");
            let bad: BTreeSet<usize> = (0..is_bad.len()).filter(|n| is_bad[*n]).collect();
            prop_assert!(bad.is_subset(&dead), "every bad one ends");
        }
    }
}
