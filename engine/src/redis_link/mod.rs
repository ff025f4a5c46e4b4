//! The way to Redis, one server or a Redis Cluster, that repairs itself: each call has a deadline, and after each fault a
//! new connection is made.
//!
//! Enters: a script, its key and its arguments. Leaves: the script's words, or a [`RedisError`] within 2 s. Promises: a
//! connection that timed out, broke or became read-only is never used again. (The client's own manager keeps it:
//! measured, it never leaves a demoted primary.) Every script may be run again. The server itself says
//! whether it is one of a cluster; if it is, each call goes to the server that has its key. Does not know what a script
//! means.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{select_ok, try_join_all};
use redis::{Cmd, FromRedisValue, Script};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use self::call::{Call, To, Try, What};
use self::cluster::Cluster;
use self::error::fault;
pub use self::error::{RedisError, RedisFault};
pub use self::facts::{ClusterFacts, RedisFacts};
pub use self::memory::RedisMemory;
pub use self::scan::Cursor;
use self::server::Server;
use self::slots::Slots;
pub use self::slots::{Address, SLOTS, slot_of};
use self::url::Named;

mod call;
mod cluster;
mod connection;
mod error;
mod facts;
mod memory;
mod scan;
mod server;
mod slots;
mod url;

/// One try: connecting if needed, and the call. Two tries take 1.8 s, less than the 2 s a caller may wait.
const TRY: Duration = Duration::from_millis(900);

/// A link to one Redis, to the keys behind one prefix. Clones share the connections.
#[derive(Clone)]
pub struct RedisLink {
    named: Arc<Named>,
    /// Host and port, for errors.
    at: Arc<str>,
    /// Before every key.
    prefix: Arc<str>,
    home: Arc<Homes>,
}

/// Where the keys are, once that is known.
#[derive(Default)]
struct Homes {
    /// `None`: nobody was asked yet, or nobody answers any more.
    found: Mutex<Option<Home>>,
    /// Held by the one that asks. The others wait for it.
    asking: tokio::sync::Mutex<()>,
}

/// Where the keys are.
#[derive(Clone)]
enum Home {
    One(Arc<Server>),
    Cluster(Arc<Cluster>),
}

impl RedisLink {
    /// A link to the server, or the cluster, of this URL. Connects at the first call.
    ///
    /// # Errors
    /// [`RedisError::BadUrl`], [`RedisError::Database`].
    pub fn new(url: &SecretString) -> Result<Self, RedisError> {
        let named = Named::read(url.expose_secret())?;
        let at = named.told().into();
        Ok(Self { named: Arc::new(named), at, prefix: Arc::default(), home: Arc::default() })
    }

    /// The host and port of each server that the URL names, for errors.
    #[must_use]
    pub fn at(&self) -> &str {
        &self.at
    }

