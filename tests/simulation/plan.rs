//! What a seed decides before the play begins.

use std::time::Duration;

use fastrand::Rng;

/// One play's settings.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub is_fifo: bool,
    pub groups: usize,
    pub events: usize,
    pub visibility: Duration,
    pub concurrency: usize,
    pub max_receive_count: u32,
    pub workers: usize,
    pub shutdown: Duration,
    /// How often a call of the queue, the ledger or the handler goes wrong, in a thousand.
    pub queue_faults: u32,
    pub ledger_faults: u32,
    pub handler_faults: u32,
    /// When everybody is deferred; and how: as if the receiver spoke of one event, or of all.
    pub deferring: Vec<(Duration, Duration)>,
    pub defers_all: bool,
    /// Does an event now and then kill whoever takes it?
    pub has_killers: bool,
    /// Deferrals are all the trouble there is: then each receive is known.
    pub is_patient: bool,
    /// When the ledger, and what the handler needs, are down.
    pub ledger_down: Vec<(Duration, Duration)>,
    pub dependency_down: Vec<(Duration, Duration)>,
    /// Does a proxy answer for what is down?
    pub falters: bool,
    /// When a deferred event is to come again; zero: no time is named.
    pub named: Duration,
    /// Does the receiver recognise an effect that comes again?
    pub is_recognised: bool,
    /// When, which worker, how.
    pub ends: Vec<(Duration, usize, End)>,
}

/// How a worker ends. Another takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Killed,
    Stopped,
}

/// Trouble lasts so long; then all is well, and everything must come to its end.
pub const TROUBLE_LASTS: Duration = Duration::from_secs(600);

impl Plan {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let seconds = |n| Duration::from_secs(n);
        // One in ten is left in peace: there everything must happen exactly once.
        // One in ten meets deferrals and nothing else: there every receive is known, and the last must come late.
        let (is_calm, is_patient) = match rng.u32(0..10) {
            0 => (true, false),
            1 => (true, true),
            _ => (false, false),
        };
        let rate = |rng: &mut Rng, most: u32| if is_calm || rng.bool() { 0 } else { rng.u32(1..=most) };
        let times = |rng: &mut Rng, most: usize| if is_calm { 0 } else { rng.usize(0..=most) };
        let is_fifo = rng.u32(0..4) == 0 && !is_patient;
        let has_killers = rng.u32(0..4) == 0 && !is_calm && !is_fifo;
        let workers = rng.usize(1..=3);
        let window = |rng: &mut Rng| {
            let from = seconds(rng.u64(0..500));
            (from, from + seconds(rng.u64(1..90)))
        };
        let end = |rng: &mut Rng| {
            let how = if rng.bool() { End::Killed } else { End::Stopped };
            (Duration::from_millis(rng.u64(0..600_000)), rng.usize(0..workers), how)
        };
        let mut ends: Vec<_> = (0..times(&mut rng, 8)).map(|_| end(&mut rng)).collect();
        ends.sort_by_key(|(at, ..)| *at);
        Self {
            seed,
            is_fifo,
            groups: rng.usize(1..=8),
            events: rng.usize(1..=40),
            visibility: seconds(rng.u64(6..=60)),
            concurrency: rng.usize(1..=25),
            max_receive_count: match (is_fifo, has_killers) {
                // A group's followers are received whenever their head is.
                (true, _) => {
                    if rng.bool() {
                        1000
                    } else {
                        rng.u32(5..=20)
                    }
                }
                // What kills is set aside by its record, long before the queue would.
                (false, true) => 100,
                (false, false) if is_patient => rng.u32(4..=8),
                (false, false) => {
                    if rng.bool() {
                        rng.u32(5..=20)
                    } else {
                        rng.u32(1..=4)
                    }
                }
            },
            workers,
            shutdown: seconds(rng.u64(21..=110)),
            queue_faults: rate(&mut rng, 150),
            ledger_faults: rate(&mut rng, 60),
            handler_faults: rate(&mut rng, 300),
            deferring: match is_patient {
                true => vec![(seconds(0), TROUBLE_LASTS)],
                false => (0..times(&mut rng, 2)).map(|_| window(&mut rng)).collect(),
            },
            defers_all: !is_patient && rng.bool(),
            has_killers,
            is_patient,
            ledger_down: (0..times(&mut rng, 2)).map(|_| window(&mut rng)).collect(),
            dependency_down: (0..times(&mut rng, 2)).map(|_| window(&mut rng)).collect(),
            falters: rng.bool(),
            named: if is_patient && rng.bool() { seconds(rng.u64(60..=300)) } else { Duration::ZERO },
            is_recognised: rng.bool(),
            ends,
        }
    }
}
