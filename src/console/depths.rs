//! How deep each queue was during the last five minutes, as this console saw it.
//!
//! Enters: the queues. Leaves: a trail a reaction. A queue that does not answer has a gap.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use super::Console;
use super::spark::{self, Spark};
use crate::standing::{Standing, Trail};

/// How often it looks, whether or not a page is open.
const LOOK: Duration = Duration::from_secs(10);
/// A look each.
const PARTS: usize = 30;

#[derive(Debug, Default)]
pub(super) struct Depths(Mutex<BTreeMap<&'static str, Trail>>);

impl Depths {
    /// What a look has found.
    pub(super) fn mark(&self, standings: &[Standing]) {
        let (mut trails, now) = (self.trails(), Instant::now());
        for (name, depth) in standings.iter().filter_map(|standing| Some((standing.name, standing.depth()?))) {
            trails.entry(name).or_default().mark(now, depth);
        }
    }

    pub(super) fn of(&self, reaction: &str) -> Option<Spark> {
        spark::line(&self.trails().get(reaction)?.parts(Instant::now(), PARTS))
    }

    fn trails(&self) -> MutexGuard<'_, BTreeMap<&'static str, Trail>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks for good.
pub(super) async fn follow(console: Arc<Console>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        console.depths.mark(&console.lookout.look(&console.queues).await);
    }
}
