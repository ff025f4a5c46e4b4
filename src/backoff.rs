//! How long to wait before trying again: attempt → delay. Capped, with full jitter. Pure.
//!
//! Full jitter (anything between the floor and the exponential) spreads a herd that failed together.
//! Knows nothing of what is retried.

use std::time::Duration;

/// An exponential backoff: `first` doubled per attempt, never above `cap`, jittered down to `floor`.
///
/// ```
/// use std::time::Duration;
/// use user_events::backoff::Backoff;
///
/// let backoff = Backoff::try_new(Duration::from_secs(2), Duration::from_secs(60))?;
/// assert!((1.0..=8.0).contains(&backoff.delay(3).as_secs_f64()));
/// assert!(backoff.delay(1_000) <= Duration::from_secs(60));
/// # Ok::<(), user_events::backoff::InvalidBackoff>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    floor: Duration,
}

/// The bounds given to [`Backoff::try_new`] make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a backoff needs 0 < first <= cap")]
pub struct InvalidBackoff;

impl Backoff {
    /// A handler's failure: 2 s doubled up to 15 min, never under 1 s.
    pub const HANDLER: Self = Self::constant(2_000, 900_000, 1_000);
    /// A failing receive: 1 s doubled up to 30 s. Never a hot loop.
    pub const POLL: Self = Self::constant(1_000, 30_000, 500);
    /// A dependency that is down, between two probes: about once a second, so that its return is noticed.
    pub const PROBE: Self = Self::constant(1_000, 1_000, 700);
    /// One entry of a batch call that failed: settled or sent again within the call's own budget.
    pub const ENTRY: Self = Self::constant(100, 2_000, 50);

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

    fn jittered(&self, attempt: u32, chance: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let longest = self.first.saturating_mul(1 << doublings).min(self.cap);
        longest.mul_f64(chance.clamp(0.0, 1.0)).max(self.floor)
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
    }

    #[test]
    fn bounds_that_make_no_sense_are_refused() {
        let s = Duration::from_secs;
        assert!(Backoff::try_new(s(0), s(1)).is_err());
        assert!(Backoff::try_new(s(2), s(1)).is_err());
        assert!(Backoff::try_new(s(2), s(2)).is_ok());
    }
}
