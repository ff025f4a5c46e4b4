//! Records that older releases wrote, met by today's code: the event that wrote one is no conflict with it.
//!
//! Enters: `fixtures/records`, hashes as those releases left them in Redis, each beside its event. Leaves: the answer
//! that its state asks for, in every spelling of the address that a fingerprint alone can tell to be the same.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use user_events::event::{Arrival, Event, Opened, Timestamp, UserSignedUp, read};
use user_events::handlers::Handler;
use user_events::handlers::welcome_email::WelcomeEmail;
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Claim, Key, Ledger, Release, Request, Setbacks, Terms};
use user_events::mail::outbox::Outbox;
use user_events::mail::{Composer, Sender};
use user_events::profiles::redis::RedisProfiles;
use user_events::profiles::{Applied, Change, Profiles};
use user_events::redis_link::RedisLink;

use crate::ledger_contract::LONG;
use crate::world::redis_server::{Keep, RedisServer};

const TERMS: Terms = Terms { lease: LONG, retention: LONG, max_sends: 2 };

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fixture {
    written_by: String,
    records: Vec<Stored>,
}

#[derive(Deserialize)]
struct Stored {
    state: String,
    event: Value,
    key: String,
    fields: BTreeMap<String, String>,
}

impl Stored {
    /// The event that wrote it, its address spelled like this.
    fn event(&self, email: &str) -> UserSignedUp {
        let mut event = self.event.clone();
        event["email"] = email.into();
        let arrival = Arrival::wrapped("m", Timestamp::now());
        match read::<UserSignedUp>(&event.to_string(), &arrival, UserSignedUp::TYPES) {
            Ok(Opened::Ours(event)) => event,
            other => panic!("{event}: {other:?}"),
        }
    }

    fn email(&self) -> &str {
        self.event["email"].as_str().expect("an address")
    }
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
        let texts =
            [include_str!("../fixtures/records/765e0f8.json"), include_str!("../fixtures/records/2c52215.json")];
        let fixtures = texts.map(|text| serde_json::from_str(text).expect("a fixture")).into();
        Self { server, link, fixtures }
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
        let fields = stored.fields.iter().flat_map(|(field, value)| [field.as_str(), value.as_str()]);
        let _: i64 = self.server.command(&["DEL", &stored.key]).await;
        let _: i64 = self.server.command(&["HSET", &stored.key].into_iter().chain(fields).collect::<Vec<_>>()).await;
    }

    /// What a delivery of this event is answered.
    async fn claim(&self, event: &UserSignedUp) -> Claim {
        let from = "Acme <hello@acme.example>".parse().expect("a mailbox");
        let composer = Composer::new(Sender { from, reply_to: None, redirect_to: None }).expect("templates parse");
        let handler = WelcomeEmail::new(composer, Outbox::new("/nowhere".into()));
        let key = Key::new("welcome_email", event.user_id.as_str());
        let request = Request::new(key, handler.fingerprint(event));
        RedisLedger::new(self.link.clone()).claim(&request, "today", &TERMS).await.expect("an answer")
    }
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
        let claim = older.claim(&stored.event(stored.email())).await;
        assert!(is_as_its_state_asks(state, &claim), "{who}, {key}: {claim:?}");
        // Its counts go on, and its effect is recorded.
        let Claim::Acquired(lease) = claim else { continue };
        let message_id = "message-1";
        let setbacks = ledger.release(&lease, Release::Deferred { message_id }).await.expect("an answer");
        let (failures, deferrals) = (u32::from(state == "failed"), 1 + u32::from(state == "deferred"));
        let Setbacks { failures: failed, deferrals: deferred, .. } = setbacks;
        assert_eq!((failed, deferred), (failures, deferrals), "{who}, {key}");
        ledger.commit(&lease, "receipt", &TERMS).await.expect("an answer");
        let again = older.claim(&stored.event(stored.email())).await;
        assert!(matches!(again, Claim::Done), "{who}, {key}: {again:?}");
    }
}

#[tokio::test]
async fn a_record_of_an_older_release_is_met_by_other_spellings_as_far_as_its_fingerprint_tells() {
    let older = Older::start().await;
    for (given, spellings, told) in SPELLINGS {
        let mut met = 0;
        for (who, stored) in older.effects().filter(|(_, stored)| stored.email() == given) {
            for spelling in spellings {
                older.put_back(stored).await;
                let claim = older.claim(&stored.event(spelling)).await;
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
    for (who, stored) in older.profiles() {
        older.put_back(stored).await;
        let event = stored.event(stored.email());
        assert_eq!(profiles.apply(&Change::of(&event)).await, Ok(Applied::Done), "{who}, {}", stored.key);
    }
}
