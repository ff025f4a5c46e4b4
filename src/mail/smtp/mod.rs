//! SMTP, phase by phase, in our own client. It works on bytes, because real mail servers break the RFC in many ways.
//!
//! Enters: a mail and the crossing of the fence. Leaves: exactly one of "taken" (the server's 2xx to the final dot was
//! read), "surely not" (and whose fault it is), or "unknown". Promises: each phase has its deadline. A connection is
//! used again only after a clean end: a reply read one command too late would report a refused mail as sent. Nothing
//! of the conversation is logged, above all no address and no password. Knows no event.
//!
//! [`reply`] parses replies and `verdict` judges them, both pure. `conversation` talks to the server, over `wire` and
//! `tls`. `pool` keeps connections, `places` knows how many there may be.

mod conversation;
mod examine;
mod listener;
mod login;
pub(crate) mod offers;
mod places;
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

use tokio::time::{Instant, timeout_at};

pub use examine::Examination;
pub use listener::{SmtpStep, StepResult};
pub use settings::SmtpSettings;
pub(crate) use settings::helo_name;

use self::conversation::Connection;
use self::listener::Silent;
use self::login::Logins;
use self::places::{Place, Places};
use self::pool::{Pool, Rate};
use self::stop::Stop;
use super::{Mail, MailError, Mailer, Ready};
use engine::idempotency::{Crossing, Fence};

/// Time for writing the body and for the network, in addition to the wait for the reply.
const BESIDE_THE_REPLY: Duration = Duration::from_secs(30);
/// How long a mail waits for a connection of another mail, if the server allows no further one.
const FREE_WITHIN: Duration = Duration::from_secs(60);

/// Hands mails to one server. Clones share its connections and its rate.
#[derive(Clone)]
pub struct SmtpMailer {
    settings: Arc<SmtpSettings>,
    logins: Arc<Logins>,
    pool: Arc<Pool>,
    places: Arc<Places>,
    rate: Option<Arc<Rate>>,
}

/// A connection on which the server has said 354: it waits for the body. Dropped unless all ends well.
pub struct SmtpReady {
    connection: Connection,
    pool: Arc<Pool>,
    /// Dropped after the connection was put back.
    _place: Place,
}

impl SmtpMailer {
    /// A mailer to this server, with at most `rate` mails a second. Connects at the first mail.
    #[must_use]
    pub fn new(settings: SmtpSettings, rate: Option<u32>) -> Self {
        let rate = rate.map(|mails| Arc::new(Rate::per_second(mails)));
        let pool = Arc::new(Pool::to(settings.server()));
        let (logins, places) = Default::default();
        Self { settings: Arc::new(settings), logins, pool, places, rate }
    }

    async fn until_354(&self, mail: &Mail) -> Result<SmtpReady, MailError> {
        if let Some(rate) = &self.rate {
            rate.turn().await;
        }
        let (mut connection, is_kept, place) = self.connection().await?;
        let has_carried = connection.has_carried();
        let mut ended = connection.envelope(mail, &mut Silent).await;
        // No mail went out, so it is tried once on a fresh connection. A later no is an answer to this mail.
        if is_kept && ended.as_ref().is_err_and(|stop| stop.may_be_the_connections(has_carried)) {
            // First the one goes, then the other comes: a server may allow one at a time.
            Box::pin(connection.quit()).await;
            connection = self.open().await.map_err(|stop| self.error(stop))?;
            ended = connection.envelope(mail, &mut Silent).await;
        }
        match ended {
            Ok(()) => Ok(SmtpReady { connection, pool: self.pool.clone(), _place: place }),
            Err(stop) => Err(Box::pin(left(&self.pool, connection, stop)).await),
        }
    }

    /// A connection, and whether it has carried mails before. If the server allows no further one, it waits for one
    /// that another mail uses: that is no reason to stop them all.
    async fn connection(&self) -> Result<(Connection, bool, Place), MailError> {
        let until = Instant::now() + FREE_WITHIN;
        loop {
            if let Some(kept) = self.pool.take() {
                return Ok((kept, true, self.places.take()));
            }
            if self.places.allow_one_more() || Instant::now() >= until {
                match self.open().await {
                    Ok(fresh) => return Ok((fresh, false, self.places.take())),
                    Err(stop)
                        if stop.may_be_one_too_many() && self.places.refused_one_more() && Instant::now() < until => {}
                    Err(stop) => return Err(self.error(stop)),
                }
            }
            let _ = timeout_at(until, self.places.freed()).await;
        }
    }

    async fn open(&self) -> Result<Connection, Stop> {
        // On the heap: opening is rare, and its state would be a part of every delivery's.
        Box::pin(Connection::open(&self.settings, &self.logins, &mut Silent)).await
    }

    fn error(&self, stop: Stop) -> MailError {
        stop.at_server(&self.pool.server)
    }
}

impl Mailer for SmtpMailer {
    type Ready = SmtpReady;

    async fn prepare(&self, mail: &Mail, fence: &Fence<'_>) -> Result<SmtpReady, MailError> {
        // Each wait has its own limit. That a server is slow must not use up the event's time: it would count as the
        // event's failure.
        fence.uncounted(self.until_354(mail)).await
    }

    async fn probe(&self) -> Result<(), MailError> {
        // Always a fresh connection: the question is whether the server takes connections now. It replaces an idle one,
        // so that there are no more than were in use: one more could be refused for that.
        if let Some(replaced) = self.pool.take() {
            replaced.quit().await;
        }
        self.pool.put(self.open().await.map_err(|stop| self.error(stop))?);
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
                if self.connection.is_usable() {
                    self.pool.put(self.connection);
                }
                Ok(())
            }
            Err(stop) => Err(left(&self.pool, self.connection, stop).await),
        }
    }
}

/// Judges a conversation that stopped. Keeps its connection if the connection can carry another mail.
async fn left(pool: &Arc<Pool>, mut connection: Connection, stop: Stop) -> MailError {
    if stop.leaves_it_usable() && connection.reset().await {
        pool.put(connection);
    } else if stop.is_no_to_mail() {
        connection.quit().await;
    }
    stop.at_server(&pool.server)
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpMailer(..)")
    }
}
