//! Records that older releases wrote, met by today's code: the event that wrote one is no conflict with it.
//!
//! Enters: `fixtures/records`, hashes as those releases left them in Redis, each beside its event. Leaves: the same keys,
//! fingerprints and stamps from today's code, and the answer that a record's state asks for, in every spelling of the
//! address that a fingerprint alone can tell to be the same. Two releases that work side by side meet in these alone.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use user_events::envelope;
use user_events::event::{Opened, Published, Timestamp};
use user_events::events::{UserSignedUp, WithFields};
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::handlers::welcome_email::WelcomeEmail;
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Claim, Fence, Fingerprint, Key, Ledger, Release, Request, Setbacks, Terms};
use user_events::mail::outbox::Outbox;
use user_events::mail::{Composer, Sender, Templates, Wording};
use user_events::profiles::redis::RedisProfiles;
use user_events::profiles::{Applied, ProfileChange, Profiles};
use user_events::redis_link::RedisLink;

use crate::world::redis_server::{Keep, RedisServer};
use engine::testing::ledger::LONG;

pub const TERMS: Terms = Terms::new(LONG, LONG);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fixture {
    written_by: String,
    records: Vec<Stored>,
}

#[derive(Deserialize)]
pub struct Stored {
    #[serde(default = "email")]
    pub reaction: String,
    pub state: String,
    /// A body as text, or an event as it lies in one.
    #[serde(alias = "event")]
    body: Value,
    pub key: String,
    pub fields: BTreeMap<String, String>,
}

fn email() -> String {
    "email".to_owned()
}

/// A reaction of somebody's own, whose fingerprint is the one that comes with the event.
struct Crm;

impl Handler for Crm {
    type Event = UserSignedUp;
    const NAME: &'static str = "crm";

    async fn handle(&self, _: &UserSignedUp, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        Ok(Handled::done(fence.cross().await?))
    }
}

impl Stored {
    pub fn body(&self) -> String {
        self.body.as_str().map_or_else(|| self.body.to_string(), str::to_owned)
    }

    /// The event that wrote it.
    pub fn event(&self) -> UserSignedUp {
        opened(&self.body())
    }

    /// The same, its address spelled like this.
    fn spelled(&self, email: &str) -> UserSignedUp {
        let mut event = self.body.clone();
        event["email"] = email.into();
        opened(&event.to_string())
    }

    /// Raw and without an id: then SQS's id of the message was the event's, which is another one after each redrive.
    fn took_sqs_id_for_its_own(&self) -> bool {
        let body = self.body();
        !body.contains("eventId") && !body.contains("MessageId")
    }

    /// Whose failures or deferrals are counted.
    fn message_id(&self) -> &str {
        let counted = ["fm", "dm", "cm"].iter().find_map(|field| self.fields.get(*field));
        counted.map_or("message-1", String::as_str)
    }
}

fn opened(body: &str) -> UserSignedUp {
    match envelope::open(body, Timestamp::now()) {
        Ok(Opened::Ours(event)) => event,
        other => panic!("{body}: {other:?}"),
    }
}

/// What today's code asks of the ledger.
pub fn request(reaction: &str, event: &UserSignedUp) -> Request {
    let from = "Acme <hello@acme.example>".parse().expect("a mailbox");
    let composer = Composer::new(
        Sender { from, reply_to: None, redirect_to: None },
        Wording::of(Templates::builtin().expect("templates")),
    );
    let whole = WithFields::new(event.clone(), event.to_json());
    let (name, fingerprint) = match reaction {
        "crm" => (Crm::NAME, Crm.fingerprint(event)),
        _ => ("welcome_email", WelcomeEmail::new(composer, Outbox::new("/nowhere".into())).fingerprint(&whole)),
    };
    Request::new(Key::new(name, event.user_id.as_str()), fingerprint)
}

fn fixtures() -> Vec<Fixture> {
    let texts = [
        include_str!("../fixtures/records/765e0f8.json"),
        include_str!("../fixtures/records/2c52215.json"),
        include_str!("../fixtures/records/8f19590.json"),
    ];
    texts.map(|text| serde_json::from_str(text).expect("a fixture")).into()
}

/// What the release before this one left.
pub fn left_by_the_last() -> Vec<Stored> {
    fixtures().pop().expect("a release").records
}

