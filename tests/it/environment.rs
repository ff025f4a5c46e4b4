//! The environment as a shell may hand it over: bytes that are no text, names with a hyphen, URLs with a password.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use user_events::config::{self, Environment, ReactionNeeds, SettingsReader, VARIABLES, prefix};

use crate::world::World;
use crate::world::processes::{both, execute};
use crate::world::smtp::SmtpServer;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SECRET: &str = "hunter2-Zx9";

/// Runs a program in this environment alone. Its output must not hold the secret, in whatever form.
fn run(program: &Path, environment: &[(OsString, OsString)], arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(program);
    let Output { status, stdout, stderr } =
        command.args(arguments).env_clear().envs(environment.iter().cloned()).output().expect("it runs");
    let told = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(!told.contains(SECRET) && !told.contains("panicked"), "{told}");
    (status.code(), told)
}

fn pair(name: &str, value: &str) -> (OsString, OsString) {
    (name.into(), value.into())
}

/// A value with a byte in it that is no UTF-8.
fn broken(name: &str, before: &str) -> (OsString, OsString) {
    (name.into(), OsStr::from_bytes(&[before.as_bytes(), b"\xe9", SECRET.as_bytes()].concat()).to_owned())
}

#[test]
fn a_value_that_is_no_text_is_named_with_all_other_mistakes_and_never_shown() {
    let (ours, example) = (Path::new(env!("CARGO_BIN_EXE_user-events")), "examples/crm_notifier");
    let queue = "http://127.0.0.1:1/000000000000/";
    let environment = [
        broken("SMTP_URL", "smtp://user:"),
        broken("REDIS_URL_FILE", "/run/"),
        broken("AWS_SECRET_ACCESS_KEY", ""),
        broken("PROFILE_RETRY_FOR", ""),
        broken("USER_EVENTS_TOPIC_ARN", "arn:"),
        broken("RUST_LOG", "info"),
        broken("CRM_URL", "http://"),
        broken("CRM_QUEUE_URL", "http://"),
        broken("A_STRANGERS", ""),
        (OsStr::from_bytes(b"NO_\xffNAME").to_owned(), SECRET.into()),
        pair("EMAIL_QUEUE_URL", &format!("{queue}e")),
        pair("PROFILE_QUEUE_URL", &format!("{queue}p")),
        pair("WORKER_CONCURRENCY", "lots"),
    ];
    let shared = ["REDIS_URL_FILE", "AWS_SECRET_ACCESS_KEY", "RUST_LOG"];
    let cases: [(&[&str], &[&str]); 4] = [
        (&["run"], &["SMTP_URL", "PROFILE_RETRY_FOR"]),
        (&["config"], &["SMTP_URL", "PROFILE_RETRY_FOR", "USER_EVENTS_TOPIC_ARN"]),
        (&["config", "--json"], &["SMTP_URL", "PROFILE_RETRY_FOR", "USER_EVENTS_TOPIC_ARN"]),
        (&["doctor"], &["SMTP_URL", "PROFILE_RETRY_FOR", "USER_EVENTS_TOPIC_ARN"]),
    ];
    let assert_told = |(code, told): (Option<i32>, String), named: &[&str]| {
        assert_eq!(code, Some(78), "{told}");
        for name in shared.iter().chain(named) {
            assert!(told.contains(&format!("  {name} is not UTF-8\n")), "{name} is not named in:\n{told}");
        }
        assert!(told.contains("  WORKER_CONCURRENCY must be a whole number"), "{told}");
        assert!(told.contains("  MAIL_FROM must be set") || named.contains(&"CRM_URL"), "{told}");
        assert!(!told.contains("STRANGER") && !told.contains("REDIS_URL must"), "{told}");
    };
    for (arguments, named) in cases {
        assert_told(run(ours, &environment, arguments), named);
    }
    assert_told(run(&ours.with_file_name(example), &environment, &["run"]), &["CRM_URL", "CRM_QUEUE_URL"]);

    let (code, told) = run(ours, &environment, &["status"]);
    assert_eq!((code, told.matches(" is not UTF-8").count()), (Some(78), 3), "RUST_LOG, the key and Redis:\n{told}");
    let (code, _) = run(ours, &[broken("A_STRANGERS", ""), broken("SMTP_URL", "")], &["schema"]);
    assert_eq!(code, Some(0), "what is not read is nobody's mistake");
}

#[test]
fn an_argument_that_is_no_text_is_a_bad_command_line_and_no_panic() {
    let words = [OsStr::from_bytes(b"r\xffn"), OsStr::from_bytes(b"--\xff")];
    for word in words {
        let output = Command::new(env!("CARGO_BIN_EXE_user-events")).arg(word).env_clear().output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && told.contains("Usage"), "{told}");
    }
}

