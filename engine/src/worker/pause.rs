//! The switch by which a person pauses a reaction.
//!
//! Enters: a pause, or its end. Leaves: for the gate, when receiving may go on; for whoever asks, who paused it and why.
//! Promises: a pause with an end is over at that moment, without anybody's help. What was received is worked on.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::event::Timestamp;

/// A pause that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Who asked for it.
    pub by: String,
    /// And why.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// Pauses workers. Clones share the state.
#[derive(Debug, Clone, Default)]
pub struct PauseSwitch(watch::Sender<Option<(Pause, Instant)>>);

impl PauseSwitch {
    /// From now on this holds: a pause until its end, or none. Answers whether that is news.
    pub fn set(&self, pause: Option<Pause>) -> bool {
        self.0.send_if_modified(|now| {
            if now.as_ref().map(|(pause, _)| pause) == pause.as_ref() {
                return false;
            }
            *now = pause.map(|pause| {
                let ends = Instant::now() + pause.rest();
                (pause, ends)
            });
            true
        })
    }

    /// The pause that holds now.
    #[must_use]
    pub fn current(&self) -> Option<Pause> {
        let pause = self.0.borrow();
        pause.as_ref().filter(|(_, ends)| Instant::now() < *ends).map(|(pause, _)| pause.clone())
    }

    /// Waits until no pause holds.
    pub(super) async fn over(&self) {
        let mut news = self.0.subscribe();
        loop {
            let Some(ends) = news.borrow_and_update().as_ref().map(|(_, ends)| *ends) else { return };
            tokio::select! {
                () = sleep_until(ends) => return,
                // The sender is in `self`: the wait cannot fail.
                _ = news.changed() => {}
            }
        }
    }
}

impl Pause {
    /// What is left of it, by this machine's clock.
    #[must_use]
    pub fn rest(&self) -> Duration {
        let left = self.until.unix_millis() - Timestamp::now().unix_millis();
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }
}

impl std::fmt::Display for Pause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { by, why, since, until } = self;
        write!(f, "paused by {by}: {why} (since {since}, until {until})")
    }
}
