//! The runner's side of the sink: HTTP on a port of its own.
//!
//! Enters: `/control` (a new run: `latency_ms` before each reply, `starttls` offered or not), `/stats`, `/moments`.
//! Leaves: JSON.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::Shared;

#[derive(Deserialize)]
struct Control {
    #[serde(default)]
    latency_ms: u64,
    #[serde(default)]
    starttls: bool,
}

pub async fn serve(listener: TcpListener, counts: Shared) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let counts = counts.clone();
        tokio::task::spawn_local(async move {
            let serve = service_fn(move |request| answer(counts.clone(), request));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
        });
    }
}

async fn answer(counts: Shared, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let said: Option<Value> = match path.as_str() {
        "/control" => serde_json::from_slice(&body).ok().map(|asked: Control| {
            let generation = counts.borrow_mut().reset(Duration::from_millis(asked.latency_ms), asked.starttls);
            json!({ "generation": generation })
        }),
        "/stats" => Some(counts.borrow().stats()),
        "/moments" => Some(counts.borrow().moments()),
        _ => None,
    };
    let mut response = Response::new(Full::from(said.as_ref().map(Value::to_string).unwrap_or_default()));
    if said.is_none() {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(response)
}