/// A Redis with nothing in it but what an older release left.
struct Older {
    server: RedisServer,
    link: RedisLink,
    fixtures: Vec<Fixture>,
}

impl Older {
    async fn start() -> Self {
        let server = RedisServer::start(Keep::Nothing).await;
        let link = RedisLink::new(&server.url().into()).unwrap();
        Self { server, link, fixtures: fixtures() }
    }

    /// Each record with who wrote it.
    fn all(&self) -> impl Iterator<Item = (&str, &Stored)> {
        self.fixtures.iter().flat_map(|of| of.records.iter().map(|stored| (of.written_by.as_str(), stored)))
    }

    fn effects(&self) -> impl Iterator<Item = (&str, &Stored)> {
        self.all().filter(|(_, stored)| stored.state != "profile")
    }

    fn profiles(&self) -> impl Iterator<Item = (&str, &Stored)> {
        self.all().filter(|(_, stored)| stored.state == "profile")
    }

    /// As it was left, whatever came of it since.
    async fn put_back(&self, stored: &Stored) {
        put_back(&self.server, stored).await;
    }

    /// What a delivery of this event is answered.
    async fn claim(&self, reaction: &str, event: &UserSignedUp) -> Claim {
        let request = request(reaction, event);
        RedisLedger::new(self.link.clone()).claim(&request, "today", &TERMS).await.expect("an answer")
    }
}

pub async fn put_back(server: &RedisServer, stored: &Stored) {
    let fields = stored.fields.iter().flat_map(|(field, value)| [field.as_str(), value.as_str()]);
    let _: i64 = server.command(&["DEL", &stored.key]).await;
    let _: i64 = server.command(&["HSET", &stored.key].into_iter().chain(fields).collect::<Vec<_>>()).await;
}

/// What an older release was given, and spellings of it: with its fingerprint alone they can be told to be the same
/// where it was given the folded form, and are a conflict as they were then where it was not.
const SPELLINGS: [(&str, &[&str], bool); 7] = [
    ("ann.lee@example.com", &["Ann.Lee@EXAMPLE.com", "ANN.LEE@ｅxample.com"], true),
    ("Ann.Lee@EXAMPLE.com", &["Ann.Lee@example.COM"], true),
    ("Ann.Lee@EXAMPLE.com", &["ann.lee@example.com", "ANN.LEE@example.com"], false),
    ("user@xn--bcher-kva.example", &["user@bücher.example", "User@BÜCHER.Example"], true),
    ("user@XN--Bcher-KVA.example", &["user@bücher.example", "User@BÜCHER.Example"], true),
    ("user@bücher.example", &["user@BüCHER.Example"], true),
    ("user@bücher.example", &["user@xn--bcher-kva.example", "User@bücher.example"], false),
];

fn is_as_its_state_asks(state: &str, claim: &Claim) -> bool {
    match state {
        "claimed" | "released" | "failed" | "deferred" => matches!(claim, Claim::Acquired(_)),
        "begun" => matches!(claim, Claim::Ambiguous(_)),
        "parked" => matches!(claim, Claim::Parked),
        "done" | "repeated" => matches!(claim, Claim::Done),
        _ => false,
    }
}

#[tokio::test]
async fn a_record_of_an_older_release_is_no_conflict_for_the_event_that_wrote_it() {
    let older = Older::start().await;
    let ledger = RedisLedger::new(older.link.clone());
    for (who, stored) in older.effects() {
        let (key, state) = (&stored.key, stored.state.as_str());
        older.put_back(stored).await;
        let claim = older.claim(&stored.reaction, &stored.event()).await;
        assert!(is_as_its_state_asks(state, &claim), "{who}, {key}: {claim:?}");
        // Its counts go on, and its effect is recorded.
        let Claim::Acquired(lease) = claim else { continue };
        let message_id = stored.message_id();
        let setbacks = ledger.release(&lease, Release::Deferred { message_id }).await.expect("an answer");
        let (failures, deferrals) = (u32::from(state == "failed"), 1 + u32::from(state == "deferred"));
        let Setbacks { failures: failed, deferrals: deferred, .. } = setbacks;
        assert_eq!((failed, deferred), (failures, deferrals), "{who}, {key}");
        ledger.commit(&lease, "receipt", &TERMS).await.expect("an answer");
        let again = older.claim(&stored.reaction, &stored.event()).await;
        assert!(matches!(again, Claim::Done), "{who}, {key}: {again:?}");
    }
}

