//! A mail server and a webhook's receiver that take everything at once: fast enough that the consumer, not the server, is
//! what is measured.
//!
//!     sink PORT TLS_PORT HOOK_PORT CONTROL_PORT ROOT.pem
//!
//! Enters: SMTP on loopback (`PORT`: plain, with STARTTLS if `/control` asks for it; `TLS_PORT`: TLS from the start), calls
//! by HTTP/1.1 on `HOOK_PORT`, and HTTP from the runner on `CONTROL_PORT`. Leaves: counts of mails or calls and of
//! connections, the moment at which each was taken, and in `ROOT.pem` the certificate to trust. Promises: a mail counts
//! when its 250 is written, a call when its 204 is; a connection of an earlier run counts nothing. Keeps neither. Shares
//! no code with any consumer.

mod control;
mod conversation;
mod counts;
mod hook;
mod tls;

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsAcceptor;

use counts::Counts;

/// One thread, so no lock.
type Shared = Rc<RefCell<Counts>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, tls_port, hook_port, control_port, root] = &arguments[..] else {
        eprintln!("usage: sink PORT TLS_PORT HOOK_PORT CONTROL_PORT ROOT.pem");
        std::process::exit(2);
    };
    let acceptor = tls::acceptor(root)?;
    let counts = Shared::default();
    let (plain, secured) = (bind(port).await?, bind(tls_port).await?);
    let (hooks, http) = (bind(hook_port).await?, bind(control_port).await?);
    let local = LocalSet::new();
    local.spawn_local(control::serve(http, counts.clone()));
    local.spawn_local(hook::serve(hooks, counts.clone()));
    local.spawn_local(accept(secured, acceptor.clone(), true, counts.clone()));
    local.run_until(accept(plain, acceptor, false, counts)).await
}

async fn bind(port: &str) -> std::io::Result<TcpListener> {
    let port = port.parse().map_err(std::io::Error::other)?;
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, is_secured: bool, counts: Shared) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (tls, counts) = (tls.clone(), counts.clone());
        spawn_local(async move {
            let generation = counts.borrow_mut().opened();
            // A consumer that leaves in the middle of a mail is no fault of the sink.
            let _ = conversation::hold(stream, tls, is_secured, generation, &counts).await;
            counts.borrow_mut().closed(generation);
        });
    }
}
