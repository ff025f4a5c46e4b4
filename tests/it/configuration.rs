//! Bad configuration: every mistake at once, exit 78, before any poll, and no secret on the way out.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::TcpListener;

use crate::world::processes::execute;

const SECRET: &str = "hunter2-Zx9";

fn sound() -> BTreeMap<String, String> {
    let url = "http://127.0.0.1:1/000000000000/q";
    let redis = format!("redis://:{SECRET}@127.0.0.1:1/0");
    let smtp = format!("smtps://user:{SECRET}@127.0.0.1:1");
    [
        ("EMAIL_QUEUE_URL", url),
        ("PROFILE_QUEUE_URL", "http://127.0.0.1:1/000000000000/p"),
        ("REDIS_URL", &redis),
        ("SMTP_URL", &smtp),
        ("MAIL_FROM", "Acme <hello@acme.example>"),
        ("AWS_REGION", "us-east-1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// What is changed (`None`: removed), and what has to be named.
type Case = (&'static [(&'static str, Option<&'static str>)], &'static [&'static str]);

const CASES: &[Case] = &[
    (&[("EMAIL_QUEUE_URL", None), ("PROFILE_QUEUE_URL", None)], &["EMAIL_QUEUE_URL or PROFILE_QUEUE_URL must be set"]),
    (
        &[("REDIS_URL", None), ("SMTP_URL", None), ("MAIL_FROM", None)],
        &["REDIS_URL must", "SMTP_URL must", "MAIL_FROM must"],
    ),
    (
        &[
            ("AWS_ACCESS_KEY_ID", Some("AKIA\nx: hunter2-Zx9")),
            ("AWS_ENDPOINT_URL", Some("http://127.0.0.1:1/?token=hunter2-Zx9")),
            ("AWS_EC2_METADATA_DISABLED", Some("perhaps")),
            ("EMAIL_DLQ_URL", Some("http://127.0.0.1:1/000000000000/d.fifo")),
            ("REDIS_URL", Some("redis://127.0.0.1:1/-1")),
        ],
        &[
            "AWS_ACCESS_KEY_ID must be of letters",
            "AWS_SECRET_ACCESS_KEY must be set",
            "AWS_ENDPOINT_URL must be a URL without",
            "AWS_EC2_METADATA_DISABLED must be true or false",
            "EMAIL_DLQ_URL must not be a FIFO queue",
            "REDIS_URL must be a URL",
        ],
    ),
    (&[("WORKER_CONCURRENCY", Some("lots")), ("RECEIVE_WAIT", Some("30"))], &["WORKER_CONCURRENCY", "RECEIVE_WAIT"]),
    (&[("RECEIVE_WAIT", Some("21s")), ("HANDLER_TIMEOUT", Some("0s"))], &["RECEIVE_WAIT", "HANDLER_TIMEOUT"]),
    (
        &[("VISIBILITY_TIMEOUT", Some("30s")), ("IDEMPOTENCY_LEASE", Some("30s")), ("SHUTDOWN_TIMEOUT", Some("20s"))],
        &["IDEMPOTENCY_LEASE must be shorter", "SHUTDOWN_TIMEOUT must be longer"],
    ),
    (
        &[("SMTP_URL", Some("smtp://user:hunter2-Zx9@mail.example.com")), ("ON_AMBIGUOUS", Some("maybe"))],
        &["SMTP_URL is not encrypted", "ON_AMBIGUOUS must be resend or park"],
    ),
    (
        &[("REDIS_URL", Some("hunter2-Zx9")), ("EMAIL_QUEUE_URL", Some("my-queue")), ("RETRY_BACKOFF", Some("9m..2s"))],
        &["REDIS_URL must be a URL", "EMAIL_QUEUE_URL must be a queue URL", "RETRY_BACKOFF"],
    ),
    (
        &[("MAIL_FROM", Some("hello at acme")), ("MAIL_REPLY_TO", Some("nobody")), ("HTTP_ADDR", Some("8080"))],
        &["MAIL_FROM must be a mailbox", "MAIL_REPLY_TO", "HTTP_ADDR must be an address"],
    ),
    (
        &[("SMTP_REPLY_TIMEOUT", Some("31m")), ("SMTP_HELO", Some("two words")), ("SMTP_RATE", Some("0"))],
        &["SMTP_REPLY_TIMEOUT must lie between 1s and 10m", "SMTP_HELO must be a host's name", "SMTP_RATE must"],
    ),
    (
        &[
            ("LOG_FORMAT", Some("xml")),
            ("UNKNOWN_EVENTS", Some("drop")),
            ("TOPIC_ARNS", Some("arn:aws:sns:us-east-1:000000000000:own,,hunter2-Zx9")),
            ("EMAIL_WORKER_CONCURRENCY", Some("0")),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", Some("http://me:hunter2-Zx9@collector:4318")),
            ("OTEL_EXPORTER_OTLP_HEADERS", Some("hunter2-Zx9")),
            ("OTEL_TRACES_SAMPLER", Some("sometimes")),
        ],
        &[
            "LOG_FORMAT",
            "UNKNOWN_EVENTS",
            "TOPIC_ARNS must be ARNs",
            "EMAIL_WORKER_CONCURRENCY",
            "OTEL_EXPORTER_OTLP_ENDPOINT must",
            "OTEL_EXPORTER_OTLP_HEADERS must",
            "OTEL_TRACES_SAMPLER must",
        ],
    ),
    (
        &[
            ("PROFILE_QUEUE_URL", Some("HTTP://127.0.0.1:1/000000000000/q/")),
            ("EMAIL_DLQ_URL", Some("http://127.0.0.1:1/000000000000/q")),
        ],
        &["PROFILE_QUEUE_URL is the queue of EMAIL_QUEUE_URL too", "EMAIL_DLQ_URL is the queue of EMAIL_QUEUE_URL"],
    ),
    (
        &[
            ("EMAIL_QUEUE_URL", Some("http://127.0.0.1:1/000000000000/q?a=b")),
            ("PROFILE_QUEUE_URL", Some("http://127.0.0.1:1/000000000000/p#a")),
            ("REDIS_URL", Some("rediss://:hunter2-Zx9@127.0.0.1:1/#insecure")),
            ("REDIS_PREFIX", Some("{staging}")),
        ],
        &[
            "EMAIL_QUEUE_URL must be a queue URL without",
            "PROFILE_QUEUE_URL must be",
            "REDIS_URL must be a URL without `#`",
            "REDIS_PREFIX must be of letters",
        ],
    ),
    (
        &[
            ("AWS_MAX_ATTEMPTS", Some("abc")),
            ("AWS_RETRY_MODE", Some("legacy")),
            ("AWS_REGION", Some("EU West")),
            ("AWS_ENDPOINT_URL", Some("localhost")),
            ("AWS_ENDPOINT_URL_SQS", Some("sqs:4566")),
            ("AWS_USE_FIPS_ENDPOINT", Some("yes")),
        ],
        &[
            "AWS_MAX_ATTEMPTS must",
            "AWS_RETRY_MODE must be standard",
            "AWS_REGION must",
            "AWS_ENDPOINT_URL must",
            "AWS_ENDPOINT_URL_SQS must be a URL",
            "AWS_USE_FIPS_ENDPOINT must be true or false",
        ],
    ),
    (
        &[
            ("REDIS_URL", Some(" \t")),
            ("SMTP_URL", Some("\n")),
            ("EMAIL_QUEUE_URL", Some(" ")),
            ("PROFILE_QUEUE_URL", Some("")),
        ],
        &["EMAIL_QUEUE_URL or PROFILE_QUEUE_URL must be set", "REDIS_URL must be set"],
    ),
    (
        &[
            ("EMAIL_QUEUE_URL", Some("nonsense")),
            ("PROFILE_QUEUE_URL", None),
            ("SMTP_URL", Some("nonsense")),
            ("WORKER_CONCURRENCY", Some("none")),
            ("EMAIL_DLQ_URL", Some("none")),
            ("MAIL_FROM", None),
        ],
        &["EMAIL_QUEUE_URL must", "SMTP_URL is not", "WORKER_CONCURRENCY must", "EMAIL_DLQ_URL must", "MAIL_FROM must"],
    ),
    (
        &[("REDIS_URL_FILE", Some("/nowhere")), ("SMTP_URL", None), ("SMTP_URL_FILE", Some("/nowhere/hunter2-Zx9"))],
        &["REDIS_URL is set twice", "SMTP_URL_FILE cannot be read"],
    ),
];

#[tokio::test]
async fn bad_configurations_print_every_mistake_at_once_and_exit_78_before_any_server_is_asked() {
    let servers = TcpListener::bind("127.0.0.1:0").unwrap();
    servers.set_nonblocking(true).unwrap();
    let address = servers.local_addr().unwrap().to_string();
    for (changes, named) in CASES {
        let mut env = sound();
        env.insert("AWS_ENDPOINT_URL".to_owned(), "http://127.0.0.1:1".to_owned());
        for (name, value) in *changes {
            match value {
                Some(value) => drop(env.insert((*name).to_owned(), (*value).to_owned())),
                None => drop(env.remove(*name)),
            }
        }
        env.values_mut().for_each(|value| *value = value.replace("127.0.0.1:1/", &format!("{address}/")));
        let output = execute(&env, &["run"]).await;
        let (stderr, stdout) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        assert_eq!(output.status.code(), Some(78), "{changes:?}:\n{stderr}");
        for name in *named {
            assert!(stderr.contains(name), "{changes:?}: {name:?} is not named in:\n{stderr}");
        }
        let mistakes = stderr.lines().filter(|line| line.starts_with("  ")).count();
        assert_eq!(mistakes, named.len(), "{changes:?}: neither more nor fewer mistakes than made:\n{stderr}");
        assert!(!stderr.contains(SECRET) && !stdout.contains(SECRET), "{changes:?}: a secret was printed");
        let asked = servers.accept().map_err(|error| error.kind());
        assert_eq!(asked.err(), Some(ErrorKind::WouldBlock), "{changes:?}: a server was asked");
    }
}

#[tokio::test]
async fn without_a_region_or_with_an_odd_profile_nothing_starts_and_the_text_says_what_to_set() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config");
    let cases = [
        ("run", "", "AWS_REGION must be set"),
        ("status", "", "AWS_REGION must be set"),
        ("run", "region = EU West", "`region` corrected in the AWS profile"),
        ("run", "region = eu-west-1\nmax_attempts = many", "`max_attempts` must be a whole number"),
        ("run", "region = eu-west-1\nretry_mode = legacy", "`retry_mode` must be standard or adaptive"),
        ("run", "region = eu-west-1\nendpoint_url = h", "`endpoint_url` must be a URL"),
        (
            "status",
            "region = eu-west-1\nservices = s\n[services s]\nsqs =\n  endpoint_url = h",
            "`endpoint_url` must be",
        ),
    ];
    for (command, profile, said) in cases {
        std::fs::write(&file, format!("[default]\n{profile}\n")).unwrap();
        let mut env = sound();
        env.insert("AWS_REGION".to_owned(), "  ".to_owned());
        env.insert("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned());
        env.insert("AWS_CONFIG_FILE".to_owned(), file.display().to_string());
        let output = execute(&env, &[command]).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{profile}: {stderr}");
        assert!(stderr.contains(said) && !stderr.contains("panicked"), "{profile}: {stderr}");
    }
    std::fs::write(&file, "[profile staging]\nregion = eu-west-1\n").unwrap();
    let mut env = sound();
    env.extend(
        [("AWS_CONFIG_FILE", &*file.to_string_lossy()), ("AWS_PROFILE", "stagign")].map(|(n, v)| (n.into(), v.into())),
    );
    let output = execute(&env, &["run"]).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(78) && stderr.contains("AWS_PROFILE names a profile that no"), "{stderr}");
}

#[tokio::test]
async fn spaces_around_a_value_are_nobodys_mistake() {
    let mut env = sound();
    let spaced = [("AWS_MAX_ATTEMPTS", "3"), ("RECEIVE_WAIT", "5s"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")];
    env.extend(spaced.map(|(name, value)| (name.to_owned(), value.to_owned())));
    env.values_mut().for_each(|value| *value = format!(" {value}\r\n"));
    env.insert("EMAIL_RECEIVE_WAIT".to_owned(), " ".to_owned());
    let output = execute(&env, &["config", "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let value =
        |name: &str| shown["settings"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap()["value"].clone();
    assert_eq!((value("RECEIVE_WAIT"), value("AWS_MAX_ATTEMPTS")), ("5s".into(), "3".into()));
    assert_eq!(value("EMAIL_QUEUE_URL"), "http://127.0.0.1:1/000000000000/q");
}

#[tokio::test]
async fn config_shows_each_setting_with_its_source_and_no_secret() {
    let mut env = sound();
    env.insert("EMAIL_RECEIVE_WAIT".to_owned(), "5s".to_owned());
    env.insert("WORKER_CONCURENCY".to_owned(), "5".to_owned());
    let output = execute(&env, &["config", "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let setting = |name: &str| {
        let settings = shown["settings"].as_array().unwrap();
        let found = settings.iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("no {name} in {shown}"));
        (found["value"].as_str().map(str::to_owned), found["source"].as_str().unwrap().to_owned())
    };
    assert_eq!(setting("REDIS_URL"), (Some("****".to_owned()), "environment".to_owned()));
    assert_eq!(setting("EMAIL_RECEIVE_WAIT"), (Some("5s".to_owned()), "environment".to_owned()));
    assert_eq!(setting("RECEIVE_WAIT"), (Some("20s".to_owned()), "default".to_owned()));
    assert_eq!(setting("MAIL_REPLY_TO"), (None, "unset".to_owned()));
    assert!(!String::from_utf8_lossy(&output.stdout).contains(SECRET));
    let warning = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(warning.contains("WORKER_CONCURENCY is not read; did you mean WORKER_CONCURRENCY?"), "{warning}");
}

#[tokio::test]
async fn a_secret_may_come_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("redis-url");
    std::fs::write(&file, format!("redis://:{SECRET}@127.0.0.1:1/0\n")).unwrap();
    let mut env = sound();
    env.remove("REDIS_URL");
    env.insert("REDIS_URL_FILE".to_owned(), file.display().to_string());
    let output = execute(&env, &["config"]).await;
    assert_eq!(output.status.code(), Some(0));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = shown.lines().find(|line| line.contains("REDIS_URL")).unwrap();
    assert!(line.contains("****") && line.contains("file"), "{line}");
}

#[tokio::test]
async fn a_bad_command_line_prints_usage_and_exits_2() {
    for arguments in
        [&["rnu"][..], &["run", "emial"], &["publish", "--count", "0"], &["publish", "--user-id", "u"], &[]]
    {
        let output = execute(&sound(), arguments).await;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains("Usage"), "{arguments:?}: {stderr}");
    }
}

#[tokio::test]
async fn a_missing_queue_is_named_and_exits_69() {
    let world = crate::world::World::start().await;
    let smtp = crate::world::smtp::SmtpServer::start().await;
    let mut env = crate::world::processes::environment(&world, &smtp.url());
    let base = &env["AWS_ENDPOINT_URL"];
    env.insert("PROFILE_QUEUE_URL".to_owned(), format!("{base}/000000000000/nowhere-{}", world.id));
    let output = execute(&env, &["run"]).await;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{stderr}");
    for told in ["the queue of `profile`", "PROFILE_QUEUE_URL", "user-events doctor"] {
        assert!(stderr.contains(told), "no {told}: {stderr}");
    }
}

/// The commands and their subcommands, from the help pages themselves.
async fn help_pages() -> Vec<(String, String)> {
    let (mut pages, mut open) = (Vec::new(), vec![Vec::new()]);
    while let Some(path) = open.pop() {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let output = execute(&BTreeMap::new(), &arguments).await;
        let page = String::from_utf8_lossy(&output.stdout).into_owned();
        match page.split_once("Commands:\n") {
            Some((_, commands)) => {
                let names = commands.lines().take_while(|line| !line.is_empty());
                let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
                open.extend(names.map(|name| [&path[..], &[name.to_owned()]].concat()));
            }
            None => pages.push((path.join(" "), page)),
        }
    }
    pages
}

#[tokio::test]
async fn each_commands_help_says_what_it_reads_and_names_no_variable_that_is_not_read() {
    let pages = help_pages().await;
    assert!(pages.iter().any(|(command, _)| command == "idem forget"), "{pages:?}");
    let known = |word: &str| {
        let bare = word.trim_end_matches("_FILE");
        let placeholder = |name: &str| name.strip_prefix("<NAME>").is_some_and(|suffix| bare.ends_with(suffix));
        bare.starts_with("AWS_") || user_events::config::VARIABLES.iter().any(|v| v.name == bare || placeholder(v.name))
    };
    for (command, page) in pages {
        assert!(page.contains("Reads "), "`{command}` does not say what it reads:\n{page}");
        let words = page.split(|c: char| !(c.is_ascii_uppercase() || c == '_' || c == '<' || c == '>'));
        let variables = words.filter(|word| word.contains('_') && word.len() > 5 && !word.starts_with('<'));
        for word in variables {
            assert!(known(word), "`{command}` names {word}, which nothing reads:\n{page}");
        }
    }
}
