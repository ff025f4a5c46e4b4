//! One server, and the connection to it: made when it is needed, and anew after it went bad.
//!
//! Enters: where the server is. Leaves: a connection with its serial number. Promises: a call that
//! reports a bad connection ends that one alone: another call may have made a new one already.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use redis::{Client, ConnectionInfo, RedisResult};

use super::connection::Connection;

/// A server.
pub(super) struct Server {
    client: Client,
    /// Host and port, for errors.
    pub(super) at: Arc<str>,
    longest_call: Duration,
    current: Mutex<Option<(u64, Connection)>>,
    /// Held by the one that makes a connection. The others wait for it.
    opening: tokio::sync::Mutex<()>,
}

impl Server {
    /// Does not connect.
    pub(super) fn new(place: ConnectionInfo, longest_call: Duration) -> RedisResult<Self> {
        let client = Client::open(place)?;
        let at = client.get_connection_info().addr().to_string().into();
        Ok(Self { client, at, longest_call, current: Mutex::default(), opening: tokio::sync::Mutex::default() })
    }

    /// The host, without its port.
    pub(super) fn host(&self) -> &str {
        self.at.rsplit_once(':').map_or(&*self.at, |(host, _)| host.trim_start_matches('[').trim_end_matches(']'))
    }

    /// The connection, and its number.
    pub(super) async fn connection(&self) -> RedisResult<(u64, Connection)> {
        if let Some(current) = self.current().clone() {
            return Ok(current);
        }
        let _turn = self.opening.lock().await;
        if let Some(current) = self.current().clone() {
            return Ok(current);
        }
        // Boxed: this future is rarely needed, and larger than the rest of a call. As a trait object: otherwise a program that
        // spawns a worker would meet the compiler's recursion limit.
        let fresh: BoxFuture<'_, _> = Box::pin(Connection::open(&self.client, self.longest_call));
        let fresh = (fastrand::u64(..), fresh.await?);
        *self.current() = Some(fresh.clone());
        Ok(fresh)
    }

    /// This connection is not used again.
    pub(super) fn forget(&self, serial: u64) {
        let mut current = self.current();
        if current.as_ref().is_some_and(|(of, _)| *of == serial) {
            *current = None;
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<(u64, Connection)>> {
        // Each change is one assignment.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
