//! What went wrong, as it really happened: who was hit, by what, from when to when.
//!
//! Enters: faults, written down by whoever causes or notices them. Leaves: the one question the checker
//! asks: did anything that can keep a sent mail from its record hit this worker in this moment?

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::plan::{Side, handler};
use crate::world::proxy::Mode;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    /// Planned, or at a failpoint.
    Kill {
        planned: bool,
    },
    Stop {
        planned: bool,
    },
    Mode(Side, Mode),
    /// A connection was reset or cut.
    Broken(Side),
    RedisDown,
    ReadOnly,
    OutOfMemory,
}

/// Whom it hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// One process.
    Process {
        slot: usize,
        number: usize,
    },
    /// Whatever process runs in this slot.
    Slot(usize),
    All,
}

#[derive(Debug, Clone, Copy)]
pub struct Record {
    pub who: Who,
    pub what: What,
    pub from: Instant,
    pub until: Instant,
}

/// Clones share the records.
#[derive(Debug, Clone, Default)]
pub struct History(Arc<Mutex<Vec<Record>>>);

impl History {
    /// From then until now.
    pub fn add(&self, who: Who, what: What, from: Instant) {
        self.push(Record { who, what, from, until: Instant::now() });
    }

    pub fn add_moment(&self, who: Who, what: What, at: Instant) {
        self.push(Record { who, what, from: at, until: at });
    }

    fn push(&self, record: Record) {
        self.0.lock().unwrap().push(record);
    }

    pub fn records(&self) -> Vec<Record> {
        self.0.lock().unwrap().clone()
    }

    pub fn count(&self, is_it: impl Fn(&What) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|record| is_it(&record.what)).count()
    }
}

impl Record {
    /// Did it hit this process, given as slot and number?
    pub fn hit(&self, process: (usize, usize)) -> bool {
        match self.who {
            Who::Process { slot, number } => (slot, number) == process,
            Who::Slot(slot) => slot == process.0,
            Who::All => true,
        }
    }

    pub fn overlaps(&self, from: Instant, until: Instant) -> bool {
        self.from <= until && self.until >= from
    }

    pub fn lasted(&self) -> Duration {
        self.until - self.from
    }

    /// How long it keeps a mail on its way: the server takes it so much later than the process sent it.
    pub fn keeps_a_mail_on_its_way(&self) -> Duration {
        match self.what {
            What::Mode(Side::Smtp, Mode::Delay(delay)) => delay,
            _ => Duration::ZERO,
        }
    }

    /// Does it keep this process from Redis, for a while?
    pub fn keeps_from_redis(&self) -> bool {
        match self.what {
            What::Broken(side) | What::Mode(side, Mode::Hole | Mode::Refuse) => side == Side::Redis,
            // A commit on a new connection is four chunks' ways.
            What::Mode(Side::Redis, Mode::Delay(delay)) => delay > Duration::from_millis(200),
            What::RedisDown | What::ReadOnly => true,
            _ => false,
        }
    }

    /// Does it end a process, or its time, while it waits for the record to be made?
    pub fn ends_a_wait(&self) -> bool {
        match self.what {
            What::Kill { .. } => true,
            What::Stop { .. } => self.lasted() > handler() - Duration::from_millis(500),
            _ => false,
        }
    }

    /// Can it keep the mail server's reply to the dot from its worker?
    pub fn hides_a_reply(&self) -> bool {
        match self.what {
            What::Broken(side) | What::Mode(side, Mode::Hole) => side == Side::Smtp,
            // A reply is two chunks away.
            What::Mode(Side::Smtp, Mode::Delay(delay)) => delay > Duration::from_millis(200),
            _ => false,
        }
    }

    /// Can this hold up a mail between the fence and its last byte, until another has sent it too?
    pub fn delays_a_mail(&self) -> bool {
        match self.what {
            What::Stop { .. } => self.ends_a_wait(),
            What::Mode(Side::Smtp, Mode::Delay(_)) => self.hides_a_reply(),
            _ => false,
        }
    }
}
