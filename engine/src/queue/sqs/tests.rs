//! The long poll against a server that never answers, in virtual time.

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::event::AnyEvent;
use crate::handler::{Handled, Handler, HandlerError};
use crate::idempotency::memory::MemoryLedger;
use crate::idempotency::{Fence, Terms};
use crate::worker::{Reaction, Settings, Worker};

struct Idle;

impl Handler for Idle {
    type Event = AnyEvent;
    const NAME: &'static str = "idle";

    async fn handle(&self, _event: &AnyEvent, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        Ok(Handled::done(fence.cross().await?))
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_sqs_ends_each_receive_after_its_wait_and_5_s_and_its_worker_stays_alive() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = format!("http://{}", server.local_addr().expect("an address"));
    let _silent = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((connection, _)) = server.accept().await {
            kept.push(connection);
        }
    }));
    let credentials = Credentials::new("id", "key", None, None, "test");
    let aws = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .endpoint_url(&at);
    let (aws, wait) = (aws.build(), Duration::from_secs(20));
    let facts = Facts { visibility: wait, max_receive_count: None, has_dlq: false, retention: None };
    let calls = Calls::default();
    let queue = SqsQueue {
        polling: polling(&aws, wait, &calls),
        settling: client(&aws, CALL_TIMEOUT),
        url: format!("{at}/1/q"),
        dlq_url: None,
        arn: None,
        facts,
        calls,
    };
    let asked = Instant::now();
    let answer = queue.receive(10, wait).await;
    assert!(matches!(answer, Err(QueueError::Unavailable(_))), "{answer:?}");
    assert_eq!(asked.elapsed().as_secs(), 25, "one try, not three");

    let terms = Terms::new(wait, wait);
    let reaction = Reaction::recorded(Idle, MemoryLedger::default(), terms, wait);
    let worker = Worker::new(queue, reaction, Settings::default().with_wait(wait));
    let vitals = worker.vitals();
    let _running = AbortOnDropHandle::new(tokio::spawn(worker.run(CancellationToken::new())));
    for second in 0..600 {
        sleep(Duration::from_secs(1)).await;
        assert!(vitals.pulse().is_alive(), "not after {second} s");
    }
    assert!(vitals.missing().is_some_and(|missing| missing.contains("sqs")));
}

/// A queue whose server answers 200 with these bytes, whatever it is asked.
async fn answered_by(body: &'static str) -> (SqsQueue, AbortOnDropHandle<()>) {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = format!("http://{}", server.local_addr().expect("an address"));
    let answering = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Ok((mut connection, _)) = server.accept().await {
            let (mut asked, head) = (Vec::new(), format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()));
            while !asked.ends_with(b"}") && connection.read_buf(&mut asked).await.is_ok_and(|read| read > 0) {}
            // Who has gone reads no answer.
            let _ = connection.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await;
        }
    }));
    let aws = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "key", None, None, "test")))
        .endpoint_url(&at);
    let (aws, calls) = (aws.build(), Calls::default());
    let facts = Facts { visibility: Duration::from_secs(30), max_receive_count: None, has_dlq: true, retention: None };
    let queue = SqsQueue {
        polling: polling(&aws, Duration::ZERO, &calls),
        settling: client(&aws, CALL_TIMEOUT),
        url: format!("{at}/1/q"),
        dlq_url: Some(format!("{at}/1/d")),
        arn: None,
        facts,
        calls,
    };
    (queue, answering)
}

#[tokio::test]
async fn a_200_that_says_nothing_of_a_message_settles_none() {
    for body in ["{}", r#"{"Successful":[{"Id":"7"}],"Failed":[]}"#] {
        let (queue, _answering) = answered_by(body).await;
        let sent = queue.send_to_dlq(&DeadLetter { body: "odd".to_owned(), ..DeadLetter::default() }).await;
        assert_eq!(sent, Err(no_word()), "{body}");
        let receipts = || ["a", "b"].map(|receipt| ReceiptHandle::new(receipt.to_owned())).into();
        let deleted = queue.delete(receipts()).await;
        assert_eq!(deleted.iter().map(|entry| &entry.error).collect::<Vec<_>>(), [&no_word(), &no_word()], "{body}");
        let hides: Vec<_> = receipts().into_iter().map(|receipt| Hide { receipt, delay: Duration::ZERO }).collect();
        assert_eq!(queue.hide(hides).await.len(), 2, "{body}");
    }
}