#[tokio::test]
async fn a_record_of_an_older_release_is_met_by_other_spellings_as_far_as_its_fingerprint_tells() {
    let older = Older::start().await;
    for (given, spellings, told) in SPELLINGS {
        let mut met = 0;
        for (who, stored) in older.effects().filter(|(_, stored)| stored.body["email"] == given) {
            for spelling in spellings {
                older.put_back(stored).await;
                let claim = older.claim(&stored.reaction, &stored.spelled(spelling)).await;
                let is_told = is_as_its_state_asks(&stored.state, &claim);
                assert!(is_told == told && (told || matches!(claim, Claim::Conflict)), "{who}, {spelling}: {claim:?}");
                met += 1;
            }
        }
        assert!(met > 0, "no record of {given}");
    }
}

#[tokio::test]
async fn a_profile_of_an_older_release_is_no_conflict_for_the_event_that_wrote_it() {
    let older = Older::start().await;
    let profiles = RedisProfiles::new(older.link.clone());
    for (who, stored) in older.profiles().filter(|(_, stored)| !stored.took_sqs_id_for_its_own()) {
        older.put_back(stored).await;
        let event = stored.event();
        assert_eq!(profiles.apply(&ProfileChange::of(&event)).await, Ok(Applied::Done), "{who}, {}", stored.key);
    }
}

#[tokio::test]
async fn a_copy_whose_id_was_sqs_and_is_now_its_bodys_hash_changes_no_profile() {
    let older = Older::start().await;
    let profiles = RedisProfiles::new(older.link.clone());
    let mut met = 0;
    for (_, stored) in older.profiles().filter(|(_, stored)| stored.took_sqs_id_for_its_own()) {
        older.put_back(stored).await;
        let (event, told) = (stored.event(), ["user_id", "email", "plan", "signed_up_at"]);
        // Of two ids the greater wins the fields, and both events say the same.
        let applied = profiles.apply(&ProfileChange::of(&event)).await;
        assert!(matches!(applied, Ok(Applied::Updated | Applied::Stale)), "{applied:?}");
        let now = older.link.hash(&stored.key).await.expect("an answer");
        assert_eq!(told.map(|field| now.get(field)), told.map(|field| stored.fields.get(field)));
        met += 1;
    }
    assert!(met > 0, "no event of that kind");
}

#[test]
fn keys_fingerprints_and_stamps_are_to_the_byte_those_of_older_releases() {
    let fixtures = fixtures();
    for (who, stored) in fixtures.iter().flat_map(|of| of.records.iter().map(|stored| (&of.written_by, stored))) {
        let (event, key) = (stored.event(), &stored.key);
        let is = |field: &str, ours: &str| match stored.fields.get(field) {
            Some(theirs) => assert_eq!(ours, theirs, "{who}, {key}, {field}"),
            None => assert!(field.ends_with("ff") || field.starts_with("plan"), "{who}, {key}: no {field}"),
        };
        let print = |fingerprint: &Fingerprint, of: &str| {
            is(&format!("{of}fp"), fingerprint.exact());
            is(&format!("{of}ff"), fingerprint.folded());
        };
        if stored.state != "profile" {
            let request = request(&stored.reaction, &event);
            assert_eq!(request.key.as_str(), key, "{who}");
            print(&request.fingerprint, "");
            continue;
        }
        assert_eq!(&RedisProfiles::key(&event.user_id), key, "{who}");
        let change = ProfileChange::of(&event);
        is("user_id", event.user_id.as_str());
        for field in ["email", "plan"] {
            print(&change.fingerprint, &format!("{field}_"));
        }
        for stamp in ["email_at", "plan_at", "first_at"] {
            let length = if stored.took_sqs_id_for_its_own() { 15 } else { 47 };
            let theirs = stored.fields.get(stamp).map(|theirs| &theirs[..length]);
            assert_eq!(theirs.unwrap_or(&change.stamp.as_str()[..length]), &change.stamp.as_str()[..length], "{who}");
        }
    }
}
