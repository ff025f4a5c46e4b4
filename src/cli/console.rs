//! The arguments of `console`.

use std::net::SocketAddr;

use super::By;

/// Where the pages are, and what may be done there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Reads <NAME>_QUEUE_URL, <NAME>_DLQ_URL, what the AWS SDK reads, and for more on the\n\
    pages REDIS_URL, REDIS_PREFIX, CONSOLE_WORKERS and what `doctor` reads. Prints a link\n\
    that opens one browser, once. Beyond loopback it needs CONSOLE_PASSWORD_FILE, and\n\
    with it the pages ask for that password; put a proxy with TLS before it, and name\n\
    that in CONSOLE_HOSTS. Stops on SIGTERM or Ctrl-C, after the deeds that run.")]
pub struct Console {
    /// Where it listens; never on HTTP_ADDR
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    pub listen: SocketAddr,
    /// Let the pages do what the commands do; without it they only show
    #[arg(long)]
    pub write: bool,
    /// Let them publish an event, too
    #[arg(long, requires = "write")]
    pub allow_publish: bool,
    /// Who is on call.
    #[command(flatten)]
    pub by: By,
}
