//! SMTP from the server's side: everything that has come is answered in one write.
//!
//! Enters: a connection. Leaves: replies, and each mail to the counts. Promises: pipelined commands are answered in
//! their order, in one write; no 250 to a mail before its final dot. Refuses nothing but nonsense.

use std::io;

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::Shared;
use crate::counts::Taken;

const END: &[u8] = b"\r\n.\r\n";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Left,
    AsksForTls,
}

/// One connection, from the greeting to its end.
pub async fn hold(
    stream: TcpStream,
    tls: TlsAcceptor,
    is_secured: bool,
    generation: u64,
    counts: &Shared,
) -> io::Result<()> {
    const GREETING: &[u8] = b"220 sink ESMTP\r\n";
    if is_secured {
        return converse(&mut tls.accept(stream).await?, GREETING, true, generation, counts).await.map(drop);
    }
    let mut stream = stream;
    if converse(&mut stream, GREETING, false, generation, counts).await? == Ended::AsksForTls {
        converse(&mut tls.accept(stream).await?, b"", true, generation, counts).await?;
    }
    Ok(())
}

async fn converse(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    greeting: &[u8],
    is_secured: bool,
    generation: u64,
    counts: &Shared,
) -> io::Result<Ended> {
    let mut talk = Talk { replies: greeting.to_vec(), ..Talk::default() };
    let mut input = Vec::with_capacity(16_384);
    loop {
        let latency = counts.borrow().latency;
        if !talk.replies.is_empty() {
            if !latency.is_zero() {
                sleep(latency).await;
            }
            for mail in talk.taken.drain(..) {
                counts.borrow_mut().accept(generation, mail);
            }
            stream.write_all(&talk.replies).await?;
            // TLS keeps what it has not written yet.
            stream.flush().await?;
            talk.replies.clear();
        }
        if let Some(ended) = talk.ended {
            return Ok(ended);
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(Ended::Left);
        }
        talk.offers_starttls = !is_secured && counts.borrow().offers_starttls;
        let used = talk.read(&input);
        input.drain(..used);
    }
}

/// What was said so far on one connection, and what is still to be answered.
#[derive(Default)]
struct Talk {
    offers_starttls: bool,
    recipient: Option<u32>,
    has_recipient: bool,
    /// In a body: so many of its bytes at the front of the input hold no end.
    body: Option<usize>,
    replies: Vec<u8>,
    taken: Vec<Taken>,
    ended: Option<Ended>,
}

impl Talk {
    /// Reads all whole commands and bodies. Answers how many bytes they were.
    fn read(&mut self, input: &[u8]) -> usize {
        let mut used = 0;
        while self.ended.is_none() {
            let rest = &input[used..];
            let length = if let Some(seen) = self.body { self.read_body(rest, seen) } else { self.read_line(rest) };
            match length {
                Some(length) => used += length,
                None => break,
            }
        }
        used
    }

    fn read_body(&mut self, rest: &[u8], seen: usize) -> Option<usize> {
        let from = seen.saturating_sub(END.len() - 1);
        let bytes = if rest.starts_with(&END[2..]) { Some(0) } else { None };
        let Some(bytes) = bytes.or_else(|| memmem::find(&rest[from..], END).map(|at| from + at + 2)) else {
            self.body = Some(rest.len());
            return None;
        };
        self.body = None;
        self.taken.push(Taken { number: self.recipient.take(), bytes });
        self.has_recipient = false;
        self.say(b"250 2.0.0 taken\r\n");
        Some(bytes + 3)
    }

    fn read_line(&mut self, rest: &[u8]) -> Option<usize> {
        let end = memchr::memchr(b'\n', rest)?;
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let verb = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        let is = |name: &[u8]| verb.eq_ignore_ascii_case(name);
        if is(b"EHLO") {
            self.say(b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n");
            if self.offers_starttls {
                self.say(b"250-STARTTLS\r\n");
            }
            self.say(b"250 SIZE 20000000\r\n");
        } else if is(b"MAIL") {
            self.say(b"250 2.1.0 sender\r\n");
        } else if is(b"RCPT") {
            self.recipient = number(line);
            self.has_recipient = true;
            self.say(b"250 2.1.5 recipient\r\n");
        } else if is(b"DATA") && self.has_recipient {
            self.body = Some(0);
            self.say(b"354 go on\r\n");
        } else if is(b"STARTTLS") && self.offers_starttls {
            self.ended = Some(Ended::AsksForTls);
            self.say(b"220 2.0.0 go on\r\n");
        } else if is(b"QUIT") {
            self.ended = Some(Ended::Left);
            self.say(b"221 2.0.0 bye\r\n");
        } else if is(b"HELO") || is(b"NOOP") {
            self.say(b"250 2.0.0 sink\r\n");
        } else if is(b"RSET") {
            (self.recipient, self.has_recipient) = (None, false);
            self.say(b"250 2.0.0 forgotten\r\n");
        } else {
            self.say(b"503 5.5.1 no such command here\r\n");
        }
        Some(end + 1)
    }

    fn say(&mut self, reply: &[u8]) {
        self.replies.extend_from_slice(reply);
    }
}

/// Of `RCPT TO:<u123@example.com>`: 123.
fn number(line: &[u8]) -> Option<u32> {
    let address = &line[memchr::memchr(b'<', line)? + 1..];
    let local = &address[..memchr::memchr(b'@', address)?];
    std::str::from_utf8(local.strip_prefix(b"u")?).ok()?.parse().ok()
}
