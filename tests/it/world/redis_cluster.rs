//! A cluster of six: three masters with a replica each, that elect others when one dies.
//!
//! Enters: what is to happen to which server. Leaves: a URL that names all; a cluster that is whole again. Promises: a
//! promotion or a move of slots has happened when its function returns. Confirmed writes may be lost when a master dies:
//! copies are made afterwards, as in any Redis Cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use user_events::redis_link::slot_of;

use super::eventually;
use super::proxy::free_port;
use super::redis_node::{Keep, Membership, RedisNode, join, whole};

pub struct RedisCluster {
    nodes: Vec<RedisNode>,
}

/// So many slots move at the same time.
const AT_ONCE: u16 = 50;

impl RedisCluster {
    pub async fn start() -> Self {
        let timeout = Duration::from_millis(1500);
        let member = || Membership { bus: free_port(), timeout, announced: 0 };
        let nodes: Vec<_> = (0..6).map(|_| RedisNode::new(Keep::Nothing, Some(member()))).collect();
        for node in &nodes {
            node.restart().await;
        }
        join(&nodes).await;
        Self { nodes }
    }

    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis://{}", hosts.join(","))
    }

    pub fn nodes(&self) -> &[RedisNode] {
        &self.nodes
    }

    /// The master of this slot, as most servers see it.
    pub async fn master_of(&self, slot: u16) -> Option<&RedisNode> {
        let mut votes = BTreeMap::<u16, usize>::new();
        for node in &self.nodes {
            if let Ok(ranges) = node.ask::<Vec<Vec<Value>>>(&["CLUSTER", "SLOTS"]).await
                && let Some(port) = owner(&ranges, slot)
            {
                *votes.entry(port).or_default() += 1;
            }
        }
        let (port, _) = votes.into_iter().max_by_key(|(_, votes)| *votes)?;
        self.nodes.iter().find(|node| node.port == port)
    }

    pub async fn master_of_key(&self, key: &str) -> &RedisNode {
        self.master_of(slot_of(key)).await.expect("somebody has it")
    }

    /// A replica of this master.
    pub async fn replica_of(&self, master: &RedisNode) -> &RedisNode {
        let follows = format!("master_port:{}\r", master.port);
        for node in &self.nodes {
            if let Ok(told) = node.ask::<String>(&["INFO", "replication"]).await
                && told.contains("role:slave")
                && told.contains(&follows)
            {
                return node;
            }
        }
        panic!("{} has no replica", master.port)
    }

    /// Waits until another than `former` has what it had, and takes writes.
    pub async fn succeeded(&self, former: &RedisNode, slot: u16) -> &RedisNode {
        let other = || async {
            let master = self.master_of(slot).await.filter(|master| master.port != former.port)?;
            let key = format!("{{{}}}writable", tag_of(slot));
            master.ask::<()>(&["SET", &key, "1", "EX", "60"]).await.ok().map(|()| master)
        };
        eventually("another is elected", Duration::from_secs(20), other).await
    }

    /// The replica takes over from its master, which hands over in order.
    pub async fn promote(&self, master: &RedisNode, slot: u16) -> &RedisNode {
        let _: () = self.replica_of(master).await.command(&["CLUSTER", "FAILOVER"]).await;
        self.succeeded(master, slot).await
    }

    pub async fn whole(&self) {
        whole(&self.nodes).await;
    }

    /// Moves these slots to `to`, with the keys in them, a few at the same time.
    pub async fn move_slots(&self, slots: impl IntoIterator<Item = u16>, to: &RedisNode) -> usize {
        let mut by_master = BTreeMap::<u16, Vec<u16>>::new();
        let ranges: Vec<Vec<Value>> = to.command(&["CLUSTER", "SLOTS"]).await;
        for slot in slots {
            by_master.entry(owner(&ranges, slot).expect("somebody has it")).or_default().push(slot);
        }
        by_master.remove(&to.port);
        let mut moved = 0;
        for (port, slots) in by_master {
            let from = self.nodes.iter().find(|node| node.port == port).expect("one of ours");
            for some in slots.chunks(usize::from(AT_ONCE)) {
                hand_over(some, from, to).await;
                moved += some.len();
            }
        }
        moved
    }
}

async fn hand_over(slots: &[u16], from: &RedisNode, to: &RedisNode) {
    let id = async |node: &RedisNode| node.command::<String>(&["CLUSTER", "MYID"]).await;
    let (source, target) = (id(from).await, id(to).await);
    let (mut giver, mut taker) = (from.connection().await.expect("there"), to.connection().await.expect("there"));
    set_slots(&mut taker, slots, "IMPORTING", &source).await;
    set_slots(&mut giver, slots, "MIGRATING", &target).await;
    for slot in slots {
        loop {
            let mut get = redis::cmd("CLUSTER");
            let keys: Vec<String> =
                get.arg("GETKEYSINSLOT").arg(slot).arg(100).query_async(&mut giver).await.expect("keys");
            if keys.is_empty() {
                break;
            }
            let mut migrate = redis::cmd("MIGRATE");
            migrate.arg("127.0.0.1").arg(to.port).arg("").arg(0).arg(5000).arg("KEYS").arg(keys);
            let _: Value = migrate.query_async(&mut giver).await.expect("the keys move");
        }
    }
    set_slots(&mut taker, slots, "NODE", &target).await;
    set_slots(&mut giver, slots, "NODE", &target).await;
}

async fn set_slots(node: &mut MultiplexedConnection, slots: &[u16], state: &str, other: &str) {
    let mut all = redis::pipe();
    for slot in slots {
        all.cmd("CLUSTER").arg("SETSLOT").arg(slot).arg(state).arg(other).ignore();
    }
    let _: () = all.query_async(node).await.expect("the slots take it");
}

/// The port of this slot's master.
fn owner(ranges: &[Vec<Value>], slot: u16) -> Option<u16> {
    ranges.iter().find_map(|range| match &range[..] {
        [Value::Int(from), Value::Int(to), Value::Array(master), ..] if (*from..=*to).contains(&i64::from(slot)) => {
            let Value::Int(port) = master.get(1)? else { return None };
            u16::try_from(*port).ok()
        }
        _ => None,
    })
}

/// What a key of this slot has between its braces.
pub fn tag_of(slot: u16) -> String {
    (0_u32..).map(|number| number.to_string()).find(|tag| slot_of(tag) == slot).expect("each slot has one")
}
