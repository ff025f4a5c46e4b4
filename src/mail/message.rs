//! A message's bytes: what is the same in every mail is made once, and each mail is written in one piece.
//!
//! Enters: headers and bodies. Leaves: a message (RFC 5322, MIME) whose every line ends with CRLF and has at most 998 bytes.
//! Promises: no text can add a header or end a part early. Knows no template and no server.

use std::fmt::Write;

use data_encoding::BASE64;
use lettre::message::header::{Headers, Subject};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::image::Image;
use super::templates::Bodies;

/// RFC 5322 section 2.1.1, without the CRLF.
const LONGEST_LINE: usize = 998;
/// RFC 2045 section 6.7 and 6.8, without the CRLF.
const ENCODED_LINE: usize = 76;

/// One mail, as far as it differs from others.
pub(super) struct Parts<'a> {
    /// An address as a header has it.
    pub(super) to: &'a str,
    pub(super) message_id: &'a str,
    pub(super) reference: &'a str,
    pub(super) bodies: &'a Bodies,
}

/// Writes a message; `constant`: headers that every mail has, each with its line break.
pub(super) fn write(constant: &str, parts: &Parts<'_>, images: &[&Image]) -> Vec<u8> {
    let Parts { to, message_id, reference, bodies } = parts;
    let html = bodies.html.as_deref().unwrap_or_default();
    let pictures: usize = images.iter().map(|image| image.part.len() + 64).sum();
    let mut message =
        String::with_capacity(constant.len() + 2 * bodies.text.len() + html.len() * 5 / 4 + pictures + 1024);
    let date = OffsetDateTime::now_utc().format(&Rfc2822).unwrap_or_default();
    // Amazon SES replaces Message-ID, but not X-Entity-Ref-ID.
    let _ = write!(
        message,
        "{constant}To: {to}\r\nMessage-ID: <{message_id}>\r\nX-Entity-Ref-ID: {reference}\r\nDate: {date}\r\n"
    );
    subject(&mut message, &bodies.subject);
    let Some(html) = &bodies.html else {
        text(&mut message, "text/plain", &bodies.text);
        return message.into_bytes();
    };
    let around = boundary();
    let _ = write!(message, "Content-Type: multipart/alternative; boundary=\"{around}\"\r\n\r\n--{around}\r\n");
    text(&mut message, "text/plain", &bodies.text);
    let _ = write!(message, "--{around}\r\n");
    if images.is_empty() {
        text(&mut message, "text/html", html);
        let _ = write!(message, "--{around}--\r\n");
        return message.into_bytes();
    }
    let within = boundary();
    let _ = write!(
        message,
        "Content-Type: multipart/related; type=\"text/html\"; boundary=\"{within}\"\r\n\r\n--{within}\r\n"
    );
    text(&mut message, "text/html", html);
    let mut message = message.into_bytes();
    for image in images {
        message.extend_from_slice(format!("--{within}\r\n").as_bytes());
        message.extend_from_slice(&image.part);
    }
    message.extend_from_slice(format!("--{within}--\r\n\r\n--{around}--\r\n").as_bytes());
    message
}

/// 128 random bits: no text holds them by chance, and an encoded one never holds `=_`.
fn boundary() -> String {
    format!("=_{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

fn subject(message: &mut String, subject: &str) {
    if subject.is_ascii() && subject.len() <= ENCODED_LINE - "Subject: ".len() && !subject.contains("=?") {
        message.extend(["Subject: ", subject, "\r\n"]);
        return;
    }
    let mut headers = Headers::new();
    headers.set(Subject::from(subject.to_owned()));
    message.push_str(&headers.to_string());
}

/// One text with its headers, in the plainest form that carries it.
fn text(message: &mut String, kind: &str, body: &str) {
    let (is_plain, ascii) = look(body);
    let encoding = match (is_plain, ascii * 6 >= body.len() * 5) {
        (true, _) => "7bit",
        (false, true) => "quoted-printable",
        (false, false) => "base64",
    };
    let _ = write!(message, "Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
    match encoding {
        "7bit" => lines(body, |line| message.extend([line, "\r\n"])),
        "quoted-printable" => lines(body, |line| quoted(message, line)),
        _ => {
            let mut whole = String::with_capacity(body.len() + 64);
            lines(body, |line| whole.extend([line, "\r\n"]));
            let encoded = BASE64.encode(whole.as_bytes());
            for start in (0..encoded.len()).step_by(ENCODED_LINE) {
                message.extend([&encoded[start..encoded.len().min(start + ENCODED_LINE)], "\r\n"]);
            }
        }
    }
}

/// May the text stand in a message as it is; and how many bytes of it are ASCII?
fn look(body: &str) -> (bool, usize) {
    let ascii = body.bytes().filter(u8::is_ascii).count();
    let is_plain = ascii == body.len()
        && !body.bytes().any(|byte| byte == 0)
        && body.split(['\n', '\r']).all(|line| line.len() <= LONGEST_LINE);
    (is_plain, ascii)
}

/// Each line, whatever ends it.
fn lines(body: &str, mut each: impl FnMut(&str)) {
    for line in body.lines() {
        // `lines` leaves a lone CR inside: in a message it ends a line too.
        line.split('\r').for_each(&mut each);
    }
}

fn quoted(message: &mut String, line: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let (mut column, last) = (0, line.len().saturating_sub(1));
    for (n, byte) in line.bytes().enumerate() {
        let is_plain = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (matches!(byte, b' ' | b'\t') && n < last);
        let width = if is_plain { 1 } else { 3 };
        // A soft line break needs a place for its `=`.
        if column + width > ENCODED_LINE - usize::from(n < last) {
            message.push_str("=\r\n");
            column = 0;
        }
        if is_plain {
            message.push(char::from(byte));
        } else {
            message.extend(['=', char::from(HEX[usize::from(byte >> 4)]), char::from(HEX[usize::from(byte & 15)])]);
        }
        column += width;
    }
    message.push_str("\r\n");
}
