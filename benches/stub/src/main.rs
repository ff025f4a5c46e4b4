//! A canned SQS endpoint: fast enough that the consumer, not the endpoint, is what is measured.
//!
//! Enters: AWS JSON 1.0 over HTTP/1.1 on loopback, and `/control` from the runner. Leaves: receives, deletes,
//! visibility changes, and how many calls of each kind there were. Promises: a message is handed out once
//! until its visibility runs out, and deleted once; nothing is kept beyond what `/control` preloads. Shares no
//! code with any consumer.

mod store;

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use store::Store;

/// The whole endpoint: one thread, so no lock.
#[derive(Default)]
struct Endpoint {
    store: RefCell<Store>,
    arrived: Notify,
    latency: RefCell<Duration>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receive {
    #[serde(default = "one")]
    max_number_of_messages: usize,
    #[serde(default)]
    wait_time_seconds: u64,
    #[serde(default = "half_a_minute")]
    visibility_timeout: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(default)]
    id: String,
    receipt_handle: String,
    #[serde(default)]
    visibility_timeout: u64,
}

/// What the runner asks for.
#[derive(Deserialize)]
struct Control {
    /// So many messages are there at once.
    #[serde(default)]
    preload: u32,
    /// So many more come at this many a second.
    #[serde(default)]
    paced: u32,
    #[serde(default)]
    rate: f64,
    /// Bytes of a body, about.
    #[serde(default)]
    size: usize,
    /// Added to each call.
    #[serde(default)]
    latency_ms: u64,
}

fn one() -> usize {
    1
}

fn half_a_minute() -> u64 {
    30
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(9324);
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let endpoint = Rc::new(Endpoint::default());
    let local = tokio::task::LocalSet::new();
    local.run_until(accept(listener, endpoint)).await
}

async fn accept(listener: TcpListener, endpoint: Rc<Endpoint>) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let endpoint = endpoint.clone();
        tokio::task::spawn_local(async move {
            let serve = service_fn(move |request| answer(endpoint.clone(), request));
            // A consumer that leaves in the middle of a call is no fault of the endpoint.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
        });
    }
}

async fn answer(endpoint: Rc<Endpoint>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.rsplit('.').next()).unwrap_or("").to_owned();
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let latency = *endpoint.latency.borrow();
    if !latency.is_zero() && path != "/control" {
        sleep(latency).await;
    }
    let text = match (path.as_str(), operation.as_str()) {
        ("/control", _) => control(&endpoint, &body),
        ("/stats", _) => Some(endpoint.store.borrow().stats().to_string()),
        ("/moments", _) => Some(endpoint.store.borrow().moments().to_string()),
        ("/latencies", _) => Some(endpoint.store.borrow().latencies().to_string()),
        (_, "ReceiveMessage") => receive(&endpoint, &body).await,
        (_, "DeleteMessageBatch") => {
            batch(&endpoint, "delete_batch", &body, |store, entry| store.delete(&entry.receipt_handle))
        }
        (_, "DeleteMessage") => single(&endpoint, "delete", &body, |store, entry| store.delete(&entry.receipt_handle)),
        (_, "ChangeMessageVisibilityBatch") => batch(&endpoint, "visibility_batch", &body, |store, entry| {
            store.hide(&entry.receipt_handle, entry.visibility_timeout)
        }),
        (_, "ChangeMessageVisibility") => single(&endpoint, "visibility", &body, |store, entry| {
            store.hide(&entry.receipt_handle, entry.visibility_timeout)
        }),
        (_, "GetQueueAttributes") => {
            endpoint.store.borrow_mut().count("attributes");
            let policy =
                json!({ "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:q-dlq", "maxReceiveCount": 5 });
            let all = json!({ "VisibilityTimeout": "30", "QueueArn": "arn:aws:sqs:us-east-1:000000000000:q",
                "RedrivePolicy": policy.to_string() });
            Some(json!({ "Attributes": all }).to_string())
        }
        (_, "GetQueueUrl") => Some(json!({ "QueueUrl": "http://127.0.0.1:9324/000000000000/q" }).to_string()),
        _ => None,
    };
    let (status, text) = match text {
        Some(text) => (StatusCode::OK, text),
        None => {
            (StatusCode::BAD_REQUEST, json!({ "__type": "UnsupportedOperation", "message": operation }).to_string())
        }
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", hyper::header::HeaderValue::from_static("application/x-amz-json-1.0"));
    Ok(response)
}

fn control(endpoint: &Rc<Endpoint>, body: &[u8]) -> Option<String> {
    let control: Control = serde_json::from_slice(body).ok()?;
    *endpoint.latency.borrow_mut() = Duration::from_millis(control.latency_ms);
    let generation = endpoint.store.borrow_mut().reset(control.preload, control.size);
    endpoint.arrived.notify_waiters();
    if control.paced > 0 && control.rate > 0.0 {
        tokio::task::spawn_local(arrive(endpoint.clone(), control.paced, control.rate, generation));
    }
    Some(json!({ "generation": generation }).to_string())
}

/// Messages come at their pace, whether or not anyone keeps up.
async fn arrive(endpoint: Rc<Endpoint>, count: u32, rate: f64, generation: u64) {
    let begun = Instant::now();
    for n in 0..count {
        tokio::time::sleep_until(begun + Duration::from_secs_f64(f64::from(n) / rate)).await;
        if !endpoint.store.borrow_mut().arrive(generation) {
            return;
        }
        endpoint.arrived.notify_one();
    }
}

async fn receive(endpoint: &Endpoint, body: &[u8]) -> Option<String> {
    let asked: Receive = serde_json::from_slice(body).ok()?;
    let visibility = Duration::from_secs(asked.visibility_timeout);
    let deadline = Instant::now() + Duration::from_secs(asked.wait_time_seconds);
    let generation = {
        let mut store = endpoint.store.borrow_mut();
        store.count("receive");
        store.generation()
    };
    loop {
        let arrived = endpoint.arrived.notified();
        let messages =
            endpoint.store.borrow_mut().take(asked.max_number_of_messages.clamp(1, 10), visibility, generation);
        if let Some(messages) = messages {
            return Some(messages);
        }
        if timeout_at(deadline, arrived).await.is_err() {
            return Some("{}".to_owned());
        }
    }
}

fn batch(
    endpoint: &Endpoint,
    kind: &'static str,
    body: &[u8],
    mut each: impl FnMut(&mut Store, &Entry) -> bool,
) -> Option<String> {
    let batch: Batch = serde_json::from_slice(body).ok()?;
    let mut store = endpoint.store.borrow_mut();
    store.count(kind);
    let (done, failed): (Vec<_>, Vec<_>) = batch.entries.iter().partition(|entry| each(&mut store, entry));
    let done: Vec<_> = done.iter().map(|entry| json!({ "Id": entry.id })).collect();
    let refused = |entry: &&Entry| json!({ "Id": entry.id, "SenderFault": true, "Code": "ReceiptHandleIsInvalid" });
    Some(json!({ "Successful": done, "Failed": failed.iter().map(refused).collect::<Vec<_>>() }).to_string())
}

fn single(
    endpoint: &Endpoint,
    kind: &'static str,
    body: &[u8],
    each: impl FnOnce(&mut Store, &Entry) -> bool,
) -> Option<String> {
    let entry: Entry = serde_json::from_slice(body).ok()?;
    let mut store = endpoint.store.borrow_mut();
    store.count(kind);
    each(&mut store, &entry);
    Some("{}".to_owned())
}
