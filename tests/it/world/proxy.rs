//! A TCP proxy that breaks connections at the moment a test says so.
//!
//! Enters: the server's port, and faults that a test switches. Leaves: its own port, the number of connections, and
//! when it broke one. Promises: without a fault it passes every byte and every end of a connection. A connection that
//! lost a byte in [`Mode::Hole`] stays silent, as a half-open socket does.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{interval, sleep};

/// What happens to all bytes, until the mode changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Pass,
    /// Each chunk in both directions is delayed by this time.
    Delay(Duration),
    /// Connections are accepted and bytes are dropped. Nothing is answered or closed.
    Hole,
    /// The port is closed; open connections go on.
    Refuse,
}

/// Resets one connection after this many bytes in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    ToServer(usize),
    ToClient(usize),
}

struct Shared {
    upstream: u16,
    mode: watch::Sender<Mode>,
    resets: watch::Sender<usize>,
    next_cut: Mutex<Option<Cut>>,
    connections: AtomicUsize,
    broken: Mutex<Vec<Instant>>,
}

/// Why a connection did not end cleanly.
#[derive(PartialEq, Eq)]
enum Broken {
    ByUs,
    ByPeer,
}

/// A running proxy. Dropped, it ends with all its connections.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(upstream: u16) -> Self {
        let port = free_port();
        let shared = Arc::new(Shared {
            upstream,
            mode: watch::Sender::new(Mode::Pass),
            resets: watch::Sender::new(0),
            next_cut: Mutex::default(),
            connections: AtomicUsize::new(0),
            broken: Mutex::default(),
        });
        let acceptor = tokio::spawn(accept(port, listen(port).await, shared.clone()));
        Self { port, shared, acceptor }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets the mode, also for open connections.
    pub fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// Resets every connection that is open now.
    pub fn reset(&self) {
        self.shared.resets.send_modify(|count| *count += 1);
    }

    /// Cuts the next new connection.
    pub fn cut_next(&self, cut: Cut) {
        *self.shared.next_cut.lock().unwrap() = Some(cut);
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// When the proxy cut or reset a connection.
    pub fn broken(&self) -> Vec<Instant> {
        self.shared.broken.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

/// A port that stays free while nobody listens: it is below the kernel's ports for outgoing connections. No test gets one
/// twice: a cluster takes twelve before it listens on any.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let is_free = |port: u16| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let free = |port: &u16| is_free(*port) && GIVEN.lock().unwrap().insert(*port);
    std::iter::repeat_with(|| fastrand::u16(20_000..32_000)).find(free).expect("a free port")
}

async fn listen(port: u16) -> TcpListener {
    let mut tries = interval(Duration::from_millis(20));
    loop {
        tries.tick().await;
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("SO_REUSEADDR");
        let bound = socket.bind((Ipv4Addr::LOCALHOST, port).into());
        if let Ok(listener) = bound.and_then(|()| socket.listen(1024)) {
            return listener;
        }
    }
}

async fn accept(port: u16, first: TcpListener, shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    let mut listener = Some(first);
    let mut connections = JoinSet::new();
    loop {
        if *mode.borrow_and_update() == Mode::Refuse {
            listener = None;
            mode.changed().await.expect("the proxy is there as long as this task");
            continue;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => listen(port).await,
        };
        tokio::select! {
            _ = mode.changed() => {}
            Some(_) = connections.join_next() => {}
            accepted = open.accept() => {
                let (client, _) = accepted.expect("accept on the loopback");
                shared.connections.fetch_add(1, Ordering::Relaxed);
                // Subscribed now, so that a reset during the connect to the server counts.
                connections.spawn(carry(client, shared.clone(), shared.resets.subscribe()));
            }
        }
        listener = Some(open);
    }
}

async fn carry(mut client: TcpStream, shared: Arc<Shared>, mut resets: watch::Receiver<usize>) {
    let cut = shared.next_cut.lock().unwrap().take();
    if *shared.mode.borrow() == Mode::Hole {
        let mut bytes = [0; 4096];
        let swallow = async { while client.read(&mut bytes).await.is_ok_and(|n| n > 0) {} };
        tokio::select! { () = swallow => {}, _ = resets.changed() => {} }
        return;
    }
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.upstream)).await else { return };
    let (to_server, to_client) = match cut {
        Some(Cut::ToServer(n)) => (n, usize::MAX),
        Some(Cut::ToClient(n)) => (usize::MAX, n),
        None => (usize::MAX, usize::MAX),
    };
    let broken = {
        let ((from_client, into_client), (from_server, into_server)) = (client.split(), server.split());
        let (mode, silent) = (shared.mode.subscribe(), &AtomicBool::new(false));
        let up = pump(from_client, into_server, mode.clone(), silent, to_server, true);
        let down = pump(from_server, into_client, mode, silent, to_client, false);
        tokio::select! {
            ended = async { tokio::try_join!(up, down) } => ended.err(),
            _ = resets.changed() => Some(Broken::ByUs),
        }
    };
    if broken == Some(Broken::ByUs) {
        shared.broken.lock().unwrap().push(Instant::now());
    }
    if broken.is_some() {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// Passes on the bytes of one direction until its end.
async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mode: watch::Receiver<Mode>,
    silent: &AtomicBool,
    mut left: usize,
    is_up: bool,
) -> Result<(), Broken> {
    let mut bytes = [0; 4096];
    loop {
        let read = from.read(&mut bytes).await;
        let now = *mode.borrow();
        if let Mode::Delay(delay) = now {
            sleep(delay).await;
        }
        if *mode.borrow() == Mode::Hole {
            silent.store(true, Ordering::Relaxed);
        }
        match read {
            Ok(1..) if silent.load(Ordering::Relaxed) => {}
            // In a black hole the client does not learn that its server has gone.
            Ok(0) | Err(_) if silent.load(Ordering::Relaxed) && !is_up => std::future::pending().await,
            Ok(0) if !silent.load(Ordering::Relaxed) => return to.shutdown().await.map_err(|_| Broken::ByPeer),
            Ok(0) | Err(_) => return Err(Broken::ByPeer),
            Ok(n) => {
                to.write_all(&bytes[..n.min(left)]).await.map_err(|_| Broken::ByPeer)?;
                left = left.saturating_sub(n);
                if left == 0 {
                    return Err(Broken::ByUs);
                }
            }
        }
    }
}
