//! What the sink has seen since the last reset: mails or calls, connections, and the moment of each mail or call.
//!
//! Enters: one occurrence at a time, with the run that its connection belongs to. Leaves: figures, as JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::Instant;

/// A mail or a call that has been read to its end.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// The event's number at the canned queue, by the mail's recipient or the call's `webhook-id`. `None`: of another form.
    pub number: Option<u32>,
    /// Of a mail's headers and bodies, on the wire; of a call's body.
    pub bytes: usize,
}

#[derive(Default)]
pub struct Counts {
    generation: u64,
    /// By number: when it was taken first.
    moments: Vec<Option<Instant>>,
    accepted: u64,
    /// Taken before, by their number.
    again: u64,
    bytes: usize,
    connections: u64,
    open: u64,
    most_open: u64,
    /// Before each reply.
    pub latency: Duration,
    pub offers_starttls: bool,
}

impl Counts {
    /// A new run begins: what is open from here on counts, what was open does not.
    pub fn reset(&mut self, latency: Duration, offers_starttls: bool) -> u64 {
        *self = Self { generation: self.generation + 1, latency, offers_starttls, ..Self::default() };
        self.generation
    }

    /// A connection; answers the run that it belongs to.
    pub fn opened(&mut self) -> u64 {
        self.connections += 1;
        self.open += 1;
        self.most_open = self.most_open.max(self.open);
        self.generation
    }

    pub fn closed(&mut self, generation: u64) {
        if generation == self.generation {
            self.open -= 1;
        }
    }

    pub fn accept(&mut self, generation: u64, taken: Taken) {
        if generation != self.generation {
            return;
        }
        self.accepted += 1;
        self.bytes += taken.bytes;
        let Some(number) = taken.number.map(|number| number as usize) else { return };
        if number >= self.moments.len() {
            self.moments.resize(number + 1, None);
        }
        match self.moments[number] {
            Some(_) => self.again += 1,
            None => self.moments[number] = Some(Instant::now()),
        }
    }

    /// What is asked for while they come: nothing that grows with them.
    pub fn stats(&self) -> Value {
        json!({
            "accepted": self.accepted, "again": self.again, "bytes": self.bytes, "connections": self.connections,
            "open": self.open, "most_open": self.most_open,
        })
    }

    /// When each was taken, by its number, in microseconds since 1970: the queue, another process, says by the same
    /// clock when the event arrived. 0: it was not.
    pub fn moments(&self) -> Value {
        let (now, wall) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let micros = |at: &Option<Instant>| at.map_or(0, |at| (wall - (now - at)).as_micros() as u64);
        json!({ "accepted_us": self.moments.iter().map(micros).collect::<Vec<_>>() })
    }
}
