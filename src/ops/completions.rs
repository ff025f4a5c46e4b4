//! `completions`: the script by which a shell completes commands and options.

use super::{Exit, say};
use crate::cli::{self, Shell};

pub(super) fn completions(shell: Shell) -> Exit {
    say(cli::completions(shell).trim_end());
    Exit::Clean
}
