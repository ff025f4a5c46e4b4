//! The reports of workers in Redis: a hash for each reaction, a field for each worker.
//!
//! Enters: a reaction's name, a worker's name and its report. Leaves: the reports of all its workers that were renewed
//! within [`KEPT`]. Times are Redis's own. Promises: looking changes nothing; a worker that is gone is forgotten after
//! [`KEPT`]; no look reads more than one key for each reaction. A report that cannot be read is left out.

use ::redis::Script;
use std::time::Duration;

use super::{KEPT, Report, Reported};
use engine::redis_link::{RedisError, RedisLink};

/// The workers that report in one Redis.
#[derive(Debug, Clone)]
pub struct Fleet {
    link: RedisLink,
    say: Script,
    look: Script,
}

impl Fleet {
    /// The fleet in this link's Redis, behind its prefix. Makes no call.
    #[must_use]
    pub fn new(link: RedisLink) -> Self {
        Self { link, say: Script::new(include_str!("say.lua")), look: Script::new(include_str!("look.lua")) }
    }

    /// Says what this worker has to report, in place of what it said before.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn say(&self, reaction: &str, worker: &str, report: &Report) -> Result<(), RedisError> {
        let (text, kept) = (serde_json::to_string(report).unwrap_or_default(), KEPT.as_millis().to_string());
        self.link.run(&self.say, &key(reaction), &[worker, &text, &kept]).await.map(drop)
    }

    /// What the reaction's workers last said.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn look(&self, reaction: &str) -> Result<Vec<Reported>, RedisError> {
        let told = self.link.run(&self.look, &key(reaction), &[&KEPT.as_millis().to_string()]).await?;
        let mut fleet: Vec<_> = told.chunks_exact(3).filter_map(read).collect();
        fleet.sort_unstable_by(|one, other| one.worker.cmp(&other.worker));
        Ok(fleet)
    }
}

fn key(reaction: &str) -> String {
    format!("workers:{reaction}")
}

fn read(told: &[String]) -> Option<Reported> {
    let [worker, ago, report] = told else { return None };
    let ago = Duration::from_millis(ago.parse().ok()?);
    Some(Reported { worker: worker.clone(), ago, report: serde_json::from_str(report).ok()? })
}
