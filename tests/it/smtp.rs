//! SMTP on the wire: each end of a conversation, judged by what it means for the mail.

use std::time::Duration;

use user_events::bus::Bus;
use user_events::event::UserSignedUp;
use user_events::handlers::welcome_email::WelcomeEmail;
use user_events::idempotency::Terms;
use user_events::idempotency::memory::MemoryLedger;
use user_events::mail::smtp::{SmtpMailer, SmtpSettings};
use user_events::mail::{Composer, Sender};
use user_events::worker::{Outcome, Reaction as Reacting};

use crate::world::address;
use crate::world::smtp::{Phase, Reaction, SmtpServer};

const TERMS: Terms = Terms { lease: Duration::from_secs(30), retention: Duration::from_secs(60), max_sends: 2 };

/// The welcome mail on the in-process bus, sent to this server; a run is cut after `timeout`.
fn bus(url: &str, timeout: Duration) -> Bus {
    let from = "Welcome <welcome@acme.example>".parse().unwrap();
    let composer = Composer::new(Sender { from, reply_to: None, redirect_to: None }).unwrap();
    let mailer = SmtpMailer::new(SmtpSettings::parse(&url.to_owned().into(), false).unwrap(), None);
    Bus::new().react(Reacting::new(WelcomeEmail::new(composer, mailer), MemoryLedger::default(), TERMS, timeout))
}

fn event(user: &str) -> UserSignedUp {
    UserSignedUp::new(user.parse().unwrap(), address(user).parse().unwrap(), None)
}

async fn send(server: &SmtpServer, user: &str) -> Outcome {
    bus(&server.url(), Duration::from_secs(8)).publish(&event(user)).await.remove(0).outcome
}

/// What comes of a mail when the server reacts like this, each time.
async fn outcome_of(reaction: Reaction) -> (Outcome, usize) {
    let server = SmtpServer::start().await;
    server.script(reaction);
    (send(&server, "u").await, server.accepted().len())
}

fn reply(at: Phase, code: u16) -> Reaction {
    Reaction::Reply { at, code, text: "scripted" }
}

#[tokio::test]
async fn each_phase_and_reply_means_what_it_says_for_the_mail() {
    let refused = || "permanent";
    let cases = [
        (reply(Phase::Greeting, 554), "unavailable", 0),
        (reply(Phase::Ehlo, 502), "unavailable", 0),
        (reply(Phase::Mail, 451), "deferred", 0),
        (reply(Phase::Mail, 530), "unavailable", 0),
        (reply(Phase::Rcpt, 450), "deferred", 0),
        (reply(Phase::Rcpt, 421), "unavailable", 0),
        (reply(Phase::Rcpt, 550), refused(), 0),
        (reply(Phase::Data, 451), "deferred", 0),
        (reply(Phase::Dot, 451), "deferred", 0),
        (reply(Phase::Dot, 554), refused(), 0),
        (Reaction::Close { at: Phase::Rcpt }, "deferred", 0),
        (Reaction::Close { at: Phase::Dot }, "outcome_unknown", 0),
        (Reaction::AcceptThenClose, "outcome_unknown", 1),
    ];
    let seen = futures_util::future::join_all(cases.iter().map(|(reaction, ..)| outcome_of(*reaction))).await;
    for ((reaction, outcome, accepted), seen) in cases.into_iter().zip(seen) {
        assert_eq!((seen.0.name(), seen.1), (outcome, accepted), "{reaction:?}");
    }
}

#[tokio::test]
async fn a_deferred_mail_goes_out_once_when_it_is_tried_again() {
    let server = SmtpServer::start().await;
    server.script_for(&address("u"), vec![reply(Phase::Rcpt, 451), reply(Phase::Dot, 452)]);
    assert_eq!(send(&server, "u").await, Outcome::Done);
    assert_eq!(server.accepted_to(&address("u")), 1);
}

#[tokio::test]
async fn after_a_send_that_timed_out_the_next_mail_answered_554_is_reported_refused() {
    let server = SmtpServer::start().await;
    let bus = bus(&server.url(), Duration::from_secs(1));
    server.script_for(&address("first"), vec![Reaction::AcceptButNeverReply]);
    server.script_for(&address("second"), vec![reply(Phase::Dot, 554)]);
    assert_eq!(bus.publish(&event("first")).await[0].outcome, Outcome::OutcomeUnknown);
    assert_eq!(bus.publish(&event("second")).await[0].outcome, Outcome::Permanent("mail_refused"));
    assert_eq!(bus.publish(&event("third")).await[0].outcome, Outcome::Done);
    assert_eq!((server.accepted_to(&address("second")), server.accepted_to(&address("third"))), (0, 1));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_within_its_deadline() {
    let (outcome, accepted) = outcome_of(Reaction::Silent { at: Phase::Greeting }).await;
    assert_eq!((outcome.name(), accepted), ("unavailable", 0));
}

#[tokio::test]
async fn the_right_password_sends_and_a_wrong_one_is_nobodys_mails_fault() {
    let server = SmtpServer::start().await;
    server.require_auth("user", "p@ss");
    let url = |password: &str| server.url().replace("smtp://", &format!("smtp://user:{password}@"));
    let right = bus(&url("p%40ss"), Duration::from_secs(8)).publish(&event("u")).await;
    assert_eq!(right[0].outcome, Outcome::Done);
    let wrong = bus(&url("wrong"), Duration::from_secs(8)).publish(&event("v")).await;
    assert_eq!(wrong[0].outcome.name(), "unavailable");
    assert_eq!(server.accepted().len(), 1);
}

#[tokio::test]
async fn mails_in_a_row_share_a_connection_and_one_closed_while_idle_costs_no_mail() {
    let server = SmtpServer::start().await;
    let bus = bus(&server.url(), Duration::from_secs(8));
    for user in ["first", "second", "third"] {
        assert_eq!(bus.publish(&event(user)).await[0].outcome, Outcome::Done);
    }
    assert_eq!((server.accepted().len(), server.connections()), (3, 1));

    let port = server.port();
    server.stop().await;
    let server = SmtpServer::start_on(port).await;
    assert_eq!(bus.publish(&event("fourth")).await[0].outcome, Outcome::Done);
    assert_eq!((server.accepted().len(), server.connections()), (1, 1));
}

#[tokio::test]
async fn a_connection_on_which_a_mail_was_refused_is_not_used_again() {
    let server = SmtpServer::start().await;
    let bus = bus(&server.url(), Duration::from_secs(8));
    server.script_for(&address("refused"), vec![reply(Phase::Rcpt, 550)]);
    assert_eq!(bus.publish(&event("first")).await[0].outcome, Outcome::Done);
    assert_eq!(bus.publish(&event("refused")).await[0].outcome, Outcome::Permanent("mail_refused"));
    assert_eq!(bus.publish(&event("third")).await[0].outcome, Outcome::Done);
    assert_eq!((server.accepted().len(), server.connections()), (2, 2));
}
