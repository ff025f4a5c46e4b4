//! What must be known of the servers at a start, and what `doctor` tells of them.
//!
//! Enters: nothing. Leaves: facts about every server, or the error of the first that does not tell. Promises: changes
//! nothing; of a cluster each master and each replica is asked, for a replica may be a master at any moment.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::slots::{Address, Shard};
use super::{RedisError, RedisLink};

/// The eviction policy that keeps all records.
const KEEPS_ALL: &str = "noeviction";

/// What must be known at a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisFacts {
    /// Servers below 7 do not understand the scripts' flags. Of several servers, the lowest.
    pub major_version: u32,
    /// With any policy but `noeviction` the server may drop records in silence. Of several servers, those that may are named.
    pub eviction_policy: String,
    /// Whether it is a cluster.
    pub cluster: Option<ClusterFacts>,
}

/// The form of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterFacts {
    /// How many servers have keys.
    pub masters: usize,
    /// How many others have copies.
    pub replicas: usize,
    /// How many of the slots a server has.
    pub covered: usize,
    /// The slots that no server has, as ranges.
    pub missing: Vec<String>,
    /// The masters whose keys nobody has a copy of.
    pub alone: Vec<String>,
}

impl RedisLink {
    /// Version, eviction policy, and the form of the cluster if it is one.
    ///
    /// # Errors
    /// [`RedisError`] within one try, and another for the servers of a cluster.
    pub async fn facts(&self) -> Result<RedisFacts, RedisError> {
        let slots = self.map().await?;
        let cluster = slots.as_ref().map(|slots| {
            let (shards, count) = (slots.shards(), |n: usize, shard: &Shard| n + shard.replicas.len());
            let is_alone = |shard: &&Shard| shard.replicas.is_empty();
            ClusterFacts {
                masters: shards.len(),
                replicas: shards.iter().fold(0, count),
                covered: slots.covered(),
                missing: slots.missing(),
                alone: shards.iter().filter(is_alone).map(|shard| shard.master.to_string()).collect(),
            }
        });
        let told =
            self.of_all(async |server| server_facts(&self.info(server).await?).ok_or_else(|| self.strange())).await?;
        let major_version = told.iter().map(|(_, (version, _))| *version).min().ok_or_else(|| self.strange())?;
        let mut evicting = BTreeMap::<_, Vec<_>>::new();
        for (server, (_, policy)) in told.iter().filter(|(_, (_, policy))| policy != KEEPS_ALL) {
            evicting.entry(policy).or_default().extend(server.as_ref().map(Address::to_string));
        }
        let evicting = evicting.into_iter().map(|(policy, servers)| match servers.is_empty() {
            true => policy.clone(),
            false => format!("{policy} at {}", servers.join(" and ")),
        });
        let evicting = evicting.collect::<Vec<_>>().join(", ");
        let eviction_policy = if evicting.is_empty() { KEEPS_ALL.to_owned() } else { evicting };
        Ok(RedisFacts { major_version, eviction_policy, cluster })
    }

    /// Does every server keep its data over a restart? `None`: one does not let us see that.
    ///
    /// # Errors
    /// [`RedisError`] within one try of each of two questions.
    pub async fn persists(&self) -> Result<Option<bool>, RedisError> {
        let told = self.of_all(async |server| self.server_persists(server).await).await?;
        let told: Vec<_> = told.into_iter().map(|(_, told)| told).collect();
        Ok(if told.contains(&Some(false)) {
            Some(false)
        } else {
            told.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
        })
    }

    /// What each server says; `None` is the one server that is alone.
    async fn of_all<T>(
        &self,
        ask: impl AsyncFn(Option<&Address>) -> Result<T, RedisError>,
    ) -> Result<Vec<(Option<Address>, T)>, RedisError> {
        let Some(slots) = self.map().await? else { return Ok(vec![(None, ask(None).await?)]) };
        let servers = slots.shards().iter().flat_map(|shard| [&shard.master].into_iter().chain(&shard.replicas));
        try_join_all(servers.map(async |server| Ok((Some(server.clone()), ask(Some(server)).await?)))).await
    }

    pub(super) async fn info(&self, server: Option<&Address>) -> Result<String, RedisError> {
        self.ask(server, redis::cmd("INFO")).await
    }

    async fn server_persists(&self, server: Option<&Address>) -> Result<Option<bool>, RedisError> {
        if field(&self.info(server).await?, "aof_enabled") == Some("1") {
            return Ok(Some(true));
        }
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg("save");
        match self.ask::<BTreeMap<String, String>>(server, get).await {
            Ok(found) => Ok(found.get("save").map(|points| !points.is_empty())),
            // Managed services know no CONFIG.
            Err(RedisError::Failed { .. } | RedisError::Strange { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A figure in an answer to INFO.
pub(super) fn field<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    info.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))
}

fn server_facts(info: &str) -> Option<(u32, String)> {
    let major = field(info, "redis_version").and_then(|version| version.split('.').next()?.parse().ok());
    Some((major?, field(info, "maxmemory_policy").unwrap_or("unknown").to_owned()))
}
