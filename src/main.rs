//! Command line → exit code, nothing else.

use std::process::ExitCode;

use user_events::cli::Cli;
use user_events::config::Environment;
use user_events::ops;

/// Half of what a message costs beside the work itself is memory taken and given back: this takes a fifth off the whole.
/// Without huge pages, which would round two megabytes up to ten; its version 2, which is the cheaper one here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::from_arguments() {
        Ok(cli) => cli,
        Err(words) => return ops::answer(words).into(),
    };
    match ops::runtime() {
        Ok(runtime) => runtime.block_on(ops::execute(cli.command, &Environment::of_process())).into(),
        Err(_) => ops::Exit::Bug.into(),
    }
}
