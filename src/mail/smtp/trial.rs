//! One mail, told step by step: for whoever sets a mail server up.
//!
//! Enters: a mail to an address that a person named. Leaves: what the server said at each [`Step`], and
//! whether it took the mail. Promises: the same conversation as the engine's, its deadlines included; no address and nothing
//! said about a password is passed on. Crosses no fence, for there is no event and no record behind it:
//! nothing but a person's wish may come this way.

use super::SmtpMailer;
use super::conversation::Connection;
use super::listener::{Step, Steps, Told};
use super::stop::Stop;
use crate::mail::Mail;

impl SmtpMailer {
    /// Sends one mail on a connection of its own; `tell` hears of each step as it ends. Answers whether
    /// the server took it.
    pub async fn trial(&self, mail: &Mail, tell: impl FnMut(Step, Told) + Send) -> bool {
        let mut steps = Steps::new(&self.settings, tell);
        match self.send_now(mail, &mut steps).await {
            Ok(connection) => {
                // The mail is the server's by now, whatever becomes of the farewell.
                connection.quit().await;
                true
            }
            Err(stop) => {
                steps.failed(&stop, stop.told());
                false
            }
        }
    }

    async fn send_now<T: FnMut(Step, Told) + Send>(
        &self,
        mail: &Mail,
        steps: &mut Steps<'_, T>,
    ) -> Result<Connection, Stop> {
        let mut connection = Connection::open(&self.settings, &self.logins, steps).await?;
        connection.envelope(mail, steps).await?;
        connection.body(mail, steps).await?;
        Ok(connection)
    }
}
