//! What a mail server says: its replies, what it offers, and what they mean for a mail.
//!
//! Enters: how large the pieces are in which bytes come, as the first byte; then the bytes. Leaves: nothing.

use super::SECRET;
use crate::mail::smtp::offers::Offers;
use crate::mail::smtp::reply::{MOST, Parser, Reply, TooLong};
use crate::mail::smtp::stop::said;
use crate::mail::smtp::verdict::{Heard, judge};
use crate::mail::{MailError, Phase};

const PHASES: [Phase; 9] = [
    Phase::Connect,
    Phase::Greeting,
    Phase::Ehlo,
    Phase::StartTls,
    Phase::Auth,
    Phase::Mail,
    Phase::Rcpt,
    Phase::Data,
    Phase::Dot,
];

/// What holds of a server's bytes.
pub fn smtp(input: &[u8]) {
    let Some((piece, bytes)) = input.split_first() else { return };
    let (whole, rest) = replies(bytes, usize::MAX);
    assert!((&whole, &rest) == (&replies(bytes, usize::from(*piece).max(1)).0, &replies(bytes, 1).1), "cut otherwise");
    for reply in whole.iter().chain(&rest) {
        assert!(reply.code.is_none_or(|code| (200..600).contains(&code)));
        assert!(reply.enhanced.is_none_or(|enhanced| Some(enhanced.0) == reply.class()), "{reply}");
        is_judged(reply);
        is_shown(reply);
        offers(reply);
    }
}

/// Each reply in these bytes, and the unfinished last one, or that it is too long.
fn replies(bytes: &[u8], piece: usize) -> (Vec<Reply>, Result<Reply, TooLong>) {
    let (mut parser, mut found) = (Parser::default(), Vec::new());
    for mut rest in bytes.chunks(piece) {
        while !rest.is_empty() {
            match parser.take(rest) {
                Ok((taken, reply)) => {
                    found.extend(reply);
                    rest = &rest[taken..];
                }
                Err(too_long) => return (found, Err(too_long)),
            }
            assert!(parser.holds() <= MOST);
        }
    }
    (found, Ok(parser.so_far()))
}

/// A mail is in doubt only where its body went out and no clear no came.
fn is_judged(reply: &Reply) {
    for phase in PHASES {
        let error = judge(phase, Heard::from(reply), reply.to_string());
        let is_clear = matches!(reply.code, Some(400..=599));
        let may_be_out = matches!(error, MailError::Unknown { .. });
        assert_eq!(may_be_out, phase == Phase::Dot && !is_clear, "{phase}: {error}");
        let told = error.to_string();
        let is_ours = |c: char| c.is_ascii_alphanumeric() || c == ' ' || c == '.';
        assert!(told.len() <= 40 && told.chars().all(is_ours), "{told:?} may be the server's words");
    }
}

/// A person sees one line, and no address in it.
fn is_shown(reply: &Reply) {
    let line = said(reply);
    assert!(line.chars().count() <= 160 && !line.contains(char::is_control), "{line:?}");
    assert!(line.split_whitespace().all(|word| !word.contains('@') || "***@***".contains(word)), "{line:?}");
    assert!(!reply.to_string().contains(SECRET));
}

/// No offer is made up, and none is missed for its case.
fn offers(reply: &Reply) {
    let found = Offers::of(reply);
    let lines: Vec<String> = reply.lines().skip(1).map(|line| line.to_ascii_uppercase()).collect();
    let named = |word: &str| lines.iter().any(|line| line.contains(word));
    let Offers { starttls, pipelining, eight_bit, beyond_ascii, plain, login, xoauth2 } = found;
    for (is_offered, word) in [
        (starttls, "STARTTLS"),
        (pipelining, "PIPELINING"),
        (eight_bit, "8BITMIME"),
        (beyond_ascii, "SMTPUTF8"),
        (plain, "PLAIN"),
        (login, "LOGIN"),
        (xoauth2, "XOAUTH2"),
    ] {
        assert!(!is_offered || named(word), "{word} is not in {lines:?}");
        let is_mechanism = ["PLAIN", "LOGIN", "XOAUTH2"].contains(&word);
        assert!(is_offered || is_mechanism || !lines.iter().any(|line| line == word), "{word} is in {lines:?}");
        assert!(is_offered || !is_mechanism || !lines.contains(&format!("AUTH {word}")), "{word} is in {lines:?}");
    }
}
