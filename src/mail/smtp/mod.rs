//! SMTP, phase by phase, in our own client. It works on bytes, because real mail servers break the RFC in many ways.
//!
//! Enters: a mail and the crossing of the fence. Leaves: exactly one of "taken" (the server's 2xx to the final dot was
//! read), "surely not" (and whose fault it is), or "unknown". Promises: each phase has its deadline. A connection is
//! used again only after a clean end: a reply read one command too late would report a refused mail as sent. Nothing
//! of the conversation is logged, above all no address and no password. Knows no event.
//!
//! [`reply`] parses replies and `verdict` judges them, both pure. `conversation` talks to the server, over `wire` and
//! `tls`. `pool` keeps connections.

mod conversation;
mod examine;
mod listener;
mod login;
pub(crate) mod offers;
mod pool;
pub mod reply;
mod settings;
pub(crate) mod stop;
mod trial;
pub(crate) mod verdict;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use examine::Examination;
pub use listener::{SmtpStep, StepResult};
pub use settings::SmtpSettings;
pub(crate) use settings::helo_name;

use self::conversation::Connection;
use self::listener::Silent;
use self::login::Logins;
use self::pool::{Pool, Rate};
use self::stop::Stop;
use super::{Mail, MailError, Mailer, Ready};
use engine::idempotency::{Crossing, Fence};

/// Time for writing the body and for the network, in addition to the wait for the reply.
const BESIDE_THE_REPLY: Duration = Duration::from_secs(30);

/// Hands mails to one server. Clones share its connections and its rate.
#[derive(Clone)]
pub struct SmtpMailer {
    settings: Arc<SmtpSettings>,
    logins: Arc<Logins>,
    pool: Arc<Pool>,
    rate: Option<Arc<Rate>>,
}

/// A connection on which the server has said 354: it waits for the body. Dropped unless all ends well.
pub struct SmtpReady {
    connection: Connection,
    pool: Arc<Pool>,
}

impl SmtpMailer {
    /// A mailer to this server, with at most `rate` mails a second. Connects at the first mail.
    #[must_use]
    pub fn new(settings: SmtpSettings, rate: Option<u32>) -> Self {
        let rate = rate.map(|mails| Arc::new(Rate::per_second(mails)));
        let pool = Arc::new(Pool::to(settings.server()));
        Self { settings: Arc::new(settings), logins: Arc::default(), pool, rate }
    }

    async fn open(&self) -> Result<Connection, MailError> {
        // On the heap: opening is rare, and its state would be a part of every delivery's.
        let opened = Box::pin(Connection::open(&self.settings, &self.logins, &mut Silent)).await;
        opened.map_err(|stop| stop.at_server(&self.pool.server))
    }
}

impl Mailer for SmtpMailer {
    type Ready = SmtpReady;

    async fn prepare(&self, mail: &Mail, fence: &Fence<'_>) -> Result<SmtpReady, MailError> {
        if let Some(rate) = &self.rate {
            fence.uncounted(rate.turn()).await;
        }
        let (mut connection, is_kept) = match self.pool.take() {
            Some(kept) => (kept, true),
            None => (fence.uncounted(self.open()).await?, false),
        };
        let mut ended = connection.envelope(mail, &mut Silent).await;
        // The server closed the kept connection while it was idle. No mail went out, so try once on a fresh connection.
        // Any other reply on a kept connection is an answer to this mail.
        if is_kept && ended.as_ref().is_err_and(Stop::was_closed) {
            connection = fence.uncounted(self.open()).await?;
            ended = connection.envelope(mail, &mut Silent).await;
        }
        match ended {
            Ok(()) => Ok(SmtpReady { connection, pool: self.pool.clone() }),
            Err(stop) => Err(fence.uncounted(Box::pin(left(&self.pool, connection, stop))).await),
        }
    }

    async fn probe(&self) -> Result<(), MailError> {
        // Always a fresh connection: the question is whether the server takes connections now.
        let fresh = self.open().await?;
        // It replaces an idle one, so that the pool keeps no more connections than were in use.
        let replaced = self.pool.take();
        self.pool.put(fresh);
        if let Some(replaced) = replaced {
            replaced.quit().await;
        }
        Ok(())
    }

    fn send_limit(&self) -> Option<Duration> {
        Some(self.settings.longest_wait + BESIDE_THE_REPLY)
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

impl Ready for SmtpReady {
    async fn send(mut self, mail: &Mail, _crossing: &Crossing) -> Result<(), MailError> {
        match self.connection.body(mail, &mut Silent).await {
            Ok(()) => {
                self.pool.put(self.connection);
                Ok(())
            }
            Err(stop) => Err(left(&self.pool, self.connection, stop).await),
        }
    }
}

/// Judges a conversation that stopped. Keeps its connection if the connection can carry another mail.
async fn left(pool: &Arc<Pool>, mut connection: Connection, stop: Stop) -> MailError {
    if stop.is_answer() && connection.reset().await {
        pool.put(connection);
    }
    stop.at_server(&pool.server)
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpMailer(..)")
    }
}
