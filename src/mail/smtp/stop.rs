//! Where a conversation stopped, and why: as a [`MailError`] for the engine, as one line for a person.
//!
//! Enters: a phase and what came in it. Leaves: a [`MailError`] without any text of the server, or one line of the
//! server's text in which every address is masked. Of a reply to AUTH only the codes: its text may quote the password.

use std::io;

use super::reply::Reply;
use super::verdict::{Heard, judge};
use crate::mail::{MailError, Phase};
use engine::backoff::Outage;

/// A conversation that ended early.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    pub(super) phase: Phase,
    pub(super) why: Why,
}

#[derive(Debug, Clone)]
pub(super) enum Why {
    /// Another reply than the one expected.
    Said(Reply),
    /// No reply within the time limit.
    Silence,
    /// The connection could not be opened, or it broke.
    Broken(String),
    /// The handshake failed.
    Tls(String),
    /// A reply longer than [`MOST`](super::reply::MOST) bytes.
    TooLong,
    /// Bytes that we had not asked for. At best the replies are out of step; at worst somebody forged them.
    Unasked { before_tls: bool },
    /// The server lacks a feature that every mail needs.
    Lacks(&'static str),
    /// The server lacks a feature that this recipient needs.
    Beyond(&'static str),
}

const SILENCE: &str = "no reply in time";

impl Why {
    pub(super) fn broken(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }

    pub(super) fn at(self, phase: Phase) -> Stop {
        Stop { phase, why: self }
    }

    pub(super) fn unasked(before_tls: bool) -> &'static str {
        if before_tls { "unasked-for bytes before TLS: somebody may be in between" } else { "unasked-for bytes" }
    }
}

impl Stop {
    /// The stop as an error that says whose fault it is. Where it is the server's, it names the server.
    pub(super) fn at_server(self, server: &str) -> MailError {
        let mut error = self.judged();
        if let MailError::Unavailable { why, .. } = &mut error {
            *why = format!("{server}: {why}");
        }
        error
    }

    fn judged(self) -> MailError {
        let phase = self.phase;
        let unavailable = |why: &str, outage| MailError::Unavailable { phase, why: why.to_owned(), outage };
        match self.why {
            Why::Said(reply) => judge(phase, Heard::from(&reply), reply.to_string()),
            Why::Silence => judge(phase, Heard::Nothing, SILENCE.to_owned()),
            Why::Broken(_) if phase == Phase::Connect => judge(phase, Heard::Nothing, "no connection".to_owned()),
            Why::Broken(_) => judge(phase, Heard::Nothing, "the connection broke".to_owned()),
            Why::Tls(_) => unavailable("TLS failed", Outage::Down),
            Why::TooLong => judge(phase, Heard::Garbled, "a reply without end".to_owned()),
            // The body is not out yet, so the mail is surely not sent. Nobody knows whether the bytes were about it.
            Why::Unasked { before_tls } if phase <= Phase::Mail => {
                unavailable(Why::unasked(before_tls), Outage::Refusing)
            }
            Why::Unasked { before_tls } => MailError::Deferred { phase, why: Why::unasked(before_tls).to_owned() },
            Why::Lacks(what) => unavailable(what, Outage::Refusing),
            Why::Beyond(what) => MailError::Refused { phase, why: what.to_owned() },
        }
    }

    /// May this concern a kept connection alone? It was closed while idle; or it `has_carried` mails and gets no further
    /// one: a server may say 452 after a hundred, and a login may run out. Then a fresh one gives the answer.
    pub(super) fn may_be_the_connections(&self, has_carried: bool) -> bool {
        let is_over = matches!(self.why, Why::Broken(_)) || self.is_goodbye();
        self.phase == Phase::Mail && (is_over || has_carried && self.is_no())
    }

    /// A clear no to MAIL: the connection is not used again, because the no may concern it alone.
    pub(super) fn is_no_to_mail(&self) -> bool {
        self.phase == Phase::Mail && self.is_no()
    }

    /// May this connection be one more than the server allows at once?
    pub(super) fn may_be_one_too_many(&self) -> bool {
        let is_early = matches!(self.phase, Phase::Greeting | Phase::Ehlo);
        is_early && matches!(&self.why, Why::Said(reply) if reply.class() == Some(4))
    }

    /// A clear refusal of this mail: after RSET the connection can be used again.
    pub(super) fn leaves_it_usable(&self) -> bool {
        self.phase > Phase::Mail && self.is_no() && !self.is_goodbye()
    }

    fn is_no(&self) -> bool {
        matches!(&self.why, Why::Said(reply) if matches!(reply.class(), Some(4 | 5)))
    }

    fn is_goodbye(&self) -> bool {
        matches!(&self.why, Why::Said(reply) if reply.code == Some(421))
    }

    /// One line for a person.
    pub(super) fn told(&self) -> String {
        let told = match &self.why {
            Why::Said(reply) if self.phase == Phase::Auth => format!("reply {reply}"),
            Why::Said(reply) if matches!(reply.class(), Some(4 | 5)) => said(reply),
            Why::Said(reply) => format!("unexpected reply {}", said(reply)),
            Why::Silence => SILENCE.to_owned(),
            Why::Broken(error) | Why::Tls(error) => masked(error),
            Why::TooLong => "a reply without end".to_owned(),
            Why::Unasked { before_tls } => Why::unasked(*before_tls).to_owned(),
            Why::Lacks(what) | Why::Beyond(what) => (*what).to_owned(),
        };
        let in_doubt = matches!(self.clone().judged(), MailError::Unknown { .. });
        if in_doubt { format!("{told}: the mail may have been taken") } else { told }
    }
}

/// The first line of what the server said.
pub(crate) fn said(reply: &Reply) -> String {
    let code = reply.code.map_or_else(|| "garbled:".to_owned(), |code| code.to_string());
    masked(&format!("{code} {}", reply.lines().next().unwrap_or_default()))
}

/// One line of at most 160 characters, in which no word is an address.
fn masked(text: &str) -> String {
    let words = text.split_whitespace().map(|word| if word.contains('@') { "***@***" } else { word });
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_one_line_without_an_address() {
        assert_eq!(masked("550 5.1.1 <ann@example.com>:\r\n no\tsuch user"), "550 5.1.1 ***@*** no such user");
        assert_eq!(masked("250 \u{1b}[31mok"), "250 [31mok");
        assert_eq!(masked(&"x".repeat(500)).len(), 160);
    }
}
