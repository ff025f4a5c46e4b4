//! The parts of the demo: topic, queues and workers in this process, a mail server that fails on purpose, and a service
//! behind a webhook.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::counts::DemoCounts;
use super::receiver::Receiver;
use crate::events::{UserId, UserSignedUp};
use crate::handlers::profile::ProfileHandler;
use crate::handlers::webhook::WebhookHandler;
use crate::handlers::welcome_email::WelcomeEmail;
use crate::mail::outbox::Outbox;
use crate::mail::{Composer, Mail, MailError, Mailer, Phase, Ready, Sender, Templates, Wording};
use crate::profiles::memory::MemoryProfiles;
use crate::webhook::Webhook;
use engine::backoff::{Backoff, Outage};
use engine::event::{Event, Once};
use engine::handler::Row;
use engine::idempotency::memory::MemoryLedger;
use engine::idempotency::{Crossing, Fence, Terms};
use engine::publisher::{PublishError, Publisher};
use engine::queue::Queue;
use engine::queue::memory::MemoryQueue;
use engine::topic::Entry;
use engine::topic::memory::MemoryTopic;
use engine::worker::{self, Reaction, Settings, Tally, Worker};

const VISIBILITY: Duration = Duration::from_secs(5);
/// How long the demo waits for a scene's end. A scene that takes longer has a fault to show.
const PATIENCE: Duration = Duration::from_secs(15);

/// The running parts.
pub(super) struct DemoSystem {
    publisher: Publisher<MemoryTopic>,
    queues: [MemoryQueue; 3],
    dead_letters: MemoryQueue,
    mailer: MoodyMailer,
    profiles: MemoryProfiles,
    receiver: Receiver,
    tallies: [Tally; 3],
    workers: JoinSet<worker::Summary>,
    stop: CancellationToken,
}

/// What there was at the end.
pub(super) struct DemoResults {
    sent: HashMap<String, usize>,
    called: HashMap<String, usize>,
    known: MemoryProfiles,
    pub reasons: BTreeMap<String, usize>,
    pub ignored: usize,
    pub deliveries: u64,
    pub retried: u64,
}

impl DemoSystem {
    pub(super) fn build(mails: &Path, receiver: Receiver) -> Option<Self> {
        let dead_letters = MemoryQueue::new("user-events-dlq", VISIBILITY);
        let queue = |name| MemoryQueue::with_dlq(name, VISIBILITY, &dead_letters, 5);
        let queues = ["user-events-email", "user-events-profile", "user-events-crm"].map(queue);
        let topic = queues.iter().fold(MemoryTopic::default(), MemoryTopic::subscribe);
        let [email, profile, crm] = queues.clone();
        let mailer = MoodyMailer::new(mails.to_owned());
        let profiles = MemoryProfiles::default();
        let from = "Acme <hello@acme.example>".parse().ok()?;
        let wording = Wording::of(Templates::builtin().ok()?);
        let composer = Composer::new(Sender { from, reply_to: None, redirect_to: None }, wording);

        let short = |ms| Duration::from_millis(ms);
        let backoff = Backoff::try_new(short(200), short(800)).unwrap_or(Backoff::ENTRY);
        // With the default a "not now" would last half a minute: too long for a demo.
        let retry_for = Some(Duration::from_secs(2));
        let settings = Settings::default().with_wait(short(200)).with_backoff(backoff).with_retry_for(retry_for);
        let terms = Terms::new(VISIBILITY * 3 / 4, VISIBILITY);
        let reaction =
            Reaction::recorded(WelcomeEmail::new(composer, mailer.clone()), MemoryLedger::default(), terms, VISIBILITY);
        let email_worker = Worker::new(email, reaction, settings);
        let reaction = Reaction::atomic(ProfileHandler::new(profiles.clone()), VISIBILITY);
        let profile_worker = Worker::new(profile, reaction, settings);
        // What `CRM_WEBHOOK_URL` and `CRM_EVENT_TYPES=user.signed_up` make. No trace goes on: nothing here exports one.
        let webhook = WebhookHandler::new(Webhook::new(receiver.settings()), None, Box::new(Vec::new));
        let row = Row {
            name: "crm",
            once: Once::Event,
            types: UserSignedUp::TYPES,
            is_recognised: true,
            ..Row::of::<WebhookHandler>()
        };
        let reaction = Reaction::recorded(webhook, MemoryLedger::default(), terms, VISIBILITY).with_row(row);
        let crm_worker = Worker::new(crm, reaction, settings);

        let tallies = [email_worker.tally(), profile_worker.tally(), crm_worker.tally()];
        let (stop, mut workers) = (CancellationToken::new(), JoinSet::new());
        workers.spawn(email_worker.run(stop.clone()));
        workers.spawn(profile_worker.run(stop.clone()));
        workers.spawn(crm_worker.run(stop.clone()));
        let publisher = Publisher::new(topic);
        Some(Self { publisher, queues, dead_letters, mailer, profiles, receiver, tallies, workers, stop })
    }

    pub(super) async fn publish(&self, entries: &[Entry]) -> Result<(), PublishError> {
        self.publisher.publish_entries(entries).await.into_iter().try_for_each(|result| result.map(drop))
    }

    /// The results so far, of all scenes.
    pub(super) fn so_far(&self) -> DemoCounts {
        DemoCounts {
            mails: self.mailer.lock().sent.values().sum(),
            profiles: self.profiles.count(),
            calls: self.receiver.calls().values().sum(),
            dead_letters: self.dead_letters.depth().visible,
            ignored: usize::try_from(self.tallies.iter().map(|tally| tally.read().of("ignored")).sum::<u64>())
                .unwrap_or(0),
            ..DemoCounts::default()
        }
    }

