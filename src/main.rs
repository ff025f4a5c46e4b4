//! Command line → exit code, nothing else.

use std::process::ExitCode;

use user_events::cli::Cli;
use user_events::ops;

fn main() -> ExitCode {
    let cli = match Cli::from_arguments() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    let environment = std::env::vars().collect();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(ops::execute(cli.command, &environment)).into(),
        Err(_) => ops::Exit::Bug.into(),
    }
}
