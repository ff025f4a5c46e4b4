//! `completions`: the script by which a shell completes commands and options.

use super::Exit;
use super::terminal::document;
use crate::cli::{self, Shell};

pub(super) fn completions(shell: Shell) -> Exit {
    document(&cli::completions(shell));
    Exit::Clean
}
