//! How deep each queue was during the last five minutes, in one line of bars.
//!
//! Enters: what was seen at each look. Leaves: a line a reaction. A terminal without UTF-8 gets other characters, by `screen`.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::standing::{Standing, Trail};
use crate::words::counted;

/// One for ten seconds.
const BARS: usize = 30;
/// From none to the deepest of the line.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The trails of all reactions.
#[derive(Debug, Default)]
pub(super) struct Trails(BTreeMap<&'static str, Trail>);

impl Trails {
    pub(super) fn mark(&mut self, rows: &[Standing]) {
        let now = Instant::now();
        for row in rows {
            if let Some(depth) = row.depth() {
                self.0.entry(row.name).or_default().mark(now, depth);
            }
        }
    }

    pub(super) fn shown(&self, rows: &[Standing]) -> Vec<String> {
        let now = Instant::now();
        let line = |row: &Standing| Some(format!("{}: {}", row.name, bars(&self.0.get(row.name)?.parts(now, BARS))?));
        rows.iter().filter_map(line).collect()
    }
}

/// From the first look on; where nobody looked a `?`. `None`: nobody ever did.
fn bars(parts: &[Option<u64>]) -> Option<String> {
    let most = parts.iter().flatten().max()?;
    let bar = |part: &Option<u64>| match part {
        None => '?',
        // Whatever is there is seen.
        Some(depth) => HEIGHTS[(*depth as f64 * 7.0 / (*most).max(1) as f64).ceil() as usize],
    };
    let line: String = parts.iter().skip_while(|part| part.is_none()).map(bar).collect();
    Some(format!("{line} {} at most within 5 min", counted(*most, "message")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_is_the_highest_and_one_message_is_seen_beside_a_million() {
        let told = bars(&[None, Some(0), Some(1), None, Some(500_000), Some(1_000_000)]);
        assert_eq!(told.as_deref(), Some("▁▂?▅█ 1000000 messages at most within 5 min"));
        assert_eq!(bars(&[Some(1)]).as_deref(), Some("█ 1 message at most within 5 min"));
        assert_eq!(bars(&[Some(0), Some(0)]).as_deref(), Some("▁▁ 0 messages at most within 5 min"));
        assert_eq!(bars(&[None]), None);
    }
}
