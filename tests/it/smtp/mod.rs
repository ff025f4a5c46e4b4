//! SMTP on the wire: each end of a conversation, judged by what it means for the mail.

//!
//! Enters: conversations with the scripted server, and with servers that are not ours (`real`). Leaves: what came of the mail.

mod connections;
mod hostile;
mod real;
mod replies;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use user_events::bus::Bus;
use user_events::events::{UserSignedUp, WithFields};
use user_events::handler::{Handled, Handler, HandlerError};
use user_events::handlers::welcome_email::WelcomeEmail;
use user_events::idempotency::memory::MemoryLedger;
use user_events::idempotency::{Fence, Fingerprint, Terms};
use user_events::mail::smtp::{SmtpMailer, SmtpSettings};
use user_events::mail::{Composer, Mailer, Sender, Templates, Wording};
use user_events::worker::Reaction as Reacting;

use crate::world::address;
use crate::world::patience::at_this_pace;
use crate::world::smtp::{Phase, Reaction, SmtpServer};

const SECOND: Duration = Duration::from_secs(1);

/// The welcome mail, and how it failed.
struct Watched(WelcomeEmail<SmtpMailer>, Arc<Mutex<Vec<HandlerError>>>);

impl Handler for Watched {
    type Event = WithFields<UserSignedUp>;
    const NAME: &'static str = "welcome_email";

    async fn handle(&self, event: &Self::Event, fence: &Fence<'_>) -> Result<Handled, HandlerError> {
        self.0.handle(event, fence).await.inspect_err(|error| self.1.lock().unwrap().push(error.clone()))
    }

    fn fingerprint(&self, event: &Self::Event) -> Fingerprint {
        self.0.fingerprint(event)
    }
}

/// The welcome mail on the in-process bus, sent to one server.
struct Client {
    bus: Bus,
    mailer: SmtpMailer,
    failures: Arc<Mutex<Vec<HandlerError>>>,
}

impl Client {
    /// Waits for a reply for a second, or for five where nothing is to be given up; longer where this machine is slow.
    fn new(url: &str, longest_wait: Duration) -> Self {
        let settings = SmtpSettings::parse(&url.to_owned().into(), false).unwrap();
        Self::of(settings.replies_within(at_this_pace(longest_wait)))
    }

    fn of(settings: SmtpSettings) -> Self {
        Self::cut_after(SECOND * 8, settings)
    }

    /// A run is cut if it takes longer than this.
    fn cut_after(timeout: Duration, settings: SmtpSettings) -> Self {
        let second = at_this_pace(SECOND);
        let terms = Terms::new(30 * second, 60 * second);
        let from = "Welcome <welcome@acme.example>".parse().unwrap();
        let composer = Composer::new(
            Sender { from, reply_to: None, redirect_to: None },
            Wording::of(Templates::builtin().unwrap()),
        );
        let (mailer, failures) = (SmtpMailer::new(settings, None), Arc::default());
        let handler = Watched(WelcomeEmail::new(composer, mailer.clone()), Arc::clone(&failures));
        let bus = Bus::new().react(Reacting::recorded(handler, MemoryLedger::default(), terms, at_this_pace(timeout)));
        Self { bus, mailer, failures }
    }

    async fn send(&self, user: &str) -> &'static str {
        self.send_to(user, &address(user)).await
    }

    async fn send_to(&self, user: &str, address: &str) -> &'static str {
        let event = UserSignedUp::new(user.parse().unwrap(), address.parse().unwrap(), None);
        self.bus.publish(&event).await.remove(0).outcome.name()
    }

    /// Why mails failed since the last time: `550 5.1.1 at RCPT`, with the kind of outage where it is one. An outage
    /// always names its server; here that is left out.
    fn failures(&self) -> Vec<String> {
        let told = |failure: HandlerError| match failure {
            HandlerError::Unavailable { detail, outage, .. } => {
                let (server, why) = detail.split_once(": ").expect("which server");
                assert!(server.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()), "{detail}");
                format!("{outage:?}: {why}")
            }
            HandlerError::Suspect { detail, .. } => format!("suspect: {detail}"),
            failure => failure.to_string(),
        };
        std::mem::take(&mut *self.failures.lock().unwrap()).into_iter().map(told).collect()
    }

    async fn close(self) {
        self.mailer.close().await;
    }
}

/// A server of its own, a client to it, and one mail: what came of it, and how often it was taken.
async fn one_mail(reaction: Reaction) -> (&'static str, Vec<String>, usize) {
    let server = SmtpServer::start().await;
    server.script(reaction);
    let client = Client::new(&server.url(), SECOND);
    (client.send("u").await, client.failures(), server.accepted().len())
}

fn reply(at: Phase, code: u16) -> Reaction {
    Reaction::Reply { at, code, text: "scripted" }
}

