//! What a call to Redis fails with.
//!
//! Enters: an error of the client. Leaves: which server, and what kind of fault. Promises: neither user nor password nor
//! content is in it.

use std::sync::Arc;

/// Redis did not do it. Names the server and the kind of fault, never user, password or content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// Redis's client does not understand the URL.
    #[error("not a redis:// or rediss:// URL")]
    BadUrl,
    /// The URL names a cluster, and a database in it.
    #[error("a Redis Cluster has no database but 0")]
    Database,
    /// No answer within the deadline.
    #[error("redis at {at}: no answer in time")]
    Timeout {
        /// The server's host and port.
        at: Arc<str>,
    },
    /// Redis returned an error, or the connection failed.
    #[error("redis at {at}: {why}")]
    Failed {
        /// The server's host and port.
        at: Arc<str>,
        /// What it said.
        why: RedisFault,
    },
    /// An answer that no script and no command of ours gives.
    #[error("redis at {at}: an answer of an unexpected type")]
    Strange {
        /// The server's host and port; of a cluster those that the URL names.
        at: Arc<str>,
    },
}

/// What an error of Redis means. Shown as its code word, or as the kind of fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisFault {
    /// Our user may not use the command (`NOPERM`), or the server lacks it (`ERR`).
    #[error("{0}")]
    Denied(&'static str),
    /// The URL says that the server is of a cluster.
    #[error("the URL names a Redis Cluster, and this server is none")]
    NoCluster,
    /// Where the keys of a cluster are is told to no user without this right.
    #[error("NOPERM: in a Redis Cluster a user needs the right to CLUSTER SLOTS")]
    MapDenied,
    /// The key holds something of another type.
    #[error("WRONGTYPE")]
    WrongType,
    /// Any other, and whatever broke the connection.
    #[error("{0}")]
    Other(String),
}

impl RedisError {
    /// Is the server there, but refuses a command: our user may not use it, or the server lacks it?
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Failed { why: RedisFault::Denied(_), .. })
    }

    /// Is the server no cluster, although the URL names one? Or may our user not ask where the cluster's keys are?
    #[must_use]
    pub fn is_misnamed(&self) -> bool {
        matches!(self, Self::Failed { why: RedisFault::NoCluster | RedisFault::MapDenied, .. })
    }

    /// Does this key hold something of another type? Then server and connection are fine.
    #[must_use]
    pub fn is_wrong_type(&self) -> bool {
        matches!(self, Self::Failed { why: RedisFault::WrongType, .. })
    }
}

/// The server's code word, or the kind of I/O fault. Never the text, which may quote keys or addresses.
pub(super) fn fault(error: &redis::RedisError) -> RedisFault {
    match error.code() {
        Some("NOPERM") => RedisFault::Denied("NOPERM"),
        Some("ERR") => RedisFault::Denied("ERR"),
        Some("WRONGTYPE") => RedisFault::WrongType,
        // If another kind of server answers, its first word may be anything.
        Some(code) if is_code(code) => RedisFault::Other(code.to_owned()),
        Some(_) => RedisFault::Other("an error without a code".to_owned()),
        None if error.is_connection_refusal() => RedisFault::Other("connection refused".to_owned()),
        None => RedisFault::Other(error.category().to_owned()),
    }
}

fn is_code(word: &str) -> bool {
    word.len() <= 24 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}
