//! The arguments of `dlq`: which letters, and what to do with them.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::By;

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// What lies in the dead-letter queues
    #[command(after_help = "Reads <NAME>_QUEUE_URL, <NAME>_DLQ_URL and what the AWS SDK reads.\n\
        --json: {\"letters\":[{reaction,id,reason,detail,handler,attempts,receives,firstSeen,diedAt,bytes,\n\
        packed,type,user,email}],\"complete\"}; with --by-reason {\"reasons\":[{reaction,reason,count,oldest,newest}],\n\
        \"complete\"}; with --by-detail {\"details\":[the same and detail],\"complete\"}.")]
    List {
        /// The reactions; none: each whose <NAME>_QUEUE_URL is set
        #[arg(value_name = "REACTION")]
        reactions: Vec<String>,
        /// Only those
        #[command(flatten)]
        filter: Filter,
        /// In which order; with --limit all letters are looked at, and the first of that order are shown
        #[arg(long, value_enum, value_name = "ORDER", conflicts_with_all = ["by_reason", "by_detail"])]
        sort: Option<Sort>,
        /// One line a reason
        #[arg(long)]
        by_reason: bool,
        /// One line a reason and detail: which field, which rule, which code
        #[arg(long, conflicts_with = "by_reason")]
        by_detail: bool,
        /// Show addresses in full
        #[arg(long)]
        show_addresses: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// One letter with all that is known of it
    #[command(after_help = "Reads <NAME>_QUEUE_URL, <NAME>_DLQ_URL and what the AWS SDK reads.\n\
        --json: the letter as `dlq export` writes it; without --body its body is null.")]
    Show {
        /// The id of the letter, or the beginning of it
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Show the body, which holds the address
        #[arg(long)]
        body: bool,
        /// Show addresses in full
        #[arg(long)]
        show_addresses: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write letters as JSON lines: original bodies and attributes, and why they are there
    #[command(after_help = "Reads <NAME>_QUEUE_URL, <NAME>_DLQ_URL and what the AWS SDK reads.\n\
        One JSON object a line: {reaction,id,reason,failure:{},attributes:{},body,unpacked,receives,\n\
        diedAt}. Bodies hold addresses: the file is readable by its owner alone.")]
    Export {
        /// The reaction; may be left out if only one reaction's queue is set
        #[arg(value_name = "REACTION")]
        reaction: Option<String>,
        /// Only those
        #[command(flatten)]
        filter: Filter,
        /// Where to; unset: standard output
        #[arg(long, value_name = "FILE.jsonl")]
        file: Option<PathBuf>,
    },
    /// Send letters back to their source queue, as they first came or edited
    #[command(
        after_help = "Reads <NAME>_QUEUE_URL, <NAME>_DLQ_URL, what the AWS SDK reads and, to tell what was done, REDIS_URL\n\
        and REDIS_PREFIX; with --edit VISUAL or EDITOR, too (unset: vi).\n\
        Without --yes it says what it would do; at a terminal it then asks for the number of letters.\n\
        A letter is deleted only once its original is confirmed to be in the source queue: whatever\n\
        breaks, it is in one of the two, perhaps in both, and an effect that happened does not happen again.\n\
        Letters that die while it runs are left. Those that cannot be opened, or that the queue refuses for\n\
        good, are sealed: they are counted and stay, and the exit code is 69.\n\
        --edit ID opens the event in an editor. What the worker would refuse is not sent. The edited event\n\
        has an id made of the letter's and its own text: the same edit sent twice is one event.\n\
        --all lets SQS itself move them (StartMessageMoveTask): fast, but as they are. The worker opens what it\n\
        packed; other consumers of that queue would see the failure.* attributes and packed bodies. Where SQS\n\
        cannot (the DLQ is no redrive policy's), they are sent and deleted one by one.\n\
        --json: {reaction,dryRun,by,selected,moved,failed,sealed,left,reasons:{}}; of letters in several\n\
        queues, such a line for each."
    )]
    Redrive {
        /// Which letters
        #[command(flatten)]
        which: Which,
        /// The most letters a second
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500))]
        rate: Option<u32>,
        /// This letter, after its event was edited
        #[arg(long, value_name = "ID", conflicts_with_all = ["all", "rate", "yes", "words", "filter"],
            value_parser = NonEmptyStringValueParser::new())]
        edit: Option<String>,
        /// All letters, moved by SQS itself
        #[arg(long, conflicts_with = "filter")]
        all: bool,
        /// Do it without a question; else a person is asked, and a script makes a dry run
        #[arg(long)]
        yes: bool,
        /// By whom
        #[command(flatten)]
        by: By,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete letters for good
    #[command(
        after_help = "Reads <NAME>_QUEUE_URL, <NAME>_DLQ_URL, what the AWS SDK reads and, to tell what was done, REDIS_URL\n\
        and REDIS_PREFIX.\n\
        Needs ids, a filter or --all. Without --yes it says what it would do; at a terminal it then asks for\n\
        the number of letters. `dlq export` first keeps a copy.\n\
        --json: {reaction,dryRun,by,selected,moved,failed,sealed,left,reasons:{}}, where moved means deleted;\n\
        of letters in several queues, such a line for each."
    )]
    Drop {
        /// Which letters
        #[command(flatten)]
        which: Which,
        /// All letters
        #[arg(long, conflicts_with = "filter")]
        all: bool,
        /// Do it without a question; else a person is asked, and a script makes a dry run
        #[arg(long)]
        yes: bool,
        /// By whom
        #[command(flatten)]
        by: By,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Dlq {
    /// The reasons that its `--reason` options name.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        match self {
            Self::Show { .. } => &[],
            Self::List { filter, .. } | Self::Export { filter, .. } => &filter.reason,
            Self::Redrive { which, .. } | Self::Drop { which, .. } => &which.filter.reason,
        }
    }
}

