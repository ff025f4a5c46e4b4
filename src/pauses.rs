//! The pauses that people ask for: one mark a reaction in Redis, which every worker of it looks at.
//!
//! Enters: a reaction and a pause, or its end. Leaves: the switches of the workers. Promises: a worker begins no receive
//! later than 6 s after the mark is set; while Redis does not answer, what was known last holds, until its own end.

use std::collections::BTreeMap;
use std::time::Duration;

use ::redis::Script;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use engine::event::Timestamp;
use engine::redis_link::{RedisError, RedisLink};
use engine::worker::{Pause, PauseSwitch};

/// How often a worker looks: with 2 s for a slow Redis it knows within 5 s.
const LOOK: Duration = Duration::from_secs(3);

/// Sets the mark, which is gone with the pause's end.
const SET: &str = "redis.call('DEL', KEYS[1]) \
    redis.call('HSET', KEYS[1], 'by', ARGV[1], 'why', ARGV[2], 'since', ARGV[3], 'until', ARGV[4]) \
    redis.call('PEXPIRE', KEYS[1], ARGV[5]) return {}";

/// Removes it, and tells how many there were.
const CLEAR: &str = "return {tostring(redis.call('DEL', KEYS[1]))}";

/// The marks in one Redis, behind its prefix.
#[derive(Debug, Clone)]
pub struct PauseMarks {
    link: RedisLink,
    set: Script,
    clear: Script,
}

/// A reaction's switch, by the reaction's name.
pub type NamedSwitch = (&'static str, PauseSwitch);

impl PauseMarks {
    /// The marks of this link's Redis. Makes no call.
    #[must_use]
    pub fn new(link: RedisLink) -> Self {
        Self { link, set: Script::new(SET), clear: Script::new(CLEAR) }
    }

    /// The pause that is marked for this reaction. A mark that cannot be read is none.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn look(&self, reaction: &str) -> Result<Option<Pause>, RedisError> {
        Ok(read(&self.link.hash(&key(reaction)).await?))
    }

    /// Marks a pause, in place of the one that was there.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn set(&self, reaction: &str, pause: &Pause) -> Result<(), RedisError> {
        let [since, until] = [pause.since, pause.until].map(|moment| moment.unix_millis().to_string());
        let rest = pause.rest().as_millis().max(1).to_string();
        self.link.run(&self.set, &key(reaction), &[&pause.by, &pause.why, &since, &until, &rest]).await.map(drop)
    }

    /// Ends the pause. Answers whether there was one.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn clear(&self, reaction: &str) -> Result<bool, RedisError> {
        Ok(self.link.run(&self.clear, &key(reaction), &[]).await? == ["1"])
    }

    /// Looks once at each mark, and sets the switches: before the first receive.
    pub async fn apply(&self, switches: &[NamedSwitch]) {
        for named @ (reaction, _) in switches {
            // Any other error: Redis is away, and the workers that need it report that.
            if let Err(error) = self.turn(named).await
                && (error.is_denied() || error.is_wrong_type())
            {
                warn!(reaction, "`pause` does not reach this worker: {error} at the key {}", key(reaction));
            }
        }
    }

    /// Sets the switches by the marks, for good.
    pub async fn follow(self, switches: Vec<NamedSwitch>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            for named in &switches {
                // What was known last holds.
                let _ = self.turn(named).await;
            }
        }
    }

    /// Looks at a reaction's mark, and sets its switch.
    async fn turn(&self, (reaction, switch): &NamedSwitch) -> Result<(), RedisError> {
        let pause = self.look(reaction).await?;
        let news = pause.as_ref().map(ToString::to_string);
        if switch.set(pause) {
            info!(reaction, "{}", news.as_deref().unwrap_or("the pause is over"));
        }
        Ok(())
    }
}

fn key(reaction: &str) -> String {
    format!("pause:{reaction}")
}

fn read(mark: &BTreeMap<String, String>) -> Option<Pause> {
    let moment = |field: &str| Timestamp::from_unix_millis(mark.get(field)?.parse().ok()?);
    let text = |field: &str| mark.get(field).cloned();
    Some(Pause { by: text("by")?, why: text("why")?, since: moment("since")?, until: moment("until")? })
}
