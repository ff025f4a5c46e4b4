//! What Redis's memory is used for: the servers' figures, and keys drawn at random with what each of them takes.
//!
//! Enters: how many keys to draw; keys to weigh. Leaves: bytes. Promises: every question is little work. Of a cluster the
//! masters are asked: what their replicas keep are copies. Judges nothing, and knows no record.

use futures_util::future::{try_join, try_join_all};

use super::call::Call;
use super::facts::field;
use super::slots::Address;
use super::{RedisError, RedisLink};

/// The servers' memory, and the keys in our database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisMemory {
    /// Bytes in use.
    pub used: u64,
    /// The most they may use; `None`: one has no limit of its own.
    pub most: Option<u64>,
    /// Keys, ours and others'.
    pub keys: u64,
}

impl RedisLink {
    /// The servers' memory, and how many keys our database has.
    ///
    /// # Errors
    /// [`RedisError`] within one try, and another for the servers of a cluster.
    pub async fn memory(&self) -> Result<RedisMemory, RedisError> {
        let masters = self.masters().await?;
        let told =
            try_join_all(masters.iter().map(async |master| {
                self.read_memory(&self.info(master.as_ref()).await?).ok_or_else(|| self.strange())
            }));
        let nothing = RedisMemory { used: 0, most: Some(0), keys: 0 };
        Ok(told.await?.into_iter().fold(nothing, |sum, of| RedisMemory {
            used: sum.used + of.used,
            most: sum.most.zip(of.most).map(|(sum, of)| sum + of),
            keys: sum.keys + of.keys,
        }))
    }

    /// `count` keys at random, ours and others'; a key may come twice. A key that is not behind our prefix is `None`. Each
    /// master of a cluster draws equally often.
    ///
    /// # Errors
    /// [`RedisError`] within one try, and another for the servers of a cluster.
    pub async fn random(&self, count: usize) -> Result<Vec<Option<String>>, RedisError> {
        let masters = self.masters().await?;
        let draw = |master| self.ask::<Option<Vec<u8>>>(master, redis::cmd("RANDOMKEY"));
        let drawn = try_join_all(masters.iter().cycle().take(count).map(|master| draw(master.as_ref()))).await?;
        // As bytes: a stranger's key need not be text.
        let ours = |key: Vec<u8>| String::from_utf8(key).ok()?.strip_prefix(&*self.prefix).map(str::to_owned);
        Ok(drawn.into_iter().flatten().map(ours).collect())
    }

    /// What each of these keys takes in bytes, and the milliseconds until it expires (-1: never). `None`: it is gone.
    ///
    /// # Errors
    /// [`RedisError`] within one try.
    pub async fn weights(&self, keys: &[String]) -> Result<Vec<(Option<u64>, i64)>, RedisError> {
        try_join_all(keys.iter().map(async |key| {
            let (key, mut usage, mut left) = (self.stored(key), redis::cmd("MEMORY"), redis::cmd("PTTL"));
            usage.arg("USAGE").arg(&*key);
            left.arg(&*key);
            // Ready together, so that both go in one packet.
            let (usage, left) = (Call::of_key(&key, usage), Call::of_key(&key, left));
            try_join(self.attempt(&usage), self.attempt(&left)).await
        }))
        .await
    }

    /// The servers that keys lie on; `None` is the one server that is alone.
    async fn masters(&self) -> Result<Vec<Option<Address>>, RedisError> {
        Ok(match self.map().await? {
            None => vec![None],
            Some(slots) => slots.shards().iter().map(|shard| Some(shard.master.clone())).collect(),
        })
    }

    fn read_memory(&self, info: &str) -> Option<RedisMemory> {
        let number = |name: &str| field(info, name).and_then(|value| value.parse::<u64>().ok());
        let keyspace = field(info, &format!("db{}", self.named.database()));
        let keys = keyspace.and_then(|told| told.strip_prefix("keys=")?.split(',').next()?.parse().ok());
        let most = number("maxmemory").filter(|most| *most > 0);
        Some(RedisMemory { used: number("used_memory")?, most, keys: keys.unwrap_or(0) })
    }
}
