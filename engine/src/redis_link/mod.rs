//! One connection to Redis that repairs itself: each call has a deadline, and after each fault a new connection is
//! made.
//!
//! Enters: a script, its key and its arguments. Leaves: the script's words, or a [`RedisError`] within 2 s. Promises: a
//! connection that timed out, broke or became read-only is never used again. (The client's own manager keeps it:
//! measured, it never leaves a demoted primary.) Every script may be run twice. Does not know what a script means.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redis::{
    Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline, RedisResult, Script, ServerErrorKind, Value,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::timeout;

use self::connection::Connection;
use self::error::fault;
pub use self::error::{RedisError, RedisFault};
pub use self::memory::RedisMemory;

mod connection;
mod error;
mod memory;

/// One try: connecting if needed, and the call. Two tries take 1.8 s, less than the 2 s a caller may wait.
const TRY: Duration = Duration::from_millis(900);

/// The keys that one SCAN looks at: little work for the server.
const PAGE: usize = 1_000;

/// A link to one Redis, to the keys behind one prefix. Clones share the connection.
#[derive(Clone)]
pub struct RedisLink {
    client: Client,
    /// Host and port, for errors.
    at: Arc<str>,
    /// Before every key.
    prefix: Arc<str>,
    current: Arc<Mutex<Option<(u64, Connection)>>>,
}

/// What must be known of a server at a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisFacts {
    /// Servers below 7 do not understand the scripts' flags.
    pub major_version: u32,
    /// With any policy but `noeviction` the server may drop records in silence.
    pub eviction_policy: String,
    /// It is one of several servers that share the keys, and answers for its own keys only.
    pub is_cluster: bool,
}

/// A request to the server.
enum RedisCommand<'a> {
    Script { script: &'a Script, key: &'a str, args: &'a [&'a str] },
    Single(Cmd),
    Pipeline(Pipeline),
}

impl RedisLink {
    /// A link to the server of this URL. Connects at the first call.
    ///
    /// # Errors
    /// [`RedisError::BadUrl`].
    pub fn new(url: &SecretString) -> Result<Self, RedisError> {
        let server = url.expose_secret().into_connection_info().map_err(|_| RedisError::BadUrl)?;
        let client = Client::open(connection::without_delay(server)).map_err(|_| RedisError::BadUrl)?;
        let at = client.get_connection_info().addr().to_string().into();
        Ok(Self { client, at, prefix: Arc::default(), current: Arc::default() })
    }

    /// The same link for the keys behind `prefix`: links with different prefixes share no key. The prefix is put before
    /// each key here and nowhere else, and removed from keys that come back.
    #[must_use]
    pub fn under(self, prefix: &str) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Runs a script on one key. Loads the script if the server does not know it.
    ///
    /// # Errors
    /// [`RedisError`] after two tries, the second on a fresh connection, within 2 s in all.
    pub async fn run(&self, script: &Script, key: &str, args: &[&str]) -> Result<Vec<String>, RedisError> {
        let key = self.stored(key);
        let call = RedisCommand::Script { script, key: &key, args };
        match self.attempt(&call).await {
            Err(error) if !error.is_wrong_type() => self.attempt(&call).await,
            answer => answer,
        }
    }

    /// Does the server answer, and does it take writes? Sets one tiny key that expires.
    ///
    /// # Errors
    /// [`RedisError`] within one try.
    pub async fn ping(&self) -> Result<(), RedisError> {
        let mut set = redis::cmd("SET");
        set.arg(&*self.stored("idem:v1:ping")).arg(1).arg("EX").arg(60);
        self.attempt(&RedisCommand::Single(set)).await
    }

    /// Reads one hash; for showing it, not for decisions.
    ///
    /// # Errors
    /// [`RedisError`] within one try.
    pub async fn hash(&self, key: &str) -> Result<BTreeMap<String, String>, RedisError> {
        let mut get = redis::cmd("HGETALL");
        get.arg(&*self.stored(key));
        self.attempt(&RedisCommand::Single(get)).await
    }

    /// One page of the keys of hashes that match `pattern`, and the cursor of the next page; 0: there is none.
    ///
    /// # Errors
    /// [`RedisError`] within one try.
    pub async fn scan(&self, pattern: &str, cursor: u64) -> Result<(u64, Vec<String>), RedisError> {
        let mut scan = redis::cmd("SCAN");
        let pattern = self.stored(pattern);
        scan.arg(cursor).arg("MATCH").arg(&*pattern).arg("COUNT").arg(PAGE).arg("TYPE").arg("hash");
        let (next, mut keys): (u64, Vec<String>) = self.attempt(&RedisCommand::Single(scan)).await?;
        keys.retain(|key| key.starts_with(&*self.prefix));
        keys.iter_mut().for_each(|key| drop(key.drain(..self.prefix.len())));
        Ok((next, keys))
    }

