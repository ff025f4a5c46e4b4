//! What the engine meets in a play: a queue, a ledger and a handler that tell the story, and go wrong as planned.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use user_events::backoff::Outage;
use user_events::events::UserSignedUp;
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::idempotency::memory::MemoryLedger;
use user_events::idempotency::{Begin, Claim, Fence, Lease, Ledger, LedgerError, Release, Request, Setbacks, Terms};
use user_events::queue::memory::MemoryQueue;
use user_events::queue::{DeadLetter, Delivery, Facts, Hide, Hold, Queue, QueueError, ReceiptHandle, Unsettled};

use crate::fate::{Fate, fails_before_the_fence, fate};
use crate::plan::{Plan, TROUBLE_LASTS};
use crate::story::{CrossingEnd, LATE, Life, Story};

pub const MAX_SENDS: u32 = 2;
pub const MAX_ATTEMPTS: u32 = 4;
pub const HANDLER_TIMEOUT: Duration = Duration::from_secs(120);
pub const RETRY_FOR: Duration = Duration::from_secs(3600);

/// What one worker's doubles share.
#[derive(Clone)]
pub struct Part {
    pub life: Life,
    pub plan: Arc<Plan>,
    pub story: Story,
    /// Ends this life, as a process ends.
    pub kill: mpsc::UnboundedSender<Life>,
}

impl Part {
    fn now(&self) -> Duration {
        self.story.tell(|told| told.now())
    }

    fn is_down(&self, windows: &[(Duration, Duration)]) -> bool {
        let now = self.now();
        windows.iter().any(|(from, until)| (*from..*until).contains(&now))
    }

    pub fn goes_wrong(&self, rate: u32) -> bool {
        self.now() < TROUBLE_LASTS && fastrand::u32(0..1000) < rate
    }
}

pub struct ToldQueue {
    pub queue: MemoryQueue,
    pub part: Part,
}

/// `user-7` in a body that holds it.
pub fn user_in(body: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(body).ok()?;
    json["userId"].as_str().map(str::to_owned)
}

impl Queue for ToldQueue {
    const SERVER: &'static str = MemoryQueue::SERVER;

    fn name(&self) -> &str {
        self.queue.name()
    }

    fn facts(&self) -> Facts {
        self.queue.facts()
    }

    async fn receive(&self, at_most: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let Part { life, plan, story, .. } = &self.part;
        story.tell(|told| told.asked(*life, at_most, plan.concurrency));
        let deliveries = self.queue.receive(at_most, wait).await?;
        story.tell(|told| {
            for delivery in &deliveries {
                let user = user_in(delivery.body.as_str());
                told.received(*life, delivery.receipt.as_str(), &delivery.message_id, user);
            }
        });
        Ok(deliveries)
    }

    async fn delete(&self, spent: Vec<ReceiptHandle>) -> Vec<Unsettled> {
        let story = &self.part.story;
        let all: Vec<String> = spent.iter().map(|receipt| receipt.as_str().to_owned()).collect();
        story.tell(|told| all.iter().for_each(|receipt| told.deleting(receipt)));
        let unsettled = self.queue.delete(spent).await;
        let is_deleted = |receipt: &&String| unsettled.iter().all(|entry| entry.receipt.as_str() != *receipt);
        story.tell(|told| all.iter().filter(is_deleted).for_each(|receipt| told.deleted(receipt)));
        unsettled
    }

    async fn hide(&self, entries: Vec<Hide>) -> Vec<Unsettled> {
        self.part.story.tell(|told| {
            entries.iter().for_each(|entry| told.hiding(entry.receipt.as_str(), entry.delay));
        });
        self.queue.hide(entries).await
    }

    async fn extend(&self, holds: &[Hold], visibility: Duration) -> Vec<(usize, QueueError)> {
        let (story, asked) = (&self.part.story, Instant::now());
        story.tell(|told| holds.iter().for_each(|hold| told.extending(hold.as_str())));
        let failed = self.queue.extend(holds, visibility).await;
        // Shown again soon on purpose, or later than a beat may be.
        let is_good = visibility == self.plan().visibility && asked.elapsed() < LATE;
        story.tell(|told| {
            for (n, hold) in holds.iter().enumerate() {
                told.extended(hold.as_str(), is_good && failed.iter().all(|(position, _)| *position != n));
            }
        });
        failed
    }

