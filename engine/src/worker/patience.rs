//! How long a deferred event ("not now") waits before its next try, and for how long it is tried in all.
//!
//! Enters: how often and since when it was deferred, and how many receives its queue still allows. Leaves: the wait
//! before the next try, or "too long". Promises: the receives that are left are spread over the whole time; no wait
//! is longer than a queue can hide. Pure but for the jitter.

use std::time::Duration;

/// The first wait after a deferral; doubled from then on.
pub(super) const FIRST: Duration = Duration::from_secs(30);
/// The first wait after a refusal that is doubted: by then another event may have been accepted.
pub(super) const DOUBTED: Duration = Duration::from_secs(60);
/// Doubling ends here. A wait is longer only if too few receives are left.
const LONGEST: Duration = Duration::from_secs(900);
/// SQS hides a message for 12 h at most, counted from its receive. The work before the wait gets 20 min of them:
/// 43,200 s − 1,200 s = 42,000 s.
const HIDEABLE: Duration = Duration::from_secs(43_200 - 1_200);
/// Trying ends this long before the queue drops the message, so that its dead letter is sent in time; half of a
/// retention that is under 4 h.
const BEFORE_THE_END: Duration = Duration::from_secs(2 * 3600);

/// For how long a deferred event is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From its first deferral on.
    pub retry_for: Duration,
    /// How long its queue keeps it, from its arrival on; `None`: not known.
    pub retention: Option<Duration>,
}

/// What a deferred event has met so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deferred {
    /// How often, this time included.
    pub(super) times: u32,
    /// How long ago it was first deferred.
    pub(super) lasting: Duration,
    /// How long ago it came to the queue.
    pub(super) age: Duration,
    /// Receives that the queue still allows; `None`: any number.
    pub(super) receives_left: Option<u32>,
    /// The time that the receiver named; zero: none.
    pub(super) at_least: Duration,
}

impl Patience {
    /// The wait before the next try, `first` if it is the first. `None`: it was deferred for too long, or no receive
    /// is left.
    pub(super) fn wait(&self, first: Duration, deferred: Deferred) -> Option<Duration> {
        let (left, kept) = self.left(&deferred).filter(|_| deferred.receives_left != Some(0))?;
        let times = deferred.times.max(1);
        let doubled = first.saturating_mul(1 << (times - 1).min(16)).min(LONGEST);
        // Up to 10 % less, so that events that were deferred together do not come back together.
        let wait = doubled.max(self.stretched(first, times, &deferred)).mul_f64(1.0 - fastrand::f64() / 10.0);
        // Up to 10 % more, for the same reason. It may lie beyond `retry_for`: then the try after it is the last.
        let named = deferred.at_least.mul_f64(1.0 + fastrand::f64() / 10.0);
        Some(wait.min(left).max(named).min(kept).min(HIDEABLE).max(Duration::from_secs(1)))
    }

    /// How long it is still tried, and how long its queue still keeps it; `None`: no longer.
    fn left(&self, deferred: &Deferred) -> Option<(Duration, Duration)> {
        let by_setting = self.retry_for.checked_sub(deferred.lasting)?;
        let by_queue = match self.retention {
            Some(kept) => (kept - BEFORE_THE_END.min(kept / 2)).checked_sub(deferred.age)?,
            None => Duration::MAX,
        };
        Some((by_setting.min(by_queue), by_queue)).filter(|(left, _)| !left.is_zero())
    }

