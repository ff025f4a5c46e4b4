//! Sends one mail and reports each step: for a person who sets a mail server up.
//!
//! Enters: a mail to an address that a person named. Leaves: what the server said at each [`SmtpStep`], and whether it
//! took the mail. Promises: the same conversation as the engine's, with the same deadlines; the report holds no
//! address and no reply to AUTH. Crosses no fence, because there is no event and no record. So only a person's
//! command may use it.

use super::SmtpMailer;
use super::conversation::Connection;
use super::listener::{SmtpStep, StepReporter, StepResult};
use super::stop::Stop;
use crate::mail::Mail;

impl SmtpMailer {
    /// Sends one mail on a connection of its own. Calls `tell` at the end of each step. Answers whether the server
    /// took the mail.
    pub async fn trial(&self, mail: &Mail, tell: impl FnMut(SmtpStep, StepResult) + Send) -> bool {
        let mut steps = StepReporter::new(&self.settings, tell);
        match self.send_now(mail, &mut steps).await {
            Ok(connection) => {
                // The server has taken the mail, whatever becomes of QUIT.
                connection.quit().await;
                true
            }
            Err(stop) => {
                steps.failed(&stop, stop.told());
                false
            }
        }
    }

    async fn send_now<T: FnMut(SmtpStep, StepResult) + Send>(
        &self,
        mail: &Mail,
        steps: &mut StepReporter<'_, T>,
    ) -> Result<Connection, Stop> {
        let mut connection = Connection::open(&self.settings, &self.logins, steps).await?;
        connection.envelope(mail, steps).await?;
        connection.body(mail, steps).await?;
        Ok(connection)
    }
}
