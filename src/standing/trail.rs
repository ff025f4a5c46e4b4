//! How deep a queue was during the last five minutes.
//!
//! Enters: a depth, whenever somebody looked. Leaves: the deepest of each part of that time, for a sparkline. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far it goes back.
const LASTING: Duration = Duration::from_secs(300);

/// The depths of one queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trail(VecDeque<(Instant, u64)>);

impl Trail {
    /// The queue is this deep now.
    pub(crate) fn mark(&mut self, now: Instant, depth: u64) {
        self.0.push_back((now, depth));
        while self.0.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= LASTING) {
            self.0.pop_front();
        }
    }

    /// Divides the last five minutes into `parts`. The deepest of each part, the newest last; `None`: nobody looked then.
    #[must_use]
    pub(crate) fn parts(&self, now: Instant, parts: usize) -> Vec<Option<u64>> {
        let mut deepest = vec![None; parts];
        for (at, depth) in &self.0 {
            let ago = now.saturating_duration_since(*at).as_secs_f64() / LASTING.as_secs_f64();
            let back = (ago * parts as f64) as usize;
            if let Some(part) = parts.checked_sub(back + 1).and_then(|n| deepest.get_mut(n)) {
                *part = (*part).max(Some(*depth));
            }
        }
        deepest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_five_minutes_tells_its_deepest_and_where_nobody_looked_nothing() {
        let (mut trail, start) = (Trail::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (seconds, depth) in [(0, 9), (10, 3), (29, 5), (200, 1), (299, 7)] {
            trail.mark(at(seconds), depth);
        }
        assert_eq!(trail.parts(at(299), 5), [Some(9), None, None, Some(1), Some(7)]);
        trail.mark(at(300), 0);
        assert_eq!(trail.parts(at(300), 3), [Some(5), Some(1), Some(7)], "the first is five minutes old");
        assert_eq!(Trail::default().parts(start, 2), [None, None]);
    }
}
