//! The arguments of `status`.

/// What is shown, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = "Reads <NAME>_QUEUE_URL, <NAME>_DLQ_URL and what the AWS SDK reads. Asks the\n\
    worker at HTTP_ADDR what it waits for, if one answers there. With REDIS_URL and\n\
    REDIS_PREFIX, all workers' reports: what they wait for, messages that are\n\
    through a second (over 15 s), calls to SQS a message, and oldest: the age of\n\
    the oldest message that a worker holds or has received within a minute. SQS\n\
    tells no age; CloudWatch's is ApproximateAgeOfOldestMessage.\n\
    --json: {\"reactions\":[{reaction,visible,inFlight,delayed,dead,oldestSeconds,\n\
    perSecond,visibilitySeconds,maxReceiveCount,worker,workers,pause,retrying,\n\
    bill}]}, or {reaction,error,worker} for a queue that does not answer; worker is\n\
    null if it was not asked, workers {STATE:COUNT}, pause {by,why,since,until},\n\
    retrying how many, bill {workers,handled,callsAMessage,emptyShare,\n\
    dollarsAMillion}; with --watch such a line every two seconds.\n\
    --retrying --json: {\"retrying\":[{reaction,messageId,eventId,type,subject,\n\
    outcome,detail,tries,receives,at,due}]}.")]
pub struct Status {
    /// Look again every two seconds, until Ctrl-C (exit 130)
    #[arg(long)]
    pub watch: bool,
    /// The events that were deferred or failed within the last hour and come again (REDIS_URL)
    #[arg(long)]
    pub retrying: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
