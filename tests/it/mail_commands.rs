//! `render` and `send-test`: the welcome mail looked at, and one really sent, told step by step.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::world::processes::{execute, execute_with_input};
use crate::world::smtp::{Phase, Reaction, SmtpServer};

const TO: &str = "ann.lee@example.com";

fn environment(smtp: &str) -> BTreeMap<String, String> {
    [("SMTP_URL", smtp), ("MAIL_FROM", "Acme <hello@acme.example>"), ("SEND_TEST_TO", TO)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Each step with how it ended: `connect ok`, `TLS -` …
fn steps(stdout: &str) -> Vec<String> {
    let first_two = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    stdout.lines().take_while(|line| !line.is_empty()).map(first_two).collect()
}

#[tokio::test]
async fn a_test_mail_is_sent_and_each_step_is_told() {
    let server = SmtpServer::start().await;
    server.require_auth("user", "p@ss");
    let env = environment(&server.url().replace("smtp://", "smtp://user:p%40ss@"));
    let output = execute(&env, &["send-test"]).await;
    let (stdout, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    let expected = ["connect ok", "TLS -", "AUTH ok", "MAIL ok", "RCPT ok", "DATA ok", "body ok"];
    assert_eq!(steps(&stdout), expected, "{stdout}");
    let [mail] = &server.accepted()[..] else { panic!("not one mail: {stdout}") };
    assert_eq!(mail.recipients, [TO]);
    assert!(stdout.contains(mail.message_id.trim_matches(['<', '>'])), "{stdout}");

    assert_eq!(execute(&env, &["send-test"]).await.status.code(), Some(0));
    let ids: Vec<_> = server.accepted().iter().map(|mail| mail.message_id.clone()).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "a receiver would show the second one as a copy: {ids:?}");
}

#[tokio::test]
async fn the_step_a_server_refuses_is_named_with_what_it_said_and_without_an_address() {
    let refusal = "5.1.1 <ann.lee@example.com> unknown here";
    let cases = [
        (Phase::Greeting, 554, "connect FAILED"),
        (Phase::Mail, 530, "MAIL FAILED"),
        (Phase::Rcpt, 550, "RCPT FAILED"),
        (Phase::Data, 451, "DATA FAILED"),
        (Phase::Dot, 554, "body FAILED"),
    ];
    for (at, code, told) in cases {
        let server = SmtpServer::start().await;
        server.script(Reaction::Reply { at, code, text: refusal });
        let output = execute(&environment(&server.url()), &["send-test"]).await;
        let (stdout, stderr) = text(&output);
        assert_eq!(output.status.code(), Some(69), "{at:?}: {stdout}{stderr}");
        assert_eq!(steps(&stdout).last().map(String::as_str), Some(told), "{stdout}");
        assert!(stdout.contains(&format!("{code} ")) && stdout.contains("unknown here"), "{stdout}");
        assert!(!stdout.contains("ann.lee") && !stderr.contains("ann.lee"), "{stdout}{stderr}");
        assert_eq!(server.accepted().len(), 0);
    }
}

#[tokio::test]
async fn a_wrong_password_and_a_server_that_is_not_there_are_told_apart_and_show_no_secret() {
    let server = SmtpServer::start().await;
    server.require_auth("user", "right");
    let env = environment(&server.url().replace("smtp://", "smtp://user:hunter2@"));
    let output = execute(&env, &["send-test"]).await;
    let (stdout, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(69));
    assert_eq!(steps(&stdout).last().map(String::as_str), Some("AUTH FAILED"), "{stdout}");
    assert!(!stdout.contains("hunter2") && !stderr.contains("hunter2"), "{stdout}{stderr}");

    server.stop().await;
    for url in [server.url(), server.url().replace("smtp://", "smtps://")] {
        let output = execute(&environment(&url), &["send-test", "--json"]).await;
        assert_eq!(output.status.code(), Some(69));
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&shown["sent"], &shown["steps"][0]["step"]), (&false.into(), &"connect".into()), "{shown}");
        assert_eq!(shown["steps"][0]["result"], "FAILED");
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_told_as_that() {
    let server = SmtpServer::start().await;
    let implicit = server.url().replace("smtp://", "smtps://");
    let required = format!("{}?tls=required", server.url());
    for url in [implicit, required] {
        let output = execute(&environment(&url), &["send-test"]).await;
        let (stdout, _) = text(&output);
        assert_eq!(
            (output.status.code(), &steps(&stdout)[..]),
            (Some(69), &["connect ok".to_owned(), "TLS FAILED".to_owned()][..]),
            "{url}"
        );
    }
    assert_eq!(server.accepted().len(), 0);
}

#[tokio::test]
async fn the_address_comes_from_the_environment_or_standard_input_and_a_bad_one_is_not_repeated() {
    let server = SmtpServer::start().await;
    let mut env = environment(&server.url());
    env.remove("SEND_TEST_TO");
    let output = execute(&env, &["send-test"]).await;
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output).1.contains("SEND_TEST_TO must be set"));

    let output = execute_with_input(&env, &["send-test", "--stdin"], "bob@example.com\n").await;
    assert_eq!(output.status.code(), Some(0), "{:?}", text(&output));
    assert_eq!(server.accepted_to("bob@example.com"), 1);

    let output = execute_with_input(&env, &["send-test", "--stdin"], "bob at example\n").await;
    assert_eq!(output.status.code(), Some(2));
    env.insert("SEND_TEST_TO".to_owned(), "bob at example".to_owned());
    let from_variable = execute(&env, &["send-test"]).await;
    assert_eq!(from_variable.status.code(), Some(78));
    for output in [output, from_variable] {
        assert!(!text(&output).1.contains("bob"), "{:?}", text(&output));
    }
    assert_eq!(server.accepted().len(), 1);

    env.insert("SEND_TEST_TO".to_owned(), "bob@example.com".to_owned());
    env.insert("MAIL_REDIRECT_TO".to_owned(), "staging@example.com".to_owned());
    let output = execute(&env, &["send-test"]).await;
    assert!(text(&output).0.contains("MAIL_REDIRECT_TO is set"));
    assert_eq!((server.accepted_to("staging@example.com"), server.accepted_to("bob@example.com")), (1, 1));
}

