//! One redis-server process: it can be killed, frozen, started again and given commands.
//!
//! Enters: nothing; `localstack/servers` has installed `redis-server`. Leaves: a port on 127.0.0.1 that stays the same
//! over restarts. Promises: after `restart` it answers; with `Keep::Everything` a kill loses no confirmed write; a drop
//! kills it.

use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisResult};
use tempfile::TempDir;

use super::eventually;
use super::patience::patience;
use super::proxy::free_port;

/// Which data survives a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    Nothing,
    /// Each write is on disk before Redis confirms it.
    Everything,
}

/// What a server of a cluster is told.
#[derive(Debug, Clone, Copy)]
pub struct Membership {
    pub bus: u16,
    /// After this time without an answer the others take it for dead.
    pub timeout: Duration,
    /// The port that the cluster announces: that of a proxy, if it stands behind one.
    pub announced: u16,
}

pub struct RedisNode {
    pub port: u16,
    pub member: Option<Membership>,
    keep: Keep,
    dir: TempDir,
    child: Mutex<Option<Child>>,
}

impl RedisNode {
    /// Does not start it.
    pub fn new(keep: Keep, member: Option<Membership>) -> Self {
        Self::at(free_port(), keep, member)
    }

    pub fn at(port: u16, keep: Keep, member: Option<Membership>) -> Self {
        Self { port, member, keep, dir: tempfile::tempdir().expect("a directory"), child: Mutex::default() }
    }

    /// The port by which clients reach it.
    pub fn announced(&self) -> u16 {
        self.member.map_or(self.port, |member| if member.announced == 0 { self.port } else { member.announced })
    }

    /// Sends SIGKILL, and returns once the process has ended.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() {
            child.kill().expect("it was ours to kill");
            child.wait().expect("it was ours to wait for");
        }
    }

    /// Kills it if it runs, starts it on its port, and waits for its PONG.
    pub async fn restart(&self) {
        self.kill();
        let durable: &[&str] = match self.keep {
            Keep::Nothing => &["--appendonly", "no"],
            Keep::Everything => &["--appendonly", "yes", "--appendfsync", "always"],
        };
        let mut command = Command::new("redis-server");
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""]).args(durable);
        if let Some(member) = self.member {
            let timeout = member.timeout.as_millis().to_string();
            command.args(["--cluster-enabled", "yes", "--cluster-port", &member.bus.to_string()]);
            command.args([
                "--cluster-node-timeout",
                &timeout,
                "--cluster-announce-port",
                &self.announced().to_string(),
            ]);
            // A replica may be promoted however long ago it last heard of its master, and a master stays one without slots.
            command.args(["--cluster-replica-validity-factor", "0", "--cluster-allow-replica-migration", "no"]);
            command.args(["--cluster-require-full-coverage", "no"]);
            command.args(["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]);
        }
        command.arg("--dir").arg(self.dir.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().expect("redis-server is installed: localstack/servers install");
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        let answers = || async { self.ask::<String>(&["PING"]).await.ok() };
        eventually("redis-server answers", Duration::from_secs(15), answers).await;
    }

    /// Sends SIGSTOP: connections stay open, but no answer comes.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Runs a command that must succeed. Does not use a proxy.
    pub async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.ask(words).await.unwrap_or_else(|error| panic!("{words:?} at {}: {error}", self.port))
    }

    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async(&mut self.connection().await?).await
    }

    pub async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let (client, within) = (Client::open(url(self.port))?, Some(patience(Duration::from_secs(1))));
        let config = AsyncConnectionConfig::new().set_connection_timeout(within).set_response_timeout(within);
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    fn signal(&self, name: &str) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for RedisNode {
    fn drop(&mut self) {
        self.kill();
    }
}

/// So many servers of a cluster have slots, at most.
pub const MASTERS: usize = 3;

/// Makes a cluster of them: the first three share the slots, and the others are their replicas, in turn.
pub async fn join(nodes: &[RedisNode]) {
    let masters = nodes.len().min(MASTERS);
    for (number, node) in nodes.iter().enumerate() {
        let epoch = (number + 1).to_string();
        // Only while it is alone.
        let _: () = node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
        if number < masters {
            let bound = |number: usize| number * 16_384 / masters;
            let (from, to) = (bound(number).to_string(), (bound(number + 1) - 1).to_string());
            let _: () = node.command(&["CLUSTER", "ADDSLOTSRANGE", &from, &to]).await;
        }
    }
    for (number, node) in nodes.iter().enumerate() {
        for other in &nodes[number + 1..] {
            let (port, bus) = (other.port.to_string(), other.member.expect("of a cluster").bus.to_string());
            let _: () = node.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
        }
    }
    for (number, node) in nodes.iter().enumerate().skip(masters) {
        let master: String = nodes[number % masters].command(&["CLUSTER", "MYID"]).await;
        let joins = || async { node.ask::<()>(&["CLUSTER", "REPLICATE", &master]).await.ok() };
        eventually("a replica knows its master", Duration::from_secs(20), joins).await;
    }
    whole(nodes).await;
}

/// Waits until every server that runs has the cluster for whole, and every replica is in step.
pub async fn whole(nodes: &[RedisNode]) {
    for node in nodes {
        let is_whole = || async {
            let info: String = node.ask(&["CLUSTER", "INFO"]).await.ok()?;
            let view: String = node.ask(&["CLUSTER", "NODES"]).await.ok()?;
            let ranges: Vec<Vec<redis::Value>> = node.ask(&["CLUSTER", "SLOTS"]).await.ok()?;
            // From, to, the master, and its replica: one that has not told how far it has come is not there yet.
            let is_known = ranges.iter().all(|range| range.len() == 2 + nodes.len().div_ceil(MASTERS));
            let replication: String = node.ask(&["INFO", "replication"]).await.ok()?;
            let is_in_step = replication.contains("role:master") || replication.contains("master_link_status:up");
            (info.contains("cluster_state:ok") && is_known && !view.contains("fail") && is_in_step).then_some(())
        };
        eventually("the cluster is whole", Duration::from_secs(30), is_whole).await;
    }
}

/// The URL of a Redis, or of a proxy before one, on this port.
pub fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}
