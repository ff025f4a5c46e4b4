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
    /// When the ledger, and what the handler needs, are down.
    pub ledger_down: Vec<(Duration, Duration)>,
    pub dependency_down: Vec<(Duration, Duration)>,
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
        let is_calm = rng.u32(0..10) == 0;
        let rate = |rng: &mut Rng, most: u32| if is_calm || rng.bool() { 0 } else { rng.u32(1..=most) };
        let times = |rng: &mut Rng, most: usize| if is_calm { 0 } else { rng.usize(0..=most) };
        let is_fifo = rng.u32(0..4) == 0;
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
            // A group's followers are received whenever their head is.
            max_receive_count: if is_fifo { 1000 } else { rng.u32(5..=20) },
            workers,
            shutdown: seconds(rng.u64(21..=110)),
            queue_faults: rate(&mut rng, 150),
            ledger_faults: rate(&mut rng, 60),
            handler_faults: rate(&mut rng, 300),
            ledger_down: (0..times(&mut rng, 2)).map(|_| window(&mut rng)).collect(),
            dependency_down: (0..times(&mut rng, 2)).map(|_| window(&mut rng)).collect(),
            ends,
        }
    }
}
