//! How long to wait before the next try, by the number of failures. Capped, with full jitter. Pure.
//!
//! Full jitter (any delay between the floor and the exponential) spreads callers that failed together. Does not know
//! what is retried.

use std::time::Duration;

/// An exponential backoff: `first` doubled per attempt, never above `cap`, jittered down to `floor`.
///
/// ```
/// use std::time::Duration;
/// use user_events_engine::backoff::Backoff;
///
/// let backoff = Backoff::try_new(Duration::from_secs(2), Duration::from_secs(60))?;
/// assert!((1.0..=8.0).contains(&backoff.delay(3).as_secs_f64()));
/// assert!(backoff.delay(1_000) <= Duration::from_secs(60));
/// # Ok::<(), user_events_engine::backoff::InvalidBackoff>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    floor: Duration,
}

/// The kind of an outage, which decides how soon the dependency is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// Nobody answers: asked about once a second, so that its return is noticed at once.
    Down,
    /// The same, of a service that others run: asked about once a second in the first minute, then after a 60th of the
    /// time it has lasted, 15 s at most.
    DownElsewhere,
    /// It answers "not now": 5 s doubled to 45 s for 15 min, then a tenth of the time it has lasted, 15 min at most.
    Busy,
    /// It answers "no" until a person changes something: 15 s doubled to 15 min. Servers ban clients that ask more
    /// often.
    Refusing,
}

/// The bounds given to [`Backoff::try_new`] make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a backoff needs 0 < first <= cap")]
pub struct InvalidBackoff;

impl Backoff {
    /// A handler's failure: 2 s doubled up to 15 min, never under 1 s.
    pub const HANDLER: Self = Self::constant(2_000, 900_000, 1_000);
    /// A failing receive: 1 s doubled up to 30 s, never under 0.5 s, so that it is no hot loop.
    pub const POLL: Self = Self::constant(1_000, 30_000, 500);
    /// A dependency that is down, between two probes: about once a second, so that its return is noticed.
    const PROBE: Self = Self::constant(1_000, 1_000, 700);
    /// One failed entry of a batch call: 0.1 s doubled up to 2 s, never under 0.05 s.
    pub const ENTRY: Self = Self::constant(100, 2_000, 50);

    /// The commit of an effect while the ledger is away: 0.1 s doubled up to 1 s, never under 0.05 s.
    pub const RECORD: Self = Self::constant(100, 1_000, 50);

    const fn constant(first_ms: u64, cap_ms: u64, floor_ms: u64) -> Self {
        let ms = Duration::from_millis;
        Self { first: ms(first_ms), cap: ms(cap_ms), floor: ms(floor_ms) }
    }

    /// A backoff from `first` to `cap`, never under 1 s unless `cap` is.
    ///
    /// # Errors
    /// [`InvalidBackoff`] unless `0 < first <= cap`.
    pub fn try_new(first: Duration, cap: Duration) -> Result<Self, InvalidBackoff> {
        if first.is_zero() || first > cap {
            return Err(InvalidBackoff);
        }
        Ok(Self { first, cap, floor: Duration::from_secs(1).min(cap) })
    }

    /// The delay after the `attempt`-th failure (1 is the first).
    #[must_use]
    pub fn delay(&self, attempt: u32) -> Duration {
        self.jittered(attempt, fastrand::f64())
    }

    /// The longest time that this many tries take: the sum of the delays between them.
    #[must_use]
    pub fn lasts(&self, tries: u32) -> Duration {
        (1..tries).map(|attempt| self.jittered(attempt, 1.0)).sum()
    }

    fn jittered(&self, attempt: u32, chance: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let longest = self.first.saturating_mul(1 << doublings).min(self.cap);
        longest.mul_f64(chance.clamp(0.0, 1.0)).max(self.floor)
    }
}

impl Outage {
    /// Does nobody answer? Then an answer shows that it is over.
    #[must_use]
    pub fn is_down(self) -> bool {
        matches!(self, Self::Down | Self::DownElsewhere)
    }

