//! One server, and the connection to it: made when it is needed, and anew after it went bad.
//!
//! Enters: where the server is. Leaves: a connection with its serial number. Promises: whoever says that a connection is bad
//! ends that one alone: another call may have made a new one already.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use redis::{Client, ConnectionInfo, RedisResult};
use tokio::sync::Mutex;

use super::connection::Connection;

/// A server.
pub(super) struct Server {
    client: Client,
    /// Host and port, for errors.
    pub(super) at: Arc<str>,
    longest_call: Duration,
    current: Mutex<Option<(u64, Connection)>>,
}

impl Server {
    /// Does not connect.
    pub(super) fn new(place: ConnectionInfo, longest_call: Duration) -> RedisResult<Self> {
        let client = Client::open(place)?;
        let at = client.get_connection_info().addr().to_string().into();
        Ok(Self { client, at, longest_call, current: Mutex::default() })
    }

    /// The host, without its port.
    pub(super) fn host(&self) -> &str {
        self.at.rsplit_once(':').map_or(&*self.at, |(host, _)| host.trim_start_matches('[').trim_end_matches(']'))
    }

    /// The connection, and its number.
    pub(super) async fn connection(&self) -> RedisResult<(u64, Connection)> {
        let mut current = self.current.lock().await;
        if let Some((serial, connection)) = &*current {
            return Ok((*serial, connection.clone()));
        }
        // Boxed: this future is rarely needed, and larger than the rest of a call. As a trait object, or whoever spawns a worker
        // would have the compiler look through all of it, deeper than it does unasked.
        let fresh = Connection::open(&self.client, self.longest_call);
        let fresh = (Box::pin(fresh) as BoxFuture<'_, RedisResult<Connection>>).await?;
        let serial = fastrand::u64(..);
        *current = Some((serial, fresh.clone()));
        Ok((serial, fresh))
    }

    /// This connection is not used again.
    pub(super) async fn forget(&self, serial: u64) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|(of, _)| *of == serial) {
            *current = None;
        }
    }
}
