//! How far a look through a DLQ is: a bar on a terminal, while many letters are looked at.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar is shown from this many letters on.
const LONG: u64 = 100;

/// The bar of one look. Hidden for few letters, and without a terminal.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// `about`: how many letters SQS counts. Its count is approximate.
    pub(super) fn new(about: u64) -> Self {
        if about < LONG || !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(about);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of about {len} letters, {elapsed}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// This many were looked at.
    pub(super) fn reach(&self, position: u64) {
        // SQS counted too few: then this is the number.
        if self.0.length().is_some_and(|about| position > about) {
            self.0.set_length(position);
        }
        self.0.set_position(position);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_never_tells_of_more_letters_than_there_are() {
        let progress = Progress(ProgressBar::hidden());
        progress.0.set_length(221);
        progress.reach(200);
        assert_eq!((progress.0.position(), progress.0.length()), (200, Some(221)));
        progress.reach(290);
        assert_eq!((progress.0.position(), progress.0.length()), (290, Some(290)));
    }
}
