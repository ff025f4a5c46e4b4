//! How fast a worker is: messages a second, over its last reports.
//!
//! Enters: how many messages are through, now and then. Leaves: how many a second since [`RENEWED`] ago, or a little more.
//! Pure.

use std::collections::VecDeque;
use std::time::Instant;

use super::RENEWED;

/// What was counted, and when.
#[derive(Debug, Default)]
pub struct Rate(VecDeque<(Instant, u64)>);

impl Rate {
    /// `handled` messages are through now. Answers how many were a second; zero at the first count.
    pub fn count(&mut self, now: Instant, handled: u64) -> f64 {
        self.0.push_back((now, handled));
        while self.0.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= RENEWED) {
            self.0.pop_front();
        }
        let (since, before) = self.0.front().copied().unwrap_or((now, handled));
        let seconds = now.saturating_duration_since(since).as_secs_f64();
        if seconds > 0.0 { handled.saturating_sub(before) as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_rate_is_of_the_last_quarter_of_a_minute_however_often_it_is_asked_for() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let mut at = |seconds, handled| rate.count(start + Duration::from_secs(seconds), handled);
        assert_eq!(at(0, 100), 0.0);
        assert_eq!(at(1, 110), 10.0);
        assert_eq!(at(15, 130), 2.0);
        assert_eq!(at(16, 140), 2.0, "since the second count: it is 15 s old");
        assert_eq!(at(45, 140), 0.0);
    }
}
