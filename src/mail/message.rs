//! A message's bytes: what is the same in every mail is made once, and each mail is written in one piece.
//!
//! Enters: headers and bodies. Leaves: a [`Message`] (RFC 5322, MIME) whose lines have at most 998 bytes. Promises: no text
//! can add a header, end a part early or end the message early. Knows no template and no server.

use data_encoding::{BASE64, HEXLOWER};
use lettre::message::header::{Headers, Subject};
use memchr::{memchr, memrchr2};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::image::Image;
use super::lines::lines;
use super::templates::Bodies;

/// RFC 5322 section 2.1.1, without the CRLF.
const LONGEST_LINE: usize = 998;
/// RFC 2045 section 6.7 and 6.8, without the CRLF.
const ENCODED_LINE: usize = 76;

/// A message as it goes over the wire (RFC 5321 section 4.5.2).
///
/// Each line ends with CRLF, a dot at the beginning of a line is doubled, and a dot alone ends it. All in one piece: a dot sent
/// by itself would wait for the TCP acknowledgement of what is before it, 40 ms a mail.
#[derive(Clone)]
pub struct Message(Vec<u8>);

/// One mail, as far as it differs from others.
pub(super) struct Parts<'a> {
    /// An address as a header has it.
    pub(super) to: &'a str,
    pub(super) message_id: &'a str,
    pub(super) reference: &'a str,
    pub(super) bodies: &'a Bodies,
}

/// Writes a message; `constant`: headers that every mail has, each with its line break.
pub(super) fn write(constant: &str, parts: &Parts<'_>, images: &[&Image]) -> Message {
    let Parts { to, message_id, reference, bodies } = parts;
    let html = bodies.html.as_deref().unwrap_or_default();
    let pictures: usize = images.iter().map(|image| image.part.len() + 64).sum();
    let mut message = Vec::with_capacity(constant.len() + 2 * bodies.text.len() + html.len() * 5 / 4 + pictures + 1024);
    let date = OffsetDateTime::now_utc().format(&Rfc2822).unwrap_or_default();
    // Amazon SES replaces Message-ID, but not X-Entity-Ref-ID.
    put(&mut message, &[constant, "To: ", to, "\r\nMessage-ID: <", message_id, ">\r\n"]);
    put(&mut message, &["X-Entity-Ref-ID: ", reference, "\r\nDate: ", &date, "\r\n"]);
    subject(&mut message, &bodies.subject);
    let Some(html) = &bodies.html else {
        text(&mut message, "text/plain", &bodies.text);
        return Message::ended(message);
    };
    let around = &boundary();
    put(&mut message, &["Content-Type: multipart/alternative; boundary=\"", around, "\"\r\n\r\n--", around, "\r\n"]);
    text(&mut message, "text/plain", &bodies.text);
    put(&mut message, &["--", around, "\r\n"]);
    if images.is_empty() {
        text(&mut message, "text/html", html);
    } else {
        let within = &boundary();
        put(&mut message, &["Content-Type: multipart/related; type=\"text/html\"; boundary=\"", within, "\"\r\n\r\n"]);
        put(&mut message, &["--", within, "\r\n"]);
        text(&mut message, "text/html", html);
        for image in images {
            put(&mut message, &["--", within, "\r\n", &image.part]);
        }
        put(&mut message, &["--", within, "--\r\n\r\n"]);
    }
    put(&mut message, &["--", around, "--\r\n"]);
    Message::ended(message)
}

impl Message {
    fn ended(mut lines: Vec<u8>) -> Self {
        lines.extend_from_slice(b".\r\n");
        Self(lines)
    }

    /// Ready for the wire.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// As a file has it: no dot is doubled, and none ends it.
    #[must_use]
    pub fn file(&self) -> Vec<u8> {
        let lines = self.0.strip_suffix(b".\r\n").unwrap_or(&self.0).split_inclusive(|byte| *byte == b'\n');
        lines.map(|line| line.strip_prefix(b".").unwrap_or(line)).collect::<Vec<_>>().concat()
    }
}

fn put(message: &mut Vec<u8>, pieces: &[&str]) {
    pieces.iter().for_each(|piece| message.extend_from_slice(piece.as_bytes()));
}

/// 128 random bits: no text holds them by chance, and an encoded one never holds `=_`.
fn boundary() -> String {
    "=_".to_owned() + &HEXLOWER.encode(&fastrand::u128(..).to_be_bytes())
}

fn subject(message: &mut Vec<u8>, subject: &str) {
    if subject.is_ascii() && subject.len() <= ENCODED_LINE - "Subject: ".len() && !subject.contains("=?") {
        return put(message, &["Subject: ", subject, "\r\n"]);
    }
    // The library breaks no word, and leaves one that looks encoded as it is: mail programs would decode it.
    if subject.contains("=?") || subject.split(' ').any(|word| word.len() > ENCODED_LINE) {
        return encoded(message, subject);
    }
    let mut headers = Headers::new();
    headers.set(Subject::from(subject.to_owned()));
    put(message, &[&headers.to_string()]);
}

