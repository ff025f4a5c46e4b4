//! The command line: words become a command. Usage faults end here, with exit code 2.
//!
//! Enters: argv. Leaves: a [`Command`]. Secrets are never taken from argv: any user can read it.

#![expect(clippy::doc_markdown, reason = "these comments are the help texts, where backticks would show")]
#![allow(rustdoc::invalid_html_tags, reason = "<NAME> is a placeholder in a help text")]

mod dlq;

use std::io::Write;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{CommandFactory, Parser, Subcommand};

pub use dlq::{Dlq, Which};

use crate::app::REACTIONS;

/// Carries user.signed_up over SNS and SQS to the services that react to it.
#[derive(Debug, Parser)]
#[command(name = "user-events", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads this process's arguments. A fault, or a call for help, is printed and answered with the code
    /// to exit with: 2 for a fault, always with the usage.
    ///
    /// # Errors
    /// The exit code.
    pub fn from_arguments() -> Result<Self, u8> {
        Self::try_parse().map_err(|error| {
            let _ = error.print();
            if error.use_stderr() && !error.to_string().contains("Usage") {
                let mut command = Self::command();
                command.build();
                let named = std::env::args().nth(1).unwrap_or_default();
                let usage = command.find_subcommand_mut(named).map(clap::Command::render_usage);
                let _ = writeln!(std::io::stderr(), "{}", usage.unwrap_or_else(|| Self::command().render_usage()));
            }
            u8::try_from(error.exit_code()).unwrap_or(2)
        })
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Consume: every reaction whose queue is configured, or the named ones
    #[command(after_help = "Reads REDIS_URL, <NAME>_QUEUE_URL and, for email, SMTP_URL and MAIL_FROM.\n\
        `user-events config` lists every variable with its value.\n\
        Stops on SIGTERM or Ctrl-C once what runs is finished; a second one leaves at once.")]
    Run {
        /// The reactions to run; none: each whose <NAME>_QUEUE_URL is set
        #[arg(value_parser = PossibleValuesParser::new(REACTIONS.iter().map(|reaction| reaction.name)))]
        reactions: Vec<String>,
    },
    /// Publish events to the topic (USER_EVENTS_TOPIC_ARN)
    Publish(Publish),
    /// The whole story in this process: no AWS, no Redis, no mail server
    Demo {
        /// Where the mails are written
        #[arg(long, value_name = "DIR", default_value = "demo-mails")]
        mails: PathBuf,
    },
    /// Is everything as a worker needs it? Each fault with its remedy; exit 69 if one fails
    #[command(
        after_help = "Looks at what `run` would use: AWS, the topic (USER_EVENTS_TOPIC_ARN), each configured reaction's queues\n\
        and subscription, Redis, the mail server. Changes nothing and sends no mail. Warnings alone exit 0.\n\
        --json: {\"healthy\":bool,\"findings\":[{group,check,level,fault,seen,remedy}]}, level ok, warn or fail."
    )]
    Doctor {
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// How deep each reaction's queues are
    #[command(after_help = "The age of the oldest message is CloudWatch's to tell: ApproximateAgeOfOldestMessage.\n\
        --json: {\"reactions\":[{reaction,visible,inFlight,delayed,dead,visibilitySeconds,maxReceiveCount}]}, or {reaction,\n\
        error} for a queue that does not answer; with --watch such a line every two seconds.")]
    Status {
        /// Look again every two seconds, until Ctrl-C
        #[arg(long)]
        watch: bool,
        /// For machines
        #[arg(long)]
        json: bool,
    },
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
    Config {
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Ask the worker of this container whether its loops turn (HTTP_ADDR); exit 0 or 69
    Healthcheck,
}

/// What to publish.
#[derive(Debug, clap::Args)]
#[command(after_help = "Events are validated before the first is sent. An event keeps its id over every try,\n\
    so publishing again what failed repeats no effect.")]
pub struct Publish {
    /// Who signed up
    #[arg(long, value_name = "ID", requires = "email", conflicts_with_all = ["file", "stdin"])]
    pub user_id: Option<String>,
    /// Where the welcome mail goes
    #[arg(long, value_name = "ADDRESS", requires = "user_id")]
    pub email: Option<String>,
    /// The plan, which makes it a version 2 event
    #[arg(long, value_name = "PLAN", requires = "user_id")]
    pub plan: Option<String>,
    /// Events as JSON, one a line
    #[arg(long, value_name = "FILE.jsonl", conflicts_with = "stdin")]
    pub file: Option<PathBuf>,
    /// The same from standard input
    #[arg(long)]
    pub stdin: bool,
    /// So many users, `ID-1` to `ID-n`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    /// So many events a second at most; unset: as fast as the topic takes them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: Option<u32>,
    /// For machines
    #[arg(long)]
    pub json: bool,
}
