//! Mail servers that nobody here wrote: Postfix, and aiosmtpd from PyPI. What counts is what they say they took.

use std::collections::BTreeMap;

use super::*;
use crate::world::World;
use crate::world::postfix::Postfix;
use crate::world::processes::execute;

#[tokio::test]
async fn postfix_takes_refuses_and_defers_on_one_connection_and_is_understood() {
    let postfix = Postfix::start().await;
    let client = Client::new(&format!("smtp://127.0.0.1:{}", postfix.port), SECOND * 20);
    assert_eq!(client.send_to("first", "first@example.com").await, "done", "{:?}", client.failures());
    let cases = [
        ("gone", "550 5.1.1 at RCPT", "permanent"),
        ("spam", "suspect: 554 5.7.1 at RCPT", "permanent"),
        ("later", "451 4.3.0 at RCPT", "deferred"),
    ];
    for (user, why, outcome) in cases {
        assert_eq!(client.send_to(user, &format!("{user}@example.com")).await, outcome);
        assert_eq!(client.failures()[0], why);
    }
    assert_eq!(client.send_to("last", "j\u{fc}rgen@example.com").await, "done", "{:?}", client.failures());
    client.close().await;

    let mails = postfix.delivered(2).await;
    assert_eq!(mails.len(), 2);
    for to in ["first@example.com", "j\u{fc}rgen@example.com"] {
        let mail = mails.iter().find(|mail| mail.contains(&format!("Delivered-To: {to}")));
        assert!(mail.is_some_and(|mail| mail.contains("Subject: Welcome")), "none to {to} in {mails:?}");
    }
    let log = postfix.log();
    let sessions: Vec<_> =
        log.lines().filter(|line| line.contains("disconnect from") && line.contains("ehlo=1")).collect();
    assert!(sessions.len() == 1 && sessions[0].contains("quit=1"), "one connection, ended by QUIT: {sessions:?}");
    assert!(!log.contains("improper command pipelining") && !log.contains("lost connection after MAIL"), "{log}");
}

#[tokio::test]
async fn postfix_lets_in_who_logs_in_and_nobody_else() {
    let postfix = Postfix::start().await;
    let url = |who: &str| format!("smtp://{who}127.0.0.1:{}", postfix.login_port);
    let stranger = Client::new(&url(""), SECOND * 20);
    assert_eq!(stranger.send("u").await, "permanent");
    assert_eq!(stranger.failures()[0], "suspect: 554 5.7.1 at RCPT");
    let wrong = Client::new(&url("user:wrong@"), SECOND * 20);
    assert_eq!(wrong.send("u").await, "unavailable");
    assert_eq!(wrong.failures()[0], "Refusing: 535 5.7.8 at AUTH");
    let right = Client::new(&url("user:p%40ss@"), SECOND * 20);
    assert_eq!(right.send("u").await, "done", "{:?}", right.failures());
    assert_eq!(postfix.delivered(1).await.len(), 1);
    assert!(postfix.log().contains("sasl_method=PLAIN, sasl_username=user"), "{}", postfix.log());
}

#[tokio::test]
async fn postfix_under_tls_is_trusted_by_its_certificate_alone() {
    let postfix = Postfix::start().await;
    let urls = [
        format!("smtp://user:p%40ss@localhost:{}?tls=required", postfix.port),
        format!("smtps://user:p%40ss@localhost:{}", postfix.tls_port),
    ];
    for (sent, url) in urls.into_iter().enumerate() {
        let mut env: BTreeMap<String, String> =
            [("SMTP_URL", url.as_str()), ("MAIL_FROM", "Acme <hello@acme.example>"), ("SEND_TEST_TO", "u@example.com")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        let distrusted = execute(&env, &["send-test"]).await;
        let told = String::from_utf8_lossy(&distrusted.stdout).into_owned();
        assert!(told.contains("TLS      FAILED") && told.contains("certificate"), "{url}: {told}");
        env.insert("SSL_CERT_FILE".to_owned(), postfix.certificate.display().to_string());
        let trusted = execute(&env, &["send-test"]).await;
        let told = String::from_utf8_lossy(&trusted.stdout).into_owned();
        assert_eq!(trusted.status.code(), Some(0), "{url}: {told}");
        assert!(postfix.delivered(sent + 1).await.iter().all(|mail| mail.contains("Subject: Welcome")));
    }
    let log = postfix.log();
    let encrypted = log.lines().filter(|line| line.contains("TLS connection established")).count();
    let logged_in = log.lines().filter(|line| line.contains("sasl_username=user")).count();
    assert_eq!((encrypted, logged_in), (2, 2), "{log}");
}

#[tokio::test]
async fn aiosmtpd_takes_mails_plain_beyond_ascii_and_by_auth() {
    let world = World::start().await;
    for (mode, who) in [(None, ""), (Some("auth"), "user:p%40ss@")] {
        let directory = tempfile::tempdir().unwrap();
        let (_sink, port) = crate::interop::aiosmtpd(&world, directory.path(), mode).await;
        let client = Client::new(&format!("smtp://{who}127.0.0.1:{port}"), SECOND * 20);
        for (user, to) in [("u", "u@example.com"), ("v", "j\u{fc}rgen@example.com")] {
            assert_eq!(client.send_to(user, to).await, "done", "{mode:?} {to}: {:?}", client.failures());
        }
        assert_eq!(std::fs::read_dir(directory.path().join("mails/new")).unwrap().count(), 2);
        if mode.is_some() {
            // Straight to the mailer: aiosmtpd takes its time to say no, and the bus would ask again.
            let wrong = Client::new(&format!("smtp://user:wrong@127.0.0.1:{port}"), SECOND * 20);
            let told = format!("{:?}", wrong.mailer.probe().await);
            assert!(told.contains("Auth") && told.contains("535") && told.contains("Refusing"), "{told}");
        }
    }
}