#[tokio::test]
async fn two_reactions_whose_urls_name_one_queue_by_two_hosts_are_told_by_its_arn_with_exit_78() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, _) = world.email_and_profile(Duration::from_secs(30)).await;
    let mut environment = both(&world, &smtp, &email, &email);
    let path = email.url.splitn(4, '/').nth(3).expect("a path");
    environment.insert("PROFILE_QUEUE_URL".to_owned(), format!("http://localstack.internal/{path}"));
    let output = execute(&environment, &["run"]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains("have one queue: each reaction needs one of its own"), "{told}");
}

#[test]
fn a_reactions_name_makes_the_same_variables_everywhere() {
    let up = std::fs::read_to_string(Path::new(ROOT).join("localstack/up")).unwrap();
    let function = up.lines().find(|line| line.starts_with("prefix()")).expect("localstack/up has it too");
    for (name, expected) in [("crm", "CRM"), ("order-notify", "ORDER_NOTIFY"), ("a-b-2", "A_B_2")] {
        assert_eq!(prefix(name), expected);
        let output = Command::new("bash").args(["-c", &format!("{function}\nprefix {name}")]).output().expect("bash");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "localstack/up spells it otherwise");
    }
    let environment: Environment = [
        ("ORDER_NOTIFY_QUEUE_URL", "http://h/1/q"),
        ("ORDER_NOTIFY_DLQ_URL", "http://h/1/d"),
        ("ORDER_NOTIFY_RECEIVE_WAIT", "7s"),
        ("ORDER_NOTIFY_WORKER_CONCURRENCY", " "),
        ("REDIS_URL", "redis://h"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let needs = [ReactionNeeds { name: "order-notify", mail: false, webhook: false }];
    let mut reader = SettingsReader::new(&environment);
    let run = config::run(&mut reader, &needs, &[]).expect("no mistake");
    let [reaction] = run.reactions.as_slice() else { panic!("one reaction") };
    assert_eq!((reaction.queue_url.as_str(), reaction.settings.wait.as_secs()), ("http://h/1/q", 7));
    let queues = config::queues(&mut reader, &needs, &[]).expect("no mistake");
    assert_eq!(queues[0].dlq_url.as_deref(), Some("http://h/1/d"));
    let empty = Environment::default();
    let mut reader = SettingsReader::new(&empty);
    let faults = reader_faults(config::run(&mut reader, &needs, &["order-notify".to_owned()]).map(drop), reader);
    assert!(faults.contains("ORDER_NOTIFY_QUEUE_URL must be set"), "{faults}");
}

fn reader_faults(value: Option<()>, reader: SettingsReader<'_>) -> String {
    reader.finish(value).expect_err("mistakes").to_string()
}

#[test]
fn config_lists_every_variable_before_any_is_set() {
    let ours = Path::new(env!("CARGO_BIN_EXE_user-events"));
    let given = [pair("SMTP_URL", &format!("smtp://me:{SECRET}@h")), pair("CRM_WEBHOOK_URL", "https://h")];
    let (code, told) = run(ours, &given, &["config"]);
    assert_eq!(code, Some(78), "without a queue nothing runs");
    let names: Vec<&str> = told.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for variable in VARIABLES {
        // What a webhook alone reads is listed for webhooks alone.
        let everybodys = !variable.name.starts_with("<NAME>") || variable.name.ends_with("QUEUE_URL");
        let reactions = if everybodys { &["EMAIL", "PROFILE", "CRM"][..] } else { &["CRM"] };
        for name in reactions.iter().map(|prefix| variable.name.replace("<NAME>", prefix)) {
            assert!(names.contains(&name.as_str()), "{name} is not listed:\n{told}");
        }
    }
    let line = told.lines().find(|line| line.trim().starts_with("SMTP_URL ")).expect("it is listed");
    assert!(line.contains("environment") && line.ends_with("****"), "{line}");
}

#[test]
fn calls_that_do_not_go_to_aws_are_told_of_whichever_variable_or_profile_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config");
    let profile = "[default]\nservices = s\n[services s]\nsqs =\n  endpoint_url = http://127.0.0.1:1\n";
    std::fs::write(&file, profile).expect("written");
    let (url, file) = ("http://127.0.0.1:1", file.to_str().expect("text"));
    let one = "not AWS: SQS: http://127.0.0.1:1, SNS: AWS\n";
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[("AWS_ENDPOINT_URL", url)], "not AWS: http://127.0.0.1:1\n"),
        (&[("AWS_ENDPOINT_URL_SQS", url)], one),
        (&[("AWS_ENDPOINT_URL_SQS", " http://127.0.0.1:1 "), ("AWS_ENDPOINT_URL_SNS", " ")], one),
        (&[("AWS_CONFIG_FILE", file)], one),
        // The environment counts before a profile, as with the SDK.
        (&[("AWS_ENDPOINT_URL", url), ("AWS_CONFIG_FILE", file)], "not AWS: http://127.0.0.1:1\n"),
    ];
    let ours = Path::new(env!("CARGO_BIN_EXE_user-events"));
    let always = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_MAX_ATTEMPTS", "1"),
        ("EMAIL_QUEUE_URL", "http://127.0.0.1:1/000000000000/q"),
    ];
    for (named, wanted) in cases {
        let environment: Vec<_> = always.iter().chain(named).map(|(name, value)| pair(name, value)).collect();
        let told = run(ours, &environment, &["status"]).1;
        assert!(told.contains(wanted), "{named:?}: {wanted:?} is not in:\n{told}");
    }
}

