//! What a reply, or its absence, means for the mail: phase × reply → whose fault, and can it have gone out.
//!
//! Enters: a phase and what the library says went wrong. Leaves: a [`MailError`]. Pure. The library's
//! own "transient" and "permanent" are no complements and know no phase, so neither is asked. Server
//! texts are never passed on: they quote addresses.

use std::error::Error;

use lettre::transport::smtp::Error as SmtpError;

use crate::backoff::Outage;
use crate::mail::{MailError, Phase};

pub(super) fn classify(phase: Phase, error: &SmtpError) -> MailError {
    match error.status() {
        // Amazon SES in its sandbox says so at the final dot, of every mail: looked for, never passed on.
        Some(code) if error.source().is_some_and(|text| text.to_string().contains("not verified")) => {
            MailError::Unavailable {
                phase,
                why: format!("reply {code}: sender or recipient not verified"),
                outage: Outage::Busy,
            }
        }
        Some(code) => {
            let number = code.to_string().parse().ok();
            judge(phase, number, format!("reply {code}"))
        }
        None if error.is_tls() => judge(phase, None, "TLS failed".to_owned()),
        None if error.is_client() => judge(phase, None, "the server lacks what is needed".to_owned()),
        None => judge(phase, None, "connection failed".to_owned()),
    }
}

/// The table: phase × reply → whose fault it is, and whether the mail can have gone out.
pub(super) fn judge(phase: Phase, code: Option<u16>, why: String) -> MailError {
    match (phase, code) {
        // The service as a whole says no, is going away (421), or throttles (454, as Amazon SES does it).
        (Phase::Connect | Phase::Auth, _) | (_, Some(421 | 454)) => {
            MailError::Unavailable { phase, why, outage: if code.is_none() { Outage::Down } else { Outage::Busy } }
        }
        (Phase::Rcpt, Some(550..=553 | 556)) => MailError::Refused { phase, why },
        (Phase::Dot, Some(500..=599)) => MailError::Refused { phase, why },
        (_, Some(500..=599)) => {
            MailError::Unavailable { phase, why, outage: if code.is_none() { Outage::Down } else { Outage::Busy } }
        }
        (_, Some(400..=499)) => MailError::Deferred { phase, why },
        (Phase::Dot, _) => MailError::Unknown { phase, why },
        (_, _) => MailError::Deferred { phase, why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_and_reply_is_judged_by_whose_fault_it_is() {
        use Phase::{Auth, Connect, Data, Dot, Mail, Rcpt};
        let letter = |phase, code| match judge(phase, code, String::new()) {
            MailError::Unavailable { .. } => 'u',
            MailError::Deferred { .. } => 'd',
            MailError::Refused { .. } | MailError::Suspect { .. } => 'r',
            MailError::Unknown { .. } => '?',
        };
        // No reply, a reply of the wrong kind, then codes.
        let codes = [None, Some(250), Some(421), Some(454), Some(451), Some(530), Some(550), Some(554)];
        let rows = [
            (Connect, "uuuuuuuu"),
            (Auth, "uuuuuuuu"),
            (Mail, "dduuduuu"),
            (Rcpt, "dduuduru"),
            (Data, "dduuduuu"),
            (Dot, "??uudrrr"),
        ];
        for (phase, expected) in rows {
            assert_eq!(codes.map(|code| letter(phase, code)).iter().collect::<String>(), expected, "{phase:?}");
        }
    }
}
