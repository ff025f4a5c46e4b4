//! `/livez`, `/readyz` and `/metrics`: do the poll loops turn, can the workers work, what have they done?
//!
//! Enters: the workers' vitals. Leaves: over HTTP, 200 or 503 and lines. Also a client of the endpoint: [`check`] for
//! the container's health check, [`ask`] for commands. Promises: `/livez` never depends on Redis or the mail server,
//! because a restart brings neither back. `/readyz` does, for people and for tools that route work.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::roster::{Roster, Told};
use super::{Telemetry, port};
use crate::plain;

/// How long a client waits for the answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// The most bytes of an answer that are read: another program may listen on that port.
const LONGEST: u64 = 64 * 1024;
/// The content type of a scrape.
const SCRAPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers on `listener` until `stop`.
pub async fn serve(listener: TcpListener, workers: Roster, telemetry: Arc<Telemetry>, stop: CancellationToken) {
    let (alive, ready) = (workers.clone(), workers);
    let router = Router::new()
        .route("/livez", get(move || async move { livez(&alive) }))
        .route("/readyz", get(move || async move { readyz(&ready) }))
        .route("/metrics", get(move || async move { ([(header::CONTENT_TYPE, SCRAPE)], telemetry.scrape()) }));
    port::serve("the health port", listener, router, stop).await;
}

fn livez(workers: &Roster) -> (StatusCode, &'static str) {
    if workers.are_alive() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "a poll loop has stopped turning\n")
    }
}

/// One line a reaction, and one for each remark.
fn readyz(workers: &Roster) -> (StatusCode, String) {
    let (mut status, mut lines) = (StatusCode::OK, String::new());
    for Told { name, is_ready, line } in workers.told() {
        if !is_ready {
            status = StatusCode::SERVICE_UNAVAILABLE;
        }
        lines.push_str(&format!("{name}: {}\n", plain::line(&line)));
    }
    lines.extend(workers.remarks().iter().map(|(name, remark)| format!("warning: {name}: {}\n", plain::line(remark))));
    (status, lines)
}

/// Asks the worker that listens on `address`, on this machine or in this container, whether its loops turn.
///
/// # Errors
/// What was wrong, in one line.
pub async fn check(address: SocketAddr) -> Result<(), String> {
    match ask(address, "/livez").await? {
        (200, _) => Ok(()),
        (_, body) => Err(format!("/livez answered: {}", body.lines().next_back().unwrap_or("nothing"))),
    }
}

/// Asks the worker at `address` for `path`. Answers status and body.
///
/// # Errors
/// Who did not answer, and why, in one line.
pub async fn ask(address: SocketAddr, path: &str) -> Result<(u16, String), String> {
    let host = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    let target = SocketAddr::new(host, address.port());
    let ask = async {
        let mut stream = TcpStream::connect(target).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    match timeout(PATIENCE, ask).await {
        Ok(Ok(answer)) => read(&String::from_utf8_lossy(&answer)).ok_or_else(|| format!("{target} speaks no HTTP")),
        Ok(Err(error)) => Err(format!("nobody listens on {target}: {}", plain::said(&error))),
        Err(_) => Err(format!("no answer from {target} within 3 s")),
    }
}

fn read(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, body.to_owned()))
}