    /// Waits until all queues are empty, or [`PATIENCE`] is over. Meanwhile calls `each` with the results so far and
    /// the number of waiting messages.
    ///
    /// # Errors
    /// Why a mail could not be written to disk: waiting longer would not help.
    pub(super) async fn until_idle(&self, mut each: impl FnMut(&DemoCounts, usize)) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let left = |queue: &MemoryQueue| queue.depth().visible + queue.depth().in_flight;
        loop {
            let waiting = self.queues.iter().map(left).sum();
            each(&self.so_far(), waiting);
            if let Some(why) = &self.mailer.lock().unkept {
                return Err(why.clone());
            }
            if waiting == 0 || Instant::now() >= deadline {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops the workers and collects the results.
    pub(super) async fn finish(mut self) -> DemoResults {
        self.stop.cancel();
        while self.workers.join_next().await.is_some() {}
        let counts = self.tallies.each_ref().map(Tally::read);
        let sum = |name| counts.iter().map(|count| count.of(name)).sum::<u64>();
        let sent = self.mailer.lock().sent.clone();
        DemoResults {
            sent,
            called: self.receiver.calls(),
            known: self.profiles,
            reasons: reasons(&self.dead_letters).await,
            ignored: usize::try_from(sum("ignored")).unwrap_or(0),
            deliveries: counts.iter().flat_map(|count| count.outcomes.values()).sum(),
            retried: ["transient", "unavailable", "busy"].into_iter().map(sum).sum(),
        }
    }
}

impl DemoResults {
    /// Mails taken for this scene's users, with copies.
    pub(super) fn mails(&self, prefix: &str) -> usize {
        of_scene(&self.sent, prefix)
    }

    /// Calls taken by the service for this scene's users, with copies.
    pub(super) fn calls(&self, prefix: &str) -> usize {
        of_scene(&self.called, prefix)
    }

    pub(super) fn profiles(&self, prefix: &str) -> usize {
        let known = |user: &&String| user.parse::<UserId>().is_ok_and(|user| self.known.get(&user).is_some());
        self.sent.keys().filter(|user| belongs(user, prefix)).filter(known).count()
    }

    pub(super) fn plan(&self, user: &str) -> Option<String> {
        let profile = self.known.get(&user.parse().ok()?)?;
        Some(profile.plan?.as_str().to_owned())
    }
}

fn of_scene(by_user: &HashMap<String, usize>, prefix: &str) -> usize {
    by_user.iter().filter(|(user, _)| belongs(user, prefix)).map(|(_, n)| n).sum()
}

/// Does this user belong to the scene? Its users are `prefix` and `prefix-<n>`: `new-7` belongs to `new`, `newer` not.
fn belongs(user: &str, prefix: &str) -> bool {
    user.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

async fn reasons(dead_letters: &MemoryQueue) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    while let Ok(letters) = dead_letters.receive(10, Duration::ZERO).await {
        if letters.is_empty() {
            break;
        }
        for letter in letters {
            let reason = letter.attributes.get("failure.reason").map_or("none", |reason| reason.value.as_str());
            *reasons.entry(reason.to_owned()).or_default() += 1;
        }
    }
    reasons
}

/// An outbox behind a mail server that fails on purpose: it defers the first mail to `later@`, and the first mail to
/// a `down…@` takes it down for 1 s.
#[derive(Clone)]
struct MoodyMailer {
    outbox: Outbox,
    mood: Arc<Mutex<Mood>>,
}

#[derive(Default)]
struct Mood {
    /// Mails taken, by user: their addresses are `<user>@example.com`.
    sent: HashMap<String, usize>,
    deferred: bool,
    down_until: Option<Instant>,
    /// Why a mail could not be written to disk. This is a real error, not a part of the demo.
    unkept: Option<String>,
}

struct MoodyReady {
    ready: PathBuf,
    mood: Arc<Mutex<Mood>>,
}

impl MoodyMailer {
    fn new(directory: PathBuf) -> Self {
        Self { outbox: Outbox::new(directory), mood: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Mood> {
        self.mood.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_up(&self) -> Result<(), MailError> {
        if self.lock().down_until.is_some_and(|until| Instant::now() < until) {
            return Err(MailError::Unavailable {
                phase: Phase::Connect,
                why: "connection refused".to_owned(),
                outage: Outage::Down,
            });
        }
        Ok(())
    }
}

impl Mailer for MoodyMailer {
    type Ready = MoodyReady;

    async fn prepare(&self, mail: &Mail, fence: &Fence<'_>) -> Result<MoodyReady, MailError> {
        if mail.to.user().starts_with("down") {
            self.lock().down_until.get_or_insert(Instant::now() + Duration::from_secs(1));
        }
        self.is_up()?;
        if mail.to.user() == "later" && !std::mem::replace(&mut self.lock().deferred, true) {
            return Err(MailError::Deferred { phase: Phase::Rcpt, why: "reply 451".to_owned() });
        }
        Ok(MoodyReady { ready: self.outbox.prepare(mail, fence).await?, mood: self.mood.clone() })
    }

    async fn probe(&self) -> Result<(), MailError> {
        self.is_up()
    }
}

impl Ready for MoodyReady {
    async fn send(self, mail: &Mail, crossing: &Crossing) -> Result<(), MailError> {
        let sent = self.ready.send(mail, crossing).await;
        let mut mood = self.mood.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(MailError::Unavailable { why, .. }) = &sent {
            mood.unkept.get_or_insert(why.clone());
        }
        sent?;
        *mood.sent.entry(mail.to.user().to_owned()).or_default() += 1;
        Ok(())
    }
}
