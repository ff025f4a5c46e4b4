//! SMTP, phase by phase, in a conversation of our own: on bytes, because mail servers are what they are.
//!
//! Enters: a mail and the crossing of the fence. Leaves: exactly one of "taken" (the server's 2xx to
//! the final dot was read), "surely not" (and whose fault it is), or "unknown". Promises: each phase has its deadline, and a
//! connection is never used again after anything but a clean end: a reply read off by one would report a refused mail as sent.
//! Nothing of what is said, an address or a password least of all, is logged. Knows no event.
//!
//! [`reply`] reads, `verdict` judges, both pure; `conversation` speaks, over `wire` and `tls`; `pool` keeps.

mod conversation;
mod dotted;
mod examine;
mod listener;
mod login;
mod offers;
mod pool;
pub mod reply;
mod settings;
mod stop;
mod tls;
mod trial;
mod verdict;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use examine::Examination;
pub use listener::{Step, Told};
pub use settings::{SmtpSettings, helo_name};

use self::conversation::Connection;
use self::listener::Silent;
use self::login::Logins;
use self::pool::{Pool, Rate};
use self::stop::Stop;
use super::{Mail, MailError, Mailer, Ready};
use engine::idempotency::{Crossing, Fence};

/// For writing the body, and for the way there and back.
const BESIDE_THE_REPLY: Duration = Duration::from_secs(30);

/// Hands mails to one server. Clones share its connections and its rate.
#[derive(Clone)]
pub struct SmtpMailer {
    settings: Arc<SmtpSettings>,
    logins: Arc<Logins>,
    pool: Arc<Pool>,
    rate: Option<Arc<Rate>>,
}

/// A connection at which the server has said 354: it waits for the body. Dropped unless all ends well.
pub struct SmtpReady {
    connection: Connection,
    pool: Arc<Pool>,
}

impl SmtpMailer {
    /// A mailer to this server, of at most `rate` mails a second. Connects at the first mail.
    #[must_use]
    pub fn new(settings: SmtpSettings, rate: Option<u32>) -> Self {
        let rate = rate.map(|mails| Arc::new(Rate::per_second(mails)));
        Self { settings: Arc::new(settings), logins: Arc::default(), pool: Arc::default(), rate }
    }

    async fn open(&self) -> Result<Connection, MailError> {
        Connection::open(&self.settings, &self.logins, &mut Silent).await.map_err(Stop::judged)
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
        // It was closed while it was idle. Nothing has gone out: a fresh one tells. Whatever else a kept one says is an answer.
        if is_kept && ended.as_ref().is_err_and(Stop::was_closed) {
            connection = fence.uncounted(self.open()).await?;
            ended = connection.envelope(mail, &mut Silent).await;
        }
        match ended {
            Ok(()) => Ok(SmtpReady { connection, pool: self.pool.clone() }),
            Err(stop) => Err(fence.uncounted(left(&self.pool, connection, stop)).await),
        }
    }

    async fn probe(&self) -> Result<(), MailError> {
        // A fresh one: what is asked is whether the server takes connections, not whether it kept one.
        let fresh = self.open().await?;
        // In the place of one that idles, so that no more are kept than are used.
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

/// What a conversation that stopped means; its connection is kept if it is as good as before.
async fn left(pool: &Arc<Pool>, mut connection: Connection, stop: Stop) -> MailError {
    if stop.is_answer() && connection.reset().await {
        pool.put(connection);
    }
    stop.judged()
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpMailer(..)")
    }
}
