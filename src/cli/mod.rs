//! The command line: arguments become a command.
//!
//! Enters: argv. Leaves: a [`Command`], or what is wrong with the arguments. `--help` and `--version` become
//! their texts. No argument is a secret, because any user of the machine can read argv.

#![expect(clippy::doc_markdown, reason = "these comments are the help texts, where backticks would show")]
#![allow(rustdoc::invalid_html_tags, reason = "<NAME> is a placeholder in a help text")]

mod console;
mod dlq;
mod named;
mod pause;
mod publish;
mod render;
mod status;

use std::path::PathBuf;
use std::time::Duration;

use clap::{FromArgMatches, Parser, Subcommand, ValueEnum};

pub use console::Console;
pub use dlq::{Dlq, Filter, Since, Sort, Which};
pub(crate) use named::{completions, program};
pub use pause::{Pause, Resume};
pub use publish::Publish;
pub use render::Render;
pub use status::Status;

use crate::reactions::Reactions;

/// Carries events over SNS and SQS to the services that react to them.
#[derive(Debug, Parser)]
#[command(name = "user-events", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Arguments that are no command to carry out.
#[derive(Debug)]
pub enum Unread {
    /// Help or the version was asked for: its text.
    Help(String),
    /// The arguments are wrong. The text ends with the usage. It repeats the arguments, so it may hold anything.
    Fault(String),
}

