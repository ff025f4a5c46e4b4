//! The arguments of `publish`: which events.

use std::path::PathBuf;

use super::By;

/// What to publish.
#[derive(Debug, clap::Args)]
#[command(after_help = "Reads USER_EVENTS_TOPIC_ARN, and AWS_REGION, AWS_ENDPOINT_URL and credentials as\n\
    every AWS tool does; REDIS_URL and REDIS_PREFIX to tell there that somebody\n\
    published. Events are validated before the first is sent. An event\n\
    keeps its id over every try. One without an id is given one, another in each run:\n\
    what is to be published again needs an eventId, or the one that --json printed.")]
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
    /// The type of an event of yours
    #[arg(long = "type", value_name = "TYPE", requires = "data", conflicts_with_all = ["user_id", "file", "stdin"])]
    pub kind: Option<String>,
    /// Its fields, a JSON object
    #[arg(long, value_name = "JSON", requires = "kind")]
    pub data: Option<String>,
    /// Events as JSON, one a line, of any types: each goes out as it was written
    #[arg(long, value_name = "FILE.jsonl", conflicts_with = "stdin")]
    pub file: Option<PathBuf>,
    /// The same from standard input
    #[arg(long)]
    pub stdin: bool,
    /// Number of users, `ID-1` to `ID-n`; with --data number of events
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    /// The most events a second; unset: as fast as the topic takes them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Who publishes.
    #[command(flatten)]
    pub by: By,
}
