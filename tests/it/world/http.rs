//! One HTTP request, without a client.
//!
//! Enters: an address and a path, or a URL with headers and a body. Leaves: status and body. Promises: an answer or a panic.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::patience::patience;

/// Asks once.
pub async fn get(address: &str, path: &str) -> (u16, String) {
    ask(address, format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")).await
}

/// Posts once; answers the status.
pub async fn post(url: &str, headers: &[(&str, &str)], body: &str) -> u16 {
    let (address, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!("POST /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n");
    ask(address, format!("{head}{headers}\r\n{body}")).await.0
}

async fn ask(address: &str, request: String) -> (u16, String) {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.expect("somebody listens");
        stream.write_all(request.as_bytes()).await.expect("it takes a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers text");
        answer
    };
    let answer = timeout(patience(Duration::from_secs(5)), ask).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

/// Asks once. `None`: nobody listens yet.
pub async fn try_get(address: &str, path: &str) -> Option<(u16, String)> {
    TcpStream::connect(address).await.ok()?;
    Some(get(address, path).await)
}