impl Cli {
    /// Reads the arguments of this process. `program` is its name in the help. Help and the version are
    /// faults, too.
    ///
    /// # Errors
    /// [`Unread`].
    pub fn from_arguments(program: &str, reactions: &Reactions) -> Result<Self, Unread> {
        let mut command = named::command(program, reactions);
        let parsed =
            command.try_get_matches_from_mut(std::env::args_os()).and_then(|matches| Self::from_arg_matches(&matches));
        parsed.map_err(|error| {
            if !error.use_stderr() {
                return Unread::Help(error.render().to_string());
            }
            // Rendered without colours: their escapes could not be told from escapes in an argument.
            let mut text = error.render().to_string();
            text.push_str(&named::tip(&error).unwrap_or_default());
            if !text.contains("Usage") {
                command.build();
                let named = std::env::args_os().nth(1).unwrap_or_default();
                let of_it = command.find_subcommand_mut(named).map(clap::Command::render_usage);
                text.push_str(&of_it.unwrap_or_else(|| command.render_usage()).to_string());
            }
            Unread::Fault(text.trim_end().to_owned())
        })
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Consume: every reaction whose queue is configured, or the named ones
    #[command(after_help = "Reads REDIS_URL, <NAME>_QUEUE_URL and, where mail is sent, SMTP_URL and MAIL_FROM.\n\
        `user-events config` lists every variable with its value.\n\
        Answers /livez, /readyz and /metrics on HTTP_ADDR; traces and metrics go to\n\
        OTEL_EXPORTER_OTLP_ENDPOINT, if that is set.\n\
        Stops on SIGTERM or Ctrl-C once what runs is finished; a second one leaves at once.")]
    Run {
        /// The reactions to run; none: each whose <NAME>_QUEUE_URL is set
        #[arg(value_name = "REACTION")]
        reactions: Vec<String>,
    },
    /// Publish events to the topic (USER_EVENTS_TOPIC_ARN)
    Publish(Publish),
    /// The whole story in this process: no AWS, no Redis, no mail server
    #[command(after_help = "Reads no variable, but for RUST_LOG, which brings up the log.")]
    Demo {
        /// Where the mails are written
        #[arg(long, value_name = "DIR", default_value = "demo-mails")]
        mails: PathBuf,
        /// Told a step at a time, for an audience: this long for each line
        #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "800ms",
            value_parser = humantime::parse_duration)]
        slow: Option<Duration>,
    },
    /// Is everything as a worker needs it? Each fault with its remedy; exit 69 if one fails
    #[command(after_help = "Reads every variable that `run` and `publish` read. Looks at what `run` would\n\
        use: AWS, the topic, each configured reaction's queues and subscription, Redis,\n\
        the mail server; asks the worker at HTTP_ADDR what it waits for. Changes\n\
        nothing and sends no mail. Warnings alone exit 0.\n\
        --json: {\"healthy\":bool,\"findings\":[{group,check,level,fault,seen,remedy}]},\n\
        level ok, warn or fail.")]
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// How deep each reaction's queues are, what its workers wait for, and what a message costs
    Status(Status),
    /// Pages for whoever is on call, on this machine: what `status`, `dlq` and others tell and do
    Console(Console),
    /// Look at dead letters, send them back, drop them
    #[command(
        after_help = "Looking receives: letters are hidden while it lasts and shown again at its end, on Ctrl-C too;\n\
        SQS counts those receives. A look that is killed shows them again after two minutes."
    )]
    Dlq {
        /// What to do with them
        #[command(subcommand)]
        what: Dlq,
    },
    /// Print the settings in force, each with its source; secrets masked
    #[command(after_help = "Reads every variable that `run` and `publish` read. Exit 78, and every mistake,\n\
        if `run` would not start with them.\n\
        --json: {settings: [{name, value, source}], faults: [{variable, problem}]};\n\
        source is environment, file, default or unset.")]
    Config {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The records that keep effects single (REDIS_URL): look, take back, count
    Idem {
        /// What to do with them.
        #[command(subcommand)]
        what: Idem,
    },
    /// Keep a reaction's workers from receiving, for a time
    Pause(Pause),
    /// End a pause
    Resume(Resume),
    /// The hash by which logs and dead letters name a subject: a user's id stands in neither
    #[command(after_help = "Reads no variable.")]
    Subject {
        /// Whom or what events are about: of user.signed_up the user's id
        #[arg(value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Show the welcome mail as it would go out
    Render(Render),
    /// Send one welcome mail through the configured server, told step by step
    #[command(after_help = "Reads SMTP_URL, SMTP_ALLOW_PLAINTEXT, MAIL_FROM, MAIL_REPLY_TO, MAIL_REDIRECT_TO\n\
        and SEND_TEST_TO: an address on the command line could be read by any user of\n\
        this machine. Exit 69 if the server does not take the mail. No record is touched.\n\
        --json: {sent, messageId, steps: [{step, result, detail}]}; result is ok, -\n\
        (not needed) or FAILED.")]
    SendTest {
        /// Read the address from standard input, not from SEND_TEST_TO
        #[arg(long)]
        stdin: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a contract: JSON Schema of the events or their envelope, or AsyncAPI
    #[command(after_help = "event: what publishers write (JSON Schema 2020-12), for each type that is taken here.\n\
        envelope: what lies in an SQS body. asyncapi: topic, queues and messages\n\
        (AsyncAPI 3.0). Reads each <NAME>_WEBHOOK_URL: it adds a queue.")]
    Schema {
        /// The contract
        #[arg(value_enum, default_value_t = Contract::Event)]
        what: Contract,
    },
    /// Print the completion script of a shell
    #[command(after_help = "bash: source <(user-events completions bash)\n\
        zsh:  user-events completions zsh > \"${fpath[1]}/_user-events\"\n\
        fish: user-events completions fish | source\n\
        Reads each <NAME>_WEBHOOK_URL: it names a reaction, like those built in.")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Ask the worker of this container whether its loops turn; exit 0 or 69
    #[command(after_help = "Reads HTTP_ADDR.")]
    Healthcheck,
}

/// What to do with records.
#[derive(Debug, Subcommand)]
pub enum Idem {
    /// How far a reaction has come with an effect
    #[command(after_help = "Reads REDIS_URL. States: claimed (surely nothing was sent), begun (may have\n\
        been sent), done (sent), parked (may have been sent, and no further try is made).\n\
        --json: {\"record\": null or {state, sends, claimedAt, settledAt, heldForMs,\n\
        keptUntil, receipt, duplicates}}; times in RFC 3339, null where there is none.")]
    Get {
        /// Which.
        #[command(flatten)]
        effect: Effect,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a record back, so that the effect may happen again
    #[command(after_help = "Reads REDIS_URL. Without --yes it says what it would do, and does nothing.\n\
        The remedy for events quarantined as conflict, mail_refused or outcome_unknown:\n\
        forget the record, then publish or redrive the event that is right. Refused\n\
        (exit 69) while a delivery holds the record's lease.")]
    Forget {
        /// Which.
        #[command(flatten)]
        effect: Effect,
        /// Forget it even while a delivery is at work on it
        #[arg(long)]
        force: bool,
        /// Do it; without this it is a dry run
        #[arg(long)]
        yes: bool,
        /// By whom.
        #[command(flatten)]
        by: By,
    },
    /// Count records by handler and state
    #[command(after_help = "Reads REDIS_URL. Goes by SCAN, page by page: the server is never stopped, and\n\
        records that change meanwhile may be missed or counted twice.\n\
        --json: {\"handlers\": {NAME: {claimed, begun, done, parked}}}.")]
    Stats {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// By whom a deed is done.
#[derive(Debug, clap::Args)]
pub struct By {
    /// Who does it: the log tells it, and what Redis keeps of the last 1,000 deeds; if left out, USER
    #[arg(id = "by", long = "as", value_name = "NAME", value_parser = name)]
    pub name: Option<String>,
}

fn name(text: &str) -> Result<String, &'static str> {
    let is_name = !text.trim().is_empty() && text.chars().count() <= LONGEST_NAME;
    is_name.then(|| text.to_owned()).ok_or("must have 1 to 200 characters")
}

/// The most characters of a name: it stands in one line.
const LONGEST_NAME: usize = 200;

/// A reaction's effect on a subject.
#[derive(Debug, clap::Args)]
pub struct Effect {
    /// The reaction that the record belongs to
    #[arg(id = "recorded", long = "reaction", value_name = "NAME")]
    pub reaction: String,
    /// Whom or what the reaction's events are about: of user.signed_up the user's id
    #[arg(value_name = "SUBJECT")]
    pub subject: String,
    /// Which event, for a reaction that acts once for each: event_id in the log
    #[arg(long, value_name = "ID")]
    pub event: Option<String>,
    /// Which type of event, for a reaction that takes several and acts once for each subject
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
}

/// Which contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Contract {
    /// The events.
    Event,
    /// SNS's JSON around it.
    Envelope,
    /// Topic, queues and what travels on them.
    Asyncapi,
}

/// Which shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}
