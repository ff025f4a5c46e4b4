//! FIFO on LocalStack: the group that SQS names is the one whose order is kept.
//!
//! Without failures: LocalStack lets a hidden head be overtaken (see `queue_contract`), AWS does not; order
//! under failures is held in virtual time (`engine::fifo`) and by the simulator.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use user_events::events::UserSignedUp;
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::idempotency::memory::MemoryLedger;
use user_events::idempotency::{Fence, Terms};
use user_events::queue::sqs::SqsQueue;
use user_events::worker::{Reaction, Settings, Worker};

use crate::world::{World, event, eventually};

const GROUPS: usize = 10;
const EACH: usize = 8;

/// Writes down whom it met, group by group.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<BTreeMap<String, Vec<usize>>>>);

impl Handler for Diary {
    type Event = UserSignedUp;
    const NAME: &'static str = "diary";

    async fn handle(&self, event: &UserSignedUp, _fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        // The first of a group takes longest: side by side, the others would overtake it.
        let (group, n) = event.user_id.as_str().split_once('-').expect("group and place");
        let n: usize = n.parse().expect("a number");
        tokio::time::sleep(Duration::from_millis(40 / (n as u64 + 1))).await;
        self.0.lock().unwrap().entry(group.to_owned()).or_default().push(n);
        Ok(Handled::Applied)
    }
}

#[tokio::test]
async fn each_group_of_a_fifo_queue_on_localstack_is_handled_in_order() {
    let world = World::start().await;
    let queue = world.fifo_queue("work", Duration::from_secs(30), 5).await;
    for n in 0..EACH {
        for group in 0..GROUPS {
            let user = format!("{group}-{n}");
            let call = world.sqs.send_message().queue_url(&queue.url).message_body(event(&user));
            let call = call.message_group_id(group.to_string()).message_deduplication_id(&user);
            call.send().await.expect("LocalStack takes it");
        }
    }
    let second = Duration::from_secs(1);
    let opened = SqsQueue::open(&world.aws, queue.url.clone(), None, second).await.expect("there");
    let (diary, stop) = (Diary::default(), CancellationToken::new());
    let terms = Terms::new(20 * second, 3600 * second);
    let reaction = Reaction::recorded(diary.clone(), MemoryLedger::default(), terms, 20 * second);
    let settings = Settings::default().with_concurrency(40).with_wait(second);
    let worker = tokio::spawn(Worker::new(opened, reaction, settings).run(stop.clone()));
    let all = async || (diary.0.lock().unwrap().values().map(Vec::len).sum::<usize>() >= GROUPS * EACH).then_some(());
    eventually("all are handled", 60 * second, all).await;
    world.drained(&queue, 10 * second).await;
    stop.cancel();
    worker.await.expect("it stops");
    let in_order: Vec<usize> = (0..EACH).collect();
    let diary = diary.0.lock().unwrap();
    assert!(diary.len() == GROUPS && diary.values().all(|group| *group == in_order), "{diary:?}");
}