/// Which letters: those with these ids, or those of one reaction that pass a filter.
#[derive(Debug, Args)]
pub struct Which {
    /// The reaction (may be left out if only one's queue is set), or letters by their ids or the beginnings of those
    #[arg(id = "words", value_name = "REACTION|ID")]
    pub words: Vec<String>,
    /// Only those
    #[command(flatten)]
    pub filter: Filter,
}

/// What letters must be like. All that is given must hold.
#[derive(Debug, Default, Args)]
#[group(id = "filter", multiple = true)]
pub struct Filter {
    /// Only those dead for this reason (may be given again); `unknown`: moved by the queue's own redrive
    #[arg(long, value_name = "REASON")]
    pub reason: Vec<String>,
    /// Only those whose detail holds this text, in whatever case
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub detail: Option<String>,
    /// Only events of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// Only those that died within this time, like 2h or 1d, or since this moment, in RFC 3339
    /// (`unknown`: that were first sent)
    #[arg(long, value_name = "DURATION|TIME", value_parser = since)]
    pub since: Option<Since>,
    /// Only events about this subject: of user.signed_up the user's id
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// The most letters
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// The earliest moment at which a selected letter died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// This long ago.
    Ago(Duration),
    /// At this moment.
    At(SystemTime),
}

fn since(text: &str) -> Result<Since, String> {
    let moment = || OffsetDateTime::parse(text, &Rfc3339).map(|at| Since::At(at.into()));
    let ago = humantime::parse_duration(text).map(Since::Ago);
    ago.or_else(|_| moment()).map_err(|_| "must be like 2h, 1d or 2026-11-26T19:33:06Z".to_owned())
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Those that died last first; also if no order is named.
    Newest,
    /// Those that died first first.
    Oldest,
    /// By reason, then detail.
    Reason,
    /// By the event's type.
    Type,
    /// Those that were received from the DLQ most often first.
    Receives,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_span_of_time_or_a_moment_in_any_zone() {
        assert_eq!(since("2h"), Ok(Since::Ago(Duration::from_secs(7200))));
        let at = |seconds| Ok(Since::At(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
        assert_eq!(since("2026-11-26T19:33:06Z"), at(1_795_721_586));
        assert_eq!(since("2026-11-26T21:33:06+02:00"), at(1_795_721_586));
        for odd in ["yesterday", "2", "", "2026-11-26"] {
            assert!(since(odd).is_err(), "{odd:?}");
        }
    }
}
