//! Which other queues work under a reaction's name in this Redis: another environment's effects would be taken for
//! ours.
//!
//! Enters: a reaction's name and its queue. Leaves: the other queues that were named there within the last hour.
//! Promises: looking changes nothing; a name that nobody uses any more is forgotten after an hour. Judges nothing: a
//! queue that was renamed within the last hour is a neighbour of itself.

use std::time::Duration;

use ::redis::Script;

use crate::redis_link::{RedisError, RedisLink};

/// How long a queue is remembered after it was last named.
pub const KEPT: Duration = Duration::from_secs(3600);
/// How often a worker names its queue, and hears of others.
pub const RENEWED: Duration = Duration::from_secs(20);
/// This many are named, and the rest counted.
const NAMED: usize = 3;

/// The queues that are kept under each reaction's name in one Redis.
#[derive(Debug, Clone)]
pub struct Neighbours {
    link: RedisLink,
    meet: Script,
}

impl Neighbours {
    /// The neighbours in this link's Redis, behind its prefix. Makes no call.
    #[must_use]
    pub fn new(link: RedisLink) -> Self {
        Self { link, meet: Script::new(include_str!("neighbours.lua")) }
    }

    /// Names this queue, and returns the others.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn meet(&self, reaction: &str, queue: &str) -> Result<Vec<String>, RedisError> {
        let kept = KEPT.as_millis().to_string();
        let mut others = self.link.run(&self.meet, &key(reaction), &[queue, &kept]).await?;
        others.sort_unstable();
        Ok(others)
    }

    /// All queues that are named. Names none.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn look(&self, reaction: &str) -> Result<Vec<String>, RedisError> {
        Ok(self.link.hash(&key(reaction)).await?.into_keys().collect())
    }
}

fn key(reaction: &str) -> String {
    format!("reaction:{reaction}")
}

/// Queues in a line of a log: a few by name, and how many more there are.
#[must_use]
pub fn in_words(queues: &[String]) -> String {
    let named = queues[..queues.len().min(NAMED)].join(", ");
    match queues.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_queues_are_named_and_the_rest_counted() {
        let queues = |n: usize| (1..=n).map(|n| format!("q{n}")).collect::<Vec<_>>();
        assert_eq!(in_words(&queues(1)), "q1");
        assert_eq!(in_words(&queues(3)), "q1, q2, q3");
        assert_eq!(in_words(&queues(5)), "q1, q2, q3 and 2 more");
    }
}
