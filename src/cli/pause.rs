//! The arguments of `pause` and `resume`.

use std::time::Duration;

use super::By;

/// Which reaction, for how long, and why.
#[derive(Debug, clap::Args)]
#[command(after_help = "Reads REDIS_URL, REDIS_PREFIX, <NAME>_QUEUE_URL and what the AWS SDK reads. Every\n\
    worker of the reaction begins no receive later than 6 s after it; what it has, and\n\
    what an open receive still brings (20 s at most), it works on. Messages wait in the\n\
    queue, and no receive count grows. It ends by itself, after half of the queue's\n\
    retention at the latest: nothing expires meanwhile.")]
pub struct Pause {
    /// The reaction
    pub reaction: String,
    /// For how long; at most, and if left out, half of the queue's retention
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub length: Option<Duration>,
    /// Why; `status`, `/readyz` and the log repeat it
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// Who asks for it.
    #[command(flatten)]
    pub by: By,
}

/// Which reaction.
#[derive(Debug, clap::Args)]
#[command(after_help = "Reads REDIS_URL and REDIS_PREFIX. Its workers receive within 6 s.")]
pub struct Resume {
    /// The reaction
    pub reaction: String,
    /// Who asks for it.
    #[command(flatten)]
    pub by: By,
}
