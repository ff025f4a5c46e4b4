//! Which server of a cluster has a key: the key's slot, and whose slots are whose.
//!
//! Enters: a key; the answer to CLUSTER SLOTS. Leaves: a slot; the master that has it. Pure.

use redis::Value;

/// How many slots a cluster has.
pub const SLOTS: u16 = 16_384;

/// Nobody has this slot.
const NOBODY: u16 = u16::MAX;

/// A server of a cluster, as the cluster announces it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

/// The master of some slots, and its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) master: Address,
    pub(super) replicas: Vec<Address>,
}

/// All slots of a cluster.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    /// For each slot the number of its shard.
    owners: Vec<u16>,
    shards: Vec<Shard>,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Address {
    /// Reads `host:port`, as MOVED and ASK tell it. Without a host it is that of the server that answered.
    pub(super) fn read(text: &str, answered: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Self::new(host, port.parse().ok()?, answered)
    }

    /// `?` is a server that nobody has a name for yet.
    fn new(host: &str, port: u16, answered: &str) -> Option<Self> {
        let host = if host.is_empty() { answered } else { host };
        (host != "?").then(|| Self { host: host.to_owned(), port })
    }
}

impl Slots {
    /// Reads the answer of the server at host `answered`. `None`: it is no such answer, or nobody has any slot.
    pub(super) fn read(answer: &Value, answered: &str) -> Option<Self> {
        let Value::Array(ranges) = answer else { return None };
        let mut slots = Self { owners: vec![NOBODY; usize::from(SLOTS)], shards: Vec::new() };
        for range in ranges {
            let Value::Array(range) = range else { return None };
            let [Value::Int(from), Value::Int(to), servers @ ..] = &range[..] else { return None };
            let (from, to) = (usize::try_from(*from).ok()?, usize::try_from(*to).ok()?);
            let mut servers = servers.iter().map(|server| address(server, answered));
            let Some(Some(master)) = servers.next() else { continue };
            let shard = slots.shard(&master);
            slots.owners.get_mut(from..=to)?.fill(shard);
            for replica in servers.flatten() {
                let known = &mut slots.shards[usize::from(shard)].replicas;
                if !known.contains(&replica) {
                    known.push(replica);
                }
            }
        }
        (!slots.shards.is_empty()).then_some(slots)
    }

    /// Who has this slot, as far as is known.
    pub(super) fn owner(&self, slot: u16) -> Option<&Address> {
        let shard = *self.owners.get(usize::from(slot))?;
        self.shards.get(usize::from(shard)).map(|shard| &shard.master)
    }

    /// This slot has moved to `master`.
    pub(super) fn moved(&mut self, slot: u16, master: &Address) {
        let shard = self.shard(master);
        if let Some(owner) = self.owners.get_mut(usize::from(slot)) {
            *owner = shard;
        }
    }

    pub(super) fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// How many slots somebody has.
    pub(super) fn covered(&self) -> usize {
        self.owners.iter().filter(|owner| **owner != NOBODY).count()
    }

    /// The slots that nobody has, as ranges: `5461-10922`.
    pub(super) fn missing(&self) -> Vec<String> {
        let (mut ranges, mut slot) = (Vec::new(), 0);
        for run in self.owners.chunk_by(|a, b| (*a == NOBODY) == (*b == NOBODY)) {
            if run.first() == Some(&NOBODY) {
                ranges.push(format!("{slot}-{}", slot + run.len() - 1));
            }
            slot += run.len();
        }
        ranges
    }

    /// The number of the shard with this master; a new one if there is none.
    fn shard(&mut self, master: &Address) -> u16 {
        let number = self.shards.iter().position(|shard| shard.master == *master).unwrap_or_else(|| {
            self.shards.push(Shard { master: master.clone(), replicas: Vec::new() });
            self.shards.len() - 1
        });
        number as u16
    }
}

/// A server in the answer to CLUSTER SLOTS: its host, its port and more.
fn address(server: &Value, answered: &str) -> Option<Address> {
    let Value::Array(parts) = server else { return None };
    let [host, Value::Int(port), ..] = &parts[..] else { return None };
    let host = match host {
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host,
        Value::Nil => "",
        _ => return None,
    };
    Address::new(host, u16::try_from(*port).ok()?, answered)
}

/// The slot of a key. What counts is the text between its first `{` and the next `}`; if there is none, the whole key.
#[must_use]
pub fn slot_of(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    hashed.bytes().fold(0, |crc: u16, byte| crc << 8 ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)]) % SLOTS
}

/// CRC16 in the form of XMODEM, which Redis uses: polynomial 1021, nothing reflected.
const CRC16: [u16; 256] = {
    let (mut table, mut byte) = ([0; 256], 0);
    while byte < 256 {
        let (mut crc, mut bit) = ((byte as u16) << 8, 0);
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: i64) -> Value {
        Value::Array(vec![Value::BulkString(host.into()), Value::Int(port), Value::BulkString("id".into())])
    }

    fn range(from: i64, to: i64, servers: &[Value]) -> Value {
        Value::Array([&[Value::Int(from), Value::Int(to)], servers].concat())
    }

    fn at(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    #[test]
    fn a_keys_slot_is_the_one_that_redis_says() {
        // As CLUSTER KEYSLOT of Redis 7.0.15 says.
        for (key, slot) in [("123456789", 12739), ("foo", 12182), ("idem:v1:ping", 6855), ("", 0)] {
            assert_eq!(slot_of(key), slot, "{key}");
        }
        assert_eq!(slot_of("idem:v1:{u-1}:welcome_email"), slot_of("u-1"));
        assert_eq!(slot_of("a{}{b}"), slot_of("a{}{b}".to_owned().as_str()));
        assert_ne!(slot_of("a{}{b}"), slot_of("b"), "an empty tag is none");
    }

    #[test]
    fn slots_are_read_patched_and_missed() {
        let (one, other) = ([server("a", 1), server("b", 2)], [server("", 3), server("?", 4)]);
        let answer = Value::Array(vec![range(0, 99, &one), range(200, 16_383, &other), range(120, 129, &one)]);
        let mut slots = Slots::read(&answer, "asked").expect("an answer");
        assert_eq!((slots.owner(0), slots.owner(100), slots.owner(125)), (Some(&at("a", 1)), None, Some(&at("a", 1))));
        assert_eq!(slots.owner(16_383), Some(&at("asked", 3)), "without a host it is the one that was asked");
        assert_eq!(slots.missing(), ["100-119", "130-199"]);
        assert_eq!(slots.shards()[0].replicas, [at("b", 2)]);
        assert!(slots.shards()[1].replicas.is_empty(), "a server without a name is not told of");

        slots.moved(100, &at("c", 5));
        assert_eq!((slots.owner(100), slots.shards().len()), (Some(&at("c", 5)), 3));
        for odd in [Value::Array(Vec::new()), Value::Nil, Value::Array(vec![range(0, 99_999, &one)])] {
            assert!(Slots::read(&odd, "asked").is_none(), "{odd:?}");
        }
    }

    #[test]
    fn an_address_is_read_as_moved_tells_it() {
        for (text, read) in [
            ("10.0.0.1:6379", Some(("10.0.0.1", 6379))),
            (":7000", Some(("asked", 7000))),
            ("[::1]:1", Some(("::1", 1))),
            ("h:x", None),
            ("h", None),
            ("?:1", None),
        ] {
            assert_eq!(Address::read(text, "asked"), read.map(|(host, port)| at(host, port)), "{text}");
        }
    }
}
