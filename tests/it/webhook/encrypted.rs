//! The webhook over TLS: each version of HTTP that a service may choose, and certificates that nobody should believe.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use super::crm::Crm;
use super::service::Request;
use crate::world::processes::{Worker, execute};
use crate::world::smtp::certificate;

const SOON: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Request>>,
    connections: Mutex<usize>,
}

/// A service that answers 204 to all, over TLS.
struct Encrypted {
    url: String,
    tls: Arc<Mutex<TlsAcceptor>>,
    seen: Arc<Seen>,
    _accepting: AbortOnDropHandle<()>,
}

impl Encrypted {
    async fn start(tls: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url =
            format!("https://localhost:{}/hooks/user-events?v=1", listener.local_addr().expect("an address").port());
        let (tls, seen) = (Arc::new(Mutex::new(tls)), Arc::<Seen>::default());
        let accepting = AbortOnDropHandle::new(tokio::spawn(accept(listener, tls.clone(), seen.clone())));
        Self { url, tls, seen, _accepting: accepting }
    }

    fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().unwrap().clone()
    }

    fn connections(&self) -> usize {
        *self.seen.connections.lock().unwrap()
    }
}

async fn accept(listener: TcpListener, tls: Arc<Mutex<TlsAcceptor>>, seen: Arc<Seen>) {
    let mut talks = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let tls = tls.lock().unwrap().clone();
        talks.spawn(talk(stream, tls, seen.clone()));
    }
}

/// In the version of HTTP that both sides agreed on.
async fn talk(stream: TcpStream, tls: TlsAcceptor, seen: Arc<Seen>) {
    let Ok(stream) = tls.accept(stream).await else { return };
    *seen.connections.lock().unwrap() += 1;
    let is_two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let (stream, service) = (TokioIo::new(stream), service_fn(|request| answer(request, seen.clone())));
    // How a client ends a connection is its own affair.
    match is_two {
        true => drop(http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await),
        false => drop(http1::Builder::new().serve_connection(stream, service).await),
    }
}

async fn answer(request: hyper::Request<Incoming>, seen: Arc<Seen>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let line = format!("{} {} {:?}", head.method, head.uri, head.version);
    let text = |value: &hyper::header::HeaderValue| value.to_str().expect("text").to_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = body.collect().await.expect("all of it").to_bytes();
    let body = String::from_utf8(body.to_vec()).expect("UTF-8");
    seen.requests.lock().unwrap().push(Request { line, headers, body });
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    Ok(answer)
}

#[tokio::test]
async fn a_webhook_over_tls_is_called_by_http_2_where_its_service_speaks_it_and_else_by_http_1_1() {
    let directory = tempfile::tempdir().unwrap();
    let trusted = certificate::write(directory.path());
    for (protocols, is_two) in [(&["h2", "http/1.1"][..], true), (&["http/1.1"], false), (&[], false)] {
        let service = Encrypted::start(certificate::acceptor_of(&trusted, protocols)).await;
        let crm = Crm::calling(&service.url, SOON).await.with("SSL_CERT_FILE", &trusted.display().to_string());
        let crm = crm.with("CRM_WORKER_CONCURRENCY", "1");
        let worker = crm.worker();
        let bodies: Vec<_> = (0..10).map(|n| crm.event(n, r#", "note":"Zoë""#)).collect();
        crm.world.send_all(&crm.queue, &bodies).await;
        crm.world.drained(&crm.queue, SOON).await;

        let mut requests = service.requests();
        requests.sort_by_key(|request| bodies.iter().position(|body| *body == request.body));
        let sent: Vec<_> = requests.iter().map(|request| &request.body).collect();
        assert_eq!(sent, bodies.iter().collect::<Vec<_>>(), "{protocols:?}: each once, to the byte");
        assert_eq!(service.connections(), 1, "{protocols:?}: one after the other, on one connection");
        let (place, version) = match is_two {
            true => (&*service.url, "HTTP/2.0"),
            false => ("/hooks/user-events?v=1", "HTTP/1.1"),
        };
        for (n, request) in requests.iter().enumerate() {
            assert_eq!(request.line, format!("POST {place} {version}"));
            assert_eq!(request.headers["webhook-id"], crm.id(n));
            assert!(request.headers["webhook-signature"].starts_with("v1,"), "{request:?}");
            assert_eq!(request.headers.contains_key("host"), !is_two, "HTTP/2 names the host in the URL alone");
        }
        assert_eq!(worker.terminate().await, Some(0));

        execute(&crm.with("CRM_WEBHOOK_PROBE_URL", &service.url).env, &["doctor"]).await;
        let asked = service.requests().pop().expect("a request").line;
        assert_eq!(asked, format!("HEAD {place} {version}"), "its health path likewise");
    }
}

/// A worker whose service shows a certificate that must not be believed, and then the right one. One failure would make
/// its event a dead letter.
async fn an_event_waits_for_the_right_certificate(wrong: &Path, trusted: &[&Path], right: &Path) -> String {
    let directory = tempfile::tempdir().unwrap();
    let roots = directory.path().join("roots.pem");
    let text: String = trusted.iter().map(|root| std::fs::read_to_string(root).expect("a certificate")).collect();
    std::fs::write(&roots, text).unwrap();
    let service = Encrypted::start(certificate::acceptor(wrong)).await;
    let crm = Crm::calling(&service.url, SOON).await.with("SSL_CERT_FILE", &roots.display().to_string());
    let crm = crm.with("CRM_MAX_ATTEMPTS", "1");
    let worker = crm.worker();
    crm.send(1).await;
    let told = worker.says("at TLS", SOON).await;
    assert!(service.requests().is_empty(), "nobody was called");
    *service.tls.lock().unwrap() = certificate::acceptor(right);
    crm.world.drained(&crm.queue, SOON).await;
    assert_eq!((service.requests().len(), crm.letters().await.len()), (1, 0), "{:?}", worker.log());
    ended_well(worker).await;
    told
}

async fn ended_well(worker: Worker) {
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn a_webhook_whose_certificate_nobody_vouches_for_or_names_another_host_pauses_until_it_is_right() {
    let (own, strange) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let right = certificate::write(own.path());
    let other = certificate::write_for("elsewhere.example", own.path());
    let stranger = certificate::write(strange.path());
    for (wrong, cause) in [(stranger, "UnknownIssuer"), (other.clone(), "not valid for name")] {
        let told = an_event_waits_for_the_right_certificate(&wrong, &[&right, &other], &right).await;
        assert!(told.contains(cause), "{told}");
    }
}
