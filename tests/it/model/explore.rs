//! Every order of every move, and what none of them may break.
//!
//! Breadth first, so that the first trace that breaks a property is a shortest one. States that differ
//! only in which copy is which, or in figures that nothing will ever compare again, count as one.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use super::delivery::{At, Budget, COPIES, GHOST, State, token};
use super::moves::Move;
use super::protocol::{NOBODY, Protocol};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    AtMostMaxSends,
    /// All copies are gone, nothing was sent, and nobody was told why.
    NeverLost,
    NothingUndoneIsDeleted,
    /// No second mail without a fault between the fence and the record.
    NoUnexplainedDuplicate,
    /// "Surely nothing was sent" is said only while that is so.
    EachFurtherSendIsAnnounced,
    DoneIsFinal,
    OneHolder,
    /// The queue moved a copy that a worker had in hand: nobody can say why.
    NoLetterWithoutAReason,
    /// Some end can still be reached.
    NeverStuck,
}

/// What an exploration saw.
pub struct Explored {
    pub states: usize,
    pub moves: usize,
    /// How it can end: mails taken, and whether a dead letter tells of it; with how many states do.
    pub ends: BTreeMap<(u8, bool), usize>,
    pub took: Duration,
    /// The most mails that the server took.
    pub most: u8,
    /// The most where no fault fell between the fence and the record.
    pub most_unexcused: u8,
    /// Each property that broke, with a shortest way there.
    pub broken: BTreeMap<Property, String>,
}

#[derive(Default)]
struct Search {
    states: Vec<State>,
    /// How each state was first reached, and which copy went to which place in it.
    origins: Vec<(u32, &'static str, Option<usize>, [usize; COPIES])>,
    known: HashMap<u128, u32, BuildHasherDefault<Mix>>,
    edges: Vec<(u32, u32)>,
    broken: BTreeMap<Property, String>,
}

pub fn explore(protocol: Protocol, budget: Budget, receives: Option<u8>) -> Explored {
    let started = Instant::now();
    let mut search = Search::default();
    search.visit(0, "start", None, State::start(budget, receives));
    let mut next = 0;
    let mut moves = Vec::new();
    while let Some(state) = search.states.get(next).copied() {
        state.moves(protocol, &mut moves);
        let from = u32::try_from(next).expect("fewer than 2^32 states");
        for Move { what, who, state, breaks } in moves.drain(..) {
            let fresh = search.states.len();
            let to = search.visit(from, what, who, state);
            if to != from {
                search.edges.push((from, to));
            }
            if let Some(property) = breaks {
                search.broke(property, from, what, who);
            }
            if to as usize == fresh {
                for property in state.breaks(protocol) {
                    search.broke(property, from, what, who);
                }
            }
        }
        next += 1;
    }
    search.find_stuck();
    let most = |of: fn(&State) -> bool| {
        search.states.iter().filter(|state| of(state)).map(|state| state.accepted).max().unwrap_or_default()
    };
    let mut ends = BTreeMap::new();
    for state in search.states.iter().filter(|state| state.is_over()) {
        *ends.entry((state.accepted, state.quarantined)).or_default() += 1;
    }
    Explored {
        states: search.states.len(),
        moves: search.edges.len(),
        ends,
        took: started.elapsed(),
        most: most(|_| true),
        most_unexcused: most(|state| !state.excused),
        broken: search.broken,
    }
}

impl Search {
    fn visit(&mut self, from: u32, what: &'static str, who: Option<usize>, state: State) -> u32 {
        let (state, order, packed) = state.canonical();
        let fresh = u32::try_from(self.states.len()).expect("fewer than 2^32 states");
        let index = *self.known.entry(packed).or_insert(fresh);
        if index == fresh {
            self.states.push(state);
            self.origins.push((from, what, who, order));
        }
        index
    }

    fn broke(&mut self, property: Property, from: u32, what: &'static str, who: Option<usize>) {
        if !self.broken.contains_key(&property) {
            let way = self.way_to(from, (what, who));
            self.broken.insert(property, way);
        }
    }

    /// The moves that led to `at` and then `last`, each with the name of its copy.
    fn way_to(&self, mut at: u32, last: (&'static str, Option<usize>)) -> String {
        let mut moves = vec![];
        while at > 0 {
            let (from, what, who, order) = self.origins[at as usize];
            moves.push((what, who, order));
            at = from;
        }
        let mut names = ["A", "B", "C"];
        let mut way = Vec::new();
        for (what, who, order) in moves.into_iter().rev().chain([(last.0, last.1, [0, 1, 2])]) {
            way.push(who.map_or_else(|| what.to_owned(), |who| format!("{} {what}", names[who])));
            names = order.map(|place| names[place]);
        }
        way.join(", ")
    }

    /// Walks backwards from all ends; whatever is not met cannot reach one.
    fn find_stuck(&mut self) {
        self.edges.sort_unstable_by_key(|(_, to)| *to);
        let mut reaches: Vec<bool> = self.states.iter().map(State::is_over).collect();
        let mut open: Vec<usize> = (0..reaches.len()).filter(|index| reaches[*index]).collect();
        while let Some(index) = open.pop() {
            let first = self.edges.partition_point(|(_, to)| (*to as usize) < index);
            for (from, _) in self.edges[first..].iter().take_while(|(_, to)| *to as usize == index) {
                let from = *from as usize;
                if !reaches[from] {
                    reaches[from] = true;
                    open.push(from);
                }
            }
        }
        if let Some(stuck) = reaches.iter().position(|reaches| !reaches) {
            self.broke(Property::NeverStuck, u32::try_from(stuck).expect("an index"), "nothing more", None);
        }
    }
}

impl State {
    fn breaks(&self, protocol: Protocol) -> impl Iterator<Item = Property> + use<> {
        let holders = self.deliveries.iter().filter(|delivery| delivery.holds).count();
        [
            (self.accepted > protocol.max_sends).then_some(Property::AtMostMaxSends),
            (self.accepted > 1 && !self.excused).then_some(Property::NoUnexplainedDuplicate),
            (holders > 1).then_some(Property::OneHolder),
            self.unexplained.then_some(Property::NoLetterWithoutAReason),
            (self.is_over() && self.accepted == 0 && !self.quarantined).then_some(Property::NeverLost),
        ]
        .into_iter()
        .flatten()
    }

