//! A proxy to AWS that records each call in the form in which IAM judges it.
//!
//! Enters: requests of an AWS SDK. Leaves: LocalStack's answers, unchanged, and the set of called (action, resource).
//! Promises: a request that is no call to SQS or SNS is recorded too, by its path. Judges nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use data_encoding::BASE64;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// An action and its resource: `sqs:SendMessage`, `arn:aws:sqs:…`.
pub type Call = (String, String);

/// A running recorder; ends when dropped.
pub struct Recorder {
    calls: Arc<Mutex<BTreeSet<Call>>>,
    port: u16,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Clone)]
struct Passage {
    upstream: String,
    calls: Arc<Mutex<BTreeSet<Call>>>,
    client: Client<HttpConnector, Body>,
}

impl Recorder {
    /// Passes on to `upstream`, a URL without a path.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, calls) = (listener.local_addr().unwrap().port(), Arc::default());
        let client = Client::builder(TokioExecutor::new()).build_http();
        let passage = Passage { upstream: upstream.to_owned(), calls: Arc::clone(&calls), client };
        let router = Router::new().fallback(pass).with_state(passage);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { calls, port, _serving: AbortOnDropHandle::new(serving) }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn calls(&self) -> BTreeSet<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Was this action called?
    pub fn saw(&self, action: &str) -> bool {
        self.calls.lock().unwrap().iter().any(|(seen, _)| seen == action)
    }
}

async fn pass(State(to): State<Passage>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a whole request");
    to.calls.lock().unwrap().insert(call(head.uri.path(), &head.headers, &body));
    head.uri = format!("{}{}", to.upstream, head.uri).parse().expect("a URL");
    let answer = to.client.request(Request::from_parts(head, Body::from(body))).await.expect("LocalStack answers");
    answer.map(Body::new)
}

/// The call in a request. A batch call counts as the single call: IAM judges both by the same action.
fn call(path: &str, headers: &HeaderMap, body: &Bytes) -> Call {
    if let Some(target) =
        headers.get("x-amz-target").and_then(|target| target.to_str().ok()?.strip_prefix("AmazonSQS."))
    {
        let asked: Value = serde_json::from_slice(body).expect("SQS is spoken to in JSON");
        let text = |name: &str| asked[name].as_str().map(str::to_owned);
        let resource = text("QueueUrl").map(|url| queue_arn(&url)).or_else(|| text("SourceArn"));
        let resource = resource.or_else(|| text("TaskHandle").map(|handle| moved_from(&handle)));
        return (format!("sqs:{}", target.trim_end_matches("Batch")), resource.unwrap_or_default());
    }
    let form: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    match field("Action") {
        Some(action) => {
            let resource = field("TopicArn").or_else(|| field("SubscriptionArn")).unwrap_or_default();
            (format!("sns:{}", action.trim_end_matches("Batch")), resource)
        }
        None => (path.to_owned(), String::new()),
    }
}

fn queue_arn(url: &str) -> String {
    let mut parts = url.rsplit('/');
    let (name, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("arn:aws:sqs:us-east-1:{account}:{name}")
}

/// The source queue's ARN in a move task's handle: IAM judges the call by it. The rest of the handle is opaque.
fn moved_from(handle: &str) -> String {
    let decoded = BASE64.decode(handle.as_bytes()).expect("base64");
    let task: Value = serde_json::from_slice(&decoded).expect("JSON");
    task["sourceArn"].as_str().unwrap_or_default().to_owned()
}
