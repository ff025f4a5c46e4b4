//! The proxy's answers: LocalStack's answer, or what a fault makes of it.
//!
//! Enters: one connection. Leaves: HTTP answers, or the connection's end instead of one. Does not know when a fault
//! begins or ends.

use std::convert::Infallible;
use std::fmt;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, client, http, server};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{Call, Fault, Shared};

/// The connection ends without an answer.
#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the proxy was told not to answer")
    }
}

impl std::error::Error for NoAnswer {}

pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let resets = AtomicBool::new(false);
    let answer = service_fn(|request| Box::pin(shared.answer(request, &resets)));
    let mut connection = server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    // The result is ignored: the client ended the connection, or a fault did. Both are expected.
    let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    if resets.load(Ordering::Relaxed) {
        stream.set_zero_linger().expect("SO_LINGER");
    }
}

type Answer = Response<Text>;

/// An answer's body. With [`Fault::Torn`] it is shorter than its content length says.
struct Text {
    said: u64,
    bytes: Option<Bytes>,
}

impl From<Bytes> for Text {
    fn from(bytes: Bytes) -> Self {
        Self { said: bytes.len() as u64, bytes: Some(bytes) }
    }
}

impl Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.said)
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>, resets: &AtomicBool) -> Result<Answer, NoAnswer> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| NoAnswer)?.to_bytes();
        let kind = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let kind = kind.trim_start_matches("AmazonSQS.").to_owned();
        match self.came(&kind, &body) {
            None => Ok(whole(self.pass(&head, None, body).await?)),
            Some(Fault::Silent) => pending().await,
            Some(Fault::SilentAfter) => {
                self.pass(&head, None, body).await?;
                pending().await
            }
            Some(Fault::AnswerLost) => {
                self.pass(&head, None, body).await?;
                Err(NoAnswer)
            }
            Some(Fault::Reset) => {
                resets.store(true, Ordering::Relaxed);
                Err(NoAnswer)
            }
            Some(Fault::Error) => Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "<html>not well</html>".to_owned())),
            Some(Fault::Refused(name)) => {
                let body = json!({ "__type": format!("com.amazonaws.sqs#{name}"), "message": "not now" });
                Ok(refusal(StatusCode::BAD_REQUEST, body.to_string()))
            }
            Some(Fault::Torn) => {
                let (head, body) = self.pass(&head, None, body).await?;
                let said = body.len() as u64;
                let half = Text { said, bytes: Some(body.slice(..body.len() / 2)) };
                Ok(whole((head, body)).map(|_| half))
            }
            Some(Fault::FailEntries(places)) => self.fail_entries(&head, &body, places, ("InternalError", false)).await,
            Some(Fault::RefuseEntries(places, code)) => self.fail_entries(&head, &body, places, (code, true)).await,
            Some(Fault::TwiceByOneHandle) => {
                let (answer, mut received) = self.ask(&head, None, &read(&body)).await?;
                double(&mut received, |first| first.clone());
                Ok(whole((answer, received.to_string().into())))
            }
            Some(Fault::TwiceByTwoHandles) => self.receive_again(&head, &read(&body)).await,
        }
    }

    /// Records a call, and answers the fault that it gets.
    fn came(&self, kind: &str, body: &Bytes) -> Option<Fault> {
        let entries = read(body)["Entries"].as_array().cloned().unwrap_or_default();
        let receipts = entries.iter().filter_map(|entry| Some(entry["ReceiptHandle"].as_str()?.to_owned())).collect();
        self.calls.lock().unwrap().push(Call { kind: kind.to_owned(), at: Instant::now(), receipts });
        let mut faults = self.faults.lock().unwrap();
        let (left, fault) = faults.get_mut(kind).filter(|(left, _)| *left > 0)?;
        *left -= 1;
        Some(*fault)
    }

    async fn fail_entries(
        &self,
        head: &http::request::Parts,
        body: &Bytes,
        places: &[usize],
        (code, sender_fault): (&str, bool),
    ) -> Result<Answer, NoAnswer> {
        let mut call = read(body);
        let entries = call["Entries"].as_array().cloned().unwrap_or_default();
        let (mut failed, mut passed) = (Vec::new(), Vec::new());
        for (place, entry) in entries.into_iter().enumerate() {
            if places.contains(&place) {
                let id = &entry["Id"];
                failed.push(json!({ "Id": id, "SenderFault": sender_fault, "Code": code, "Message": "" }));
            } else {
                passed.push(entry);
            }
        }
        if passed.is_empty() {
            return Ok(refusal(StatusCode::OK, json!({ "Successful": [], "Failed": failed }).to_string()));
        }
        call["Entries"] = passed.into();
        let (answer, mut said) = self.ask(head, None, &call).await?;
        failed.extend(said["Failed"].as_array().cloned().unwrap_or_default());
        said["Failed"] = failed.into();
        Ok(whole((answer, said.to_string().into())))
    }

    /// Receives, makes the first message visible again at once, and receives it a second time.
    async fn receive_again(&self, head: &http::request::Parts, call: &Value) -> Result<Answer, NoAnswer> {
        let (answer, mut received) = self.ask(head, None, call).await?;
        if let Some(first) = received["Messages"].get(0) {
            let receipt = &first["ReceiptHandle"];
            let show = json!({ "QueueUrl": call["QueueUrl"], "ReceiptHandle": receipt, "VisibilityTimeout": 0 });
            self.ask(head, Some("ChangeMessageVisibility"), &show).await?;
            let mut again = call.clone();
            again["MaxNumberOfMessages"] = 1.into();
            let (_, again) = self.ask(head, None, &again).await?;
            double(&mut received, |_| again["Messages"][0].clone());
        }
        Ok(whole((answer, received.to_string().into())))
    }

    async fn ask(
        &self,
        head: &http::request::Parts,
        kind: Option<&str>,
        call: &Value,
    ) -> Result<(http::response::Parts, Value), NoAnswer> {
        let (head, body) = self.pass(head, kind, call.to_string().into()).await?;
        Ok((head, read(&body)))
    }

    /// LocalStack's answer to this call. `kind`: to a call of this name instead.
    async fn pass(
        &self,
        head: &http::request::Parts,
        kind: Option<&str>,
        body: Bytes,
    ) -> Result<(http::response::Parts, Bytes), NoAnswer> {
        let mut request = Request::from_parts(head.clone(), Full::new(body));
        request.headers_mut().remove(CONTENT_LENGTH);
        if let Some(kind) = kind {
            let target = format!("AmazonSQS.{kind}").parse().expect("a header's value");
            request.headers_mut().insert("x-amz-target", target);
        }
        // One connection for each call, because a kept one could go stale.
        let stream = TcpStream::connect(&self.upstream).await.map_err(|_| NoAnswer)?;
        let (mut sender, connection) =
            client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| NoAnswer)?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let (head, body) = sender.send_request(request).await.map_err(|_| NoAnswer)?.into_parts();
        Ok((head, body.collect().await.map_err(|_| NoAnswer)?.to_bytes()))
    }
}

fn read(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn double(received: &mut Value, copy: impl Fn(&Value) -> Value) {
    if let Some(messages) = received["Messages"].as_array_mut().filter(|messages| !messages.is_empty()) {
        messages.insert(1, copy(&messages[0]));
    }
}

fn whole((mut head, body): (http::response::Parts, Bytes)) -> Answer {
    [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].iter().for_each(|name| {
        head.headers.remove(name);
    });
    Response::from_parts(head, body.into())
}

fn refusal(status: StatusCode, body: String) -> Answer {
    let answer = Response::builder().status(status).header(CONTENT_TYPE, "application/x-amz-json-1.0");
    answer.body(Bytes::from(body).into()).expect("an answer")
}
