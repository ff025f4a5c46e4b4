//! Messages are read back as a server and a mail program read them.

use proptest::prelude::*;

use super::*;

/// Reads one part back, as a server does: its encoding, and its text with `\n` at each line's end.
fn read(part: Vec<u8>) -> (String, Vec<u8>) {
    let message = Message::ended(part);
    let on_the_wire = message.wire().strip_suffix(b".\r\n").expect("its end");
    assert!(!on_the_wire.windows(5).any(|five| five == b"\r\n.\r\n"), "ended early");
    let whole = String::from_utf8(message.file()).expect("a message is ASCII here");
    let (head, body) = whole.split_once("\r\n\r\n").expect("headers, then the body");
    let encoding = head.rsplit_once(": ").expect("a header").1.to_owned();
    for line in body.split("\r\n") {
        assert!(!line.contains(['\r', '\n']), "each line ends with CRLF: {line:?}");
        assert!(line.len() <= if encoding == "7bit" { LONGEST_LINE } else { ENCODED_LINE }, "{line:?}");
        assert!(encoding == "7bit" || !line.ends_with([' ', '\t']), "{line:?}");
    }
    let text = match encoding.as_str() {
        "7bit" => body.as_bytes().to_vec(),
        "quoted-printable" => unquoted(&body.replace("=\r\n", "")),
        _ => BASE64.decode(body.replace("\r\n", "").as_bytes()).expect("base64"),
    };
    (encoding, String::from_utf8(text).expect("UTF-8").replace("\r\n", "\n").into_bytes())
}

fn unquoted(body: &str) -> Vec<u8> {
    let mut pieces = body.split('=');
    let mut text = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        text.push(u8::from_str_radix(&piece[..2], 16).expect("two digits"));
        text.extend_from_slice(&piece.as_bytes()[2..]);
    }
    text
}

/// The lines that a reader should see.
fn expected(body: &str) -> Vec<u8> {
    lines(body.as_bytes()).flat_map(|line| [line, b"\n"].concat()).collect()
}

#[test]
fn a_text_stands_in_the_plainest_form_that_carries_it() {
    let long = "a".repeat(LONGEST_LINE + 1);
    let fits = format!("{}\nb", &long[1..]);
    let cases = [
        ("Hello\n", "7bit"),
        ("", "7bit"),
        (".\n..\na.\n", "7bit"),
        (&fits, "7bit"),
        (&long, "quoted-printable"),
        ("a\0b", "quoted-printable"),
        ("Your account is ready, Zoë", "quoted-printable"),
        ("مرحبا", "base64"),
    ];
    for (body, encoding) in cases {
        let mut message = Vec::new();
        text(&mut message, "text/plain", body);
        assert_eq!(read(message).0, encoding, "{body:?}");
    }
}

#[test]
fn a_subject_that_no_line_holds_or_that_looks_encoded_is_encoded_as_a_whole() {
    let of = |text: &str| {
        let mut message = Vec::new();
        subject(&mut message, text);
        String::from_utf8(message).expect("ASCII")
    };
    assert_eq!(of("Hi =?utf-8?b?SGk=?="), "Subject: =?utf-8?b?SGkgPT91dGYtOD9iP1NHaz0/PQ==?=\r\n");
    assert_eq!(of("Zoë =?"), "Subject: =?utf-8?b?Wm/DqyA9Pw==?=\r\n");
    for long in ["x".repeat(1200), format!("Zoë {}", "ü".repeat(500))] {
        let header = of(&long);
        assert!(header.lines().all(|line| line.len() <= ENCODED_LINE), "{header}");
        let words = header.lines().map(|line| line.split("=?utf-8?b?").nth(1).expect("a word"));
        let text: Vec<u8> =
            words.flat_map(|word| BASE64.decode(word.trim_end_matches("?=").as_bytes()).expect("base64")).collect();
        assert_eq!(String::from_utf8(text).expect("whole characters in each"), long);
    }
}

#[test]
fn a_soft_line_break_comes_only_where_a_line_goes_on() {
    let of = |line: &str| {
        let mut message = Vec::new();
        quoted(&mut message, line.as_bytes());
        String::from_utf8(message).expect("ASCII")
    };
    let full = "a".repeat(ENCODED_LINE);
    assert_eq!(of(&full), format!("{full}\r\n"));
    assert_eq!(of(&format!("{full}a")), format!("{}=\r\naa\r\n", &full[1..]));
    assert_eq!(of(&format!("{}=", &full[3..])), format!("{}=3D\r\n", &full[3..]));
    assert_eq!(of(&format!("{}=", &full[2..])), format!("{}=\r\n=3D\r\n", &full[2..]));
    assert_eq!(of(&format!(".{full}")), format!("..{}=\r\naa\r\n", &full[2..]), "the doubled dot is the wire's");
    assert_eq!(of("a "), "a=20\r\n");
    assert_eq!(of(" \t"), " =09\r\n");
}

proptest! {
    #[test]
    fn every_text_is_read_back_line_by_line(body in "([ -~\t]{0,100}|\\.|[^\\PCa-z]{0,60}|\r\n|\n|\r|=| |ü|\0|a{900}){0,12}") {
        let mut message = Vec::new();
        text(&mut message, "text/html", &body);
        prop_assert_eq!(read(message).1, expected(&body));
    }
}