/// A subject as encoded words, one a line (RFC 2047 section 2).
fn encoded(message: &mut Vec<u8>, subject: &str) {
    const WORD: usize = (ENCODED_LINE - "Subject: =?utf-8?b??=".len()) / 4 * 3;
    let (mut rest, mut before) = (subject, "Subject:");
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD));
        put(message, &[before, " =?utf-8?b?", &BASE64.encode(word.as_bytes()), "?=\r\n"]);
        (rest, before) = (after, "");
    }
}

/// One text with its headers, in the plainest form that carries it.
fn text(message: &mut Vec<u8>, kind: &str, body: &str) {
    let encoding = Encoding::of(body);
    put(message, &["Content-Type: ", kind, "; charset=utf-8\r\nContent-Transfer-Encoding: ", encoding.name()]);
    put(message, &["\r\n\r\n"]);
    match encoding {
        Encoding::Plain => crlf(message, body),
        Encoding::QuotedPrintable => lines(body.as_bytes()).for_each(|line| quoted(message, line)),
        Encoding::Base64 => {
            let whole = lines(body.as_bytes()).flat_map(|line| [line, b"\r\n"]).collect::<Vec<_>>().concat();
            for line in BASE64.encode(&whole).as_bytes().chunks(ENCODED_LINE) {
                message.extend_from_slice(line);
                message.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// How a text stands in a message (RFC 2045 section 6).
#[derive(Clone, Copy)]
enum Encoding {
    Plain,
    QuotedPrintable,
    Base64,
}

impl Encoding {
    fn of(body: &str) -> Self {
        let bytes = body.as_bytes();
        if bytes.is_ascii() {
            let is_plain = memchr(0, bytes).is_none() && !has_long_line(bytes);
            return if is_plain { Self::Plain } else { Self::QuotedPrintable };
        }
        // Quoted-printable writes each byte beyond ASCII as 3 bytes, so 2 more; base64 makes all bytes 1/3 longer. They are
        // equal where 1/6 of the bytes are beyond ASCII: 1/6 × 2 = 1/3.
        let ascii = bytes.iter().filter(|byte| byte.is_ascii()).count();
        if ascii * 6 >= bytes.len() * 5 { Self::QuotedPrintable } else { Self::Base64 }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "7bit",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
        }
    }
}

/// Is a line longer than a message's may be? Looks at one line break in each stretch of that length.
fn has_long_line(text: &[u8]) -> bool {
    let mut rest = text;
    while rest.len() > LONGEST_LINE {
        let Some(end) = memrchr2(b'\r', b'\n', &rest[..=LONGEST_LINE]) else { return true };
        rest = &rest[end + 1..];
    }
    false
}

fn crlf(message: &mut Vec<u8>, body: &str) {
    for line in lines(body.as_bytes()) {
        begin_line(message, line);
        message.extend_from_slice(line);
        message.extend_from_slice(b"\r\n");
    }
}

/// A dot at the beginning of a line is doubled: alone on its line it would end the message.
fn begin_line(message: &mut Vec<u8>, line: &[u8]) {
    if line.first() == Some(&b'.') {
        message.push(b'.');
    }
}

/// Quoted-printable: the last place of a line is for the `=` of a soft line break, unless the line ends there.
fn quoted(message: &mut Vec<u8>, line: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let (mut rest, mut column) = (line, 0);
    while let Some(&byte) = rest.first() {
        let plain = plain_run(rest);
        let ends = |taken: usize| usize::from(taken == rest.len());
        let fits = match plain {
            0 => usize::from(column + 3 < ENCODED_LINE + ends(1)),
            plain if column + plain < ENCODED_LINE + ends(plain) => plain,
            plain => plain.min(ENCODED_LINE - 1 - column),
        };
        if fits == 0 {
            message.extend_from_slice(b"=\r\n");
            column = 0;
            continue;
        }
        if plain == 0 {
            message.extend_from_slice(&[b'=', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            column += 3;
        } else {
            if column == 0 {
                begin_line(message, rest);
            }
            message.extend_from_slice(&rest[..fits]);
            column += fits;
        }
        rest = &rest[fits..];
    }
    message.extend_from_slice(b"\r\n");
}

/// How many bytes at the beginning of a line's rest can stand as they are. More than fit into an encoded line are not counted.
/// White space at a line's end cannot: servers on the way take it off.
fn plain_run(rest: &[u8]) -> usize {
    let is_plain = |byte: &u8| matches!(byte, b'!'..=b'<' | b'>'..=b'~' | b' ' | b'\t');
    let run = rest.iter().take(ENCODED_LINE + 1).take_while(|byte| is_plain(byte)).count();
    let ends_white = run == rest.len() && matches!(rest.last(), Some(b' ' | b'\t'));
    run - usize::from(ends_white)
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
