//! What the release before this one left, met by today's binary: its queue, its records, its dead letters.
//!
//! Enters: `fixtures/records`, records and letters as that release left them. Leaves: a worker that takes over and sends no
//! second mail, commands that show, open and send back as if today's code had written it all, and records of today's that the
//! release before can read where it comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Begin, Claim, Ledger, Release};
use user_events::profiles::redis::RedisProfiles;
use user_events::profiles::{Applied, ProfileChange, Profiles};
use user_events::queue::{Attribute, Attributes, DeadLetter};
use user_events::redis_link::RedisLink;

use crate::dlq::{Bench, reasons, visible};
use crate::older_records::{Stored, TERMS, left_by_the_last, put_back, request};
use crate::world::World;
use crate::world::patience::at_this_pace;
use crate::world::processes::{Worker, environment, execute};
use crate::world::redis_server::{Keep, RedisServer};
use crate::world::smtp::SmtpServer;

const SOON: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Letters {
    letters: Vec<Buried>,
}

/// A letter, and the message that it was made of.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Buried {
    reaction: String,
    reason: String,
    body: String,
    attributes: BTreeMap<String, (String, String)>,
    original: String,
    original_attributes: BTreeSet<String>,
}

impl Buried {
    fn letter(&self) -> DeadLetter {
        let typed = |(name, (kind, value)): (&String, &(String, String))| {
            assert_eq!(kind, "String", "{name}");
            (name.clone(), Attribute::string(value))
        };
        let attributes: Attributes = self.attributes.iter().map(typed).collect();
        DeadLetter { body: self.body.clone(), attributes, ..DeadLetter::default() }
    }

    fn is_packed(&self) -> bool {
        self.attributes.contains_key("failure.body_encoding")
    }
}

fn letters_of(reaction: &str) -> Vec<Buried> {
    let letters: Letters = serde_json::from_str(include_str!("../fixtures/records/8f19590.json")).expect("a fixture");
    letters.letters.into_iter().filter(|letter| letter.reaction == reaction).collect()
}

/// Of the email reaction, each with its state.
fn effects() -> Vec<Stored> {
    left_by_the_last().into_iter().filter(|stored| stored.reaction == "email").collect()
}

#[tokio::test]
async fn a_worker_that_takes_over_from_the_release_before_sends_no_second_mail() {
    let (world, redis, smtp) =
        (World::start().await, RedisServer::start(Keep::Nothing).await, SmtpServer::start().await);
    // Short: a copy waits for the claim of the other.
    let email = world.queue("email", at_this_pace(Duration::from_secs(4))).await;
    let (mut sent_before, mut due, mut bodies) = (BTreeSet::new(), 0, Vec::new());
    for stored in effects() {
        put_back(&redis, &stored).await;
        sent_before.extend(stored.fields.get("mid").cloned());
        due += usize::from(!matches!(stored.state.as_str(), "done" | "repeated" | "parked"));
        // A copy, and a copy of that.
        bodies.extend([stored.body(), stored.body()]);
    }
    let mut env = environment(&world, &smtp.url());
    env.insert("REDIS_URL".to_owned(), redis.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), email.url.clone());
    world.send_all(&email, &bodies).await;
    let worker = Worker::start(&env);
    world.drained(&email, SOON).await;
    assert_eq!(worker.terminate().await, Some(0));
    // A user's mail has one Message-ID, whichever release sends it.
    let sent: Vec<_> = smtp.accepted().into_iter().map(|mail| mail.message_id).collect();
    let again: Vec<_> = sent.iter().filter(|id| sent_before.contains(id.trim_matches(['<', '>']))).collect();
    assert_eq!((again, sent.len()), (Vec::<&String>::new(), due));
    assert_eq!(sent.iter().collect::<BTreeSet<_>>().len(), due, "each of them once");
    let letters = world.dead_letters(&email).await;
    let letters: Vec<_> = letters.iter().map(|(_, attributes)| attributes["failure.reason"].as_str()).collect();
    assert_eq!(letters, ["outcome_unknown"; 2], "of what was parked, and nothing is a conflict");
}

