//! What goes wrong, and when: all of it follows from the seed.
//!
//! Enters: how many events, kills and workers, and a seed. Leaves: the order of copies to send, the mail
//! server's replies by user, and a list of faults with the pauses between them. Does nothing itself.

use std::time::Duration;

use fastrand::Rng;

use crate::world::patience::at_this_pace;
use crate::world::proxy::{Cut, Mode};
use crate::world::smtp::{Phase, Reaction};

/// After so many the queue moves a message by itself: few enough for kills and freezes to eat them all now and then.
pub const RECEIVES: u32 = 6;
/// What each Redis call may take, for a proxy's delay: four chunks' ways make one call on a new connection.
const SHORT_DELAY: Duration = Duration::from_millis(100);
const LONG_DELAY: Duration = Duration::from_millis(1500);

/// A lease is three quarters of it.
pub fn visibility() -> Duration {
    at_this_pace(Duration::from_secs(6))
}

pub fn lease() -> Duration {
    visibility() * 3 / 4
}

pub fn handler() -> Duration {
    visibility() / 2
}

/// How long a process stays frozen that is to lose its lease.
pub fn long_stop() -> Duration {
    visibility() + Duration::from_millis(500)
}

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub events: usize,
    pub kills: usize,
    pub workers: usize,
    pub seed: u64,
}

/// Which of a worker's two proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Redis,
    Smtp,
}

impl Side {
    /// Without a fault. A mail takes a while, as in life, so that deliveries of one event overlap in it.
    pub fn as_usual(self) -> Mode {
        match self {
            Self::Redis => Mode::Pass,
            Self::Smtp => Mode::Delay(Duration::from_millis(25)),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Fault {
    Kill { slot: usize },
    Stop { slot: usize, lasting: Duration },
    Mode { slot: usize, side: Side, mode: Mode, lasting: Duration },
    Reset { slot: usize, side: Side },
    Cut { slot: usize, side: Side, cut: Cut },
    RedisKill { down: Duration },
    ReadOnly { lasting: Duration },
    OutOfMemory { lasting: Duration },
}

pub struct Plan {
    /// Each with the pause before it.
    pub steps: Vec<(Duration, Fault)>,
    /// Users by number, some more than once, shuffled.
    pub copies: Vec<usize>,
    /// How the mail server answers mails to these users, in order; then as usual.
    pub replies: Vec<(usize, Vec<Reaction>)>,
    /// `FAILPOINTS` of every worker.
    pub failpoints: String,
}

impl Settings {
    /// Short, unless the environment says otherwise.
    pub fn read() -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a whole number"));
        Self {
            events: number("CHAOS_EVENTS").unwrap_or(300) as usize,
            kills: number("CHAOS_KILLS").unwrap_or(20) as usize,
            workers: number("CHAOS_WORKERS").unwrap_or(3) as usize,
            seed: number("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000)),
        }
    }

    pub fn plan(&self) -> Plan {
        let mut rng = Rng::with_seed(self.seed);
        let mut faults: Vec<Fault> = (0..self.kills).map(|_| Fault::Kill { slot: rng.usize(..self.workers) }).collect();
        faults.extend((0..self.kills * 6 / 5).map(|_| other(&mut rng, self.workers)));
        rng.shuffle(&mut faults);
        let steps = faults.into_iter().map(|fault| (Duration::from_millis(rng.u64(200..1200)), fault)).collect();

        // Three in ten have a second copy: half of them at once, for another worker, and half some time later.
        let mut copies: Vec<usize> = (0..self.events).collect();
        copies.extend((0..self.events * 3 / 20).map(|_| rng.usize(..self.events)));
        rng.shuffle(&mut copies);
        let at_once = |user| if rng.u8(..100) < 12 { vec![user; 2] } else { vec![user] };
        let copies = copies.into_iter().flat_map(at_once).collect();
        let replies = (0..self.events).filter_map(|user| Some((user, reply(&mut rng)?))).collect();
        Plan { steps, copies, replies, failpoints: self.failpoints() }
    }

    /// Chances such that about half as many processes die at a named step as are killed from outside,
    /// and a tenth as many freeze there.
    fn failpoints(&self) -> String {
        // Mails and profiles both pass claimed, sent and recorded.
        let passes = (self.events * 2).max(1) as f64;
        let chance = |wanted: f64| (self.kills as f64 * wanted / passes).min(0.2);
        let (kill, stop) = (chance(0.1), chance(0.03));
        let kills = ["claimed", "prepared", "begun", "sent", "recorded"].map(|step| format!("{step}=kill:{kill:.5}"));
        let stops = ["prepared", "begun", "sent"].map(|step| format!("{step}=stop:{stop:.5}"));
        [kills.join(","), stops.join(",")].join(",")
    }
}

fn other(rng: &mut Rng, workers: usize) -> Fault {
    let slot = rng.usize(..workers);
    let side = if rng.bool() { Side::Redis } else { Side::Smtp };
    let lasting = Duration::from_millis(rng.u64(500..2500));
    match rng.u8(..100) {
        0..8 => Fault::Stop { slot, lasting: Duration::from_millis(rng.u64(100..1000)) },
        8..22 => Fault::Stop { slot, lasting: long_stop() },
        22..30 => Fault::Mode { slot, side, mode: Mode::Delay(SHORT_DELAY), lasting },
        30..38 => Fault::Mode { slot, side, mode: Mode::Delay(LONG_DELAY), lasting },
        38..50 => Fault::Mode { slot, side, mode: Mode::Hole, lasting },
        50..56 => Fault::Mode { slot, side, mode: Mode::Refuse, lasting },
        56..66 => Fault::Reset { slot, side },
        // A mail is some 4,000 bytes toward the server, and the replies to one some 200.
        66..71 => Fault::Cut { slot, side, cut: Cut::ToServer(rng.usize(..5000)) },
        71..77 => Fault::Cut { slot, side, cut: Cut::ToClient(rng.usize(..300)) },
        77..85 => Fault::RedisKill { down: lasting },
        85..93 => Fault::ReadOnly { lasting: Duration::from_secs(1) },
        _ => Fault::OutOfMemory { lasting: Duration::from_secs(1) },
    }
}

/// One user in twelve has a reply of its own.
fn reply(rng: &mut Rng) -> Option<Vec<Reaction>> {
    let text = "scripted";
    let reply = |at, code| Reaction::Reply { at, code, text };
    let one = match rng.u8(..120) {
        0 => reply(Phase::Rcpt, 451),
        1 => reply(Phase::Data, 451),
        2 => reply(Phase::Dot, 451),
        3 => reply(Phase::Dot, 421),
        4 => reply(Phase::Rcpt, 550),
        5 => Reaction::Close { at: Phase::Data },
        6 => Reaction::Close { at: Phase::Dot },
        7 => Reaction::Silent { at: Phase::Dot },
        8 => Reaction::AcceptThenClose,
        9 => Reaction::AcceptButNeverReply,
        _ => return None,
    };
    Some(vec![one])
}
