//! The commands, one file or folder each, and their exit codes.
//!
//! Enters: a command and a snapshot of the environment. Leaves: an [`Exit`]. Only this folder writes to the terminal,
//! and only through its file `terminal.rs`.

mod completions;
mod config;
mod console;
mod demo;
pub(crate) mod dlq;
mod doctor;
mod healthcheck;
mod idem;
mod panics;
mod pause;
mod publish;
mod render;
mod run;
mod schema;
mod screen;
mod send_test;
mod status;
mod subject;
mod table;
mod terminal;
mod witness;
mod worker;

use std::fmt::Display;
use std::io;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{self, available_parallelism};

pub use self::doctor::{DIAGNOSES, Diagnosis, Level};
use self::terminal::{complain, say};
use aws_config::SdkConfig;
use engine::redis_link::RedisLink;
use secrecy::SecretString;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::aws;
use crate::cli::{self, Cli, Command, Unread};
use crate::config::{self as settings, AwsConfig, Environment, SettingsReader, logging, misspelt};
pub use crate::letters::{REASONS, Reason};
use crate::reactions::Reactions;
use crate::shutdown;
use crate::telemetry::{self, Telemetry};

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or stopped when told to.
    Clean,
    /// The command line, or the file that it names, is wrong.
    Usage,
    /// A needed service is absent, or not as it must be.
    Unavailable,
    /// A fault of this program.
    Bug,
    /// Writing to the terminal or to a file failed.
    Write,
    /// The configuration has mistakes; all were printed.
    Config,
    /// Told to stop before its end.
    Interrupted,
}

impl From<Exit> for ExitCode {
    /// 0; 2 for usage, as the argument parser does it; 69, 70, 74, 78 from `sysexits.h`; 130, as a shell does it.
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

/// The runtime of all commands. With one core it has one thread: more threads would only add hand-overs.
///
/// # Errors
/// The system's error, if it cannot start a thread.
pub fn runtime() -> io::Result<Runtime> {
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    let mut builder = if cores == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    // With an explicit number tokio does not read TOKIO_WORKER_THREADS. It would panic if that is no number.
    builder.worker_threads(cores).enable_all().build()
}

/// How a command ends: by itself, or early. The exit means the same in both.
type CommandResult = Result<Exit, Exit>;

/// What every command needs.
struct Context<'a> {
    /// This program's name.
    program: &'a str,
    environment: &'a Environment,
    reactions: Reactions,
}

/// Runs the command line on this list of reactions: a program's `main` need do nothing else. Sets the process's panic
/// hook: it reports where a panic happened, but never the panic's message.
#[must_use]
pub fn main(reactions: Reactions) -> ExitCode {
    panics::keep_to_themselves();
    let environment = Environment::of_process();
    screen::settle(&environment);
    // First: they are in the command line's lists, too.
    let reactions = reactions.with_webhooks(&environment);
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
        Ok(runtime) => {
            let context = Context { program: &program, environment: &environment, reactions };
            runtime.block_on(execute(cli.command, context)).into()
        }
        Err(_) => Exit::Bug.into(),
    }
}

/// Answers arguments that are no command.
fn answer(words: Unread) -> Exit {
    reported(match words {
        Unread::Help(text) => {
            let text = text.trim_end();
            let folded = screen::columns().map(|columns| table::folded(text, columns));
            terminal::draw(&format!("{}\n", folded.as_deref().unwrap_or(text)));
            Exit::Clean
        }
        Unread::Fault(what) => fail_with(Exit::Usage)(what),
    })
}

/// Executes one command, and reports a failed write.
async fn execute(command: Command, context: Context<'_>) -> Exit {
    let ended = match command {
        // Only `run` takes the context itself: the handlers move into the workers.
        Command::Run { reactions: only } => run::run(context, &only).await,
        // These handle signals themselves: they first give back held letters, or finish what they have begun.
        Command::Publish(what) => publish::publish(&context, what).await,
        Command::Dlq { what } => dlq::dlq(&context, &what).await,
        Command::Console(what) => console::console(context, what).await,
        // These wait for nothing, so they do not listen for signals: a signal ends the process.
        Command::Config { json } => Ok(config::config(&context, json)),
        Command::Schema { what } => Ok(schema::schema(&context, what)),
        Command::Subject { id } => Ok(subject::subject(&id)),
        Command::Completions { shell } => Ok(completions::completions(&context, shell)),
        // These can be cancelled at any point: they hold nothing.
        Command::Demo { mails, slow } => or_interrupted(demo::demo(&context, &mails, slow)).await,
        Command::Doctor { json } => or_interrupted(doctor::doctor(&context, json)).await,
        Command::Status(told) => or_interrupted(status::status(&context, &told)).await,
        Command::Idem { what } => or_interrupted(idem::idem(&context, &what)).await,
        Command::Pause(what) => or_interrupted(pause::pause(&context, &what)).await,
        Command::Resume(what) => or_interrupted(pause::resume(&context, &what)).await,
        Command::Render(what) => or_interrupted(render::render(&context, &what)).await,
        Command::SendTest { stdin, json } => or_interrupted(send_test::send_test(&context, stdin, json)).await,
        Command::Healthcheck => or_interrupted(healthcheck::healthcheck(&context)).await,
    };
    reported(ended.unwrap_or_else(|exit| exit))
}

