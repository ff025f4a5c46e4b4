//! Replies in every form that servers give them, and offers in every case.

use super::*;

/// What comes of a mail whose dot is answered by these bytes; the server says nothing more.
async fn at_the_dot(bytes: &'static [u8]) -> (&'static str, Vec<String>) {
    let (outcome, failures, _) = one_mail(Reaction::Raw { at: Phase::Dot, bytes }).await;
    (outcome, failures)
}

#[tokio::test]
async fn a_reply_is_believed_by_its_code_whatever_its_text_is() {
    let taken: [&[u8]; 7] =
        [b"250\r\n", b"250 \n", b"250 \xff\xe4 bare\n", b"250-a\r\n250\r\n", b"252 x\r\n", b"250", b"250-cut off"];
    for bytes in taken {
        assert_eq!(at_the_dot(bytes).await.0, "done", "{}", bytes.escape_ascii());
    }
    let refused = |why: &str| ("permanent", vec![format!("suspect: {why} at dot")]);
    assert_eq!(at_the_dot(b"571 not from you\r\n").await, refused("571"));
    assert_eq!(at_the_dot(b"550 5.7.708 Service unavailable\r\n").await, refused("550 5.7.708"));
    assert_eq!(at_the_dot(b"554-one\r\n554-two\r\n").await, refused("554"));
    for bytes in [&b"hello\r\n"[..], b"150 soon\r\n", b"354 again\r\n", b"250-a\r\n550 b\r\n", b"25", b"\r\n"] {
        assert_eq!(at_the_dot(bytes).await.0, "outcome_unknown", "{}", bytes.escape_ascii());
    }
}

#[tokio::test]
async fn seventy_kilobytes_said_to_the_dot_are_a_yes_by_their_first_line() {
    let long: &'static [u8] = Box::leak(b"250-queued, and so much more\r\n".repeat(2_500).into_boxed_slice());
    assert!(long.len() > 70 * 1024);
    assert_eq!(at_the_dot(long).await, ("done", vec![]));
}

#[tokio::test]
async fn a_refused_recipient_is_told_from_a_refusal_of_everybody_by_the_enhanced_code() {
    let cases: [(&[u8], &str); 8] = [
        (b"550 5.1.1 <u@example.com> unknown\r\n", "550 5.1.1 at RCPT"),
        (b"501 5.1.3 bad syntax\r\n", "501 5.1.3 at RCPT"),
        (b"550-5.2.1 off\r\n550 5.2.1 duty\r\n", "550 5.2.1 at RCPT"),
        (b"553 not in my list of hosts\r\n", "suspect: 553 at RCPT"),
        (b"551 no relay\r\n", "suspect: 551 at RCPT"),
        (b"550 5.1.90 daily limit\r\n", "suspect: 550 5.1.90 at RCPT"),
        (b"553 sorry, not in my list (#5.7.1)\r\n", "suspect: 553 5.7.1 at RCPT"),
        (b"550 5.1.8 sender unknown\r\n", "suspect: 550 5.1.8 at RCPT"),
    ];
    for (bytes, why) in cases {
        let (outcome, failures, _) = one_mail(Reaction::Raw { at: Phase::Rcpt, bytes }).await;
        assert_eq!((outcome, failures), ("permanent", vec![why.to_owned()]));
    }
}

#[tokio::test]
async fn offers_are_read_in_any_case_and_auth_in_its_old_form() {
    let server = SmtpServer::start().await;
    server.require_auth("user", "p@ss");
    server.offer(&["pipelining", "8bitmime", "AUTH=LOGIN"]);
    let client = Client::new(&server.url().replace("//", "//user:p%40ss@"), SECOND * 5);
    assert_eq!(client.send("u").await, "done", "{:?}", client.failures());
    assert!(server.lines().iter().any(|line| line == "AUTH LOGIN"), "{:?}", server.lines());
}

#[tokio::test]
async fn a_token_logs_in_by_xoauth2_and_a_stale_one_is_refused_after_its_challenge() {
    let server = SmtpServer::start().await;
    server.require_auth("user", "token");
    server.offer(&["AUTH PLAIN XOAUTH2"]);
    let url = |token: &str| format!("{}?auth=xoauth2", server.url().replace("//", &format!("//user:{token}@")));
    assert_eq!(Client::new(&url("token"), SECOND * 5).send("u").await, "done");
    let client = Client::new(&url("stale"), SECOND * 5);
    assert_eq!(client.send("v").await, "unavailable");
    assert_eq!(client.failures()[0], "Refusing: 535 5.7.8 at AUTH");
}

#[tokio::test]
async fn a_server_without_an_auth_that_we_speak_is_an_operators_matter() {
    let server = SmtpServer::start().await;
    server.offer(&["AUTH GSSAPI CRAM-MD5"]);
    let client = Client::new(&server.url().replace("//", "//user:hunter2@"), SECOND * 5);
    assert_eq!(client.send("u").await, "unavailable");
    assert_eq!(client.failures()[0], "Refusing: the server offers no AUTH that we speak at AUTH");
    assert_eq!(server.count("AUTH"), 0);
}

#[tokio::test]
async fn a_server_that_knows_no_ehlo_is_greeted_by_helo() {
    let server = SmtpServer::start().await;
    server.script(Reaction::Raw { at: Phase::Ehlo, bytes: b"502 what?\r\n" });
    server.knows_helo_alone();
    let settings = SmtpSettings::parse(&server.url().into(), false).unwrap();
    let client = Client::of(settings.greeting_as(Some("mail.acme.example".to_owned())));
    assert_eq!(client.send("u").await, "done", "{:?}", client.failures());
    assert_eq!(server.lines()[..2], ["EHLO mail.acme.example", "HELO mail.acme.example"]);
}

