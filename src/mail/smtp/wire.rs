//! One connection: bytes out, replies in, each within its time limit.
//!
//! Enters: a host, then bytes to send. Leaves: replies. Promises: a deadline covers a whole reply, not each read;
//! Nagle's algorithm delays nothing, also under TLS; bytes read before TLS are never mixed with bytes read under it.
//! Knows no command.

use std::io;
use std::net::SocketAddr;

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

use super::reply::{Parser, Reply, TooLong};
use super::stop::Why;
use crate::tls::Trust;

/// Bytes of one read: more than a usual reply has.
const PIECE: usize = 4096;

/// A connection that replies are read from.
pub(super) struct Wire {
    stream: Stream,
    /// Bytes that were read but not parsed yet.
    unread: Vec<u8>,
    parser: Parser,
    is_over: bool,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a server did without being asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Aside {
    Nothing,
    Closed,
    Bytes(Vec<u8>),
}

impl Wire {
    pub(super) async fn open(server: (&str, u16), deadline: Instant) -> Result<Self, Why> {
        let stream = within(deadline, TcpStream::connect(server)).await?;
        stream.set_nodelay(true).map_err(Why::broken)?;
        Ok(Self::over(Stream::Plain(stream)))
    }

    fn over(stream: Stream) -> Self {
        Self { stream, unread: Vec::new(), parser: Parser::default(), is_over: false }
    }

    /// The same connection, encrypted. Bytes that were read before are dropped: call [`Wire::aside`] first.
    pub(super) async fn secured(self, trust: &Trust, deadline: Instant) -> Result<Self, Why> {
        let Stream::Plain(stream) = self.stream else { return Err(Why::Tls("is there already".to_owned())) };
        match timeout_at(deadline, trust.handshake(stream)).await {
            Ok(Ok(stream)) => Ok(Self::over(Stream::Tls(Box::new(stream)))),
            Ok(Err(error)) => Err(Why::Tls(error.to_string())),
            Err(_) => Err(Why::Tls("no handshake in time".to_owned())),
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Why> {
        let written = async {
            match &mut self.stream {
                Stream::Plain(stream) => stream.write_all(bytes).await,
                Stream::Tls(stream) => {
                    stream.write_all(bytes).await?;
                    stream.flush().await
                }
            }
        };
        within(deadline, written).await
    }

    /// The next reply, whole.
    async fn reply(&mut self, deadline: Instant) -> Result<Reply, Why> {
        match timeout_at(deadline, self.read_reply()).await {
            Ok(reply) => reply,
            Err(_) => Err(Why::Silence),
        }
    }

    /// The next reply. If its end does not come, its beginning is enough when its class is one of these; then this
    /// connection is over.
    pub(super) async fn reply_or_its_beginning(&mut self, classes: &[u16], deadline: Instant) -> Result<Reply, Why> {
        match self.reply(deadline).await {
            Err(why) => {
                self.is_over = true;
                let begun = self.parser.so_far();
                if begun.class().is_some_and(|class| classes.contains(&class)) { Ok(begun) } else { Err(why) }
            }
            whole => whole,
        }
    }

    /// Did a reply stay without its end? What still comes of it would be taken for the reply to a later command.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    async fn read_reply(&mut self) -> Result<Reply, Why> {
        loop {
            let (taken, reply) = self.parser.take(&self.unread).map_err(|TooLong| Why::TooLong)?;
            self.unread.drain(..taken);
            if let Some(reply) = reply {
                return Ok(reply);
            }
            if self.stream.read(&mut self.unread).await.map_err(Why::broken)? == 0 {
                return Err(Why::broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// What the server has sent unasked by now. This reads it, so the connection may be used again only after
    /// [`Aside::Nothing`].
    pub(super) fn aside(&mut self) -> Aside {
        if self.unread.is_empty() {
            match self.stream.read(&mut self.unread).now_or_never() {
                None => return Aside::Nothing,
                Some(Ok(0) | Err(_)) => return Aside::Closed,
                Some(Ok(_)) => {}
            }
        }
        Aside::Bytes(std::mem::take(&mut self.unread))
    }

    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        let stream = match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        stream.local_addr().ok()
    }
}

impl Stream {
    /// Appends what has come. The place for it is on the heap: as an array it would be a part of every delivery's future,
    /// once for each wait, and each move of that future would copy it.
    async fn read(&mut self, unread: &mut Vec<u8>) -> io::Result<usize> {
        unread.reserve(PIECE);
        match self {
            Self::Plain(stream) => stream.read_buf(unread).await,
            Self::Tls(stream) => stream.read_buf(unread).await,
        }
    }
}

async fn within<T>(deadline: Instant, work: impl Future<Output = io::Result<T>>) -> Result<T, Why> {
    match timeout_at(deadline, work).await {
        Ok(done) => done.map_err(Why::broken),
        Err(_) => Err(Why::Silence),
    }
}
