//! The list of reactions → exit code, nothing else.

use std::process::ExitCode;

use user_events::{ops, reactions};

/// Half of what a message costs beside the work itself is memory taken and given back: this takes a fifth off the whole.
/// Without huge pages, which would round two megabytes up to ten; its version 2, which is the cheaper one here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ops::main(reactions::shipped())
}