    /// One field of each of these hashes; `None` if the hash or the field is absent.
    ///
    /// # Errors
    /// [`RedisError`] within one try.
    pub async fn fields(&self, keys: &[String], field: &str) -> Result<Vec<Option<String>>, RedisError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut gets = redis::pipe();
        for key in keys {
            gets.hget(&*self.stored(key), field);
        }
        self.attempt(&RedisCommand::Pipeline(gets)).await
    }

    /// Version, eviction policy, and whether it is one of a cluster.
    ///
    /// # Errors
    /// [`RedisError`] within one try.
    pub async fn facts(&self) -> Result<RedisFacts, RedisError> {
        let info: String = self.attempt(&RedisCommand::Single(redis::cmd("INFO"))).await?;
        let field = |name: &str| info.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
        let major = field("redis_version").and_then(|version| version.split('.').next()?.parse().ok());
        Ok(RedisFacts {
            major_version: major.ok_or(RedisError::Strange)?,
            eviction_policy: field("maxmemory_policy").unwrap_or("unknown").to_owned(),
            is_cluster: field("cluster_enabled") == Some("1"),
        })
    }

    /// Does the server keep its data over a restart? `None`: it does not let us see that.
    ///
    /// # Errors
    /// [`RedisError`] within one try of each of two questions.
    pub async fn persists(&self) -> Result<Option<bool>, RedisError> {
        let info: String = self.attempt(&RedisCommand::Single(redis::cmd("INFO"))).await?;
        if info.lines().any(|line| line.trim() == "aof_enabled:1") {
            return Ok(Some(true));
        }
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg("save");
        match self.attempt::<BTreeMap<String, String>>(&RedisCommand::Single(get)).await {
            Ok(found) => Ok(found.get("save").map(|points| !points.is_empty())),
            // Managed services know no CONFIG.
            Err(RedisError::Failed { .. } | RedisError::Strange) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn stored<'k>(&self, key: &'k str) -> Cow<'k, str> {
        if self.prefix.is_empty() { Cow::Borrowed(key) } else { Cow::Owned([&self.prefix, key].concat()) }
    }

    async fn attempt<T: FromRedisValue>(&self, call: &RedisCommand<'_>) -> Result<T, RedisError> {
        let mut used = None;
        let result = timeout(TRY, async {
            let (serial, connection) = self.connection().await?;
            used = Some(serial);
            call.send(&connection).await
        })
        .await;
        let error = match result {
            Ok(Ok(answer)) => return redis::from_redis_value(answer).map_err(|_| RedisError::Strange),
            Ok(Err(error)) => RedisError::Failed { at: self.at.clone(), why: fault(&error) },
            Err(_) => RedisError::Timeout { at: self.at.clone() },
        };
        if !error.is_wrong_type() {
            self.forget(used).await;
        }
        Err(error)
    }

    async fn connection(&self) -> RedisResult<(u64, Connection)> {
        let mut current = self.current.lock().await;
        if let Some((serial, connection)) = &*current {
            return Ok((*serial, connection.clone()));
        }
        // Boxed: this future is rarely needed, and larger than the rest of a call.
        let fresh = Box::pin(Connection::open(&self.client, TRY)).await?;
        let serial = fastrand::u64(..);
        *current = Some((serial, fresh.clone()));
        Ok((serial, fresh))
    }

    /// Forgets only the connection that failed: another call may have made a new one already.
    async fn forget(&self, used: Option<u64>) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|(serial, _)| Some(*serial) == used) {
            *current = None;
        }
    }
}

impl RedisCommand<'_> {
    async fn send(&self, connection: &Connection) -> RedisResult<Value> {
        match self {
            Self::Single(command) => connection.call(command.clone()).await,
            Self::Pipeline(commands) => connection.call_all(commands).await,
            Self::Script { script, key, args } => {
                // Not `Script::invoke_async`: it copies each argument twice, once into a place of its own.
                let mut call = redis::cmd("EVALSHA");
                call.arg(script.get_hash()).arg(1).arg(*key).arg(*args);
                match connection.call(call.clone()).await {
                    Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                        connection.load(script).await?;
                        connection.call(call).await
                    }
                    answer => answer,
                }
            }
        }
    }
}

impl std::fmt::Debug for RedisLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisLink(..)")
    }
}
