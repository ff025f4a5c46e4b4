//! What an unexpected reply, or no reply, means for the mail: whose fault it is, and whether the mail may be out.
//!
//! Enters: a phase, and what came in it instead of the expected reply. Leaves: a [`MailError`]. Promises: it never
//! holds the server's text, because that quotes addresses. Pure.

use super::reply::{Enhanced, Reply};
use crate::mail::{MailError, Phase};
use engine::backoff::Outage;

/// What came instead of the expected reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
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
pub(super) fn judge(phase: Phase, heard: Heard, why: String) -> MailError {
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
mod tests {
    use super::*;
    use Phase::{Auth, Connect, Data, Dot, Ehlo, Greeting, Mail, Rcpt, StartTls};

    const PHASES: [Phase; 9] = [Connect, Greeting, Ehlo, StartTls, Auth, Mail, Rcpt, Data, Dot];

    /// D, B, N: down, busy, refusing; d: deferred; r: refused; s: suspect; ?: unknown.
    fn letter(phase: Phase, heard: Heard) -> char {
        match judge(phase, heard, String::new()) {
            MailError::Unavailable { outage: Outage::Down, .. } => 'D',
            MailError::Unavailable { outage: Outage::Busy, .. } => 'B',
            MailError::Unavailable { outage: Outage::Refusing, .. } => 'N',
            MailError::Deferred { .. } => 'd',
            MailError::Refused { .. } => 'r',
            MailError::Suspect { .. } => 's',
            MailError::Unknown { .. } => '?',
        }
    }

    #[test]
    fn each_phase_and_each_code_is_judged_by_whose_fault_it_is() {
        for phase in PHASES {
            for code in 100..=599 {
                let expected = match (phase, code) {
                    (_, 421 | 432 | 454) => 'B',
                    (Connect | Greeting | Ehlo | StartTls | Auth, _) => 'N',
                    (Mail, 500..=599) => 'N',
                    (Mail, 400..=499) => 'B',
                    (Rcpt, 501 | 551 | 553) => 'r',
                    (_, 500..=599) => 's',
                    (_, 400..=499) => 'd',
                    (Dot, _) => '?',
                    (_, _) => 'd',
                };
                assert_eq!(letter(phase, Heard::Code(code, None)), expected, "{code} at {phase}");
                // x.7.1 means policy, so it is never about the recipient's mailbox.
                let expected = if expected == 'r' { 's' } else { expected };
                let policy = Some(Enhanced(code / 100, 7, 1));
                assert_eq!(letter(phase, Heard::Code(code, policy)), expected, "{code} with x.7.1 at {phase}");
            }
        }
    }

    #[test]
    fn no_reply_and_no_clear_reply_are_doubts_only_behind_the_body() {
        let row = |heard| PHASES.map(|phase| letter(phase, heard)).iter().collect::<String>();
        assert_eq!(row(Heard::Nothing), "DDDDDDdd?");
        assert_eq!(row(Heard::Garbled), "NNNNNddd?");
    }

    #[test]
    fn an_enhanced_code_tells_whether_the_recipient_is_meant() {
        let rows = [
            ((5, 1, 1), 'r'),
            ((5, 1, 2), 'r'),
            ((5, 1, 3), 'r'),
            ((5, 1, 6), 'r'),
            ((5, 1, 10), 'r'),
            ((5, 1, 0), 's'),
            ((5, 1, 7), 's'),
            ((5, 1, 8), 's'),
            ((5, 2, 1), 'r'),
            ((5, 2, 2), 'r'),
            ((5, 2, 0), 's'),
            ((5, 2, 3), 's'),
            ((5, 3, 0), 's'),
            ((5, 7, 1), 's'),
            ((5, 7, 708), 's'),
        ];
        for ((class, subject, detail), expected) in rows {
            let enhanced = Some(Enhanced(class, subject, detail));
            for code in [500, 501, 550, 551, 552, 553, 554, 571] {
                assert_eq!(letter(Rcpt, Heard::Code(code, enhanced)), expected, "{code} {enhanced:?}");
                for later in [Data, Dot] {
                    assert_eq!(letter(later, Heard::Code(code, enhanced)), 's', "{code} {enhanced:?} at {later}");
                }
            }
        }
    }
}
