//! The long poll against a server that never answers, in virtual time.

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
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