#[tokio::test]
async fn the_last_words_of_a_server_that_goes_away_are_its_answer() {
    let cases: [(Phase, &[u8], &str, &str); 5] = [
        (Phase::Greeting, b"554 5.7.1 blocked\r\n", "Refusing: 554 5.7.1 at greeting", "unavailable"),
        (Phase::Ehlo, b"550 5.7.1 blocked\r\n", "Refusing: 550 5.7.1 at EHLO", "unavailable"),
        (Phase::Mail, b"421 4.7.0 too many\r\n", "Busy: 421 4.7.0 at MAIL", "unavailable"),
        (Phase::Rcpt, b"550 5.1.1 unknown\r\n", "550 5.1.1 at RCPT", "permanent"),
        (Phase::Dot, b"552 5.3.4 too big\r\n", "suspect: 552 5.3.4 at dot", "permanent"),
    ];
    for (at, bytes, why, expected) in cases {
        for keywords in [&["PIPELINING"][..], &[]] {
            let server = SmtpServer::start().await;
            server.offer(keywords);
            server.script(Reaction::LastWords { at, bytes });
            let client = Client::new(&server.url(), SECOND);
            assert_eq!((client.send("u").await, server.accepted().len()), (expected, 0), "{at:?}");
            assert_eq!(client.failures()[0], why, "{keywords:?}");
        }
    }
}

#[tokio::test]
async fn a_no_that_is_cut_off_is_a_no_and_its_connection_is_not_used_again() {
    let long: &'static [u8] = Box::leak(b"550-5.1.1 unknown, and so much more\r\n".repeat(2_500).into_boxed_slice());
    for bytes in [&b"550-5.1.1 unknown\r\n550-"[..], long] {
        for keywords in [&["PIPELINING"][..], &[]] {
            let server = SmtpServer::start().await;
            server.offer(keywords);
            let client = Client::new(&server.url(), SECOND);
            server.script_for(&address("cut"), vec![Reaction::Raw { at: Phase::Rcpt, bytes }]);
            assert_eq!(client.send("cut").await, "permanent", "{keywords:?}: {:?}", client.failures());
            assert_eq!(client.failures(), ["550 5.1.1 at RCPT"]);
            assert_eq!((client.send("next").await, server.connections()), ("done", 2), "{keywords:?}");
        }
    }
}

#[tokio::test]
async fn a_login_that_is_asked_for_late_is_an_operators_matter() {
    for (code, at) in [(530, Phase::Mail), (530, Phase::Rcpt), (535, Phase::Rcpt), (538, Phase::Data)] {
        let (outcome, failures, _) = one_mail(reply(at, code)).await;
        assert_eq!(outcome, "unavailable", "{code} at {at:?}: {failures:?}");
        assert!(failures[0].starts_with("Refusing: ") && failures[0].contains(&format!("{code} at ")), "{failures:?}");
    }
}

#[tokio::test]
async fn an_address_beyond_ascii_goes_to_a_server_that_takes_it_and_is_refused_by_one_that_does_not() {
    let (server, to) = (SmtpServer::start().await, "j\u{fc}rgen@example.com");
    let client = Client::new(&server.url(), SECOND * 5);
    assert_eq!(client.send_to("u", to).await, "done");
    assert!(server.lines().iter().any(|line| line.starts_with("MAIL FROM:<welcome@acme.example> SMTPUTF8")));
    client.close().await;
    server.offer(&["8BITMIME"]);
    let client = Client::new(&server.url(), SECOND * 5);
    assert_eq!(client.send_to("v", to).await, "permanent");
    assert_eq!(server.accepted().len(), 1);
}

#[tokio::test]
async fn with_pipelining_the_first_no_decides_and_the_connection_stays_in_step() {
    let server = SmtpServer::start().await;
    server.offer(&["PIPELINING"]);
    let client = Client::new(&server.url(), SECOND * 5);
    server.script_for(&address("no"), vec![Reaction::Raw { at: Phase::Rcpt, bytes: b"550 5.1.1 unknown\r\n" }]);
    assert_eq!(client.send("first").await, "done");
    assert_eq!(client.send("no").await, "permanent");
    assert_eq!(client.failures(), ["550 5.1.1 at RCPT"]);
    assert_eq!(client.send("last").await, "done");
    client.close().await;
    assert_eq!((server.accepted().len(), server.connections(), server.count("RSET")), (2, 1, 1));
    assert_eq!(server.accepted_to(&address("no")), 0);
}

#[tokio::test]
async fn a_server_that_waits_for_a_body_after_it_refused_the_recipient_gets_none() {
    let server = SmtpServer::start().await;
    server.offer(&["PIPELINING"]);
    server.script(Reaction::Raw { at: Phase::Data, bytes: b"354 go\r\n" });
    server.script_for(&address("no"), vec![Reaction::Raw { at: Phase::Rcpt, bytes: b"550 5.1.1 unknown\r\n" }]);
    let client = Client::new(&server.url(), SECOND * 5);
    assert_eq!(client.send("no").await, "permanent");
    server.script(Reaction::Accept);
    assert_eq!(client.send("yes").await, "done");
    let lines = server.lines();
    assert!(!lines.iter().any(|line| line == "." || line == "RSET" || line == "QUIT"), "{lines:?}");
    assert_eq!((server.accepted().len(), server.connections()), (1, 2));
}
