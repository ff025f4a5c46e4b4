//! Asks a person before a deed: for the number of letters, which nobody writes by habit.
//!
//! Enters: the number, what is written at the terminal. Leaves: yes, no, or that a signal came first. Without a terminal
//! nobody is asked, and the answer is no.

use std::io::{self, IsTerminal};

use tokio_util::sync::CancellationToken;

use crate::ops::terminal::draw;
use crate::ops::{apart, say};

/// Does a person want this done to this many letters? `None`: it was told to stop.
pub(super) async fn confirmed(letters: u64, stop: &CancellationToken) -> Option<bool> {
    if letters == 0 || !can_ask() {
        return Some(false);
    }
    let answer = asked(&format!("To do it now, write their number, {letters}: "), stop).await?;
    let is_meant = answer.trim() == letters.to_string();
    if !is_meant {
        say("That is another number: nothing was changed.");
    }
    Some(is_meant)
}

/// Does a person sit at the terminal?
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// What a person answers. `None`: it was told to stop.
pub(super) async fn asked(question: &str, stop: &CancellationToken) -> Option<String> {
    draw(question);
    let line = || {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    };
    let answer = stop.run_until_cancelled(apart(line)).await;
    if answer.is_none() {
        say("");
    }
    Some(answer?.and_then(Result::ok).unwrap_or_default())
}
