//! A message as servers carry it and mail programs read it.
//!
//! Enters: a [`Message`]. Leaves: its headers and its texts, decoded. Panics where a line is too long, a line break is
//! bare, or the message ends before its end.

use data_encoding::BASE64;

use crate::mail::Message;

/// What a mail program shows, and the headers that it was told.
pub(super) struct Shown {
    pub(super) headers: Vec<(String, String)>,
    /// Each text with its type.
    pub(super) texts: Vec<(String, String)>,
}

pub(super) fn shown(message: &Message) -> Shown {
    let wire = message.wire();
    let ends: Vec<_> = wire.windows(5).enumerate().filter(|(_, five)| five == b"\r\n.\r\n").map(|(at, _)| at).collect();
    assert_eq!(ends, [wire.len() - 5], "a dot alone on its line ends the message");
    let file = text(message.file());
    for line in file.split("\r\n") {
        assert!(line.len() <= 998 && !line.contains(['\r', '\n', '\0']), "{line:?}");
    }
    let (head, body) = halves(&file);
    let headers = headers(head);
    let mut texts = Vec::new();
    read(&headers, body, &mut texts);
    Shown { headers, texts }
}

impl Shown {
    /// The value of the one header of this name.
    pub(super) fn header(&self, name: &str) -> &str {
        value(&self.headers, name)
    }

    pub(super) fn text(&self, kind: &str) -> &str {
        self.texts.iter().find(|(own, _)| own == kind).map_or("", |(_, text)| text)
    }
}

fn text(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => panic!("{error}"),
    }
}

fn halves(part: &str) -> (&str, &str) {
    match part.split_once("\r\n\r\n") {
        Some(halves) => halves,
        None => panic!("headers and a body: {part:?}"),
    }
}

fn headers(head: &str) -> Vec<(String, String)> {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", "\t");
    let pair = |line: &str| match line.split_once(": ") {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => panic!("no header: {line:?}"),
    };
    unfolded.split("\r\n").map(pair).collect()
}

fn value<'h>(headers: &'h [(String, String)], name: &str) -> &'h str {
    headers.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
}

fn read(headers: &[(String, String)], body: &str, texts: &mut Vec<(String, String)>) {
    let kind = value(headers, "Content-Type");
    if let Some((_, boundary)) = kind.split_once("boundary=\"") {
        let boundary = format!("--{}", boundary.trim_end_matches('"'));
        let Some((within, _)) = body.split_once(&format!("{boundary}--\r\n")) else { panic!("no end of {kind}") };
        for part in within.split(&format!("{boundary}\r\n")).skip(1) {
            let (head, body) = halves(part);
            read(&self::headers(head), body, texts);
        }
        return;
    }
    let decoded = match value(headers, "Content-Transfer-Encoding") {
        "7bit" => body.to_owned(),
        "quoted-printable" => text(unquoted(&body.replace("=\r\n", ""))),
        _ if kind.starts_with("image/") => return,
        "base64" => text(base64(&body.replace("\r\n", ""))),
        other => panic!("no encoding: {other}"),
    };
    let kind = kind.split(';').next().unwrap_or_default();
    texts.push((kind.to_owned(), decoded.replace("\r\n", "\n")));
}

/// A header's text, its encoded words (RFC 2047) decoded.
pub(super) fn words(header: &str) -> String {
    let (mut whole, mut spaces, mut was_encoded) = (String::new(), "", false);
    for piece in header.split_inclusive(' ') {
        let word = piece.trim_end_matches(' ');
        let encoded = word.strip_prefix("=?utf-8?b?").and_then(|rest| rest.strip_suffix("?="));
        // Spaces between two encoded words are none of the text.
        if !(was_encoded && encoded.is_some()) {
            whole.push_str(spaces);
        }
        whole.push_str(&encoded.map_or_else(|| word.to_owned(), |encoded| text(base64(encoded))));
        (spaces, was_encoded) = (&piece[word.len()..], encoded.is_some());
    }
    whole + spaces
}

fn base64(text: &str) -> Vec<u8> {
    match BASE64.decode(text.as_bytes()) {
        Ok(bytes) => bytes,
        Err(error) => panic!("{error} in {text:?}"),
    }
}

fn unquoted(text: &str) -> Vec<u8> {
    let mut pieces = text.split('=');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).unwrap_or_default();
        match u8::from_str_radix(digits, 16) {
            Ok(byte) => bytes.push(byte),
            Err(error) => panic!("{error} in {piece:?}"),
        }
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}