#[tokio::test]
async fn a_record_of_today_is_to_the_field_what_the_release_before_writes_and_so_can_read() {
    let redis = RedisServer::start(Keep::Nothing).await;
    let link = RedisLink::new(&redis.url().into()).expect("a Redis URL");
    let (ledger, profiles) = (RedisLedger::new(link.clone()), RedisProfiles::new(link.clone()));
    // Parked or sent again is what was begun or done before.
    for stored in left_by_the_last().into_iter().filter(|of| !["parked", "repeated"].contains(&of.state.as_str())) {
        let (event, state) = (stored.event(), stored.state.as_str());
        if state == "profile" {
            assert_eq!(profiles.apply(&ProfileChange::of(&event)).await, Ok(Applied::Created));
        } else {
            let (request, message_id) = (request(&stored.reaction, &event), "m");
            let claim = ledger.claim(&request, "today", &TERMS).await.expect("an answer");
            let Claim::Acquired(lease) = claim else { panic!("{}: {claim:?}", stored.key) };
            if ["begun", "failed", "done"].contains(&state) {
                assert_eq!(ledger.begin(&lease, &TERMS).await, Ok(Begin::Go));
            }
            let setback = match state {
                "deferred" => Some(Release::Deferred { message_id }),
                "failed" => Some(Release::Failed { message_id, outcome: "transient" }),
                _ => None,
            };
            if let Some(setback) = setback {
                ledger.release(&lease, setback).await.expect("an answer");
            }
            if state == "done" {
                ledger.commit(&lease, &stored.fields["mid"], &TERMS).await.expect("an answer");
            }
        }
        let today = link.hash(&stored.key).await.expect("an answer");
        let names = |fields: &BTreeMap<String, String>| fields.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&today), names(&stored.fields), "{}", stored.key);
        for field in ["st", "att", "gen", "fp", "ff", "mid", "fn", "dn", "email", "plan", "signed_up_at"] {
            assert_eq!(today.get(field), stored.fields.get(field), "{}, {field}", stored.key);
        }
        let _: i64 = redis.command(&["DEL", &stored.key]).await;
    }
}

#[tokio::test]
async fn a_record_of_the_release_before_is_shown_in_each_of_its_states() {
    let redis = RedisServer::start(Keep::Nothing).await;
    let env = [("REDIS_URL".to_owned(), redis.url())].into();
    for stored in effects() {
        put_back(&redis, &stored).await;
        let (event, field) = (stored.event(), |name: &str| stored.fields.get(name).cloned());
        let output = execute(&env, &["idem", "get", "--reaction", "email", event.user_id.as_str(), "--json"]).await;
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let record = &shown["record"];
        let state = match stored.state.as_str() {
            "deferred" => "claimed",
            "repeated" => "done",
            state => state,
        };
        assert_eq!(record["state"], state, "{shown}");
        assert_eq!(Some(record["sends"].to_string()), field("att"), "{shown}");
        assert_eq!(record["receipt"].as_str(), field("mid").as_deref(), "{shown}");
    }
}

#[tokio::test]
async fn letters_of_the_release_before_are_listed_shown_and_sent_back_as_they_first_came() {
    for reaction in ["email", "profile"] {
        let (world, buried) = (World::start().await, letters_of(reaction));
        let queue = world.queue(reaction, Duration::from_secs(60)).await;
        let mut env = world.env.clone();
        env.insert(format!("{}_QUEUE_URL", reaction.to_uppercase()), queue.url.clone());
        let bench = Bench { world, queue, env };
        bench.bury(&buried.iter().map(Buried::letter).collect::<Vec<_>>()).await;
        let mut counts = BTreeMap::<&str, u64>::new();
        for letter in &buried {
            *counts.entry(&letter.reason).or_default() += 1;
        }
        assert_eq!(bench.by_reason().await, reasons(&counts.into_iter().collect::<Vec<_>>()));
        let listed = bench.json(&["dlq", "list", "--json"]).await;
        for letter in &buried {
            let is_it = |listed: &&serde_json::Value| {
                let first_seen = &letter.attributes["failure.first_seen"].1;
                listed["firstSeen"].as_str() == Some(first_seen) && listed["reason"] == letter.reason.as_str()
            };
            let line = listed["letters"].as_array().unwrap().iter().find(is_it).expect("each letter is listed");
            assert_eq!(line["detail"].as_str(), Some(letter.attributes["failure.detail"].1.as_str()), "{line}");
            assert_eq!(line["packed"], letter.is_packed(), "{line}");
            let is_event = ["conflict", "mail_refused", "outcome_unknown"].contains(&letter.reason.as_str());
            assert_eq!((line["type"] == "user.signed_up", line["user"].is_string()), (is_event, is_event), "{line}");
            let shown = bench.json(&["dlq", "show", line["id"].as_str().unwrap(), "--body", "--json"]).await;
            assert_eq!(shown["body"], letter.original.as_str(), "{shown}");
        }
        let moved = bench.json(&["dlq", "redrive", "--yes", "--json"]).await;
        assert_eq!((&moved["moved"], &moved["sealed"]), (&buried.len().into(), &0.into()), "{moved}");
        let back = bench.sent_back().await.into_iter();
        let back: BTreeSet<_> = back.map(|(body, attributes)| (body, attributes.into_keys().collect())).collect();
        let first: BTreeSet<_> =
            buried.iter().map(|letter| (letter.original.clone(), letter.original_attributes.clone())).collect();
        assert_eq!(back, first);
        assert_eq!(bench.depths().await.1, visible(0));
    }
}
