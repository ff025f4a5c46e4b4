//! The webhook in the program: its settings, its mistakes, and that no secret leaves it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::SECRET;
use super::service::{Reaction, Service, status};
use crate::world::http::get;
use crate::world::processes::{Worker, environment, execute};
use crate::world::{EMPTY, World, eventually};

const SOON: Duration = Duration::from_secs(30);

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_webhook_is_a_reaction_like_any_other_and_config_shows_its_url_and_no_secret() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{SECRET}\n")).unwrap();
    let env = env(&[
        ("CRM_QUEUE_URL", "http://127.0.0.1:1/1/crm"),
        ("CRM_WEBHOOK_URL", "https://crm.example.com/hooks?token=hunter2"),
        ("CRM_WEBHOOK_SECRET_FILE", file.path().to_str().unwrap()),
        ("CRM_WEBHOOK_HEADERS", "Authorization: Bearer hunter2"),
        ("CRM_ONCE", "userId"),
        ("ORDER_NOTIFY_QUEUE_URL", "http://127.0.0.1:1/1/orders"),
        ("ORDER_NOTIFY_WEBHOOK_URL", "http://localhost:3000"),
        ("ORDER_NOTIFY_WEBHOOK_ALLOW_PLAINTEXT", "true"),
        ("ORDER_NOTIFY_WEBHOOK_SECRET", SECRET),
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("AWS_REGION", "eu-west-1"),
    ]);
    for arguments in [&["config"][..], &["config", "--json"]] {
        let ended = execute(&env, arguments).await;
        let told = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert_eq!(ended.status.code(), Some(0), "{told}");
        assert!(
            told.contains("https://crm.example.com/hooks?****") && told.contains("http://localhost:3000"),
            "{told}"
        );
        assert!(told.contains("ORDER_NOTIFY_ONCE") && !told.contains("EMAIL_WEBHOOK_URL"), "{told}");
        assert!(!told.contains("hunter2") && !told.contains(&SECRET[6..]), "{told}");
    }
    let ended = execute(&env, &["dlq", "list", "nobody"]).await;
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.code() == Some(2) && told.contains("email, profile, crm, order-notify"), "{told}");
}

#[tokio::test]
async fn every_mistake_of_a_webhook_is_named_at_once_and_none_repeats_a_value() {
    let env = env(&[
        ("CRM_QUEUE_URL", "http://127.0.0.1:1/1/crm"),
        ("CRM_WEBHOOK_URL", "https://user:hunter2@crm.example.com/"),
        ("CRM_WEBHOOK_SECRET", "hunter2"),
        ("CRM_WEBHOOK_SECRET_PREVIOUS", "whsec_hunter2"),
        ("CRM_WEBHOOK_HEADERS", "Host: hunter2"),
        ("CRM_WEBHOOK_ALLOW_PLAINTEXT", "hunter2"),
        ("CRM_WEBHOOK_PROBE_URL", "http://crm.example.com/hunter2"),
        ("CRM_EVENT_TYPES", "hunter2,,"),
        ("CRM_ONCE", "hunter2 x"),
        ("ORDERS_QUEUE_URL", "http://127.0.0.1:1/1/orders"),
        ("ORDERS_WEBHOOK_URL", "http://localhost:3000"),
        ("EMAIL_QUEUE_URL", "http://127.0.0.1:1/1/email"),
        ("EMAIL_WEBHOOK_URL", "https://crm.example.com"),
        ("AWS_REGION", "eu-west-1"),
    ]);
    let ended = execute(&env, &["run"]).await;
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(78), "{told}");
    for mistake in [
        "CRM_WEBHOOK_URL must be a URL without user and password: a header of CRM_WEBHOOK_HEADERS can hold them",
        "CRM_WEBHOOK_SECRET must be whsec_",
        "CRM_WEBHOOK_SECRET_PREVIOUS must be whsec_",
        "CRM_WEBHOOK_HEADERS must not name",
        "CRM_WEBHOOK_ALLOW_PLAINTEXT must be true or false",
        "CRM_WEBHOOK_PROBE_URL is not encrypted",
        "CRM_EVENT_TYPES must be types",
        "CRM_ONCE must be",
        "ORDERS_WEBHOOK_URL is not encrypted: use https://, or set ORDERS_WEBHOOK_ALLOW_PLAINTEXT=true",
        "ORDERS_WEBHOOK_SECRET must be set",
        "EMAIL_WEBHOOK_URL must name a new reaction",
        "REDIS_URL must be set",
        "SMTP_URL must be set",
    ] {
        assert!(told.contains(&format!("  {mistake}")), "{mistake}\n{told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
}

#[tokio::test]
async fn a_webhook_runs_beside_the_reactions_that_ship_and_every_command_knows_it() {
    let (world, service) = (World::start().await, Service::start().await);
    let queue = world.queue("crm", Duration::from_secs(30)).await;
    let mut env = environment(&world, "smtp://127.0.0.1:1");
    let own = [
        ("CRM_QUEUE_URL", queue.url.as_str()),
        ("CRM_WEBHOOK_URL", &service.url),
        ("CRM_WEBHOOK_ALLOW_PLAINTEXT", "true"),
        ("CRM_WEBHOOK_SECRET", SECRET),
        ("CRM_EVENT_TYPES", "order.paid"),
        ("CRM_RETRY_BACKOFF", "1s..1s"),
    ];
    env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    service.script([Reaction::Closes, status(400, "")]);
    let worker = Worker::by(
        std::path::Path::new(env!("CARGO_BIN_EXE_user-events")),
        &env,
        &std::env::temp_dir(),
        &["run", "crm"],
    );
    world.send(&queue, r#"{"type":"order.paid","eventId":"e-1"}"#).await;
    world.send(&queue, r#"{"type":"order.left","eventId":"e-2"}"#).await;
    let is_empty = async || (service.requests().len() >= 2 && world.depth(&queue.url).await == EMPTY).then_some(());
    eventually("its queue is empty", SOON, is_empty).await;
    assert!(
        service.requests().iter().all(|request| request.headers["webhook-id"] == "e-1"),
        "the other type is ignored"
    );
    let told = execute(&env, &["idem", "get", "--reaction", "crm", "e-1", "--event", "e-1"]).await;
    assert!(String::from_utf8_lossy(&told.stdout).contains("begun"), "the first call may have arrived: {told:?}");
    let told = execute(&env, &["doctor"]).await;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("crm\n") && told.contains("webhook"), "{told}");
    let metrics = get(&worker.address().await, "/metrics").await.1;
    let line = metrics.lines().find(|line| line.starts_with("user_events_possible_duplicates_total{"));
    assert!(line.is_some_and(|line| line.contains("\"crm\"") && line.ends_with(" 1")), "the second call: {line:?}");
    assert_eq!(worker.terminate().await, Some(0));
}
