//! The commands, one file each, and how they end.
//!
//! Enters: a command and a snapshot of the environment. Leaves: an [`Exit`]. Only this room writes to
//! the terminal, and by one door: `terminal`.

mod completions;
mod config;
mod demo;
mod dlq;
mod doctor;
mod healthcheck;
mod idem;
mod panics;
mod publish;
mod render;
mod run;
mod schema;
mod send_test;
mod status;
mod table;
mod terminal;
mod worker;

use std::fmt::Display;
use std::io;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{self, available_parallelism};

pub use self::dlq::{REASONS, Reason};
pub use self::doctor::{FAULTS, Fault, Level};
use self::terminal::{complain, say};
use aws_config::SdkConfig;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::aws;
use crate::cli::{self, Cli, Command, Unread};
use crate::config::{self as settings, AwsConfig, Environment, Faults, Reader, logging, misspelt};
use crate::reactions::Reactions;
use crate::shutdown;
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
    /// What was to be printed or kept in a file could not be written.
    Write,
    /// The configuration has mistakes; all were printed.
    Config,
    /// Told to stop before its end.
    Interrupted,
}

impl From<Exit> for ExitCode {
    /// 0, or the `sysexits` number: 2 (usage, as the argument parser has it), 69, 70, 74, 78; or 130, as a shell has it.
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Clean => 0,
            Exit::Usage => 2,
            Exit::Unavailable => 69,
            Exit::Bug => 70,
            Exit::Write => 74,
            Exit::Config => 78,
            Exit::Interrupted => 130,
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
    // Told, tokio does not read TOKIO_WORKER_THREADS, which it answers by a panic where that is no number.
    builder.worker_threads(cores).enable_all().build()
}

/// What a command is executed in.
struct Context<'a> {
    /// What this program is called.
    program: &'a str,
    environment: &'a Environment,
    reactions: &'a Reactions,
}

/// The whole command line on this list of reactions: all that a program's `main` does. The process's panic hook is ours
/// from here on: it tells where a panic was, and never its message.
#[must_use]
pub fn main(reactions: Reactions) -> ExitCode {
    panics::keep_to_themselves();
    if let Some(fault) = reactions.fault() {
        complain(fault);
        return Exit::Bug.into();
    }
    let program = cli::program();
    let cli = match Cli::from_arguments(&program, &reactions) {
        Ok(cli) => cli,
        Err(words) => return answer(words).into(),
    };
    match runtime() {
        Ok(runtime) => runtime.block_on(execute(cli.command, &program, &Environment::of_process(), reactions)).into(),
        Err(_) => Exit::Bug.into(),
    }
}

/// Answers words that are no command.
fn answer(words: Unread) -> Exit {
    told(match words {
        Unread::Help(written) => {
            terminal::remember(written);
            Exit::Clean
        }
        Unread::Fault(what) => {
            complain(what);
            Exit::Usage
        }
    })
}

/// Executes one command, and tells of what it could not tell itself.
async fn execute(command: Command, program: &str, environment: &Environment, reactions: Reactions) -> Exit {
    let context = &Context { program, environment, reactions: &reactions };
    let exit = match command {
        // It alone takes the handlers away.
        Command::Run { reactions: only } => run::run(program, environment, reactions, &only).await,
        // What these hold is given back, finished or counted first: they listen for themselves.
        Command::Publish(what) => publish::publish(context, what).await,
        Command::Dlq { what } => dlq::dlq(context, &what).await,
        // These wait for nobody: as long as nobody listens, a signal ends them.
        Command::Config { json } => config::config(context, json),
        Command::Schema { what } => schema::schema(context, what),
        Command::Completions { shell } => completions::completions(context, shell),
        // These leave nothing behind, wherever they are ended.
        Command::Demo { mails, slow } => or_interrupted(demo::demo(context, &mails, slow)).await,
        Command::Doctor { json } => or_interrupted(doctor::doctor(context, json)).await,
        Command::Status { watch, json } => or_interrupted(status::status(context, watch, json)).await,
        Command::Idem { what } => or_interrupted(idem::idem(context, &what)).await,
        Command::Render(what) => or_interrupted(render::render(context, &what)).await,
        Command::SendTest { stdin, json } => or_interrupted(send_test::send_test(context, stdin, json)).await,
        Command::Healthcheck => or_interrupted(healthcheck::healthcheck(context)).await,
    };
    told(exit)
}

