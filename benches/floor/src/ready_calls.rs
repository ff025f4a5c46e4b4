//! Calls that are ready bytes, over connections that stay open: bare hyper, one call at a time on each.
//!
//! Enters: numbers; call `n` has the `webhook-id` `e-1-<n>`, the rest of it is the same for all and as long as a signed
//! one. Leaves: the calls at the server. Reads no more of an answer than whether it is a 2xx.

use std::rc::Rc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use crate::{Numbers, variable};

/// What all calls have in common.
struct Ready {
    server: String,
    path: Uri,
    headers: HeaderMap,
    body: Bytes,
}

pub async fn send(slots: usize, numbers: Numbers) {
    let url: Uri = variable("WEBHOOK_URL").parse().expect("a URL");
    let server = url.authority().expect("a host").to_string();
    let mut headers = HeaderMap::new();
    headers.insert(HOST, server.parse().expect("a header"));
    let fixed = [
        (CONTENT_TYPE.as_str(), "application/json"),
        (USER_AGENT.as_str(), "user-events/0.2.0"),
        ("webhook-timestamp", "1767323045"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let body = std::fs::read(variable("WEBHOOK_BODY")).expect("a body").into();
    let ready = Rc::new(Ready { server, path: url.path().parse().expect("a path"), headers, body });
    let all = (0..slots).map(|_| spawn_local(call(ready.clone(), numbers.clone())));
    for slot in all.collect::<Vec<_>>() {
        slot.await.expect("sent");
    }
}

async fn call(ready: Rc<Ready>, numbers: Numbers) {
    let stream = TcpStream::connect(&ready.server).await.expect("a server");
    stream.set_nodelay(true).expect("a socket");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    spawn_local(connection);
    for number in numbers {
        let mut request = Request::new(Full::new(ready.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = ready.path.clone();
        *request.headers_mut() = ready.headers.clone();
        request.headers_mut().insert("webhook-id", format!("e-1-{number}").try_into().expect("a header"));
        sender.ready().await.expect("kept");
        let answer = sender.send_request(request).await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.into_body().collect().await.expect("its end");
    }
}
