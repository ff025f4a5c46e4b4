//! One connection whose calls share packets: what is ready at the same moment goes out together.
//!
//! Enters: commands of many deliveries. Leaves: each one's own answer. Promises: a call that is alone leaves at once; calls
//! keep their order; whoever gives up takes nobody with him. Why: without Nagle's algorithm each call would be a packet of
//! its own, with system calls of its own; with it each would wait for the acknowledgement of the one before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, Pipeline, RedisError, RedisResult, Script, Value,
};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::timeout;

/// A connection to one server. Clones share it.
#[derive(Clone)]
pub(super) struct Connection {
    server: MultiplexedConnection,
    waiting: Arc<Mutex<Waiting>>,
    /// No call waits longer for its answer, so none needs the connection for longer.
    longest_call: Duration,
}

/// Calls that have not left yet.
#[derive(Default)]
struct Waiting {
    calls: Pipeline,
    answers: Vec<oneshot::Sender<RedisResult<Value>>>,
}

impl Connection {
    /// Connects. Has no deadline of its own.
    pub(super) async fn open(client: &Client, longest_call: Duration) -> RedisResult<Self> {
        // The caller's deadline limits both. The client's limits would only give two errors for one case.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let server = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Self { server, waiting: Arc::default(), longest_call })
    }

    /// The server's answer to one command.
    pub(super) async fn call(&self, command: Cmd) -> RedisResult<Value> {
        let (answer, answered) = oneshot::channel();
        if self.queue(command, answer) == 1 {
            tokio::spawn(self.clone().send_together());
        }
        let closed = || RedisError::from((ErrorKind::Io, "the connection is closed"));
        answered.await.map_err(|_| closed())??.extract_error()
    }

    /// The server's answers to several commands that belong together.
    pub(super) async fn call_all(&self, commands: &Pipeline) -> RedisResult<Value> {
        commands.query_async(&mut self.server.clone()).await
    }

    /// Teaches the server a script.
    pub(super) async fn load(&self, script: &Script) -> RedisResult<()> {
        script.load_async(&mut self.server.clone()).await.map(drop)
    }

    /// How many wait now, this one included.
    fn queue(&self, command: Cmd, answer: oneshot::Sender<RedisResult<Value>>) -> usize {
        let mut waiting = self.waiting();
        waiting.calls.add_command(command);
        waiting.answers.push(answer);
        waiting.answers.len()
    }

    async fn send_together(mut self) {
        // Whoever else is ready runs first, and has its call with ours.
        yield_now().await;
        let Waiting { calls, answers } = std::mem::take(&mut *self.waiting());
        let together = self.server.send_packed_commands(&calls, 0, calls.len());
        match timeout(self.longest_call, together).await {
            Ok(Ok(values)) => answers.into_iter().zip(values).for_each(|(to, value)| drop(to.send(Ok(value)))),
            Ok(Err(error)) => answers.into_iter().for_each(|to| drop(to.send(Err(error.clone())))),
            // Each caller has the same deadline, and has given up.
            Err(_) => {}
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server's socket, without Nagle's algorithm: the calls of all deliveries share it, and each would wait for the
/// acknowledgement of the one before it, up to a round trip.
pub(super) fn without_delay(server: ConnectionInfo) -> ConnectionInfo {
    server.set_tcp_settings(TcpSettings::default().set_nodelay(true))
}
