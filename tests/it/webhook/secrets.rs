//! What a webhook's secrets must never reach: a log at its highest level, an error, a command's output, a command line.

use std::time::Duration;

use super::crm::Crm;
use super::service::{Reaction, Service};
use super::{PREVIOUS, SECRET};
use crate::world::eventually;
use crate::world::http::get;
use crate::world::processes::execute;

const SOON: Duration = Duration::from_secs(30);
/// In a header of the team's own, in the URL's query, and in what the service answers.
const OWN: &str = "hunter2-Zx9";

fn assert_silent(what: &str, told: &str) {
    for secret in [&SECRET[6..], &PREVIOUS[6..], OWN] {
        let line = told.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{what} tells a secret");
    }
}

#[tokio::test]
async fn no_secret_of_a_webhook_is_in_a_log_at_its_highest_level_a_letter_a_metric_a_command_or_a_command_line() {
    let service = Service::start().await;
    let echo = |code: u16| {
        let length = OWN.len();
        Reaction::Says(format!("HTTP/1.1 {code} {OWN}\r\nx-own: {OWN}\r\ncontent-length: {length}\r\n\r\n{OWN}"))
    };
    service.script([echo(500), echo(400), echo(429), Reaction::SaysAndCloses(format!("{OWN}\r\n\r\n")), echo(503)]);
    let crm = Crm::calling(&format!("{}&token={OWN}", service.url), SOON).await;
    let crm = crm.with("CRM_WEBHOOK_SECRET_PREVIOUS", PREVIOUS).with("RUST_LOG", "trace").with("RETRY_FOR", "1s");
    let mut crm = crm.with("CRM_WEBHOOK_HEADERS", &format!("Authorization: Bearer {OWN}")).with("MAX_ATTEMPTS", "2");
    let worker = crm.worker();
    crm.send(8).await;
    crm.world.drained(&crm.queue, SOON).await;
    assert!(service.requests().len() > 8, "some were tried again");
    assert!(service.requests()[0].headers["authorization"].ends_with(OWN), "it was sent");

    let address = worker.address().await;
    for path in ["/metrics", "/readyz"] {
        assert_silent(path, &get(&address, path).await.1);
    }
    let pid = worker.pid().expect("it runs");
    assert_silent("the command line", &std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it runs"));
    crm.env.insert("HTTP_ADDR".to_owned(), address);
    let letters = crm.letters().await;
    assert!(!letters.is_empty());
    assert_silent("a letter", &format!("{letters:?}"));
    let id = crm.id(1);
    for arguments in [
        &["config"][..],
        &["config", "--json"],
        &["doctor"],
        &["status"],
        &["dlq", "list", "crm"],
        &["dlq", "export", "crm"],
        &["idem", "get", "--reaction", "crm", &id, "--event", &id],
    ] {
        let ended = execute(&crm.env, arguments).await;
        let told = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(!told.is_empty(), "{arguments:?}");
        assert_silent(&format!("{arguments:?}"), &told);
    }
    worker.says("\"level\":\"TRACE\"", SOON).await;
    let log = async || worker.log().iter().any(|line| line.contains("answered 400")).then(|| worker.log().join("\n"));
    let log = eventually("the log tells of an answer", SOON, log).await;
    assert_silent("the log", &log);
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn a_secret_of_another_form_is_told_at_the_start_with_the_other_mistakes_and_not_repeated() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    for secret in
        [OWN, "whsec_hunter2-Zx9", "WHSEC_aHVudGVyMi1aeDktaHVudGVyMi1aeDk=", "whsec_", "whsec_aHVudGVyMi1aeDk="]
    {
        std::fs::write(file.path(), secret).expect("written");
        let named = file.path().to_str().expect("text");
        for (variable, value) in [("CRM_WEBHOOK_SECRET", secret), ("CRM_WEBHOOK_SECRET_FILE", named)] {
            let env = [
                (variable, value),
                ("CRM_QUEUE_URL", "http://127.0.0.1:1/1/crm"),
                ("CRM_WEBHOOK_URL", "https://crm.example.com/"),
                ("CRM_MAX_ATTEMPTS", "none"),
                ("REDIS_URL", "redis://127.0.0.1:1"),
                ("AWS_REGION", "eu-west-1"),
            ];
            let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            for command in ["run", "doctor", "config"] {
                let ended = execute(&env, &[command]).await;
                let told =
                    [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
                assert_eq!(ended.status.code(), Some(78), "{command}, {variable}: {told}");
                let mistakes = ["CRM_WEBHOOK_SECRET must be whsec_".to_owned(), "CRM_MAX_ATTEMPTS must be".to_owned()];
                assert!(mistakes.iter().all(|mistake| told.contains(mistake)), "{command}: {told}");
                assert!(secret == "whsec_" || !told.contains(secret), "{command}: {told}");
                assert_silent(command, &told);
            }
        }
    }
}