    /// The `times`-th wait of a geometric series that begins with `first`, has one wait for each receive, and adds up
    /// to `retry_for`. Zero if waits of `first` alone fill that time.
    fn stretched(&self, first: Duration, times: u32, deferred: &Deferred) -> Duration {
        let Some(receives_left) = deferred.receives_left else { return Duration::ZERO };
        let waits = (times - 1).saturating_add(receives_left);
        if waits == 1 {
            return LONGEST.min(self.retry_for);
        }
        let (first, all) = (first.as_secs_f64(), self.retry_for.as_secs_f64());
        if f64::from(waits) * first >= all {
            return Duration::ZERO;
        }
        let sum = |ratio: f64| (0..waits).fold(0.0, |sum, _| sum * ratio + first);
        // Halves the interval of the ratio: the sum is too short with `low` and long enough with `high`.
        let (mut low, mut high) = (1.0, (all / first).max(2.0));
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if sum(middle) < all { low = middle } else { high = middle }
        }
        Duration::from_secs_f64((first * high.powf(f64::from(times - 1))).min(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    fn patience(retry_for: u64) -> Patience {
        Patience { retry_for: Duration::from_secs(retry_for), retention: None }
    }

    /// When it is tried, in seconds from the first deferral, on a queue that allows so many receives.
    fn tries(patience: Patience, receives: u32) -> Vec<u64> {
        let (mut at, mut tried) = (Duration::ZERO, Vec::new());
        for times in 1.. {
            tried.push(at.as_secs());
            let receives_left = receives.checked_sub(times);
            let deferred = Deferred { times, lasting: at, age: at, receives_left, at_least: Duration::ZERO };
            let Some(wait) = patience.wait(FIRST, deferred) else { break };
            at += wait;
        }
        tried
    }

    #[test]
    fn greylisting_of_five_minutes_is_over_at_the_next_try_within_eight_minutes() {
        for (receives, within) in [(100, 480), (5, 900)] {
            let tried = tries(patience(DAY), receives);
            let after = tried.iter().find(|at| **at >= 300).expect("tried again");
            assert!(*after <= within, "{receives} receives: {tried:?}");
        }
    }

    #[test]
    fn the_receives_that_a_queue_allows_last_for_as_long_as_is_tried() {
        for (receives, retry_for) in [(100, DAY), (20, DAY), (10, 3600), (5, 3600), (3, 900), (5, 900)] {
            let tried = tries(patience(retry_for), receives);
            let last = *tried.last().expect("one");
            assert!(last >= retry_for * 4 / 5 && last <= retry_for, "{receives} receives for {retry_for} s: {tried:?}");
            assert!(tried.len() <= receives as usize, "{tried:?}");
        }
        // SQS hides for 12 hours at most: five receives cannot last for a day.
        let tried = tries(patience(DAY), 5);
        assert!(*tried.last().expect("one") > 12 * 3600, "{tried:?}");
    }

    #[test]
    fn waits_are_of_half_a_minute_first_and_of_a_quarter_of_an_hour_at_last() {
        let tried = tries(patience(DAY), 1000);
        let waits: Vec<u64> = tried.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((26..=30).contains(&waits[0]) && (53..=60).contains(&waits[1]) && (107..=121).contains(&waits[2]));
        assert!(waits[6..waits.len() - 1].iter().all(|wait| (809..=900).contains(wait)), "{waits:?}");
    }

    #[test]
    fn it_ends_two_hours_before_the_queue_forgets_the_message() {
        let patience = Patience { retention: Some(Duration::from_secs(4 * 3600)), ..patience(DAY) };
        let last = *tries(patience, 1000).last().expect("one");
        assert!((2 * 3600 - 900..=2 * 3600).contains(&last), "{last}");
        let short = Patience { retention: Some(Duration::from_secs(3600)), ..patience };
        assert!(*tries(short, 1000).last().expect("one") <= 1800, "half of a retention that is shorter than that");
    }

    #[test]
    fn the_last_receive_is_not_given_back() {
        assert_eq!(patience(DAY).wait(FIRST, Deferred { receives_left: Some(0), ..first() }), None);
    }

    #[test]
    fn a_time_that_was_named_is_waited_for_even_beyond_the_end_and_never_beyond_the_queues() {
        let waits = |patience: Patience, seconds| {
            let named = Deferred { at_least: Duration::from_secs(seconds), ..first() };
            patience.wait(FIRST, named).expect("a wait").as_secs()
        };
        assert!((600..=660).contains(&waits(patience(DAY), 600)));
        assert!((600..=660).contains(&waits(patience(60), 600)), "it is tried once more, after it");
        assert!((27..=30).contains(&waits(patience(DAY), 5)), "no sooner than without it");
        let short = Patience { retention: Some(Duration::from_secs(600)), ..patience(DAY) };
        assert_eq!(waits(short, 3600), 300, "or the queue would drop it without a letter");
        assert_eq!(waits(patience(DAY), 12 * 3600), HIDEABLE.as_secs());
    }

    fn first() -> Deferred {
        let now = Duration::ZERO;
        Deferred { times: 1, lasting: now, age: now, receives_left: None, at_least: now }
    }
}
