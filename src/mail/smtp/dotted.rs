//! The form in which a message goes over the wire.
//!
//! Enters: headers and body. Leaves: the same with its final dot, and with no line that would end it early. Pure.

use crate::mail::lines::lines;

/// A message as it goes over the wire: every line ends with CRLF, a dot at the beginning of a line is doubled, and the
/// final dot follows. All in one piece: a dot sent alone would wait for the TCP acknowledgement of the body, 40 ms a
/// mail.
pub(super) fn dotted(message: &[u8]) -> Vec<u8> {
    let mut sent = Vec::with_capacity(message.len() + 64);
    for line in lines(message) {
        if line.starts_with(b".") {
            sent.push(b'.');
        }
        sent.extend_from_slice(line);
        sent.extend_from_slice(b"\r\n");
    }
    sent.extend_from_slice(b".\r\n");
    sent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_dotted_and_ends_by_its_dot_whatever_ends_its_lines() {
        let cases: [(&[u8], &[u8]); 7] = [
            (b"a\r\nb\r\n", b"a\r\nb\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b"", b".\r\n"),
            (b".\r\n..\r\na.b", b"..\r\n...\r\na.b\r\n.\r\n"),
            (b"a\n.\nb\r.\r\n", b"a\r\n..\r\nb\r\n..\r\n.\r\n"),
            (b"\n.\r", b"\r\n..\r\n.\r\n"),
            (b"a\r\n\r\nb", b"a\r\n\r\nb\r\n.\r\n"),
        ];
        for (message, sent) in cases {
            assert_eq!(dotted(message).escape_ascii().to_string(), sent.escape_ascii().to_string());
        }
    }
}
