//! `completions`: prints the script with which a shell completes commands and options.

use super::terminal::document;
use super::{Context, Exit};
use crate::cli::{self, Shell};

pub(super) fn completions(context: &Context<'_>, shell: Shell) -> Exit {
    document(&cli::completions(shell, context.program, &context.reactions));
    Exit::Clean
}