    /// One of all the states that cannot be told apart from now on, which copy it put where, and all of
    /// it in 128 bits.
    fn canonical(mut self) -> (Self, [usize; COPIES], u128) {
        // Generations are only ever compared with the record's: it is 1, any other 0.
        let current = self.record.map_or(0, |record| record.generation);
        let since = |generation| u8::from(generation == current && current > 0);
        if let Some(record) = &mut self.record {
            record.repeats = 0;
            record.generation = 1;
            record.begun = record.begun.filter(|begun| *begun == current).map(|_| 1);
            if !record.is_open() {
                // Nothing asks for more than that it is closed.
                record.token = NOBODY;
                (record.begun, record.sends, record.over) = (None, 0, true);
            }
        }
        let is_open = self.record.is_some_and(|record| record.is_open());
        for delivery in &mut self.deliveries {
            delivery.generation = if is_open { since(delivery.generation) } else { 0 };
            delivery.left = delivery.left.filter(|_| delivery.at != At::Gone);
        }
        if let Some((_, lease)) = &mut self.late {
            lease.generation = if is_open { since(lease.generation) } else { 0 };
        }

        let looks = [0, 1, 2].map(|who| self.look_of(who));
        let mut order = [0, 1, 2];
        for (left, right) in [(0, 1), (1, 2), (0, 1)] {
            if looks[order[left]] > looks[order[right]] {
                order.swap(left, right);
            }
        }
        let place = |of| (0..COPIES).find(|place| token(order[*place]) == of).map_or(of, token);
        if let Some(record) = &mut self.record {
            record.token = place(record.token);
        }
        if let Some((_, lease)) = &mut self.late {
            lease.token = place(lease.token);
        }
        self.deliveries = order.map(|who| self.deliveries[who]);
        (self, order, self.packed(order.map(|who| looks[who])))
    }

    /// All that is known of one copy, in eleven bits.
    fn look_of(&self, who: usize) -> u128 {
        let delivery = self.deliveries[who];
        let owns = self.record.is_some_and(|record| record.token == token(who));
        let is_late = self.late.is_some_and(|(_, lease)| lease.token == token(who));
        let flag = |place, flag| u128::from(flag) << place;
        let left = delivery.left.map_or(0, |left| u128::from(left) + 1);
        let flags = flag(0, delivery.again) | flag(1, delivery.holds) | flag(2, delivery.generation > 0);
        (delivery.at as u128) << 7 | left << 5 | flags | flag(3, owns) | flag(4, is_late)
    }

    /// No two alike.
    fn packed(&self, looks: [u128; COPIES]) -> u128 {
        let mut bits = Bits(looks[0] << 22 | looks[1] << 11 | looks[2]);
        // Every part has its width whether it is there or not: else two states could look alike.
        match self.record {
            None => bits.push(9, 0),
            Some(record) => {
                bits.push(3, 1 + record.step as u128);
                // A copy's own token is in its looks; what is left is the ghost's.
                bits.push(1, u128::from(record.token == GHOST));
                bits.push(1, u128::from(record.begun.is_some()));
                bits.push(1, u128::from(record.over));
                bits.push(3, u128::from(record.sends));
            }
        }
        match self.late {
            None => bits.push(4, 0),
            Some((call, lease)) => {
                bits.push(3, 1 + call as u128);
                bits.push(1, u128::from(lease.generation));
            }
        }
        let Budget { kills, pauses, replies, calls, late_calls, refusals, ends } = self.left;
        for left in [kills, pauses, replies, calls, late_calls, refusals, ends, self.accepted] {
            bits.push(3, u128::from(left));
        }
        for flag in [self.excused, self.quarantined, self.unexplained] {
            bits.push(1, u128::from(flag));
        }
        bits.0
    }
}

struct Bits(u128);

impl Bits {
    fn push(&mut self, width: u32, value: u128) {
        assert!(value < 1 << width && self.0.leading_zeros() >= width, "{value} in {width} bits");
        self.0 = self.0 << width | value;
    }
}

/// The keys are dense already: one multiplication spreads them.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are u128");
    }

    fn write_u128(&mut self, key: u128) {
        let (high, low) = ((key >> 64) as u64, key as u64);
        let key = low ^ high.rotate_left(17);
        self.0 = (key ^ key >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 29
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, moves, ends, took, most, most_unexcused, broken } = self;
        write!(f, "{states} states, {moves} moves, {:.1} s: accepted {most} at most, ", took.as_secs_f64())?;
        write!(f, "{most_unexcused} without a fault in the window; ends (accepted, quarantined) {ends:?}")?;
        broken.iter().try_for_each(|(property, way)| write!(f, "\n  broken: {property:?}: {way}"))
    }
}
