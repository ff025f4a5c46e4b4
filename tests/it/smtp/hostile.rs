//! Servers that mean no good, and whoever speaks in their place: nothing they say unasked is believed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::timeout;

use super::*;
use crate::world::patience::patience;
use crate::world::processes::execute;
use crate::world::smtp::certificate;

/// A refused mail taken for a sent one, if anybody believes it.
const FORGED: &[u8] = b"250-forged\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 taken\r\n";

#[tokio::test]
async fn what_was_said_before_tls_is_not_believed_under_it() {
    let directory = tempfile::tempdir().unwrap();
    let trusted = certificate::write(directory.path());
    for at in [Phase::Greeting, Phase::Ehlo, Phase::StartTls] {
        let server = SmtpServer::start().await;
        server.start_tls(certificate::acceptor(&trusted));
        server.script(Reaction::Also { at, bytes: FORGED });
        let env: BTreeMap<String, String> = [
            ("SMTP_URL", format!("smtp://user:hunter2@localhost:{}?tls=required", server.port())),
            ("MAIL_FROM", "Acme <hello@acme.example>".to_owned()),
            ("SEND_TEST_TO", "ann.lee@example.com".to_owned()),
            ("SSL_CERT_FILE", trusted.display().to_string()),
            ("LOG_FORMAT", "json".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let output = execute(&env, &["send-test"]).await;
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(69), "{at:?}: {stdout}{stderr}");
        let told = "unasked-for bytes before TLS: somebody may be in between";
        assert!(stdout.contains(told), "{at:?}: {stdout}");
        let warned = stderr.lines().filter(|line| line.contains("WARN") && line.contains(told)).count();
        assert_eq!(warned, 1, "{at:?}: {stderr}");
        assert!(!server.commands().iter().any(|verb| matches!(verb.as_str(), "AUTH" | "MAIL" | "QUIT")), "{at:?}");
        assert_eq!((server.accepted().len(), server.connections()), (0, 1), "{at:?}");

        // The same server without the forger: trusted, encrypted, and the mail is taken.
        server.script(Reaction::Accept);
        server.require_auth("user", "hunter2");
        let output = execute(&env, &["send-test"]).await;
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(server.accepted().len(), 1);
    }
}

#[tokio::test]
async fn bytes_that_nothing_asked_for_end_the_connection_in_every_phase() {
    let cases = [
        (Phase::Greeting, "Refusing: unasked-for bytes at EHLO", "unavailable"),
        (Phase::Ehlo, "Refusing: unasked-for bytes at MAIL", "unavailable"),
        (Phase::Mail, "unasked-for bytes at RCPT", "deferred"),
        (Phase::Rcpt, "unasked-for bytes at DATA", "deferred"),
        (Phase::Data, "unasked-for bytes at DATA", "deferred"),
    ];
    for (at, why, expected) in cases {
        let (outcome, failures, taken) = one_mail(Reaction::Also { at, bytes: b"250 forged\r\n" }).await;
        assert_eq!((outcome, taken), (expected, 0), "{at:?}: {failures:?}");
        assert!(failures.iter().any(|failure| failure == why), "{at:?}: {failures:?}");
    }
    // Behind a mail that was taken: the next one has a connection of its own.
    let server = SmtpServer::start().await;
    server.script(Reaction::Also { at: Phase::Dot, bytes: b"250 forged\r\n" });
    let client = Client::new(&server.url(), SECOND);
    assert_eq!((client.send("u").await, client.send("v").await), ("done", "done"));
    assert_eq!((server.accepted().len(), server.connections()), (2, 2));
}

#[tokio::test]
async fn a_goodbye_in_the_middle_is_a_busy_server_not_a_forger() {
    let (outcome, failures, _) =
        one_mail(Reaction::Also { at: Phase::Ehlo, bytes: b"421 4.3.2 shutting down\r\n" }).await;
    assert_eq!((outcome, failures[0].as_str()), ("unavailable", "Busy: 421 4.3.2 at MAIL"));
}

/// Why a server like this is given up, and how many turns another task had meanwhile.
async fn beside_another_task(reaction: Reaction) -> (String, usize) {
    let turns = Arc::new(AtomicUsize::new(0));
    let ticking = tokio::spawn({
        let turns = Arc::clone(&turns);
        async move {
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                turns.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    // The server floods from a thread of its own: here nothing but the client can hold up the other task.
    let (url, stop) = flooded_from_its_own_thread(reaction);
    let client = Client::new(&url, SECOND * 2);
    // Once, past the bus, which would try again.
    let probed = timeout(patience(SECOND * 3), client.mailer.probe()).await.expect("it is given up");
    let turns = turns.load(Ordering::Relaxed);
    ticking.abort();
    drop(stop);
    (format!("{probed:?}"), turns)
}

fn flooded_from_its_own_thread(reaction: Reaction) -> (String, std::sync::mpsc::Sender<()>) {
    let (told, url) = std::sync::mpsc::channel();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(SmtpServer::start());
        server.script(reaction);
        told.send(server.url()).unwrap();
        // Ends when its sender is dropped.
        let _ = stopped.recv();
    });
    (url.recv().unwrap(), stop)
}

#[tokio::test]
async fn a_reply_without_end_is_given_up_and_starves_nobody() {
    let endless = |bytes: &'static [u8], every| Reaction::Endless { at: Phase::Greeting, bytes, every };
    let chunk: &'static [u8] = Box::leak(b"220-and so on\r\n".repeat(4096).into_boxed_slice());
    // What comes at full speed is over with its 64 KiB, before anybody could ask for a turn. What lasts until the
    // deadline leaves turns to others all the while: some four hundred, were there nobody else on this machine.
    let cases = [
        ("lines at full speed", endless(chunk, Duration::ZERO), "a reply without end", 0),
        ("a line without end at full speed", endless(&[b'x'; 65536], Duration::ZERO), "a reply without end", 0),
        ("a line now and then", endless(b"220-\r\n", Duration::from_millis(100)), "no reply in time", 10),
        ("a letter now and then", endless(b"2", Duration::from_millis(100)), "no reply in time", 10),
    ];
    for (name, reaction, why, turns) in cases {
        let (failure, had) = beside_another_task(reaction).await;
        println!("{name}: another task had {had} turns");
        assert!(failure.contains("Unavailable") && failure.contains(why), "{name}: {failure}");
        assert!(had >= turns, "{name}: another task had {had} turns");
    }
}