/// The final exit: a failed write replaces it by [`Exit::Write`].
fn reported(exit: Exit) -> Exit {
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

/// Runs a command. A signal cancels it.
async fn or_interrupted(command: impl Future<Output = CommandResult>) -> CommandResult {
    let stop = heard(shutdown::on_interrupt())?;
    tokio::select! {
        ended = command => ended,
        () = stop.cancelled() => Err(Exit::Interrupted),
    }
}

/// The token of a signal, if this process can listen for signals.
fn heard(stop: io::Result<CancellationToken>) -> Result<CancellationToken, Exit> {
    stop.map_err(|_| fail_with(Exit::Bug)("this process cannot listen for signals"))
}

/// Reports a problem. Leaves the exit of the command that it ends.
fn fail_with<P: Display>(exit: Exit) -> impl FnOnce(P) -> Exit {
    move |problem| {
        complain(problem);
        exit
    }
}

/// Runs work that blocks its thread, such as reading from a keyboard, on a plain thread. So signals are still heard,
/// and the process can end: the runtime would wait for a blocking task. `None`: no thread could be started.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, is_done) = oneshot::channel();
    thread::Builder::new().spawn(move || done.send(work())).ok()?;
    is_done.await.ok()
}

/// Reads a command's settings and starts the log. Prints every mistake at once.
fn configured<T>(context: &Context<'_>, read: impl FnOnce(&mut SettingsReader<'_>) -> Option<T>) -> Result<T, Exit> {
    let mut reader = SettingsReader::new(context.environment);
    let (filter, format) = logging(&mut reader);
    failpoints(&mut reader);
    let settings = read(&mut reader);
    warn_of_misspelt(context);
    let settings = reader.finish(settings).map_err(fail_with(Exit::Config))?;
    telemetry::init(&filter, format);
    Ok(settings)
}

/// Like [`configured`], for a command without settings and without a log.
fn unlogged(context: &Context<'_>) -> Result<(), Exit> {
    let mut reader = SettingsReader::new(context.environment);
    failpoints(&mut reader);
    reader.finish(Some(())).map_err(fail_with(Exit::Config))
}

/// Like [`configured`], for a command with telemetry: metrics, and traces if a collector is set.
fn observed<T>(
    context: &Context<'_>,
    read: impl FnOnce(&mut SettingsReader<'_>) -> Option<T>,
) -> Result<(T, Arc<Telemetry>), Exit> {
    let mut reader = SettingsReader::new(context.environment);
    let (filter, format) = logging(&mut reader);
    failpoints(&mut reader);
    let telemetry = settings::telemetry(&mut reader);
    let settings = read(&mut reader);
    warn_of_misspelt(context);
    let settings = reader.finish(settings).map_err(fail_with(Exit::Config))?;
    let telemetry = Telemetry::start(&telemetry, &filter, format).map_err(fail_with(Exit::Config))?;
    Ok((settings, Arc::new(telemetry)))
}

/// Reads `FAILPOINTS`: the steps at which tests kill or freeze this process. Only in a build with that feature.
#[cfg(feature = "failpoints")]
fn failpoints(read: &mut SettingsReader<'_>) {
    read.parsed("FAILPOINTS", engine::failpoint::arm);
}

#[cfg(not(feature = "failpoints"))]
fn failpoints(_read: &mut SettingsReader<'_>) {}

fn warn_of_misspelt(context: &Context<'_>) {
    let names: Vec<_> = context.reactions.names().collect();
    for (name, meant) in misspelt(context.environment.keys(), &names) {
        complain(format_args!("warning: {name} is not read; did you mean {meant}?"));
    }
}

/// The link to a command's Redis. Makes no call.
fn linked(url: &SecretString, prefix: &str) -> Result<RedisLink, Exit> {
    Ok(RedisLink::new(url).map_err(fail_with(Exit::Unavailable))?.under(prefix))
}

/// The AWS SDK's settings, for a command that prints. If its calls do not go to AWS, it prints where they go.
async fn aws(config: &AwsConfig) -> Result<SdkConfig, Exit> {
    let config = aws::load(config).await.map_err(fail_with(Exit::Config))?;
    if let Some(endpoint) = aws::elsewhere(&config) {
        complain(format_args!("not AWS: {endpoint}"));
    }
    Ok(config)
}
