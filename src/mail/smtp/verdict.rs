//! What an unexpected reply, or no reply, means for the mail: whose fault it is, and whether the mail may be out.
//!
//! Enters: a phase, and what came in it instead of the expected reply. Leaves: a [`MailError`]. Promises: it never
//! holds the server's text, because that quotes addresses. Pure.

use super::reply::{Enhanced, Reply};
use crate::mail::{MailError, Phase};
use engine::backoff::Outage;

/// What came instead of the expected reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing: the time limit passed, or the connection broke.
    Nothing,
    /// Something that is no reply.
    Garbled,
    /// This code.
    Code(u16, Option<Enhanced>),
}

impl From<&Reply> for Heard {
    fn from(reply: &Reply) -> Self {
        reply.code.map_or(Self::Garbled, |code| Self::Code(code, reply.enhanced))
    }
}

/// The table. The first row that matches counts.
pub(crate) fn judge(phase: Phase, heard: Heard, why: String) -> MailError {
    use Heard::{Code, Garbled, Nothing};
    let unavailable = |why, outage| MailError::Unavailable { phase, why, outage };
    match (phase, heard) {
        (_, Nothing) if phase <= Phase::Mail => unavailable(why, Outage::Down),
        // 421: the server goes away. 454: it throttles, as Amazon SES does. 432: a mailbox is in transition.
        (_, Code(421 | 432 | 454, _)) => unavailable(why, Outage::Busy),
        (_, _) if phase <= Phase::Auth => unavailable(why, Outage::Refusing),
        (Phase::Mail, Code(500..=599, _)) => unavailable(why, Outage::Refusing),
        (Phase::Mail, Code(400..=499, _)) => unavailable(why, Outage::Busy),
        (Phase::Rcpt, Code(code @ 500..=599, enhanced)) if is_about_the_recipient(code, enhanced) => {
            MailError::Refused { phase, why }
        }
        (_, Code(500..=599, _)) => MailError::Suspect { phase, why },
        (_, Code(400..=499, _)) => MailError::Deferred { phase, why },
        // After the body, only 4xx and 5xx are a clear no. Anything else leaves it unknown.
        (Phase::Dot, Nothing | Garbled | Code(..)) => MailError::Unknown { phase, why },
        (_, Nothing | Garbled | Code(..)) => MailError::Deferred { phase, why },
    }
}

fn is_about_the_recipient(code: u16, enhanced: Option<Enhanced>) -> bool {
    match enhanced {
        // 5.1.0 can mean any address; 5.1.7 and 5.1.8 mean the sender's.
        Some(Enhanced(_, 1, detail)) => !matches!(detail, 0 | 7 | 8),
        Some(Enhanced(_, subject, detail)) => subject == 2 && matches!(detail, 1 | 2),
        None => matches!(code, 501 | 551 | 553),
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
