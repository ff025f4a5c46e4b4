//! One connection whose calls share packets: what is ready at the same moment goes out together.
//!
//! Enters: commands of many deliveries. Leaves: each one's own answer. Promises: a call that is alone leaves at once; calls
//! keep their order; a caller who gives up ends no other call. Why: without Nagle's algorithm each call would be a packet of
//! its own, with system calls of its own. With it, each call would wait for the acknowledgement of the one before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Script, Value, from_redis_value,
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

    /// The server's answer to a command whose key another server is handing over to it.
    pub(super) async fn call_with_asking(&self, command: Cmd) -> RedisResult<Value> {
        // In one packet: ASKING holds for the next command alone, and other calls use this connection too.
        let mut both = redis::pipe();
        both.cmd("ASKING").add_command(command);
        let mut answers = self.server.clone().send_packed_commands(&both, 0, both.len()).await?;
        answers.pop().unwrap_or(Value::Nil).extract_error()
    }

    /// Is the server one of a cluster? `None`: it does not say.
    pub(super) async fn is_of_cluster(&self) -> RedisResult<Option<bool>> {
        // The only command that says so and that every user may send.
        match redis::cmd("HELLO").query_async(&mut self.server.clone()).await {
            Ok(told) => {
                let told: Option<BTreeMap<String, Value>> = from_redis_value(told).ok();
                let mode = told.and_then(|mut told| told.remove("mode"));
                Ok(mode.and_then(|mode| from_redis_value::<String>(mode).ok()).map(|mode| mode == "cluster"))
            }
            Err(error) if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) => Ok(None),
            Err(error) => Err(error),
        }
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
        // Other tasks that are ready run first, so that their calls go out with ours.
        yield_now().await;
        let Waiting { calls, answers } = std::mem::take(&mut *self.waiting());
        let together = self.server.send_packed_commands(&calls, 0, calls.len());
        match timeout(self.longest_call, together).await {
            Ok(Ok(values)) => answers.into_iter().zip(values).for_each(|(to, value)| drop(to.send(Ok(value)))),
            Ok(Err(error)) => answers.into_iter().for_each(|to| drop(to.send(Err(error.clone())))),
            // Each caller has given up by now: all have the same deadline.
            Err(_) => {}
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