    async fn send_to_dlq(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let sent = self.queue.send_to_dlq(letter).await;
        self.part.story.tell(|told| {
            told.line(format!("letter {} {sent:?}", letter.attributes["failure.reason"].value));
            if sent.is_ok() {
                told.letters.insert(letter.message_id.clone());
            }
            let user = user_in(&letter.body).unwrap_or_default();
            let failures = told.failures.get(&user).copied().unwrap_or(0);
            let receives: u32 = letter.attributes["failure.attempts"].value.parse().expect("a number");
            let most = self.queue.facts().max_receive_count.unwrap_or(u32::MAX);
            let reason = letter.attributes["failure.reason"].value.as_str();
            match reason {
                "deferred_too_long" => told.gave_up(&user, self.part.plan.is_patient),
                "busy_too_long" | "unavailable" => told.gave_up_waiting(&letter.message_id, reason),
                "outcome_unknown" | "lease_lost" | "not_begun" if receives >= most => {
                    told.saw("a message that was given up on its last receive");
                }
                _ => {}
            }
            let is_counted =
                reason == "attempts_exhausted" || reason == "outcome_unknown" && self.part.plan.is_recognised;
            if is_counted && failures < MAX_ATTEMPTS && receives < most {
                told.broke("only failures count", &format!("{user}: {failures} failures in {receives} receives"));
            }
        });
        sent
    }
}

impl ToldQueue {
    fn plan(&self) -> &Plan {
        &self.part.plan
    }
}

pub struct ToldLedger {
    pub ledger: MemoryLedger,
    pub part: Part,
}

impl ToldLedger {
    /// Refuses, or lets the call happen and loses its answer, or passes it on.
    async fn call<T>(&self, call: impl Future<Output = Result<T, LedgerError>>) -> Result<T, LedgerError> {
        let Part { plan, story, .. } = &self.part;
        if self.part.is_down(&plan.ledger_down) {
            story.tell(|told| told.saw("a ledger that is down"));
            return Err(LedgerError::away("down"));
        }
        let answer = call.await;
        if self.part.goes_wrong(plan.ledger_faults) {
            story.tell(|told| told.saw("a ledger's answer lost"));
            return Err(LedgerError::away("lost"));
        }
        answer
    }
}

impl Ledger for ToldLedger {
    const SERVER: &'static str = MemoryLedger::SERVER;

    async fn claim(&self, request: &Request, token: &str, terms: &Terms) -> Result<Claim, LedgerError> {
        let claim = self.call(self.ledger.claim(request, token, terms)).await?;
        if matches!(claim, Claim::Acquired(_)) {
            // A key is `idem:v1:{<subject>}:<handler>`.
            let user = request.key.as_str().split(['{', '}']).nth(1).unwrap_or_default();
            self.part.story.tell(|told| told.acquired(user));
        }
        Ok(claim)
    }

    async fn begin(&self, lease: &Lease, terms: &Terms) -> Result<Begin, LedgerError> {
        self.call(self.ledger.begin(lease, terms)).await
    }

    async fn renew(&self, lease: &Lease, terms: &Terms) -> Result<bool, LedgerError> {
        self.call(self.ledger.renew(lease, terms)).await
    }

    async fn commit(&self, lease: &Lease, receipt: &str, terms: &Terms) -> Result<(), LedgerError> {
        // The handler's receipt is the user.
        let Part { life, story, .. } = &self.part;
        story.tell(|told| told.crossing_ended(*life, receipt, CrossingEnd::Unrecorded));
        // On record from then on, though its answer may be lost.
        let commit = async {
            let answer = self.ledger.commit(lease, receipt, terms).await;
            story.tell(|told| told.crossing_ended(*life, receipt, CrossingEnd::Recorded));
            answer
        };
        self.call(commit).await
    }

    async fn release(&self, lease: &Lease, why: Release<'_>) -> Result<Setbacks, LedgerError> {
        self.call(self.ledger.release(lease, why)).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        self.call(async { Ok(()) }).await
    }
}

pub struct ToldHandler(pub Part);

