//! One seed, played from the first arrival to the last word.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Once};
use std::time::Duration;

use ::engine::testing::{Call, Fault};
use fastrand::Rng;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use user_events::handler::Row;
use user_events::idempotency::memory::MemoryLedger;
use user_events::idempotency::{OnAmbiguous, Terms};
use user_events::queue::memory::MemoryQueue;
use user_events::queue::{Attributes, Queue};
use user_events::worker::{Reaction, Settings, Worker};

use crate::doubles::{
    HANDLER_TIMEOUT, MAX_ATTEMPTS, MAX_SENDS, Part, RETRY_FOR, ToldHandler, ToldLedger, ToldQueue, user_in,
};
use crate::fate::{Fate, Planned, fate};
use crate::plan::{End, Plan, TROUBLE_LASTS};
use crate::story::{Life, Story};

/// All that must come up in a thousand seeds.
pub const TROUBLE: &[&str] = &[
    "a body that cannot be read",
    "a copy of an event",
    "a deferral",
    "a delayed arrival",
    "a dependency that is down",
    "a FIFO queue",
    "a handler that took too long",
    "a kill",
    "a ledger that is down",
    "a ledger's answer lost",
    "a message that the queue moved by itself",
    "a message that was given up on its last receive",
    "a panic",
    "a passing failure",
    "a permanent failure",
    "a proxy without its service",
    "a quarantine",
    "a refusal",
    "a slow call",
    "a stop",
    "a throttled call",
    "a time that was named",
    "a queue's answer lost",
    "an effect without an answer",
    "an entry that failed",
    "an event that kills its worker",
    "copies made by the queue",
    "messages out of order",
    "work abandoned at a stop",
    "work given back at a stop",
];

/// After trouble is over, everything has come to its end within this; a backoff may be as long as 15 min.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);

/// How a play ended.
pub struct Ended {
    pub lines: Vec<String>,
    pub violations: Vec<String>,
    pub seen: BTreeMap<&'static str, u64>,
}

pub fn silence_planned_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.payload().is::<Planned>() {
                loud(info);
            }
        }));
    });
}

pub fn play(seed: u64) -> Ended {
    // Every draw in the engine and here comes from this thread's generator.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    // Inside, so that its first moment is the paused clock's.
    runtime.expect("a runtime").block_on(async { Stage::new(Plan::new(seed)).play().await })
}

struct Stage {
    plan: Arc<Plan>,
    story: Story,
    queue: MemoryQueue,
    dlq: MemoryQueue,
    ledger: MemoryLedger,
    lives: Life,
    kill: mpsc::UnboundedSender<Life>,
    kills: mpsc::UnboundedReceiver<Life>,
}