    /// The same link for the keys behind `prefix`: links with different prefixes share no key. The prefix is put before
    /// each key here and nowhere else, and removed from keys that come back. It holds no `{`: a key's slot is that of its
    /// subject with any prefix.
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
        let call = Call::of_script(script, &key, args);
        match self.attempt(&call).await {
            Err(error) if !error.is_wrong_type() => self.attempt(&call).await,
            answer => answer,
        }
    }

    /// Does a server answer, and does it take writes? Sets one tiny key that expires. In a cluster one master is enough:
    /// while another is away, the events whose records it has wait, and the others go on.
    ///
    /// # Errors
    /// [`RedisError`] within one try.
    pub async fn ping(&self) -> Result<(), RedisError> {
        let keys = match self.map().await? {
            None => vec![self.stored(PING).into_owned()],
            Some(slots) => self.a_key_of_each_master(&slots),
        };
        let sets = keys.iter().map(|key| {
            let mut set = redis::cmd("SET");
            set.arg(key).arg(1).arg("EX").arg(60);
            Box::pin(async move { self.attempt::<()>(&Call::of_key(key, set)).await })
        });
        select_ok(sets).await.map(|((), _)| ())
    }

    /// Reads one hash; for showing it, not for decisions.
    ///
    /// # Errors
    /// [`RedisError`] within one try.
    pub async fn hash(&self, key: &str) -> Result<BTreeMap<String, String>, RedisError> {
        let (key, mut get) = (self.stored(key), redis::cmd("HGETALL"));
        get.arg(&*key);
        self.attempt(&Call::of_key(&key, get)).await
    }

    /// One field of each of these hashes; `None` if the hash or the field is absent.
    ///
    /// # Errors
    /// [`RedisError`] within one try.
    pub async fn fields(&self, keys: &[String], field: &str) -> Result<Vec<Option<String>>, RedisError> {
        // Calls that are ready together share a packet, for each server.
        try_join_all(keys.iter().map(async |key| {
            let (key, mut get) = (self.stored(key), redis::cmd("HGET"));
            get.arg(&*key).arg(field);
            self.attempt(&Call::of_key(&key, get)).await
        }))
        .await
    }

    /// The answer of one server of a cluster. A server that is alone has no address.
    async fn ask<T: FromRedisValue>(&self, server: Option<&Address>, command: Cmd) -> Result<T, RedisError> {
        let to = server.map_or(To::Key(""), To::Server);
        self.attempt(&Call { to, what: What::Command(command) }).await
    }

    /// The map of a cluster; `None`: it is none.
    async fn map(&self) -> Result<Option<Arc<Slots>>, RedisError> {
        self.of_cluster(Cluster::slots).await
    }

    /// The map of a cluster, asked for now.
    async fn fresh_map(&self) -> Result<Option<Arc<Slots>>, RedisError> {
        self.of_cluster(Cluster::fresh_slots).await
    }

    /// What the cluster knows; `None`: it is none.
    async fn of_cluster<T>(
        &self,
        what: impl AsyncFnOnce(&Arc<Cluster>) -> Result<T, RedisFault>,
    ) -> Result<Option<T>, RedisError> {
        self.once(async |home, _| match home {
            Home::One(_) => Ok(None),
            Home::Cluster(cluster) => what(cluster).await.map(Some),
        })
        .await
    }

    /// For each master a key that lies there.
    fn a_key_of_each_master(&self, slots: &Slots) -> Vec<String> {
        let mut masters: Vec<_> = slots.shards().iter().map(|shard| &shard.master).collect();
        let keys = (0..SLOTS).map(|number| format!("{}{PING}:{number}", self.prefix));
        let found = keys.filter(|key| {
            let its = slots.owner(slot_of(key)).and_then(|owner| masters.iter().position(|master| *master == owner));
            its.map(|its| masters.swap_remove(its)).is_some()
        });
        found.take(slots.shards().len()).collect()
    }

    fn stored<'k>(&self, key: &'k str) -> Cow<'k, str> {
        if self.prefix.is_empty() { Cow::Borrowed(key) } else { Cow::Owned([&self.prefix, key].concat()) }
    }

    async fn attempt<T: FromRedisValue>(&self, call: &Call<'_>) -> Result<T, RedisError> {
        let answer = self.once(async |home, of| match home {
            Home::One(server) => call.send(server, false, of).await.map_err(|error| fault(&error)),
            // Boxed: most links lead to one server, and this future is larger.
            Home::Cluster(cluster) => Box::pin(cluster.send(call, of)).await,
        });
        redis::from_redis_value(answer.await?).map_err(|_| self.strange())
    }

    /// One try. What proves bad is not used again.
    async fn once<T>(&self, what: impl AsyncFnOnce(&Home, &mut Try) -> Result<T, RedisFault>) -> Result<T, RedisError> {
        let (mut of, mut used) = (Try::default(), None);
        let answer = timeout(TRY, async {
            let home = used.insert(self.home().await?);
            what(home, &mut of).await
        })
        .await;
        let (why, is_late) = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(why)) => (Some(why), false),
            Err(_) => (of.heard.take(), true),
        };
        let at = of.server.as_ref().map_or(&self.at, |server| &server.at).clone();
        let error = match why {
            Some(why) => RedisError::Failed { at, why },
            None => RedisError::Timeout { at },
        };
        match used {
            Some(Home::One(server)) if !error.is_wrong_type() => {
                of.leaves();
                self.leave(|home| matches!(home, Home::One(of) if Arc::ptr_eq(of, &server)));
            }
            Some(Home::Cluster(cluster)) => {
                if is_late {
                    of.leaves();
                    cluster.look();
                }
                if cluster.is_lost() {
                    self.leave(|home| matches!(home, Home::Cluster(of) if Arc::ptr_eq(of, &cluster)));
                }
            }
            _ => {}
        }
        Err(error)
    }

    async fn home(&self) -> Result<Home, RedisFault> {
        if let Some(home) = self.home.found().clone() {
            return Ok(home);
        }
        let _turn = self.home.asking.lock().await;
        if let Some(home) = self.home.found().clone() {
            return Ok(home);
        }
        // Boxed: this future is rarely needed, and larger than the rest of a call.
        let home = Box::pin(self.find_home()).await?;
        Ok(self.home.found().insert(home).clone())
    }

    /// Asks the servers that the URL names, all at once: one that is silent keeps nobody waiting.
    async fn find_home(&self) -> Result<Home, RedisFault> {
        let asked = self.named.servers.iter().map(|place| {
            Box::pin(async {
                let server = Server::new(place.clone(), TRY)?;
                let (_, connection) = server.connection().await?;
                Ok::<_, redis::RedisError>((connection.is_of_cluster().await?, server))
            })
        });
        let ((is_cluster, server), _) = select_ok(asked).await.map_err(|error| fault(&error))?;
        match is_cluster.unwrap_or(self.named.is_cluster) {
            true => Ok(Home::Cluster(Arc::new(Cluster::new((*self.named).clone(), TRY)))),
            false if self.named.is_cluster => Err(RedisFault::NoCluster),
            false => Ok(Home::One(Arc::new(server))),
        }
    }

    /// The error of an answer that none of our scripts and commands gives.
    pub(crate) fn strange(&self) -> RedisError {
        RedisError::Strange { at: self.at.clone() }
    }

    /// The next call finds its way anew, unless another call has done so already.
    fn leave(&self, is_this: impl FnOnce(&Home) -> bool) {
        let mut home = self.home.found();
        if home.as_ref().is_some_and(is_this) {
            *home = None;
        }
    }
}

impl Homes {
    fn found(&self) -> MutexGuard<'_, Option<Home>> {
        // Each change is one assignment.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is written by a call that only asks whether it can be.
const PING: &str = "idem:v1:ping";

impl std::fmt::Debug for RedisLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisLink(..)")
    }
}
