//! The commands, one file each, and how they end.
//!
//! Enters: a command and a snapshot of the environment. Leaves: an [`Exit`]. Only this room writes to
//! the terminal.

mod completions;
mod config;
mod demo;
mod dlq;
mod doctor;
mod healthcheck;
mod idem;
mod publish;
mod react;
mod render;
mod run;
mod schema;
mod send_test;
mod status;
mod table;
mod worker;

pub use react::react;

use std::fmt::Display;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;

pub use self::dlq::{REASONS, Reason};
pub use self::doctor::{FAULTS, Fault, Level};
use aws_config::SdkConfig;
use tokio::runtime::{Builder, Runtime};

use crate::app::REACTIONS;
use crate::aws;
use crate::cli::Command;
use crate::config::{self as settings, AwsConfig, Environment, Faults, Reader, logging, misspelt};
use crate::telemetry::{self, Telemetry};

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or stopped when told to.
    Clean,
    /// The command line, or the file it names, makes no sense.
    Usage,
    /// A service that is needed is absent.
    Unavailable,
    /// What should not happen.
    Bug,
    /// The configuration has mistakes; all were printed.
    Config,
}

impl From<Exit> for ExitCode {
    /// 0, or the `sysexits` number: 2 (usage, as the argument parser has it), 69, 70, 78.
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Clean => 0,
            Exit::Usage => 2,
            Exit::Unavailable => 69,
            Exit::Bug => 70,
            Exit::Config => 78,
        })
    }
}

/// What commands run on. With one core to run on, one thread: handing work from thread to thread would only cost.
///
/// # Errors
/// The system's own, when it has no thread to give.
pub fn runtime() -> io::Result<Runtime> {
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    let mut builder = if cores == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.enable_all().build()
}

/// Executes one command.
pub async fn execute(command: Command, environment: &Environment) -> Exit {
    match command {
        Command::Run { reactions } => run::run(environment, &reactions).await,
        Command::Publish(what) => publish::publish(environment, &what).await,
        Command::Demo { mails, slow } => demo::demo(environment, &mails, slow).await,
        Command::Doctor { json } => doctor::doctor(environment, json).await,
        Command::Status { watch, json } => status::status(environment, watch, json).await,
        Command::Dlq { what } => dlq::dlq(environment, &what).await,
        Command::Config { json } => config::config(environment, json),
        Command::Idem { what } => idem::idem(environment, &what).await,
        Command::Render(what) => render::render(environment, &what),
        Command::SendTest { stdin, json } => send_test::send_test(environment, stdin, json).await,
        Command::Schema { what } => schema::schema(what),
        Command::Completions { shell } => completions::completions(shell),
        Command::Healthcheck => healthcheck::healthcheck(environment).await,
    }
}

/// Reads a command's settings and starts the log; every mistake is printed at once.
fn configured<T>(environment: &Environment, read: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> Result<T, Exit> {
    let mut reader = Reader::new(environment);
    let (filter, format) = logging(&mut reader);
    let settings = read(&mut reader);
    warn_of_misspelt(environment);
    match reader.finish(settings) {
        Ok(settings) => {
            telemetry::init(&filter, format);
            Ok(settings)
        }
        Err(faults) => Err(refuse(&faults)),
    }
}

/// The same for a command that is worth measuring: with metrics, and with traces where a collector is set.
fn observed<T>(
    environment: &Environment,
    read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<(T, Arc<Telemetry>), Exit> {
    let mut reader = Reader::new(environment);
    let (filter, format) = logging(&mut reader);
    let telemetry = settings::telemetry(&mut reader);
    let settings = read(&mut reader);
    warn_of_misspelt(environment);
    let settings = reader.finish(settings).map_err(|faults| refuse(&faults))?;
    match Telemetry::start(&telemetry, &filter, format) {
        Ok(telemetry) => Ok((settings, Arc::new(telemetry))),
        Err(error) => {
            complain(error);
            Err(Exit::Config)
        }
    }
}

fn refuse(faults: &Faults) -> Exit {
    complain(faults);
    Exit::Config
}

fn warn_of_misspelt(environment: &Environment) {
    let names: Vec<_> = REACTIONS.iter().map(|reaction| reaction.name).collect();
    for (name, meant) in misspelt(environment.keys(), &names) {
        complain(format_args!("warning: {name} is not read; did you mean {meant}?"));
    }
}

/// AWS for a command that looks; it says where its calls go, if not to AWS.
async fn aws(told: &AwsConfig) -> Result<SdkConfig, Exit> {
    let config = aws::load(told).await.map_err(|lack| misconfigured(&lack))?;
    if let Some(endpoint) = config.endpoint_url() {
        complain(format_args!("not AWS: {endpoint}"));
    }
    Ok(config)
}

/// What shows only when the configuration is put to use.
fn misconfigured(problem: impl Display) -> Exit {
    complain(problem);
    Exit::Config
}

/// Writes a line for the user. A reader who has gone (`| head`) is no fault.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Writes a line about what went wrong.
fn complain(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