/// How it ends once all that could be written is.
fn told(exit: Exit) -> Exit {
    if exit == Exit::Interrupted {
        complain("interrupted");
    }
    match terminal::failure() {
        Some(why) => {
            complain(format_args!("not everything could be written: {why}"));
            Exit::Write
        }
        None => exit,
    }
}

/// Carries a command out, or ends it where it is.
async fn or_interrupted(command: impl Future<Output = Exit>) -> Exit {
    let Ok(stop) = shutdown::on_interrupt() else { return deaf() };
    tokio::select! {
        exit = command => exit,
        () = stop.cancelled() => Exit::Interrupted,
    }
}

fn deaf() -> Exit {
    complain("this process cannot listen for signals");
    Exit::Bug
}

/// What keeps its thread, apart from those that hear signals: a person at the keyboard, say. A thread of its own: for one of
/// theirs the process's end would wait. `None`: there was no thread to be had.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, is_done) = oneshot::channel();
    thread::Builder::new().spawn(move || done.send(work())).ok()?;
    is_done.await.ok()
}

/// Reads a command's settings and starts the log; every mistake is printed at once.
fn configured<T>(context: &Context<'_>, read: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> Result<T, Exit> {
    let mut reader = Reader::new(context.environment);
    let (filter, format) = logging(&mut reader);
    failpoints(&mut reader);
    let settings = read(&mut reader);
    warn_of_misspelt(context);
    match reader.finish(settings) {
        Ok(settings) => {
            telemetry::init(&filter, format);
            Ok(settings)
        }
        Err(faults) => Err(refuse(&faults)),
    }
}

/// The same for a command that has no settings, and starts no log.
fn unlogged(context: &Context<'_>) -> Result<(), Exit> {
    let mut reader = Reader::new(context.environment);
    failpoints(&mut reader);
    reader.finish(Some(())).map_err(|faults| refuse(&faults))
}

/// The same for a command that is worth measuring: with metrics, and with traces where a collector is set.
fn observed<T>(
    context: &Context<'_>,
    read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<(T, Arc<Telemetry>), Exit> {
    let mut reader = Reader::new(context.environment);
    let (filter, format) = logging(&mut reader);
    failpoints(&mut reader);
    let telemetry = settings::telemetry(&mut reader);
    let settings = read(&mut reader);
    warn_of_misspelt(context);
    let settings = reader.finish(settings).map_err(|faults| refuse(&faults))?;
    match Telemetry::start(&telemetry, &filter, format) {
        Ok(telemetry) => Ok((settings, Arc::new(telemetry))),
        Err(error) => {
            complain(error);
            Err(Exit::Config)
        }
    }
}

/// Where tests end or freeze this process: a variable of that build alone.
#[cfg(feature = "failpoints")]
fn failpoints(read: &mut Reader<'_>) {
    read.parsed("FAILPOINTS", engine::failpoint::arm);
}

#[cfg(not(feature = "failpoints"))]
fn failpoints(_read: &mut Reader<'_>) {}

fn refuse(faults: &Faults) -> Exit {
    complain(faults);
    Exit::Config
}

fn warn_of_misspelt(context: &Context<'_>) {
    let names: Vec<_> = context.reactions.names().collect();
    for (name, meant) in misspelt(context.environment.keys(), &names) {
        complain(format_args!("warning: {name} is not read; did you mean {meant}?"));
    }
}

/// AWS for a command that looks; it says where its calls go, if not to AWS.
async fn aws(told: &AwsConfig) -> Result<SdkConfig, Exit> {
    let config = aws::load(told).await.map_err(|lack| misconfigured(&lack))?;
    if let Some(endpoint) = aws::elsewhere(&config) {
        complain(format_args!("not AWS: {endpoint}"));
    }
    Ok(config)
}

/// What shows only when the configuration is put to use.
fn misconfigured(problem: impl Display) -> Exit {
    complain(problem);
    Exit::Config
}
