//! Runs the list of reactions and answers the exit code. Nothing else happens here.

use std::process::ExitCode;

use user_events::{ops, reactions};

/// Half of the overhead of a message is allocating and freeing memory; this allocator lowers the whole overhead by a
/// fifth. Huge pages are off (`no_thp`): they would turn 2 MB of memory into 10 MB. Version 2 is the cheaper one here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ops::main(reactions::shipped())
}
