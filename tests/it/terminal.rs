//! What commands print: nothing foreign steers the terminal, a write that fails is told, and Ctrl-C has an answer.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::Value;
use tokio::net::TcpListener;
use user_events::queue::sqs::admin::SqsAdmin;
use user_events::queue::{Attribute, DeadLetter};

use crate::world::patience::patience;
use crate::world::processes::{Worker, execute};
use crate::world::smtp::{Phase, Reaction, SmtpServer};
use crate::world::{World, eventually};

const SOON: Duration = Duration::from_secs(30);
/// What others may say, as far as SQS takes it: a line break, DEL, C1, a turn of direction, no width.
const ODD: &str = "a\nb\u{7f}c\u{9b}2Jd\u{202e}e\u{200b}f\u{2066}g";
const SHOWN: &str = r"a\nb\u{7f}c\u{9b}2Jd\u{202e}e\u{200b}f\u{2066}g";
const IN_JSON: &str = r"a\nb\u007fc\u009b2Jd\u202ee\u200bf\u2066g";

type Env = BTreeMap<String, String>;

fn env(pairs: &[(&str, &str)]) -> Env {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A worker's environment where nothing but what a test puts there answers.
fn nowhere() -> Env {
    env(&[
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_MAX_ATTEMPTS", "1"),
        ("EMAIL_QUEUE_URL", "http://127.0.0.1:1/1/q"),
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("SMTP_URL", "smtp://127.0.0.1:1"),
        ("MAIL_FROM", "Acme <hello@acme.example>"),
        ("HTTP_ADDR", "127.0.0.1:1"),
    ])
}

/// All that it printed, in which nothing may steer or hide.
fn harmless(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].map(|text| std::str::from_utf8(text).expect("UTF-8")).concat();
    let odd = |c: &char| *c != '\n' && (c.is_control() || ['\u{202e}', '\u{200b}', '\u{2066}'].contains(c));
    assert_eq!(text.chars().find(odd), None, "{text:?}");
    text
}

