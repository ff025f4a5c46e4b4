//! The form in which a message goes over the wire.
//!
//! Enters: headers and body. Leaves: the same, with nothing in it that ends it early, and its end. Pure.

/// A message as it goes over the wire: lines ended by CRLF whatever ended them, dots at their beginnings doubled, and the dot
/// that ends it. Sent in one piece: a dot of its own would wait for the server's word that the body has come, 40 ms a mail.
pub(super) fn dotted(message: &[u8]) -> Vec<u8> {
    let mut sent = Vec::with_capacity(message.len() + 16);
    let mut begins_line = true;
    for (at, byte) in message.iter().enumerate() {
        match byte {
            b'\n' if at > 0 && message[at - 1] == b'\r' => {}
            b'\r' | b'\n' => {
                sent.extend_from_slice(b"\r\n");
                begins_line = true;
            }
            byte => {
                if begins_line && *byte == b'.' {
                    sent.push(b'.');
                }
                sent.push(*byte);
                begins_line = false;
            }
        }
    }
    if !begins_line {
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
