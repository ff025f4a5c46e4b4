//! What a mail or a call cannot do without, each by itself, as cheap as it gets: `floor smtp`, `floor post`, `floor redis`.
//!
//! Enters: MESSAGES, SLOTS (so many at once); for `smtp` SMTP_URL and MAIL_TEMPLATE (a folder: `mail.eml`, ready bytes); for
//! `post` WEBHOOK_URL and WEBHOOK_BODY (a file); for `redis` REDIS_URL. Leaves: that many mails or calls at the server, or
//! that many records, committed. Then waits to be killed: the CPU of a process that has ended cannot be asked for. The
//! last part of the floor is the bare loop in `sdk`.

mod ready_calls;
mod ready_mails;
mod record;

use std::cell::Cell;
use std::rc::Rc;

/// Hands out the numbers of the messages to whoever asks next.
#[derive(Clone)]
struct Numbers {
    next: Rc<Cell<usize>>,
    end: usize,
}

impl Iterator for Numbers {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let number = self.next.get();
        self.next.set(number + 1);
        (number < self.end).then_some(number)
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("needs {name}"))
}

fn number(name: &str) -> usize {
    variable(name).parse().expect("a number")
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let numbers = Numbers { next: Rc::default(), end: number("MESSAGES") };
    let slots = number("SLOTS");
    let local = tokio::task::LocalSet::new();
    match std::env::args().nth(1).as_deref() {
        Some("smtp") => local.run_until(ready_mails::send(slots, numbers)).await,
        Some("post") => local.run_until(ready_calls::send(slots, numbers)).await,
        Some("redis") => local.run_until(record::keep(slots, numbers)).await,
        _ => panic!("usage: floor smtp|post|redis"),
    }
    std::future::pending().await
}