#[tokio::test]
async fn a_dead_letter_of_a_stranger_steers_no_terminal() {
    let world = World::start().await;
    let queue = world.queue("profile", SOON).await;
    let kind = r"k\u001b[2J\u202e\n";
    let ours = ["reason", "handler", "first_seen", "attempts", "source_queue", "message_id", "detail"];
    let names = ours.map(|name| format!("failure.{name}")).into_iter().chain(["other".to_owned()]);
    let letter = DeadLetter {
        body: format!(r#"{{"type":"{kind}","x":"{}"}}"#, ODD.replace('\n', " ")) + "\n\u{9b}2J\ttail",
        attributes: names.map(|name| (name, Attribute::string(ODD))).collect(),
        ..DeadLetter::default()
    };
    let whole = DeadLetter { body: format!(r#"{{"type":"{kind}"}}"#), ..letter.clone() };
    let sent = SqsAdmin::new(&world.aws).send(&queue.dlq_url, &[letter, whole]).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    let mut env = world.env.clone();
    env.insert("PROFILE_QUEUE_URL".to_owned(), queue.url.clone());
    let run = async |arguments: &[&str]| {
        let output = execute(&env, arguments).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        (harmless(&output), String::from_utf8(output.stdout).unwrap())
    };
    let cut: String = SHOWN.chars().take(22).collect();
    for arguments in [&["dlq", "list"][..], &["dlq", "list", "--by-reason"], &["dlq", "list", "--by-detail"]] {
        assert!(run(arguments).await.0.contains(&cut), "{arguments:?}");
    }
    assert!(run(&["dlq", "drop", "--all"]).await.0.contains(SHOWN));
    let (text, list) = run(&["dlq", "list", "--json"]).await;
    assert!(text.contains(IN_JSON), "{text}");
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let letters = list["letters"].as_array().expect("letters");
    assert!(letters.iter().all(|letter| letter["reason"] == ODD), "JSON says what was said");
    for letter in letters {
        let id = letter["id"].as_str().unwrap();
        let (text, _) = run(&["dlq", "show", id, "--body", "--show-addresses"]).await;
        assert!(text.contains(&format!("detail            {SHOWN}\n")), "{text}");
        assert!(text.contains(&format!("other={SHOWN}")), "{text}");
        assert!(text.contains("\n\\u{9b}2J\\ttail") || text.contains("type              k"), "{text}");
        let (text, shown) = run(&["dlq", "show", id, "--body", "--json"]).await;
        assert!(text.contains(IN_JSON) && serde_json::from_str::<Value>(&shown).is_ok(), "{text}");
    }
    let (_, exported) = run(&["dlq", "export"]).await;
    let exported: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(exported.iter().any(|letter| letter["body"].as_str().unwrap().ends_with("\n\u{9b}2J\ttail")));
}

#[tokio::test]
async fn what_servers_say_steers_no_terminal() {
    let mut env = nowhere();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    env.insert("HTTP_ADDR".to_owned(), listener.local_addr().unwrap().to_string());
    let told = "email: \u{1b}[2Jgone\u{202e}\n";
    let router = Router::new().route("/readyz", get(async || (StatusCode::OK, "email: \u{1b}[2Jgone\u{202e}\n")));
    let router = router.route("/livez", get(async || (StatusCode::SERVICE_UNAVAILABLE, "\u{1b}[2Jgone\u{202e}\n")));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let shown = r"\u{1b}[2Jgone\u{202e}";
    for arguments in [&["status"][..], &["healthcheck"]] {
        assert!(harmless(&execute(&env, arguments).await).contains(shown), "{arguments:?}");
    }
    let json = execute(&env, &["status", "--json"]).await;
    assert!(harmless(&json).contains(r"\u001b[2Jgone\u202e"));
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["reactions"][0]["worker"], told.trim().strip_prefix("email: ").unwrap());
    harmless(&execute(&env, &["doctor"]).await);
    harmless(&execute(&env, &["doctor", "--json"]).await);

    let smtp = SmtpServer::start().await;
    env.insert("SMTP_URL".to_owned(), smtp.url());
    env.insert("SEND_TEST_TO".to_owned(), "anna@example.com".to_owned());
    let bytes = "550 5.7.1 \u{1b}]0;gone\u{7} \u{202e}\u{200b}no\r\n".as_bytes();
    for at in [Phase::Greeting, Phase::Rcpt, Phase::Dot] {
        smtp.script(Reaction::Raw { at, bytes });
        for arguments in [&["send-test"][..], &["send-test", "--json"]] {
            let output = execute(&env, arguments).await;
            assert_eq!(output.status.code(), Some(69), "{at:?}");
            harmless(&output);
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("odd\u{202e}\u{1b}[2J\nname");
    env.insert("USER_EVENTS_TOPIC_ARN".to_owned(), "arn:aws:sns:eu-west-1:1:t".to_owned());
    let path = file.display().to_string();
    assert!(harmless(&execute(&env, &["publish", "--file", &path]).await).contains(r"odd\u{202e}\u{1b}[2J"));
    std::fs::write(&file, "{\"type\":\"\u{202e}\u{9b}\"}\n{\"\u{1b}\":\n").unwrap();
    harmless(&execute(&env, &["publish", "--file", &path]).await);
}

#[tokio::test]
async fn words_that_are_no_command_are_repeated_as_text_with_the_usage_and_exit_2() {
    let odd = "\u{1b}[31mred\u{1b}]0;t\u{7}\u{7f}\u{9b}2J\u{202e}e\u{200b}f\u{2066}g";
    let value = format!("--rate={odd}");
    let flag = format!("--{odd}");
    let slow = format!("--slow=1{odd}");
    let commands: [&[&str]; 7] = [
        &[odd],
        &["run", odd],
        &["status", &flag],
        &["publish", &value],
        &["demo", &slow],
        &["idem", "get", "--reaction", odd, "u"],
        &["dlq", odd],
    ];
    for arguments in commands {
        let output = execute(&Env::new(), arguments).await;
        let text = harmless(&output);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}: {text}");
        assert!(text.contains(r"\u{1b}") && text.contains("Usage: user-events"), "{arguments:?}: {text}");
    }
}

fn run_into(stdout: impl Into<Stdio>, environment: &Env, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_user-events"));
    let output = command.args(arguments).env_clear().envs(environment).stdout(stdout).output().expect("it runs");
    (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
}

const PRINTING: [&[&str]; 8] = [
    &["schema"],
    &["schema", "asyncapi"],
    &["completions", "bash"],
    &["render"],
    &["render", "--eml"],
    &["--help"],
    &["--version"],
    &["config", "--json"],
];

#[test]
fn a_full_disk_is_told_and_exits_74() {
    let full = || OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    for arguments in PRINTING.into_iter().chain([&["config"][..], &["status"], &["doctor"]]) {
        let (code, told) = run_into(full(), &nowhere(), arguments);
        assert_eq!(code, Some(74), "{arguments:?}: {told}");
        assert!(told.contains("not everything could be written: No space left on device\n"), "{arguments:?}: {told}");
    }
}

#[test]
fn a_demo_that_cannot_say_or_keep_what_it_makes_exits_74() {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let mails = tempfile::tempdir().unwrap();
    let (code, told) = run_into(full, &Env::new(), &["demo", "--mails", &mails.path().display().to_string()]);
    assert_eq!((code, told.as_str()), (Some(74), "not everything could be written: No space left on device\n"));
    // A folder that is there and keeps no file, as one on a full disk.
    let (code, told) = run_into(Stdio::null(), &Env::new(), &["demo", "--mails", "/proc/self"]);
    assert!(code == Some(74) && told.starts_with("the mails cannot be kept: outbox: "), "{code:?} {told}");
}

#[tokio::test]
async fn a_look_or_a_rehearsal_that_cannot_be_printed_exits_74() {
    let world = World::start().await;
    let queue = world.queue("profile", SOON).await;
    let letter = DeadLetter { body: "x".to_owned(), ..DeadLetter::default() };
    assert!(SqsAdmin::new(&world.aws).send(&queue.dlq_url, &[letter]).await.iter().all(Result::is_ok));
    let mut env = world.env.clone();
    env.insert("PROFILE_QUEUE_URL".to_owned(), queue.url.clone());
    let list = execute(&env, &["dlq", "list", "--json"]).await;
    let list: Value = serde_json::from_slice(&list.stdout).expect("JSON");
    let id = list["letters"][0]["id"].as_str().expect("an id");
    let record = ["--reaction", "email", &world.id];
    let commands: [&[&str]; 5] = [
        &["dlq", "show", id],
        &["dlq", "drop", "--all"],
        &["dlq", "redrive"],
        &[&["idem", "get"], &record[..]].concat(),
        &[&["idem", "forget"], &record[..]].concat(),
    ];
    for arguments in commands {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let (code, told) = run_into(full, &env, arguments);
        assert_eq!(code, Some(74), "{arguments:?}: {told}");
        assert!(told.contains("not everything could be written: No space left on device\n"), "{arguments:?}: {told}");
    }
    assert_eq!(world.depth(&queue.dlq_url).await.visible, 1, "the letter is where it was");
}

#[test]
fn a_reader_who_has_gone_is_no_fault_and_hears_nothing() {
    for arguments in PRINTING {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let (code, told) = run_into(writer, &nowhere(), arguments);
        assert_eq!((code, told.contains("written")), (Some(0), false), "{arguments:?}: {told}");
    }
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let (code, _) = run_into(writer, &nowhere(), &["status", "--watch"]);
    assert_eq!(code, Some(0), "nobody watches any more");
}

#[test]
fn a_file_that_cannot_be_made_is_told_of_as_a_shell_does() {
    let (code, told) = run_into(File::create("/dev/null").unwrap(), &Env::new(), &["demo", "--mails", "/proc/x"]);
    assert_eq!((code, told.as_str()), (Some(2), "/proc/x cannot be written to: No such file or directory\n"));
    let environment = env(&[("USER_EVENTS_TOPIC_ARN", "arn:aws:sns:eu-west-1:1:t"), ("AWS_REGION", "eu-west-1")]);
    let (code, told) = run_into(Stdio::null(), &environment, &["publish", "--file", "/proc/x"]);
    assert_eq!((code, told.as_str()), (Some(2), "/proc/x: No such file or directory\n"));
}

#[tokio::test]
async fn a_command_that_looks_answers_ctrl_c_in_its_own_words_with_130() {
    let effect = ["--reaction", "email", "u"];
    let commands: [&[&str]; 13] = [
        &["status"],
        &["status", "--watch"],
        &["doctor"],
        &["dlq", "list"],
        &["dlq", "redrive", "--all"],
        &["dlq", "export"],
        &["dlq", "show", "x"],
        &["dlq", "drop", "--all", "--yes"],
        &["idem", "stats"],
        &[&["idem", "get"], &effect[..]].concat(),
        &[&["idem", "forget", "--yes"], &effect[..]].concat(),
        &["send-test"],
        &["healthcheck"],
    ];
    for arguments in commands {
        // Takes every call and answers none.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        let mut env = nowhere();
        env.insert("AWS_ENDPOINT_URL".to_owned(), format!("http://{address}"));
        env.insert("EMAIL_QUEUE_URL".to_owned(), format!("http://{address}/1/q"));
        env.insert("REDIS_URL".to_owned(), format!("redis://{address}"));
        env.insert("SMTP_URL".to_owned(), format!("smtp://{address}"));
        env.insert("SEND_TEST_TO".to_owned(), "anna@example.com".to_owned());
        env.insert("HTTP_ADDR".to_owned(), address.to_string());
        env.insert("RUST_LOG".to_owned(), "info".to_owned());
        let mut looking = Worker::of(&env, arguments);
        let (_held, _) = tokio::time::timeout(patience(SOON), silent.accept()).await.expect("it asks").unwrap();
        looking.signal("INT");
        assert_eq!(looking.exit(SOON).await, Some(130), "{arguments:?}: {:?}", looking.log());
        let told: Vec<String> = looking.log().into_iter().filter(|line| !line.contains("not AWS: ")).collect();
        assert_eq!(told, ["interrupted"], "{arguments:?}");
    }
}

/// Runs it, has it interrupted once it listens for signals, and answers what it said.
async fn interrupted(env: &Env, arguments: &[&str]) -> (Option<i32>, Vec<String>) {
    let mut waiting = Worker::listening(env, arguments);
    let status = format!("/proc/{}/status", waiting.pid().expect("it runs"));
    let listens = || async {
        let status = std::fs::read_to_string(&status).ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        // SIGHUP, the last that it asks for.
        (u64::from_str_radix(mask.trim(), 16).expect("a mask") & 1 == 1).then_some(())
    };
    eventually("it listens", SOON, listens).await;
    waiting.signal("INT");
    (waiting.exit(SOON).await, waiting.log())
}

#[tokio::test]
async fn a_command_that_waits_for_a_person_or_a_viewer_answers_ctrl_c_as_the_others_do() {
    let mut env = nowhere();
    env.insert("USER_EVENTS_TOPIC_ARN".to_owned(), "arn:aws:sns:eu-west-1:1:t".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let mails = folder.path().display().to_string();
    let said = ["interrupted".to_owned()];
    for arguments in [&["publish", "--stdin"][..], &["send-test", "--stdin"], &["demo", "--slow=1h", "--mails", &mails]]
    {
        let (code, told) = interrupted(&env, arguments).await;
        assert_eq!((code, &told[..]), (Some(130), &said[..]), "{arguments:?}");
    }
    // A viewer that is asked to open a mail, and has us interrupted while it is at it.
    let viewer = folder.path().join("xdg-open");
    std::fs::write(&viewer, "#!/bin/sh\nkill -INT $PPID\nexec /bin/sleep 2\n").unwrap();
    std::fs::set_permissions(&viewer, Permissions::from_mode(0o755)).unwrap();
    env.extend(["PATH", "TMPDIR"].map(|name| (name.to_owned(), mails.clone())));
    let output = execute(&env, &["render", "--open"]).await;
    assert_eq!((output.status.code(), &*output.stderr), (Some(130), &b"interrupted\n"[..]));
}

#[tokio::test]
async fn a_publish_that_is_interrupted_tells_how_many_events_were_not_sent() {
    let world = World::start().await;
    let queue = world.queue("profile", SOON).await;
    let mut env = world.env.clone();
    env.insert("USER_EVENTS_TOPIC_ARN".to_owned(), world.topic(&[&queue]).await);
    let id = ["--user-id", &world.id, "--email", "anna@example.com"];
    let mut publish = Worker::of(&env, &[&["publish", "--count", "1000", "--rate", "2"], &id[..]].concat());
    let begun = || async { (world.depth(&queue.url).await.visible > 0).then_some(()) };
    eventually("the first are out", SOON, begun).await;
    publish.signal("INT");
    assert_eq!(publish.exit(SOON).await, Some(130));
    let told = publish.log().join("\n");
    assert!(told.contains(" events were not sent\ninterrupted"), "{told}");
}
