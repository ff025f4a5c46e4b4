//! What must hold whatever bytes come from outside: one function for each target of `make fuzz`.
//!
//! Enters: any bytes. Leaves: nothing, or a panic that says which promise is broken. A target's seeds are files of
//! `fuzz/seeds`; the tests here feed each of them, and each body of `tests/fixtures`, to its function. Compiled for
//! these tests and for cargo-fuzz, which sets `cfg(fuzzing)`: no release has it.

mod cloud_events;
mod config;
mod dead_letter;
mod envelope;
mod event;
mod message;
mod receive;
mod redrive;
mod smtp;
mod templates;
mod traces;
mod webhook;

pub use cloud_events::cloud_events;
pub use config::config;
pub use dead_letter::dead_letter;
pub use envelope::envelope;
pub use event::event;
pub use receive::receive;
pub use redrive::redrive;
pub use smtp::smtp;
pub use templates::templates;
pub use traces::traces;
pub use webhook::webhook;

use engine::event::Timestamp;
use engine::queue::{Attempt, Attributes, Body, Delivery, ReceiptHandle};

/// One target: its name, and what must hold.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, by the name of its file in `fuzz/fuzz_targets` and of its folder in `fuzz/seeds`.
pub const TARGETS: [Target; 11] = [
    ("cloud_events", cloud_events),
    ("config", config),
    ("dead_letter", dead_letter),
    ("envelope", envelope),
    ("event", event),
    ("receive", receive),
    ("redrive", redrive),
    ("smtp", smtp),
    ("templates", templates),
    ("traces", traces),
    ("webhook", webhook),
];

/// Where an input has this word, no error may have it: it stands for an address or a password.
const SECRET: &str = "hunter2";

/// 27 November 2026, 12:00 UTC.
const SENT_AT: i64 = 1_795_780_800_000;

fn sent_at() -> Timestamp {
    Timestamp::from_unix_millis(SENT_AT).unwrap_or_else(Timestamp::now)
}

/// The parts of an input: between each two of them is an empty line.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n")
}

/// The pairs of a part: one a line, a space between name and value.
fn pairs(part: &str) -> impl Iterator<Item = (&str, &str)> {
    part.lines().filter_map(|line| line.split_once(' '))
}

/// A message as a queue hands it out.
fn delivery(body: &str, attributes: Attributes) -> Delivery {
    Delivery {
        message_id: "m-1".to_owned(),
        body: Body::new(body.to_owned()),
        attributes,
        attempt: Attempt::new(3),
        sent_at_millis: SENT_AT,
        group: None,
        fairness: None,
        moved_by_queue: false,
        trace_header: None,
        receipt: ReceiptHandle::new("r-1".to_owned()),
    }
}

/// What is said of a refused input: short, printable, and nothing that must stay secret.
fn assert_tells_nothing(said: &str, input: &str) {
    assert!(said.len() <= 400, "{} bytes", said.len());
    assert!(!said.contains(char::is_control), "{said:?}");
    assert!(!input.contains(SECRET) || !said.contains(SECRET), "{said}");
}

#[cfg(test)]
mod tests;