#[tokio::test]
async fn the_welcome_mail_is_shown_as_text_as_html_and_as_it_goes_out() {
    let none = BTreeMap::new();
    let shown = |arguments: &'static [&'static str]| {
        let none = &none;
        async move {
            let output = execute(none, &[&["render"], arguments].concat()).await;
            assert_eq!(output.status.code(), Some(0), "{:?}", text(&output));
            text(&output).0
        }
    };
    let overview = shown(&["--email", TO, "--plan", "gold"]).await;
    assert!(overview.contains("To:      ann.lee@example.com\nSubject: Welcome\n\nWelcome!"), "{overview}");
    assert!(overview.contains("Your plan: gold") && overview.lines().all(|line| line.len() <= 80), "{overview}");
    let plain = shown(&["--text", "--version", "1"]).await;
    assert!(plain.starts_with("Welcome!") && !plain.contains("plan"), "{plain}");
    let html = shown(&["--html", "--plan", "<b>"]).await;
    assert!(html.starts_with("<!doctype html>") && html.contains("&lt;b&gt;"), "{html}");
    let whole = shown(&["--eml", "--user-id", "u7"]).await;
    for part in ["Message-ID: <", "multipart/alternative", "multipart/related", "text/html", "Auto-Submitted"] {
        assert!(whole.contains(part), "no {part} in {whole}");
    }

    for wrong in [&["--version", "1", "--plan", "pro"][..], &["--email", "nobody"], &["--html", "--text"]] {
        assert_eq!(execute(&none, &[&["render"], wrong].concat()).await.status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_preview_is_opened_or_its_path_is_told_and_it_is_nobody_elses_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let name = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut env = BTreeMap::from([
        ("TMPDIR".to_owned(), folder.path().display().to_string()),
        ("PATH".to_owned(), folder.path().display().to_string()),
    ]);
    let output = execute(&env, &["render", "--open"]).await;
    let (stdout, _) = text(&output);
    assert_eq!(output.status.code(), Some(0));
    let path = stdout.trim().strip_prefix("nothing here opens it; it is in ").unwrap_or_else(|| panic!("{stdout}"));
    assert!(std::fs::read_to_string(path).unwrap().contains("Welcome!"));
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);

    let opener = folder.path().join(name);
    std::fs::write(&opener, "#!/bin/sh\necho \"$1\" > \"$TMPDIR/was-opened\"\n").unwrap();
    std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
    env.insert("MAIL_FROM".to_owned(), "Acme <hello@acme.example>".to_owned());
    let output = execute(&env, &["render", "--open", "--eml"]).await;
    let (stdout, stderr) = text(&output);
    let told = std::fs::read_to_string(folder.path().join("was-opened")).unwrap();
    assert!(told.trim().ends_with(".eml") && stdout.contains(told.trim()), "{told} {stdout}{stderr}");
    assert_eq!((stdout.starts_with("opened "), &*stderr), (true, ""));
}