    /// How long to wait after `tries` failed tries (1 is the first), `lasting` after the first of them.
    #[must_use]
    pub fn wait(self, tries: u32, lasting: Duration) -> Duration {
        let seconds = Duration::from_secs;
        let doubled = |first: u64| seconds(first).saturating_mul(1 << tries.saturating_sub(1).min(16));
        let longest = match self {
            Self::Down => return Backoff::PROBE.delay(tries),
            Self::DownElsewhere if lasting < seconds(60) => return Backoff::PROBE.delay(tries),
            Self::DownElsewhere => (lasting / 60).min(seconds(15)),
            Self::Busy if lasting < seconds(900) => doubled(5).min(seconds(45)),
            Self::Busy => (lasting / 10).clamp(seconds(45), seconds(900)),
            Self::Refusing => doubled(15).min(seconds(900)),
        };
        // Up to 10 % less, so that many workers do not ask at the same moment.
        longest.mul_f64(1.0 - fastrand::f64() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delay_is_never_under_the_floor_nor_over_the_cap(attempt in any::<u32>(), chance in -1.0..2.0_f64) {
            let delay = Backoff::HANDLER.jittered(attempt, chance);
            prop_assert!((Duration::from_secs(1)..=Duration::from_secs(900)).contains(&delay));
        }

        #[test]
        fn the_longest_delay_never_shrinks_as_attempts_grow(attempt in 1..1000_u32) {
            let longest = |n| Backoff::HANDLER.jittered(n, 1.0);
            prop_assert!(longest(attempt) <= longest(attempt + 1));
        }
    }

    #[test]
    fn the_first_failures_wait_at_most_two_four_and_eight_seconds() {
        let longest: Vec<_> = (1..=3).map(|n| Backoff::HANDLER.jittered(n, 1.0).as_secs()).collect();
        assert_eq!(longest, [2, 4, 8]);
        assert_eq!([0, 1, 4].map(|tries| Backoff::HANDLER.lasts(tries).as_secs()), [0, 0, 14]);
    }

    /// The moments of the tries in an outage of `hours`, in seconds from its beginning.
    fn tries(outage: Outage, hours: u64) -> Vec<u64> {
        let (mut at, mut made) = (Duration::ZERO, Vec::new());
        while at < Duration::from_secs(hours * 3600) {
            made.push(at.as_secs());
            at += outage.wait(u32::try_from(made.len()).expect("few"), at);
        }
        made
    }

    #[test]
    fn a_server_that_says_no_is_asked_four_times_in_a_minute_and_twelve_in_an_hour_at_most() {
        let made = tries(Outage::Refusing, 1);
        assert!(made.iter().filter(|at| **at < 60).count() <= 4 && made.len() <= 12, "{made:?}");
    }

    #[test]
    fn a_service_of_others_that_is_down_is_asked_each_second_in_the_first_minute_and_every_15_s_at_last() {
        let made = tries(Outage::DownElsewhere, 2);
        assert!((60..=86).contains(&made.iter().filter(|at| **at < 60).count()), "{made:?}");
        let gaps: Vec<_> = made.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| *gap <= 15) && gaps[gaps.len() - 2] >= 13, "{gaps:?}");
    }

    #[test]
    fn a_server_that_is_busy_is_asked_every_45_s_at_first_and_every_15_min_at_last() {
        let made = tries(Outage::Busy, 24);
        let between = |from: u64, to: u64| {
            let gaps = made.windows(2).filter(|pair| (from..to).contains(&pair[0])).map(|pair| pair[1] - pair[0]);
            gaps.max().expect("there were some")
        };
        assert!((36..=45).contains(&between(0, 850)), "{made:?}");
        assert!((800..=900).contains(&between(3 * 3600, 24 * 3600)), "{made:?}");
    }

    #[test]
    fn bounds_that_make_no_sense_are_refused() {
        let s = Duration::from_secs;
        assert!(Backoff::try_new(s(0), s(1)).is_err());
        assert!(Backoff::try_new(s(2), s(1)).is_err());
        assert!(Backoff::try_new(s(2), s(2)).is_ok());
    }
}
