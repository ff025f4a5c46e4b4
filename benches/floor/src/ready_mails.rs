//! Mails that are ready bytes, over connections that stay open: MAIL, RCPT and DATA in one write, then the body.
//!
//! Enters: numbers; mail `n` goes to `u<n>@example.com`. Leaves: the mails at the server. Reads no more of a reply than
//! whether it is the expected one.

use std::fmt::Write;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use crate::{Numbers, variable};

pub async fn send(slots: usize, numbers: Numbers) {
    let mail = std::fs::read(format!("{}/mail.eml", variable("MAIL_TEMPLATE"))).expect("a mail");
    assert!(mail.ends_with(b"\r\n") && !mail.windows(3).any(|three| three == b"\n.\r"), "ready to be sent");
    let mail: Rc<[u8]> = [&mail, &b".\r\n"[..]].concat().into();
    let url = variable("SMTP_URL");
    let server = url.strip_prefix("smtp://").expect("without TLS").to_owned();
    let all = (0..slots).map(|_| spawn_local(converse(server.clone(), mail.clone(), numbers.clone())));
    for slot in all.collect::<Vec<_>>() {
        slot.await.expect("sent");
    }
}

async fn converse(server: String, mail: Rc<[u8]>, numbers: Numbers) {
    let mut stream = TcpStream::connect(server).await.expect("a server");
    stream.set_nodelay(true).expect("a socket");
    let mut input = Vec::with_capacity(4_096);
    expect(&mut stream, &mut input, &[b"220"]).await;
    stream.write_all(b"EHLO [127.0.0.1]\r\n").await.expect("written");
    expect(&mut stream, &mut input, &[b"250"]).await;
    let mut envelope = String::new();
    for number in numbers {
        envelope.clear();
        let _ =
            write!(envelope, "MAIL FROM:<us@example.com> BODY=8BITMIME\r\nRCPT TO:<u{number}@example.com>\r\nDATA\r\n");
        stream.write_all(envelope.as_bytes()).await.expect("written");
        expect(&mut stream, &mut input, &[b"250", b"250", b"354"]).await;
        stream.write_all(&mail).await.expect("written");
        expect(&mut stream, &mut input, &[b"250"]).await;
    }
}

/// Reads until all these replies are there, and no more.
async fn expect(stream: &mut TcpStream, input: &mut Vec<u8>, codes: &[&[u8; 3]]) {
    input.clear();
    loop {
        // The last line of a reply has a blank after its code.
        let last = input.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n") && line[3] == b' ');
        let mut came = 0;
        for (line, code) in last.zip(codes) {
            assert!(line.starts_with(*code), "{}", String::from_utf8_lossy(line));
            came += 1;
        }
        if came == codes.len() {
            return;
        }
        assert_ne!(stream.read_buf(input).await.expect("read"), 0, "closed");
    }
}
