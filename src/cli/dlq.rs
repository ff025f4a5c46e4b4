//! The arguments of `dlq`: which letters, and what to do with them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// What lies in the dead-letter queues
    #[command(after_help = "Reads <NAME>_QUEUE_URL, <NAME>_DLQ_URL and what the AWS SDK reads.\n\
        --json: {\"letters\":[{reaction,id,reason,detail,handler,attempts,receives,firstSeen,diedAt,bytes,\n\
        packed,type,user,email}],\"complete\"}; with --by-reason {\"reasons\":[{reaction,reason,count,oldest,newest}],\n\
        \"complete\"}; with --by-detail {\"details\":[the same and detail],\"complete\"}.")]
    List {
        /// Whose; none: each whose <NAME>_QUEUE_URL is set
        #[arg(value_name = "REACTION")]
        reactions: Vec<String>,
        /// Only those dead for this reason (may be given again); `unknown`: moved by the queue's own redrive
        #[arg(long, value_name = "REASON")]
        reason: Vec<String>,
        /// One line a reason
        #[arg(long)]
        by_reason: bool,
        /// One line a reason and detail: which field, which rule, which code
        #[arg(long, conflicts_with = "by_reason")]
        by_detail: bool,
        /// Look at so many letters of each queue at most
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
        /// Show addresses in full
        #[arg(long)]
        show_addresses: bool,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// One letter with all that is known of it
    #[command(after_help = "Reads <NAME>_QUEUE_URL, <NAME>_DLQ_URL and what the AWS SDK reads.\n\
        --json: the letter as `dlq export` writes it; without --body its body is null.")]
    Show {
        /// Its id, or the beginning of it
        #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
        id: String,
        /// Show the body, which holds the address
        #[arg(long)]
        body: bool,
        /// Show addresses in full
        #[arg(long)]
        show_addresses: bool,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Write letters as JSON lines: original bodies and attributes, and why they are there
    #[command(after_help = "Reads <NAME>_QUEUE_URL, <NAME>_DLQ_URL and what the AWS SDK reads.\n\
        One JSON object a line: {reaction,id,reason,failure:{},attributes:{},body,unpacked,receives,\n\
        diedAt}. Bodies hold addresses: the file is readable by its owner alone.")]
    Export {
        /// Which letters
        #[command(flatten)]
        which: Which,
        /// Where to; unset: standard output
        #[arg(long, value_name = "FILE.jsonl")]
        file: Option<PathBuf>,
    },
    /// Send letters back to their source queue, as they first came
    #[command(after_help = "Reads <NAME>_QUEUE_URL, <NAME>_DLQ_URL and what the AWS SDK reads.\n\
        A letter is deleted only once its original is confirmed to be in the source queue: whatever\n\
        breaks, it is in one of the two, perhaps in both, and an effect that happened does not happen again.\n\
        Letters that die while it runs are left. Those that cannot be opened, or that the queue refuses for\n\
        good, are sealed: they are counted and stay, and the exit code is 69.\n\
        --all lets SQS itself move them (StartMessageMoveTask): fast, but as they are. The worker opens what it\n\
        packed; other consumers of that queue would see the failure.* attributes and packed bodies. Where SQS\n\
        cannot (the DLQ is no redrive policy's), they are sent and deleted one by one.\n\
        --json: {reaction,dryRun,by,selected,moved,failed,sealed,left,reasons:{}}.")]
    Redrive {
        /// Which letters
        #[command(flatten)]
        which: Which,
        /// So many letters a second at most
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500))]
        rate: Option<u32>,
        /// All of them, moved by SQS itself
        #[arg(long, conflicts_with_all = ["reason", "since", "limit"])]
        all: bool,
        /// Do it; without it, only what would be done is printed
        #[arg(long)]
        yes: bool,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Delete letters for good
    #[command(after_help = "Reads <NAME>_QUEUE_URL, <NAME>_DLQ_URL and what the AWS SDK reads.\n\
        Needs --reason, --since, --limit or --all. `dlq export` first keeps a copy.\n\
        --json: {reaction,dryRun,by,selected,moved,failed,sealed,left,reasons:{}}, where moved means deleted.")]
    Drop {
        /// Which letters
        #[command(flatten)]
        which: Which,
        /// All of them
        #[arg(long, conflicts_with_all = ["reason", "since", "limit"])]
        all: bool,
        /// Do it; without it, only what would be done is printed
        #[arg(long)]
        yes: bool,
        /// For machines
        #[arg(long)]
        json: bool,
    },
}

impl Dlq {
    /// The reasons that its `--reason` options name.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        match self {
            Self::List { reason, .. } => reason,
            Self::Show { .. } => &[],
            Self::Export { which, .. } | Self::Redrive { which, .. } | Self::Drop { which, .. } => &which.reason,
        }
    }
}

/// Which letters of one reaction.
#[derive(Debug, Args)]
pub struct Which {
    /// Whose; may be left out if only one reaction's queue is set
    #[arg(value_name = "REACTION")]
    pub reaction: Option<String>,
    /// Only those dead for this reason (may be given again); `unknown`: moved by the queue's own redrive
    #[arg(long, value_name = "REASON")]
    pub reason: Vec<String>,
    /// Only those that died so long ago at most, like 2h or 1d (`unknown`: that were first sent)
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub since: Option<Duration>,
    /// So many at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}
