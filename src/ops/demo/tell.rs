//! What the demo shows while it runs: a line with the counts; for an audience each step, slowly enough to read.
//!
//! Enters: scenes and counts. Leaves: lines on standard output; on a terminal one more line that is redrawn.
//! Knows no queue and no worker.

use std::fmt::Display;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::sleep;

use super::counts::DemoCounts;
use crate::config::Environment;
use crate::ops::say;

/// The five steps of a delivery, in the words of `worker/process.rs`.
const STEPS: [(&str, &str); 5] = [
    ("open", "the body becomes an event, or a refusal with a name"),
    ("claim", "one question to the ledger: is this effect still to be done, and by us?"),
    ("handle", "the work; the fence stands before what cannot be taken back"),
    ("record", "the ledger keeps that it is done"),
    ("settle", "only now the message is deleted; or tried later, or put aside with its reason"),
];

/// Shows what goes on.
pub(super) struct Teller {
    /// The pause after each line. `None`: no line is shown before the end.
    pace: Option<Duration>,
    line: ProgressBar,
}

impl Teller {
    pub(super) fn new(environment: &Environment, pace: Option<Duration>) -> Self {
        // Hidden if there is a log: on the same terminal the line would be drawn over the log.
        let is_alone = std::io::stderr().is_terminal() && !environment.contains_key("RUST_LOG");
        let line = if is_alone { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            line.set_style(style);
        }
        Self { pace, line }
    }

    /// Explains the five steps of a delivery, before the first scene.
    pub(super) async fn steps(&self) {
        self.line("\nEach delivery goes five steps:").await;
        for (step, what) in STEPS {
            self.line(format_args!("  {step:<8}{what}")).await;
        }
    }

    /// Writes a line and waits for the pace, if there is one. Otherwise it does nothing.
    pub(super) async fn line(&self, text: impl Display) {
        if let Some(pace) = self.pace {
            self.line.suspend(|| say(text.to_string()));
            sleep(pace).await;
        }
    }

    /// Shows how far it is.
    pub(super) fn so_far(&self, counts: &DemoCounts, waiting: usize) {
        self.line.set_message(format!("{counts}; {waiting} waiting"));
        self.line.tick();
    }

    /// Takes the counting line away.
    pub(super) fn end(self) {
        self.line.finish_and_clear();
    }
}