/// Ends the handler's run in the story, however it ends.
struct Run<'a> {
    part: &'a Part,
    user: &'a str,
    end: Option<CrossingEnd>,
    /// Dropped before it has answered: what it was at is left on the queue.
    is_cut: bool,
    began: Instant,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let (life, user) = (self.part.life, self.user);
        self.part.story.tell(|told| {
            told.ends(life);
            if self.is_cut && self.end.is_none() && self.began.elapsed() >= HANDLER_TIMEOUT {
                told.saw("a handler that took too long");
                *told.failures.entry(user.to_owned()).or_default() += 1;
            }
            if let Some(end) = self.end {
                told.crossing_ended(life, user, end);
            }
            if self.is_cut || self.end == Some(CrossingEnd::Unknown) {
                told.excuse_user(life, user);
            }
        });
    }
}

impl Handler for ToldHandler {
    type Event = UserSignedUp;
    const NAME: &'static str = "told";

    async fn handle(&self, event: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        let (part, user) = (&self.0, event.user_id.as_str());
        let Part { life, plan, story, .. } = part;
        story.tell(|told| told.begins(*life, user, plan.concurrency));
        let mut run = Run { part, user, end: None, is_cut: true, began: Instant::now() };
        let answer = self.react(user, fence, &mut run).await;
        run.is_cut = false;
        answer
    }

    async fn probe(&self) -> Result<(), HandlerError> {
        // A proxy takes connections.
        if self.0.is_down(&self.0.plan.dependency_down) && !self.0.plan.falters {
            return Err(HandlerError::unavailable("simulated", "down"));
        }
        Ok(())
    }
}

impl ToldHandler {
    async fn react(&self, user: &str, fence: &Fence<'_>, run: &mut Run<'_>) -> Result<Handled, HandlerError> {
        let Part { life, plan, story, .. } = &self.0;
        let part = &self.0;
        sleep(how_long(plan)).await;
        story.tell(|told| told.tried(user));
        if part.is_down(&plan.dependency_down) && plan.falters {
            story.tell(|told| told.faltered(*life, user));
            return Err(HandlerError::Faltering("503".to_owned()));
        }
        if part.is_down(&plan.dependency_down) {
            story.tell(|told| told.saw("a dependency that is down"));
            return Err(HandlerError::unavailable("simulated", "down"));
        }
        if part.is_down(&plan.deferring) {
            story.tell(|told| told.deferred(user, plan.named));
            if !plan.defers_all {
                story.tell(|told| told.answered(*life));
            }
            return Err(match plan.defers_all {
                true => HandlerError::Unavailable {
                    dependency: "simulated",
                    detail: "421".to_owned(),
                    outage: Outage::Busy,
                },
                false => HandlerError::Deferred { detail: "450".to_owned(), at_least: plan.named },
            });
        }
        if plan.has_killers && fate(plan, user) == Fate::Kills {
            story.tell(|told| told.kills_its_worker(user, plan.ledger_faults == 0 && plan.ledger_down.is_empty()));
            // Nobody listens once the play is over.
            let _ = part.kill.send(*life);
            return std::future::pending().await;
        }
        if let Some(failure) = fails_before_the_fence(part, user) {
            return failure;
        }
        let crossing = fence.cross().await?;
        story.tell(|told| told.crossed(*life, user));
        // From here on, an end without an answer is one that nobody knows.
        run.end = Some(CrossingEnd::Unknown);
        sleep(Duration::from_millis(fastrand::u64(0..3000))).await;
        let most = if plan.is_recognised { usize::MAX } else { MAX_SENDS as usize };
        story.tell(|told| told.effect(*life, user, most));
        if part.goes_wrong(plan.handler_faults / 8) {
            story.tell(|told| told.unanswered(user, plan.is_recognised));
            return Err(HandlerError::OutcomeUnknown("no answer".to_owned()));
        }
        story.tell(|told| told.answered(*life));
        run.end = Some(CrossingEnd::Done);
        Ok(Handled::Done { crossing, receipt: user.to_owned() })
    }
}

/// Mostly quick, at times longer than the message is hidden.
fn how_long(plan: &Plan) -> Duration {
    match fastrand::u32(0..20) {
        0 => plan.visibility.mul_f64(fastrand::f64() * 3.0),
        1..4 => Duration::from_millis(fastrand::u64(0..5000)),
        _ => Duration::from_millis(fastrand::u64(0..200)),
    }
}
