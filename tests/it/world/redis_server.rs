//! A test's own Redis: one server, or a cluster of three that behaves as one.
//!
//! Enters: which of the two. Leaves: a URL, and faults that hit all of it. Promises: what a test writes and reads by
//! `command` comes to whoever has the key.

use std::time::Duration;

use redis::FromRedisValue;
use user_events::redis_link::slot_of;

use super::proxy::{Cut, Mode, Proxy, free_port};
pub use super::redis_node::{Keep, url};
use super::redis_node::{Membership, RedisNode, join, whole};

/// What stands behind `REDIS_URL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    One,
    /// Three masters, a third of the slots each.
    Cluster,
}

pub struct RedisServer {
    nodes: Vec<RedisNode>,
}

/// The ways to all servers of a Redis.
pub struct Ways(Vec<Proxy>);

impl RedisServer {
    pub async fn start(keep: Keep) -> Self {
        Self::start_as(Kind::One, keep).await
    }

    pub async fn start_as(kind: Kind, keep: Keep) -> Self {
        let ports: Vec<_> = (0..kind.servers()).map(|_| (free_port(), 0)).collect();
        Self::start_at(kind, keep, &ports).await
    }

    /// Behind proxies, which is where the cluster says that its servers are.
    pub async fn start_behind_proxies(kind: Kind, keep: Keep) -> (Self, Ways) {
        let (mut ports, mut ways) = (Vec::new(), Vec::new());
        for _ in 0..kind.servers() {
            let port = free_port();
            let proxy = Proxy::start(port).await;
            ports.push((port, proxy.port()));
            ways.push(proxy);
        }
        (Self::start_at(kind, keep, &ports).await, Ways(ways))
    }

    async fn start_at(kind: Kind, keep: Keep, ports: &[(u16, u16)]) -> Self {
        // A fault that hits all servers is no reason to elect others: nobody is there to be elected.
        let timeout = Duration::from_secs(120);
        let nodes: Vec<_> = ports
            .iter()
            .map(|(port, announced)| {
                let member = Membership { bus: free_port(), timeout, announced: *announced };
                RedisNode::at(*port, keep, (kind == Kind::Cluster).then_some(member))
            })
            .collect();
        for node in &nodes {
            node.restart().await;
        }
        if kind == Kind::Cluster {
            join(&nodes).await;
        }
        Self { nodes }
    }

    pub fn port(&self) -> u16 {
        self.nodes[0].port
    }

    /// Of a cluster, one server is named: it names the others.
    pub fn url(&self) -> String {
        url(self.port())
    }

    pub fn kill(&self) {
        self.nodes.iter().for_each(RedisNode::kill);
    }

    pub async fn restart(&self) {
        self.kill();
        for node in &self.nodes {
            node.restart().await;
        }
        if self.nodes.len() > 1 {
            whole(&self.nodes).await;
        }
    }

    pub fn pause(&self) {
        self.nodes.iter().for_each(RedisNode::pause);
    }

    pub fn resume(&self) {
        self.nodes.iter().for_each(RedisNode::resume);
    }

    /// Runs a command that must succeed: where its key is, or, if it has none, everywhere. Does not use a proxy.
    pub async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        const WITHOUT_KEY: [&str; 5] = ["ACL", "CONFIG", "FLUSHALL", "SCRIPT", "REPLICAOF"];
        if !WITHOUT_KEY.contains(&words[0]) {
            return self.nodes[self.place_of(words[1])].command(words).await;
        }
        for node in &self.nodes[1..] {
            let _: redis::Value = node.command(words).await;
        }
        self.nodes[0].command(words).await
    }

    /// Every key there is.
    pub async fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for node in &self.nodes {
            keys.append(&mut node.command::<Vec<String>>(&["KEYS", "*"]).await);
        }
        keys
    }

    /// From now on no server has this slot.
    pub async fn lose_slot(&self, slot: u16) {
        for node in &self.nodes {
            let _: () = node.command(&["CLUSTER", "DELSLOTS", &slot.to_string()]).await;
        }
    }

    /// The slot of this key is being handed over to another server: new keys go there.
    pub async fn hands_over(&self, key: &str) {
        let (from, slot) = (self.place_of(key), slot_of(key).to_string());
        let to = (from + 1) % self.nodes.len();
        let (giver, taker) = (&self.nodes[from], &self.nodes[to]);
        let (source, target): (String, String) =
            (giver.command(&["CLUSTER", "MYID"]).await, taker.command(&["CLUSTER", "MYID"]).await);
        let _: () = taker.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source]).await;
        let _: () = giver.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target]).await;
    }

    /// The slot of this key stays where it was.
    pub async fn keeps(&self, key: &str) {
        for node in &self.nodes {
            let _: () = node.command(&["CLUSTER", "SETSLOT", &slot_of(key).to_string(), "STABLE"]).await;
        }
    }

    /// Which server has this key: its number.
    pub fn place_of(&self, key: &str) -> usize {
        let bounds = (1..self.nodes.len()).map(|number| number * 16_384 / self.nodes.len());
        bounds.take_while(|bound| usize::from(slot_of(key)) >= *bound).count()
    }
}

impl Kind {
    fn servers(self) -> usize {
        match self {
            Self::One => 1,
            Self::Cluster => 3,
        }
    }
}

impl Ways {
    /// Where a client begins.
    pub fn url(&self) -> String {
        url(self.0[0].port())
    }

    pub fn set(&self, mode: Mode) {
        self.0.iter().for_each(|way| way.set(mode));
    }

    pub fn reset(&self) {
        self.0.iter().for_each(Proxy::reset);
    }

    /// Cuts the next connection to the server with this number.
    pub fn cut_next(&self, place: usize, cut: Cut) {
        self.0[place].cut_next(cut);
    }

    /// How many connections were cut.
    pub fn broken(&self) -> usize {
        self.0.iter().map(|way| way.broken().len()).sum()
    }
}
