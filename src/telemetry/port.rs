//! Who is let in at the health port, for how long, and how it closes.
//!
//! Enters: connections, from anybody who reaches the port. Leaves: each is served HTTP/1, or shown out. Promises: at
//! most [`MOST`] at once, and a quarter of what this process may open; a request comes within [`PATIENCE`] or its
//! connection ends; strangers take no place from this machine, where the container's own check comes from; a stop
//! waits for none of them longer than [`GOODBYE`]. Knows no path and no worker.

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

/// Connections at once.
const MOST: usize = 256;
/// Of these, for whoever comes from this machine.
const NEAR: usize = 32;
/// A request's head takes no longer, nor does the wait for the next one.
const PATIENCE: Duration = Duration::from_secs(5);
/// At the end, an answer that has begun has so long to go out.
const GOODBYE: Duration = Duration::from_millis(500);
/// A request of ours is one line.
const HEAD: usize = 8 * 1024;
/// After an accept that failed: whatever there is too little of comes back in its own time.
const PAUSE: Duration = Duration::from_millis(250);
/// That it fails is told so often.
const TOLD: Duration = Duration::from_secs(60);

/// Serves on `listener` until `stop`.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut rows = Rows::within(open_files());
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
                rows.seat(is_near, connections.spawn(converse(stream, router.clone(), stop.clone())));
            }
            Err(error) => {
                if told.is_none_or(|told| told.elapsed() >= TOLD) {
                    warn!(%error, "the health port cannot let anybody in; work goes on");
                    told = Some(Instant::now());
                }
                sleep(PAUSE).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

/// Who is let in: whoever comes from this machine has places that nobody else takes.
struct Rows {
    near: Row,
    far: Row,
}

impl Rows {
    /// As many as a process has that may open so many files.
    fn within(files: usize) -> Self {
        let most = (files / 4).clamp(2, MOST);
        let near = (most / 4).clamp(1, NEAR);
        Self { near: Row::of(near), far: Row::of(most - near) }
    }

    fn seat(&mut self, is_near: bool, guest: AbortHandle) {
        if is_near { self.near.seat(guest) } else { self.far.seat(guest) }
    }
}

/// Some of them, in the order of their coming.
struct Row {
    most: usize,
    seated: VecDeque<AbortHandle>,
}

impl Row {
    fn of(most: usize) -> Self {
        Self { most, seated: VecDeque::new() }
    }

    /// In a full row whoever has sat longest goes: an answer takes a moment, and all else is waiting.
    fn seat(&mut self, guest: AbortHandle) {
        self.seated.retain(|seated| !seated.is_finished());
        if self.seated.len() >= self.most
            && let Some(longest) = self.seated.pop_front()
        {
            longest.abort();
        }
        self.seated.push_back(guest);
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
    // A connection that ends badly is its client's to tell of.
    tokio::select! {
        _ = &mut served => {}
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            let _ = timeout(GOODBYE, served).await;
        }
    }
}

/// Does it come from this machine? It may call itself by the address it called, which is ours.
fn is_near(peer: IpAddr, own: Option<IpAddr>) -> bool {
    let peer = peer.to_canonical();
    peer.is_loopback() || own.is_some_and(|own| own.to_canonical() == peer)
}

/// How many files and connections this process may have open; where the system does not tell, enough.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    soft.and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "port_tests.rs"]
mod tests;
