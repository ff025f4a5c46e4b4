//! Mail of a team's own: a folder of templates, refused at start with each fault, and sent as it was written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::world::World;
use crate::world::postfix::Postfix;
use crate::world::processes::{Worker, environment, execute};
use crate::world::smtp::SmtpServer;

const SOON: Duration = Duration::from_secs(30);

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn with(mut env: BTreeMap<String, String>, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    env
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// What Python's own library reads in a mail: its subject, its text, its HTML, and the names of its images.
async fn read(mail: &str) -> Value {
    const SCRIPT: &str = "import email, email.policy, json, sys\n\
        m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)\n\
        part = lambda kind: next((p.get_content() for p in m.walk() if p.get_content_type() == kind), None)\n\
        images = [p['Content-ID'] for p in m.walk() if p.get_content_maintype() == 'image']\n\
        lines = max(map(len, m.as_bytes().splitlines()))\n\
        print(json.dumps({'subject': m['Subject'], 'text': part('text/plain'), 'html': part('text/html'), 'images': images,\n\
            'defects': [str(d) for p in m.walk() for d in p.defects], 'longest': lines}))";
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), mail).unwrap();
    let python = std::env::var("TEST_PYTHON").expect("no Python: run the tests by `make test`");
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT]).stdin(fs::File::open(file.path()).unwrap());
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // On the wire every line ends with CRLF.
    let read: Value =
        serde_json::from_str(&String::from_utf8(output.stdout).unwrap().replace("\\r\\n", "\\n")).unwrap();
    assert_eq!((&read["defects"], read["longest"].as_u64() < Some(1000)), (&json!([]), true), "{mail}");
    read
}

const SENDER: [(&str, &str); 2] = [("MAIL_FROM", "Acme <hello@acme.example>"), ("SMTP_URL", "smtp://127.0.0.1:9")];

#[tokio::test]
async fn every_fault_of_a_folder_is_told_before_anything_starts_by_run_config_and_doctor() {
    let bad = folder(&[
        ("welcome.subject", "Hello {{ nobody }}"),
        ("welcome.txt", "\n{% include '/etc/passwd' %}"),
        ("welcome.html", "\n\n{{ sender | uper }} <img src='cid:lgo.png'>"),
        ("welcome.de.txt", "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"),
        ("welcome.fr.subject", "Bonjour"),
        ("welcome.fr.txt", "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"),
    ]);
    fs::write(bad.path().join("photo.png"), vec![0; 5 * 1024 * 1024]).unwrap();
    let env = with(BTreeMap::new(), &SENDER);
    let queue = "http://127.0.0.1:9/1/q";
    let more = [
        ("MAIL_TEMPLATES", &*shown(bad.path())),
        ("EMAIL_QUEUE_URL", queue),
        ("REDIS_URL", "redis://127.0.0.1:9"),
        ("AWS_REGION", "eu-west-1"),
    ];
    for command in ["run", "config", "doctor", "render"] {
        let output = execute(&with(env.clone(), &more), &[command]).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{command}: {told}");
        for fault in [
            "welcome.subject:1: `nobody` is not defined",
            "welcome.txt:2: template not found",
            "welcome.html:3: no image is called `lgo.png`",
            "welcome.html:3: unknown filter",
            "welcome.de.subject: is missing",
            "welcome.fr.txt:1: takes too long",
            "photo.png: must have at most 512 KiB",
        ] {
            assert!(told.contains(fault), "{command} does not tell of {fault}:\n{told}");
        }
    }
    let nowhere = with(env, &[("MAIL_TEMPLATES", "/nowhere"), ("MAIL_HEADERS", "Bcc: a@example.com")]);
    let output = execute(&nowhere, &["render"]).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("/nowhere: cannot be read") && told.contains("MAIL_HEADERS"), "{told}");
}