struct Running {
    life: Life,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Stage {
    fn new(plan: Plan) -> Self {
        let end = if plan.is_fifo { ".fifo" } else { "" };
        let dlq = MemoryQueue::new(&format!("simulated-dlq{end}"), plan.visibility);
        let name = format!("simulated{end}");
        let queue = MemoryQueue::with_dlq(&name, plan.visibility, &dlq, plan.max_receive_count);
        let (kill, kills) = mpsc::unbounded_channel();
        let (plan, story, ledger) = (Arc::new(plan), Story::new(), MemoryLedger::default());
        Self { plan, story, queue, dlq, ledger, lives: 0, kill, kills }
    }

    async fn play(mut self) -> Ended {
        self.queue.set_faults(faults(self.plan.clone(), self.story.clone()));
        let arrivals = tokio::spawn(arrivals(self.plan.clone(), self.story.clone(), self.queue.clone()));
        let mut workers: Vec<Running> = (0..self.plan.workers).map(|_| self.start()).collect();
        let begin = self.story.tell(|told| told.started);
        for (at, which, how) in self.plan.ends.clone() {
            self.mind(&mut workers, begin + at).await;
            self.end(&mut workers[which], how);
            sleep(Duration::from_millis(fastrand::u64(0..2000))).await;
            workers[which] = self.start();
        }
        self.mind(&mut workers, begin + TROUBLE_LASTS).await;
        arrivals.await.expect("all were sent");
        let queue = self.queue.clone();
        let is_over = || queue.depth().visible + queue.depth().in_flight == 0;
        while !is_over() && self.story.tell(|told| told.now()) < TROUBLE_LASTS + PATIENCE {
            self.mind(&mut workers, Instant::now() + Duration::from_secs(10)).await;
        }
        if !is_over() {
            let depth = self.queue.depth();
            self.story.tell(|told| told.broke("everything comes to its end", &format!("{depth:?} is left")));
        }
        for worker in workers {
            worker.stop.cancel();
            worker.task.await.expect("a worker ends well");
        }
        self.judge().await;
        self.story.tell(|told| Ended {
            lines: std::mem::take(&mut told.lines),
            violations: std::mem::take(&mut told.violations),
            seen: std::mem::take(&mut told.seen),
        })
    }

    /// Until then: whoever is killed by an event is followed by another.
    async fn mind(&mut self, workers: &mut [Running], until: Instant) {
        while let Ok(Some(life)) = timeout_at(until, self.kills.recv()).await {
            if let Some(worker) = workers.iter_mut().find(|worker| worker.life == life) {
                self.end(worker, End::Killed);
                sleep(Duration::from_millis(fastrand::u64(0..2000))).await;
                *worker = self.start();
            }
        }
    }

    fn start(&mut self) -> Running {
        self.lives += 1;
        let (life, story, stop) = (self.lives, self.story.clone(), CancellationToken::new());
        let part = Part { life, plan: self.plan.clone(), story: story.clone(), kill: self.kill.clone() };
        let (visibility, concurrency) = (self.plan.visibility, self.plan.concurrency);
        let terms = Terms::new(visibility * 3 / 4, PATIENCE).on_ambiguous(OnAmbiguous::ResendUpTo(MAX_SENDS));
        let ledger = ToldLedger { ledger: self.ledger.clone(), part: part.clone() };
        let row = Row { is_recognised: self.plan.is_recognised, ..Row::of::<ToldHandler>() };
        let reaction = Reaction::recorded(ToldHandler(part.clone()), ledger, terms, HANDLER_TIMEOUT).with_row(row);
        let max_attempts = Some(MAX_ATTEMPTS);
        let (shutdown, retry_for) = (self.plan.shutdown, Some(RETRY_FOR));
        let settings = Settings::default()
            .with_concurrency(concurrency)
            .with_max_attempts(max_attempts)
            .with_retry_for(retry_for)
            .with_shutdown(shutdown);
        let worker = Worker::new(ToldQueue { queue: self.queue.clone(), part }, reaction, settings);
        let (run, told_to_stop) = (worker.run(stop.clone()), stop.clone());
        let task = tokio::spawn(async move {
            let summary = run.await;
            story.tell(|told| {
                if summary.abandoned > 0 {
                    told.saw("work abandoned at a stop");
                    told.excuse_all_of(life);
                }
                if summary.returned > 0 {
                    told.saw("work given back at a stop");
                }
                if !told_to_stop.is_cancelled() {
                    told.broke("a worker ends when told to", &life.to_string());
                }
                told.stopped(life, &summary.to_string());
            });
        });
        Running { life, stop, task }
    }

    fn end(&self, worker: &mut Running, how: End) {
        match how {
            End::Killed => {
                worker.task.abort();
                self.story.tell(|told| told.saw("a kill"));
                self.story.tell(|told| told.killed(worker.life));
            }
            End::Stopped => {
                worker.stop.cancel();
                self.story.tell(|told| told.stopping(worker.life, self.plan.shutdown));
                self.story.tell(|told| told.saw("a stop"));
            }
        }
    }

    /// Nothing lost, nothing done twice in peace, and order where it was promised.
    async fn judge(&self) {
        let mut dead = BTreeSet::new();
        while let Ok(letters) = self.dlq.receive(10, Duration::ZERO).await {
            if letters.is_empty() {
                break;
            }
            for letter in letters {
                dead.insert(user_in(letter.body.as_str()).unwrap_or_else(|| letter.body.as_str().to_owned()));
                let by_us = letter.attributes.contains_key("failure.reason");
                let what = if by_us { "a quarantine" } else { "a message that the queue moved by itself" };
                self.story.tell(|told| told.saw(what));
                if !by_us {
                    self.story.tell(|told| told.moved(&letter.message_id, self.plan.max_receive_count));
                }
                self.dlq.delete(vec![letter.receipt]).await;
            }
        }
        let is_calm = self.plan.ends.is_empty()
            && self.plan.queue_faults + self.plan.ledger_faults + self.plan.handler_faults == 0
            && self.plan.ledger_down.is_empty()
            && self.plan.dependency_down.is_empty();
        self.story.tell(|told| {
            let effects = told.effects.clone();
            for n in 0..self.plan.events {
                let key = body(&self.plan, n).1;
                let times = effects.get(&key).map_or(0, Vec::len);
                if times == 0 && !dead.contains(&key) {
                    told.broke("nothing lost", &key);
                }
                if is_calm && times > 1 {
                    told.broke("one effect per key", &format!("{key}: {times} in peace"));
                }
            }
            if self.plan.is_fifo {
                let first = |n: &usize| effects.get(&body(&self.plan, *n).1).map(|times| times[0]);
                let is_alive = |n: &usize| !dead.contains(&body(&self.plan, *n).1);
                for group in 0..self.plan.groups {
                    let members = (group..self.plan.events).step_by(self.plan.groups).filter(is_alive);
                    let times: Vec<_> = members.map(|n| first(&n)).collect();
                    if !times.is_sorted() {
                        told.broke("a group in order", &format!("group {group}: {times:?}"));
                    }
                }
            }
        });
    }
}

/// The n-th event's body, and what it is known by afterwards.
fn body(plan: &Plan, n: usize) -> (String, String) {
    if Rng::with_seed(plan.seed ^ n as u64).u32(0..20) == 0 {
        return (format!("<unreadable {n}>"), format!("<unreadable {n}>"));
    }
    let user = format!("user-{n}");
    let body = serde_json::json!({
        "type": "user.signed_up", "version": "1", "userId": user, "email": format!("{user}@example.com"),
        "eventId": format!("event-{n}"), "timestamp": "2026-01-02T03:04:05Z",
    });
    (body.to_string(), user)
}

async fn arrivals(plan: Arc<Plan>, story: Story, queue: MemoryQueue) {
    for n in 0..plan.events {
        sleep(Duration::from_millis(fastrand::u64(0..TROUBLE_LASTS.as_millis() as u64 / 60))).await;
        let (body, key) = body(&plan, n);
        if key.starts_with('<') {
            story.tell(|told| told.saw("a body that cannot be read"));
        }
        if plan.is_fifo {
            story.tell(|told| told.saw("a FIFO queue"));
            let group = (n % plan.groups).to_string();
            queue.send_in_group(&body, Attributes::new(), &group, &n.to_string()).expect("it fits");
            continue;
        }
        // Each copy is a message of its own, and is counted by itself; one that waits for another eats its receives.
        let is_alone = plan.is_patient || fate(&plan, &key) == Fate::Kills;
        let copies = if fastrand::u32(0..5) == 0 && !is_alone { 3 } else { 1 };
        for copy in 0..copies {
            if copy > 0 {
                story.tell(|told| told.saw("a copy of an event"));
            }
            let delay = if fastrand::bool() { 0 } else { fastrand::u64(0..60) };
            if delay > 0 {
                story.tell(|told| told.saw("a delayed arrival"));
            }
            queue.send_delayed(&body, Attributes::new(), Duration::from_secs(delay)).expect("it fits");
        }
    }
}

fn faults(plan: Arc<Plan>, story: Story) -> impl FnMut(Call) -> Option<Fault> + Send {
    move |call| {
        let rate = if call == Call::Entry { plan.queue_faults / 4 } else { plan.queue_faults };
        if story.tell(|told| told.now()) >= TROUBLE_LASTS || fastrand::u32(0..1000) >= rate {
            return None;
        }
        let (fault, what) = match fastrand::u32(0..5) {
            _ if call == Call::Entry => (Fault::Throttled, "an entry that failed"),
            0 => (Fault::LostReply, "a queue's answer lost"),
            1 => (Fault::Slow(Duration::from_millis(fastrand::u64(0..4000))), "a slow call"),
            2 if call == Call::Receive => (Fault::Duplicate, "copies made by the queue"),
            3 if call == Call::Receive => (Fault::Reordered, "messages out of order"),
            _ => (Fault::Throttled, "a throttled call"),
        };
        story.tell(|told| told.saw(what));
        Some(fault)
    }
}
