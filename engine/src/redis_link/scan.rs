//! Scans the keys, page by page; of a cluster one master after the other.
//!
//! Enters: a pattern, and where the last page ended. Leaves: keys of hashes, and where the next page begins. Promises: each
//! page is little work for its server.

use std::sync::Arc;

use super::slots::{Address, Slots};
use super::{RedisError, RedisLink};

/// The keys that one SCAN looks at: little work for the server.
const PAGE: usize = 1_000;

/// Where a scan goes on: in which servers, and where in the last of them.
#[derive(Debug, Clone, Default)]
pub struct Cursor {
    /// `None`: the scan has not begun, or the server is alone.
    left: Option<Vec<Address>>,
    place: u64,
}

impl RedisLink {
    /// One page of the keys of hashes that match `pattern`, and where the next page is; `None`: there is none. Of a
    /// cluster all masters are scanned, one after the other; a key whose slot moves meanwhile may be missed or come twice.
    ///
    /// # Errors
    /// [`RedisError`] within one try, and another at the start.
    pub async fn scan(&self, pattern: &str, cursor: Cursor) -> Result<(Option<Cursor>, Vec<String>), RedisError> {
        let Cursor { mut left, place } = cursor;
        if left.is_none() {
            let masters = |slots: Arc<Slots>| slots.shards().iter().map(|shard| shard.master.clone()).collect();
            left = self.fresh_map().await?.map(masters);
        }
        let (mut scan, pattern) = (redis::cmd("SCAN"), self.stored(pattern));
        scan.arg(place).arg("MATCH").arg(&*pattern).arg("COUNT").arg(PAGE).arg("TYPE").arg("hash");
        let server = left.as_ref().and_then(|left| left.last());
        let (place, mut keys): (u64, Vec<String>) = self.ask(server, scan).await?;
        keys.retain(|key| key.starts_with(&*self.prefix));
        keys.iter_mut().for_each(|key| drop(key.drain(..self.prefix.len())));
        if place == 0 {
            left.as_mut().and_then(Vec::pop);
        }
        let is_more = place != 0 || left.as_ref().is_some_and(|left| !left.is_empty());
        Ok((is_more.then_some(Cursor { left, place }), keys))
    }
}