#[test]
fn an_odd_failpoint_or_temporary_folder_is_a_fault_of_its_variable_and_an_odd_number_of_threads_is_not_read() {
    let ours = Path::new(env!("CARGO_BIN_EXE_user-events"));
    let odd = ["begun", "begun=end", "begn=kill", "begun=kill:often", "begun=kill,"];
    let mut cases: Vec<_> = odd.map(|odd| (pair("FAILPOINTS", odd), "FAILPOINTS must be a list")).into();
    cases.push((broken("FAILPOINTS", "begun=kill"), "FAILPOINTS is not UTF-8"));
    cases.push((broken("TMPDIR", "/tmp"), "TMPDIR is not UTF-8"));
    for (odd, wanted) in cases {
        let (code, told) = run(ours, &[odd], &["render"]);
        assert!(code == Some(78) && told.contains(wanted), "{wanted}: {told}");
    }
    let odd = [broken("TOKIO_WORKER_THREADS", "x"), pair("FAILPOINTS", "begun=kill,sent=stop:0.5")];
    assert_eq!(run(ours, &odd, &["render"]).0, Some(0));
}

#[test]
fn credentials_in_any_url_are_masked_wherever_it_is_shown() {
    let ours = Path::new(env!("CARGO_BIN_EXE_user-events"));
    let url = |rest: &str| format!("http://me:{SECRET}@127.0.0.1:1{rest}");
    let environment = [
        pair("AWS_REGION", "eu-west-1"),
        pair("AWS_ACCESS_KEY_ID", "test"),
        pair("AWS_SECRET_ACCESS_KEY", "test"),
        pair("AWS_MAX_ATTEMPTS", "1"),
        pair("AWS_ENDPOINT_URL", &url("")),
        pair("AWS_ENDPOINT_URL_SQS", &url("/sqs")),
        pair("AWS_ENDPOINT_URL_SNS", &url("/sns")),
        pair("ECS_AGENT_URI", &url("/api/1")),
        pair("EMAIL_QUEUE_URL", &url("/1/q")),
        pair("EMAIL_DLQ_URL", &url("/1/d")),
        pair("OTEL_EXPORTER_OTLP_ENDPOINT", &url("")),
        pair("REDIS_URL", &format!("redis://me:{SECRET}@127.0.0.1:1")),
        pair("SMTP_URL", &format!("smtp://me:{SECRET}@127.0.0.1:1")),
        pair("MAIL_FROM", "me@example.com"),
        pair("HTTP_ADDR", "127.0.0.1:0"),
    ];
    let shown: BTreeMap<&str, usize> = [(&["config"][..], 7), (&["config", "--json"], 7), (&["status"], 2)]
        .into_iter()
        .map(|(arguments, times)| {
            (arguments[0], run(ours, &environment, arguments).1.matches("://****@").count() - times)
        })
        .collect();
    assert!(shown.values().all(|left| *left == 0), "{shown:?}");
    let sound: Vec<_> = environment.iter().filter(|(name, _)| name != "OTEL_EXPORTER_OTLP_ENDPOINT").cloned().collect();
    for arguments in [&["doctor"][..], &["doctor", "--json"], &["dlq", "list"], &["idem", "stats"]] {
        run(ours, &sound, arguments);
    }
    // It waits for its queue, until it is told to stop.
    let told = run(Path::new("/usr/bin/timeout"), &sound, &["5", env!("CARGO_BIN_EXE_user-events"), "run"]).1;
    assert!(told.contains("not AWS: calls go to") && told.contains("stopped before it began"), "{told}");
}