#[tokio::test]
async fn each_phase_and_reply_means_what_it_says_for_the_mail() {
    let cases = [
        (reply(Phase::Greeting, 554), "unavailable", "Refusing: 554 at greeting", 0),
        (reply(Phase::Greeting, 421), "unavailable", "Busy: 421 at greeting", 0),
        (reply(Phase::Greeting, 450), "unavailable", "Busy: 450 at greeting", 0),
        (reply(Phase::Ehlo, 451), "unavailable", "Busy: 451 at EHLO", 0),
        (reply(Phase::Ehlo, 502), "unavailable", "Refusing: 502 at EHLO", 0),
        (reply(Phase::Mail, 451), "unavailable", "Busy: 451 at MAIL", 0),
        (reply(Phase::Mail, 530), "unavailable", "Refusing: 530 at MAIL", 0),
        (reply(Phase::Rcpt, 450), "deferred", "450 at RCPT", 0),
        (reply(Phase::Rcpt, 421), "unavailable", "Busy: 421 at RCPT", 0),
        (reply(Phase::Rcpt, 550), "permanent", "suspect: 550 at RCPT", 0),
        (reply(Phase::Rcpt, 501), "permanent", "suspect: 501 at RCPT", 0),
        (reply(Phase::Data, 451), "deferred", "451 at DATA", 0),
        (reply(Phase::Dot, 451), "deferred", "451 at dot", 0),
        (reply(Phase::Dot, 454), "unavailable", "Busy: 454 at dot", 0),
        (reply(Phase::Dot, 554), "permanent", "suspect: 554 at dot", 0),
        (Reaction::Close { at: Phase::Mail }, "unavailable", "Down: the connection broke at MAIL", 0),
        (Reaction::Close { at: Phase::Rcpt }, "deferred", "the connection broke at RCPT", 0),
        (Reaction::Close { at: Phase::Dot }, "outcome_unknown", "the connection broke at dot", 0),
        (Reaction::AcceptThenClose, "outcome_unknown", "the connection broke at dot", 1),
        (Reaction::Silent { at: Phase::Greeting }, "unavailable", "Down: no reply in time at greeting", 0),
        (Reaction::Silent { at: Phase::Data }, "deferred", "no reply in time at DATA", 0),
        (Reaction::Silent { at: Phase::Dot }, "outcome_unknown", "no reply in time at dot", 0),
    ];
    let seen = futures_util::future::join_all(cases.iter().map(|(reaction, ..)| one_mail(*reaction))).await;
    for ((reaction, outcome, failure, accepted), (seen, failures, taken)) in cases.into_iter().zip(seen) {
        let failure = failure.to_owned();
        assert_eq!((seen, taken), (outcome, accepted), "{reaction:?}: {failures:?}");
        assert!(failures.contains(&failure), "{reaction:?}: {failures:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_told_by_host_and_port_and_nothing_else_of_its_url() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = closed.local_addr().unwrap();
    drop(closed);
    let client = Client::new(&format!("smtp://user:hunter2@{at}/?auth=xoauth2"), SECOND);
    assert_eq!(client.send("u").await, "unavailable");
    let failures: Vec<_> = client.failures.lock().unwrap().iter().map(ToString::to_string).collect();
    assert!(failures.iter().all(|told| told == &format!("smtp: {at}: no connection at connect")), "{failures:?}");
    assert!(!failures.is_empty());
    let found = client.mailer.examine().await;
    assert_eq!(found.connect, Some(Err(format!("{at}: no connection"))));
}

#[tokio::test]
async fn a_deferred_mail_goes_out_once_when_it_is_tried_again() {
    let server = SmtpServer::start().await;
    server.script_for(&address("u"), vec![reply(Phase::Rcpt, 451), reply(Phase::Dot, 452)]);
    assert_eq!(Client::new(&server.url(), SECOND).send("u").await, "done");
    assert_eq!(server.accepted_to(&address("u")), 1);
}

#[tokio::test]
async fn after_a_send_that_timed_out_the_next_mail_answered_554_is_reported_refused() {
    let server = SmtpServer::start().await;
    let client = Client::new(&server.url(), SECOND);
    server.script_for(&address("first"), vec![Reaction::AcceptButNeverReply]);
    server.script_for(&address("second"), vec![reply(Phase::Dot, 554)]);
    assert_eq!(client.send("first").await, "outcome_unknown");
    assert_eq!(client.send("second").await, "permanent");
    assert_eq!(client.send("third").await, "done");
    assert_eq!((server.accepted_to(&address("second")), server.accepted_to(&address("third"))), (0, 1));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_within_its_deadline() {
    let (outcome, failures, accepted) = one_mail(Reaction::Silent { at: Phase::Greeting }).await;
    assert_eq!((outcome, accepted), ("unavailable", 0), "{failures:?}");
}

#[tokio::test]
async fn a_server_that_answers_later_than_a_run_may_last_is_waited_for() {
    for at in [Phase::Mail, Phase::Rcpt, Phase::Data] {
        let server = SmtpServer::start().await;
        server.script(Reaction::Late { at, after: at_this_pace(SECOND) * 2 });
        let settings = SmtpSettings::parse(&server.url().into(), false).unwrap();
        let client = Client::cut_after(SECOND, settings.replies_within(at_this_pace(SECOND * 10)));
        assert_eq!(client.send("u").await, "done", "{at:?}: {:?}", client.failures());
        assert_eq!(server.count("MAIL"), 1, "{at:?}: one try");
    }
}

#[tokio::test]
async fn a_reply_to_the_dot_may_come_late() {
    let server = SmtpServer::start().await;
    server.script(Reaction::Late { at: Phase::Dot, after: SECOND * 3 });
    assert_eq!(Client::new(&server.url(), SECOND * 5).send("u").await, "done");
    assert_eq!(server.accepted().len(), 1);
}
