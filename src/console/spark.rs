//! A sparkline: depths as the path of an SVG. Pure.
//!
//! Enters: depths, the newest last; a gap where nobody looked. Leaves: what `d` of a `<path>` holds, and words for it.

use serde::Serialize;

/// The picture's size, in its own units.
const WIDE: f64 = 120.0;
const HIGH: f64 = 24.0;
/// Room for the line's own width.
const EDGE: f64 = 1.5;

/// A line to draw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Spark {
    pub(super) path: String,
    /// For whoever does not see it.
    pub(super) words: String,
}

/// `None`: nobody has looked yet.
pub(super) fn line(depths: &[Option<u64>]) -> Option<Spark> {
    let most = depths.iter().flatten().max()?;
    let last = depths.iter().rev().flatten().next()?;
    let step = (WIDE - 2.0 * EDGE) / (depths.len().max(2) - 1) as f64;
    let (mut path, mut is_down) = (String::new(), false);
    for (n, depth) in depths.iter().enumerate() {
        let Some(depth) = depth else {
            is_down = false;
            continue;
        };
        let x = EDGE + n as f64 * step;
        let y = HIGH - EDGE - (HIGH - 2.0 * EDGE) * *depth as f64 / (*most).max(1) as f64;
        if !is_down {
            // With a line of no length a single look is a dot.
            path.push_str(&format!("M{x:.1} {y:.1}h0"));
        } else {
            path.push_str(&format!("L{x:.1} {y:.1}"));
        }
        is_down = true;
    }
    Some(Spark { path, words: format!("depth over five minutes: at most {most}, now {last}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_touches_the_top_and_a_gap_is_a_gap() {
        let spark = line(&[Some(0), Some(10), None, Some(5), Some(0)]).expect("a line");
        assert_eq!(spark.path, "M1.5 22.5h0L30.8 1.5M89.2 12.0h0L118.5 22.5");
        assert_eq!(spark.words, "depth over five minutes: at most 10, now 0");
        assert_eq!(line(&[None, None]), None);
        assert_eq!(line(&[Some(0)]).expect("a dot").path, "M1.5 22.5h0");
    }
}
