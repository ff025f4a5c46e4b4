//! The health port: who may connect, for how long, and how the port closes.
//!
//! Enters: connections, from anybody who reaches the port. Leaves: each is served HTTP/1, or closed. Promises: at
//! most [`MOST`] connections at once, and at most a quarter of the files that this process may open. A request
//! arrives within [`PATIENCE`], or its connection ends. Other machines cannot take the places of this machine, from
//! which the container's health check comes. A stop waits [`GOODBYE`] at most. Knows no path and no worker.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// The most connections at once.
const MOST: usize = 256;
/// How many of [`MOST`] are kept for connections from this machine.
const NEAR: usize = 32;
/// Time limit for a request's head, and for the wait for the next request.
const PATIENCE: Duration = Duration::from_secs(5);
/// At a stop: time limit for answers that have begun.
const GOODBYE: Duration = Duration::from_millis(500);
/// The most bytes of a request's head. A request to this port needs little more than one line.
const HEAD: usize = 8 * 1024;
/// Pause after a failed accept: the missing resource (such as file descriptors) needs time to come back.
const PAUSE: Duration = Duration::from_millis(250);
/// Failed accepts are logged at most this often.
const TOLD: Duration = Duration::from_secs(60);

/// Serves on `listener` until `stop`. The log calls it by this name.
pub(crate) async fn serve(name: &'static str, listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut limits = ConnectionLimits::within(open_files());
    let (mut connections, mut told) = (JoinSet::new(), None::<Instant>);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let is_near = is_near(peer.ip(), stream.local_addr().ok().map(|own| own.ip()));
                limits.admit(is_near, connections.spawn(converse(stream, router.clone(), stop.clone())));
            }
            Err(error) => {
                if told.is_none_or(|told| told.elapsed() >= TOLD) {
                    warn!(%error, "{name} cannot take connections; work goes on");
                    told = Some(Instant::now());
                }
                sleep(PAUSE).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

/// The open connections. Those from this machine have their own places.
struct ConnectionLimits {
    near: ConnectionLimit,
    far: ConnectionLimit,
}

impl ConnectionLimits {
    /// The places of a process that may open `files` files: a quarter of them, [`MOST`] at most.
    fn within(files: usize) -> Self {
        let most = (files / 4).clamp(2, MOST);
        let near = (most / 4).clamp(1, NEAR);
        Self { near: ConnectionLimit::of(near), far: ConnectionLimit::of(most - near) }
    }

    fn admit(&mut self, is_near: bool, guest: AbortHandle) {
        if is_near { self.near.admit(guest) } else { self.far.admit(guest) }
    }
}

/// Connections of one kind, the oldest first.
struct ConnectionLimit {
    most: usize,
    open: VecDeque<AbortHandle>,
}

impl ConnectionLimit {
    fn of(most: usize) -> Self {
        Self { most, open: VecDeque::new() }
    }

    /// Takes a connection in. At the limit, the oldest connection is closed: an answer takes a moment, so an old
    /// connection only waits.
    fn admit(&mut self, guest: AbortHandle) {
        self.open.retain(|open| !open.is_finished());
        if self.open.len() >= self.most
            && let Some(longest) = self.open.pop_front()
        {
            longest.abort();
        }
        self.open.push_back(guest);
    }
}

async fn converse<S>(stream: S, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut served = http1::Builder::new();
    served.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(HEAD);
    let served = served.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(served);
    // Errors of a connection are not logged: its client sees them.
    tokio::select! {
        _ = &mut served => {}
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            let _ = timeout(GOODBYE, served).await;
        }
    }
}

/// Does a connection come from this machine: from loopback, or from the same address that it called?
fn is_near(peer: IpAddr, own: Option<IpAddr>) -> bool {
    let peer = peer.to_canonical();
    peer.is_loopback() || own.is_some_and(|own| own.to_canonical() == peer)
}

/// How many files and connections this process may have open. Without `/proc`: no limit.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    soft.and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "port_tests.rs"]
mod tests;
