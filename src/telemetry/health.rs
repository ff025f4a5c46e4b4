//! `/livez`: do the loops turn? Never whether Redis or the mail server is there.
//!
//! Enters: the workers' pulses. Leaves: 200 or 503 over HTTP; and, for the container's own check, a
//! client that asks it ([`check`]).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::worker::Pulse;

/// How long the container's own check waits.
const CHECK: Duration = Duration::from_secs(3);

/// Answers on `listener` until `stop`.
///
/// # Errors
/// The listener's.
pub async fn serve(listener: TcpListener, pulses: Vec<Pulse>, stop: CancellationToken) -> std::io::Result<()> {
    let livez = move || async move {
        if pulses.iter().all(Pulse::is_alive) {
            (StatusCode::OK, "ok\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "a poll loop has stopped turning\n")
        }
    };
    let router = Router::new().route("/livez", get(livez));
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// Asks the worker that listens on `address` in this machine or container.
///
/// # Errors
/// What was wrong, in one line.
pub async fn check(address: SocketAddr) -> Result<(), String> {
    let host = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    let target = SocketAddr::new(host, address.port());
    let ask = async {
        let mut stream = TcpStream::connect(target).await?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    match timeout(CHECK, ask).await {
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200") => Ok(()),
        Ok(Ok(answer)) => Err(format!("/livez answered: {}", answer.lines().next_back().unwrap_or("nothing"))),
        Ok(Err(error)) => Err(format!("nobody listens on {target}: {}", error.kind())),
        Err(_) => Err(format!("no answer from {target} within 3 s")),
    }
}
