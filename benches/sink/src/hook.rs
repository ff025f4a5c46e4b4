//! A webhook's receiver: every call is read to its end and answered by 204.
//!
//! Enters: HTTP/1.1. Leaves: each call to the counts. Promises: a call counts once its body has come. Checks no signature:
//! that would be the receiver's work, and it shares a core with the queue.

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::Shared;
use crate::counts::Taken;

pub async fn serve(listener: TcpListener, counts: Shared) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let counts = counts.clone();
        spawn_local(async move {
            let generation = counts.borrow_mut().opened();
            let serve = service_fn(|request| take(counts.clone(), generation, request));
            // A consumer that leaves in the middle of a call is no fault of the sink.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
            counts.borrow_mut().closed(generation);
        });
    }
}

async fn take(counts: Shared, generation: u64, request: Request<Incoming>) -> hyper::Result<Response<Empty<Bytes>>> {
    let number = request.headers().get("webhook-id").and_then(|id| number(id.to_str().ok()?));
    let bytes = request.into_body().collect().await?.to_bytes().len();
    let latency = counts.borrow().latency;
    if !latency.is_zero() {
        sleep(latency).await;
    }
    counts.borrow_mut().accept(generation, Taken { number, bytes });
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    Ok(answer)
}

/// Of `e-7-123`: 123.
fn number(id: &str) -> Option<u32> {
    id.rsplit('-').next()?.parse().ok()
}
