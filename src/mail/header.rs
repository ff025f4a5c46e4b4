//! The headers that every mail of a sender has.
//!
//! Enters: the sender, and headers of a team's own. Leaves: text, each header with its line break; or the rule that one breaks.

use lettre::message::header::{self, HeaderName, HeaderValue, Headers};
use lettre::message::{Mailbox, Mailboxes};

/// Headers that we write: a second one would say something else, or make the message invalid.
const OURS: [&str; 15] = [
    "auto-submitted",
    "bcc",
    "cc",
    "content-transfer-encoding",
    "content-type",
    "date",
    "from",
    "message-id",
    "mime-version",
    "reply-to",
    "return-path",
    "sender",
    "subject",
    "to",
    "x-entity-ref-id",
];

/// `From`, `Reply-To`, those of the team, and what says that no person wrote this.
pub(super) fn constant(from: &Mailbox, reply_to: Option<Mailbox>, own: &[(String, String)]) -> String {
    let mut headers = Headers::new();
    headers.set(header::From::from(Mailboxes::from(from.clone())));
    if let Some(reply_to) = reply_to {
        headers.set(header::ReplyTo::from(Mailboxes::from(reply_to)));
    }
    for (name, value) in own {
        if let Ok(name) = HeaderName::new_from_ascii(name.clone()) {
            headers.insert_raw(HeaderValue::new(name, value.clone()));
        }
    }
    format!("{headers}Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n")
}

/// Reads `Name: value`, one a line.
///
/// # Errors
/// The rule that is broken.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    const FORM: &str = "must be headers like `X-Team: crm`, one a line";
    let header = |line: &str| {
        let (name, value) = line.split_once(':').ok_or(FORM)?;
        let (name, value) = (name.trim(), value.trim());
        let is_name =
            !name.is_empty() && name.len() <= 76 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_name || value.is_empty() || value.len() > 900 || value.contains(char::is_control) {
            return Err(FORM);
        }
        if OURS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return Err("must not name a header that every mail has already, or a receiver");
        }
        Ok((name.to_owned(), value.to_owned()))
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_one_a_line_and_none_is_a_second_one_of_ours() {
        let two = parse("X-Team: crm\n\n Feedback-ID :welcome:acme ").expect("headers");
        assert_eq!(
            two,
            [("X-Team", "crm"), ("Feedback-ID", "welcome:acme")].map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
        for bad in ["X-Team", "X Team: a", ": a", "X-Team:", "Bcc: a@example.com", "subject: x", "X-A: a\u{7}", "Ä: a"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
