//! What Redis's memory is used for: the server's figures, and keys drawn at random with what each of them takes.
//!
//! Enters: how many keys to draw; keys to weigh. Leaves: bytes. Promises: every question is one round trip of little
//! work. Judges nothing, and knows no record.

use super::{RedisCommand, RedisError, RedisLink};

/// A server's memory, and the keys in our database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisMemory {
    /// Bytes in use.
    pub used: u64,
    /// The most it may use; `None`: it has no limit of its own.
    pub most: Option<u64>,
    /// Keys, ours and others'.
    pub keys: u64,
}

impl RedisLink {
    /// The server's memory, and how many keys our database has.
    ///
    /// # Errors
    /// [`RedisError`] within one try.
    pub async fn memory(&self) -> Result<RedisMemory, RedisError> {
        let info: String = self.attempt(&RedisCommand::Single(redis::cmd("INFO"))).await?;
        let field = |name: &str| info.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
        let number = |name: &str| field(name).and_then(|value| value.parse::<u64>().ok());
        let keyspace = field(&format!("db{}", self.client.get_connection_info().redis_settings().db()));
        let keys = keyspace.and_then(|told| told.strip_prefix("keys=")?.split(',').next()?.parse().ok());
        let most = number("maxmemory").filter(|most| *most > 0);
        Ok(RedisMemory { used: number("used_memory").ok_or(RedisError::Strange)?, most, keys: keys.unwrap_or(0) })
    }

    /// That many keys at random, with repetitions, of ours and others': one that is not behind our prefix is `None`.
    ///
    /// # Errors
    /// [`RedisError`] within one try.
    pub async fn random(&self, count: usize) -> Result<Vec<Option<String>>, RedisError> {
        let mut draws = redis::pipe();
        for _ in 0..count {
            draws.cmd("RANDOMKEY");
        }
        // As bytes: a stranger's key need not be text.
        let drawn: Vec<Option<Vec<u8>>> = self.attempt(&RedisCommand::Pipeline(draws)).await?;
        let ours = |key: Vec<u8>| String::from_utf8(key).ok()?.strip_prefix(&*self.prefix).map(str::to_owned);
        Ok(drawn.into_iter().flatten().map(ours).collect())
    }

    /// What each of these keys takes in bytes, and the milliseconds until it expires (-1: never). `None`: it is gone.
    ///
    /// # Errors
    /// [`RedisError`] within one try.
    pub async fn weights(&self, keys: &[String]) -> Result<Vec<(Option<u64>, i64)>, RedisError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut asks = redis::pipe();
        for key in keys {
            let key = self.stored(key);
            asks.cmd("MEMORY").arg("USAGE").arg(&*key).cmd("PTTL").arg(&*key);
        }
        let told: Vec<Option<i64>> = self.attempt(&RedisCommand::Pipeline(asks)).await?;
        let pair = |pair: &[Option<i64>]| (pair[0].and_then(|bytes| bytes.try_into().ok()), pair[1].unwrap_or(-1));
        Ok(told.chunks_exact(2).map(pair).collect())
    }
}
