//! A test's own redis-server: it can be killed, frozen, started again and given commands.
//!
//! Enters: nothing; `localstack/servers` has installed `redis-server`. Leaves: a port on 127.0.0.1 that stays the same
//! over restarts. Promises: after `start` or `restart` it answers; with `Keep::Everything` a kill loses no confirmed
//! write; a drop kills it.

use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

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

pub struct RedisServer {
    port: u16,
    keep: Keep,
    /// The port of the cluster bus, if it belongs to a cluster.
    bus: Option<u16>,
    dir: TempDir,
    child: Mutex<Option<Child>>,
}

impl RedisServer {
    pub async fn start(keep: Keep) -> Self {
        Self::start_one(keep, None).await
    }

    /// Two servers of one cluster, each with half of the keys.
    pub async fn start_cluster() -> [Self; 2] {
        let start = || Self::start_one(Keep::Nothing, Some(free_port()));
        let (one, other) = (start().await, start().await);
        for (server, [from, to]) in [(&one, ["0", "8191"]), (&other, ["8192", "16383"])] {
            let _: () = server.command(&["CLUSTER", "ADDSLOTSRANGE", from, to]).await;
        }
        let (port, bus) = (other.port.to_string(), other.bus.unwrap_or_default().to_string());
        let _: () = one.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
        for server in [&one, &other] {
            let whole = || async {
                let info: String = server.command(&["CLUSTER", "INFO"]).await;
                info.contains("cluster_state:ok").then_some(())
            };
            eventually("the cluster is whole", Duration::from_secs(20), whole).await;
        }
        [one, other]
    }

    async fn start_one(keep: Keep, bus: Option<u16>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let server = Self { port: free_port(), keep, bus, dir, child: Mutex::default() };
        server.restart().await;
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        url(self.port)
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
        if let Some(bus) = self.bus {
            command.args(["--cluster-enabled", "yes", "--cluster-port", &bus.to_string()]);
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
        self.ask(words).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let (client, within) = (Client::open(self.url())?, Some(patience(Duration::from_secs(1))));
        let config = AsyncConnectionConfig::new().set_connection_timeout(within).set_response_timeout(within);
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async(&mut connection).await
    }

    fn signal(&self, name: &str) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The URL of a Redis, or of a proxy before one, on this port.
pub fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}