#[tokio::test]
async fn the_built_in_folder_is_exported_shown_in_each_language_and_a_good_beginning() {
    let place = tempfile::tempdir().unwrap();
    let mine = place.path().join("mine");
    let export = async || execute(&BTreeMap::new(), &["render", "--export", &shown(&mine)]).await;
    assert_eq!(export().await.status.code(), Some(0));
    let again = export().await;
    let told = String::from_utf8_lossy(&again.stderr);
    assert!(told.contains("is there already: name a new folder"), "{told}");
    assert_eq!(again.status.code(), Some(74), "no file is replaced");
    let event = place.path().join("event.json");
    fs::write(
        &event,
        r#"{"type":"user.signed_up","userId":"7","email":"a@example.com","firstName":"Zoë","locale":"de-AT"}"#,
    )
    .unwrap();
    let env = with(BTreeMap::new(), &[("MAIL_TEMPLATES", &shown(&mine)), SENDER[0]]);
    let render = async |more: &[&str]| {
        let output = execute(&env, &[&["render"], more].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(render(&["--event", &shown(&event)]).await.contains("Subject: Willkommen, Zoë\n"));
    assert!(render(&["--event", &shown(&event), "--locale", "en"]).await.contains("Subject: Welcome, Zoë\n"));
    assert!(render(&["--locale", "de_CH", "--text"]).await.starts_with("Willkommen!\n\nIhr Konto ist bereit."));
    let mail = read(&render(&["--event", &shown(&event), "--eml"]).await).await;
    assert_eq!(
        (mail["subject"].as_str(), &mail["images"]),
        (Some("Willkommen, Zoë"), &json!(["<logo.png@templates>"]))
    );
    fs::write(&event, r#"{"type":"user.signed_up","userId":"7"}"#).unwrap();
    assert_eq!(execute(&env, &["render", "--event", &shown(&event)]).await.status.code(), Some(2));
}

#[tokio::test]
async fn examples_of_ones_own_are_tried_strictly() {
    let mine = folder(&[("welcome.subject", "Hi"), ("welcome.txt", "\n{{ event.firstName }}")]);
    let examples = mine.path().join("examples.jsonl");
    let env = with(BTreeMap::new(), &[("MAIL_TEMPLATES", &shown(mine.path())), SENDER[0]]);
    assert_eq!(execute(&env, &["render"]).await.status.code(), Some(78), "this event has no first name");
    let env = with(env, &[("MAIL_EXAMPLES", &shown(&examples))]);
    let event = |more: &str| format!(r#"{{"type":"user.signed_up","userId":"7","email":"secret@example.com"{more}}}"#);
    for (lines, told) in [
        (vec![event(r#","firstName":"Kai""#), event("")], "welcome.txt:2: `event.firstName` is not defined"),
        (vec![event(r#","firstName":"Kai""#), event(r#","plan":7,"version":2"#)], "line 2: the event's field `plan`"),
        (vec!["{".to_owned()], "line 1: "),
        (vec![], "has no event"),
    ] {
        fs::write(&examples, lines.join("\n")).unwrap();
        let output = execute(&env, &["render"]).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(78) && said.contains(told), "{told}: {said}");
        assert!(!said.contains("secret@") && !said.contains("Kai"), "{said}");
    }
}

#[tokio::test]
async fn an_event_without_a_value_that_its_mail_needs_is_a_dead_letter_and_its_neighbours_are_sent() {
    let (world, smtp) = (World::start().await, SmtpServer::start().await);
    let queue = world.queue("email", Duration::from_secs(30)).await;
    let mine = folder(&[
        ("welcome.subject", "Hi {{ event.firstName }}"),
        ("welcome.txt", "Hello\n\n{{ event.firstName | upper }}"),
    ]);
    let env = with(
        environment(&world, &smtp.url()),
        &[
            ("MAIL_TEMPLATES", &shown(mine.path())),
            ("EMAIL_QUEUE_URL", &queue.url),
            ("MAIL_HEADERS", "X-Team: crm\nFeedback-ID: welcome:acme"),
        ],
    );
    let worker = Worker::start(&env);
    let event = |user: &str, more: &str| {
        format!(r#"{{"type":"user.signed_up","userId":"{}{user}","email":"{user}@example.com"{more}}}"#, world.id)
    };
    let bodies = [event("a", r#","firstName":"Ann""#), event("b", ""), event("c", r#","firstName":"Zoë""#)];
    world.send_all(&queue, &bodies).await;
    smtp.wait_for(2, SOON).await;
    world.drained(&queue, SOON).await;
    worker.terminate().await;
    let mut sent = Vec::new();
    for mail in smtp.accepted() {
        assert!(mail.data.contains("\nX-Team: crm\r\n") || mail.data.contains("\nX-Team: crm\n"), "{}", mail.data);
        let mail = read(&mail.data).await;
        sent.push((mail["subject"].as_str().unwrap().to_owned(), mail["text"].as_str().unwrap().trim().to_owned()));
    }
    sent.sort();
    assert_eq!(
        sent,
        [("Hi Ann", "Hello\n\nANN"), ("Hi Zoë", "Hello\n\nZOË")].map(|(s, t)| (s.to_owned(), t.to_owned()))
    );
    let letters = world.dead_letters(&queue).await;
    let [(_, attributes)] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(attributes["failure.reason"], "mail_not_composed");
    assert!(
        attributes["failure.detail"].starts_with("welcome.txt:3: `event.firstName")
            || attributes["failure.detail"].starts_with("welcome.subject:1: `event.firstName`"),
        "{attributes:?}"
    );
}

/// Where the mails that a server has taken can be looked at.
enum Taken<'a> {
    Postfix(&'a Postfix),
    Scripted(&'a SmtpServer, &'static [&'static str]),
    Maildir(&'a Path),
}

impl Taken<'_> {
    /// The first `sent` mails of this server, read.
    async fn mails(&self, sent: usize) -> Vec<Value> {
        let mails = match self {
            Self::Postfix(postfix) => postfix.delivered(sent).await,
            Self::Scripted(server, _) => server.accepted().into_iter().map(|mail| mail.data).collect(),
            Self::Maildir(folder) => {
                let files = fs::read_dir(folder.join("mails/new")).unwrap();
                files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
            }
        };
        let mut all = Vec::new();
        for mail in mails {
            all.push(read(&mail).await);
        }
        all
    }
}

#[tokio::test]
async fn german_arabic_and_japanese_arrive_as_they_were_written_whatever_the_server_offers() {
    let (world, postfix, scripted) = (World::start().await, Postfix::start().await, SmtpServer::start().await);
    let (folders, other) = ([tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()], SmtpServer::start().await);
    let (_modern, modern_port) = crate::interop::aiosmtpd(&world, folders[0].path(), None).await;
    let (_ascii, ascii_port) = crate::interop::aiosmtpd(&world, folders[1].path(), Some("ascii")).await;
    let local = |port: u16| format!("smtp://127.0.0.1:{port}");
    let servers = [
        (local(postfix.port), Taken::Postfix(&postfix)),
        (scripted.url(), Taken::Scripted(&scripted, &[])),
        (other.url(), Taken::Scripted(&other, &["8BITMIME", "SMTPUTF8", "PIPELINING"])),
        (local(modern_port), Taken::Maildir(folders[0].path())),
        (local(ascii_port), Taken::Maildir(folders[1].path())),
    ];
    let languages = [
        (
            "Grüße aus Österreich – schön, dass Sie da sind, und das mit einem Betreff, der in keine Zeile passt",
            "Willkommen in Köln.\nStraße, Übergröße.",
        ),
        ("مرحبا بك في خدمتنا", "مرحبا،\nتم إنشاء حسابك بنجاح."),
        ("ようこそ、ご登録ありがとうございます", "ようこそ。\nアカウントの準備ができました。"),
    ];
    for (sent, (subject, text)) in languages.into_iter().enumerate() {
        let html = format!("<html dir=\"auto\"><body><p>{text}</p>{}</body></html>", "<b>ü</b>".repeat(400));
        let mine = folder(&[("welcome.subject", subject), ("welcome.txt", text), ("welcome.html", &html)]);
        for (url, taken) in &servers {
            if let Taken::Scripted(server, offers) = taken {
                server.offer(offers);
            }
            let env = with(
                BTreeMap::new(),
                &[
                    ("SMTP_URL", url),
                    ("MAIL_TEMPLATES", &shown(mine.path())),
                    ("MAIL_FROM", "Société Générale d'Été <hello@acme.example>"),
                    ("SEND_TEST_TO", "u@example.com"),
                ],
            );
            let output = execute(&env, &["send-test"]).await;
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
            let mails = taken.mails(sent + 1).await;
            let mail = mails.iter().find(|mail| mail["subject"] == subject).expect("the server has it");
            assert_eq!((mails.len(), mail["text"].as_str().unwrap().trim()), (sent + 1, text));
            assert_eq!(mail["html"].as_str().unwrap().trim(), html);
        }
    }
}
