//! The tests of a Redis once more: here the Redis is a cluster.
#![allow(clippy::duplicate_mod, reason = "the same tests for another kind of server")]

use crate::world::redis_server::Kind;

pub const KIND: Kind = Kind::Cluster;

#[path = "broken_records.rs"]
mod broken_records;
#[path = "ledger_faults.rs"]
mod ledger_faults;
#[path = "redis_kills.rs"]
mod redis_kills;
#[path = "redis_rights.rs"]
mod redis_rights;
#[path = "redis_settings.rs"]
mod redis_settings;
#[path = "shared_redis.rs"]
mod shared_redis;
