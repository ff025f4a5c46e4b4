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
        // RFC 4954: the login is missing, wrong or too weak, and at AUTH 432 asks for a new password. Some servers say
        // so only to a later command, such as RCPT.
        (_, Code(530 | 534 | 535 | 538, _)) | (Phase::Auth, Code(432, _)) => unavailable(why, Outage::Refusing),
        // 421: the server goes away. 454: it throttles, as Amazon SES does. 432: a mailbox is in transition.
        (_, Code(421 | 432 | 454, _)) => unavailable(why, Outage::Busy),
        // RFC 5321 4.2.1: a 4xx passes. A login is no place to try that soon: servers ban whoever tries often.
        (_, Code(400..=499, _)) if phase < Phase::Auth || phase == Phase::Mail => unavailable(why, Outage::Busy),
        (_, _) if phase <= Phase::Auth => unavailable(why, Outage::Refusing),
        (Phase::Mail, Code(500..=599, _)) => unavailable(why, Outage::Refusing),
        (Phase::Rcpt, Code(500..=599, Some(enhanced))) if is_about_the_recipient(enhanced) => {
            MailError::Refused { phase, why }
        }
        (_, Code(500..=599, _)) => MailError::Suspect { phase, why },
        (_, Code(400..=499, _)) => MailError::Deferred { phase, why },
        // After the body, only 4xx and 5xx are a clear no. Anything else leaves it unknown.
        (Phase::Dot, Nothing | Garbled | Code(..)) => MailError::Unknown { phase, why },
        (_, Nothing | Garbled | Code(..)) => MailError::Deferred { phase, why },
    }
}

/// Only codes that IANA's registry gives to the recipient's mailbox: no such mailbox or host, wrong syntax, ambiguous,
/// moved, a domain without mail; disabled, full. A number that a provider made up may mean the sender (5.1.90 is a daily
/// limit of Exchange Online), and a code without a number too (servers say 551 and 553 to whoever may not relay).
fn is_about_the_recipient(Enhanced(_, subject, detail): Enhanced) -> bool {
    match subject {
        1 => matches!(detail, 1..=4 | 6 | 10),
        2 => matches!(detail, 1 | 2),
        _ => false,
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
