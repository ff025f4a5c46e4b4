//! Metrics and health: what is scraped is what docs/operate.md tells and what the dashboard shows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use user_events::telemetry::metrics::METRICS;

use crate::world::collector::Collector;
use crate::world::http::get;
use crate::world::processes::{Worker, both, indiscretion};
use crate::world::proxy::{Mode, Proxy};
use crate::world::smtp::{Phase, Reaction, SmtpServer};
use crate::world::{World, address, event, eventually};

const SOON: Duration = Duration::from_secs(30);

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Name and type of each metric of a scrape, but for the one that names its source.
fn types(scrape: &str) -> BTreeSet<(String, String)> {
    let typed = scrape.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    typed.filter(|(name, _)| *name != "target_info").map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// The value of a sample, summed over what the labels leave open.
fn value(scrape: &str, name: &str, labels: &[&str]) -> f64 {
    let samples = scrape.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    let samples = samples.filter(|line| labels.iter().all(|label| line.contains(label)));
    samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

fn promtool() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("localstack/.bin/promtool");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("promtool")).chain([ours]).find(|p| p.exists());
    found.expect("no promtool: get it by `localstack/servers promtool`, or run the tests by `make test`")
}

/// Prometheus's own opinion of a scrape.
fn assert_sound(scrape: &str) {
    let mut check = Command::new(promtool());
    let mut child = check
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), scrape.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && said.trim().is_empty(), "promtool says:\n{said}");
}

/// The expressions of the dashboard, as it would send them.
fn expressions() -> Vec<String> {
    fn collect(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                found.extend(fields.get("expr").and_then(|e| e.as_str()).map(str::to_owned));
                fields.values().for_each(|field| collect(field, found));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_str(&file("infra/dashboard.json")).unwrap(), &mut found);
    found.iter().map(|expression| expression.replace("$__rate_interval", "5m").replace("$reaction", ".*")).collect()
}

/// The metrics that they name: what stands before a brace.
fn shown() -> BTreeSet<String> {
    let before_braces = |expression: &String| {
        let parts: Vec<&str> = expression.split('{').collect();
        let name =
            |part: &&str| part.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap().to_owned();
        parts[..parts.len() - 1].iter().map(name).collect::<Vec<_>>()
    };
    expressions().iter().flat_map(before_braces).collect()
}

#[test]
fn the_dashboards_expressions_are_promql() {
    let rule = |(n, expression): (usize, String)| serde_json::json!({ "record": format!("r:{n}"), "expr": expression });
    let rules: Vec<_> = expressions().into_iter().enumerate().map(rule).collect();
    assert!(rules.len() > 10, "the expressions were not found");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yml");
    // JSON is YAML too.
    let groups = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    std::fs::write(&path, groups.to_string()).unwrap();
    let output = Command::new(promtool()).args(["check", "rules"]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_metrics_that_are_told_are_those_of_the_code() {
    let row = |metric: &user_events::telemetry::metrics::Metric| {
        format!("| `{}` | {} | {} |\n", metric.exported(), metric.kind.word(), metric.means)
    };
    let table: String = METRICS.iter().map(row).collect();
    assert!(file("docs/operate.md").contains(&table), "the table of metrics in docs/operate.md should be:\n{table}");
}

#[test]
fn each_metric_is_on_the_dashboard() {
    let shown = shown();
    let is_shown = |name: &str| shown.iter().any(|shown| shown == name || *shown == format!("{name}_bucket"));
    let missing: Vec<String> = METRICS.iter().map(|m| m.exported()).filter(|name| !is_shown(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn a_live_scrape_has_the_tables_metrics_and_no_other_passes_promtool_and_feeds_the_dashboard() {
    let world = World::start().await;
    let mut smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(SOON).await;
    let worker = Worker::start(&both(&world, &smtp, &email, &profile));
    let at = worker.address().await;
    let user = |n: u32| format!("{}-{n}", world.id);
    world.send(&email, &event(&user(1))).await;
    world.send(&email, &event(&user(1))).await;
    world.send(&profile, &event(&user(1)).replace("\"version\":\"2\"", "\"version\":\"3\"")).await;
    world.send(&profile, "no event").await;
    tokio::join!(world.drained(&email, SOON), world.drained(&profile, SOON));
    let port = smtp.port();
    smtp.stop().await;
    world.send(&email, &event(&user(2))).await;
    worker.says("paused: nothing is received", SOON).await;
    smtp = SmtpServer::start_on(port).await;
    smtp.wait_for(1, SOON).await;
    world.drained(&email, SOON).await;

    let settled = || async {
        let (status, scrape) = get(&at, "/metrics").await;
        assert_eq!(status, 200);
        let done = value(&scrape, "user_events_delivery_age_seconds_count", &["reaction=\"email\""]);
        (done >= 2.0).then_some(scrape)
    };
    let scrape = eventually("both mails are counted as done", SOON, settled).await;
    let expected = METRICS.iter().map(|metric| (metric.exported(), metric.kind.word().to_owned()));
    assert_eq!(types(&scrape), expected.collect(), "\n{scrape}");
    assert_sound(&scrape);

    let samples: BTreeSet<&str> = scrape.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    for name in &shown() {
        assert!(samples.contains(&**name), "the dashboard shows {name}, which nobody exports");
    }

    let (of_email, of_profile) = ("reaction=\"email\"", "reaction=\"profile\"");
    let deliveries = |labels: &[&str]| value(&scrape, "user_events_deliveries_total", labels);
    assert_eq!(deliveries(&[of_email, "outcome=\"done\"", "verdict=\"delete\""]), 2.0);
    // What was in hand when the server went down was held, and took its turn: no second delivery.
    assert_eq!(deliveries(&[of_email, "outcome=\"unavailable\""]), 0.0);
    assert_eq!(value(&scrape, "user_events_quarantined_total", &[of_profile, "reason=\"not_json\""]), 1.0);
    assert_eq!(value(&scrape, "user_events_newer_version_total", &[of_profile]), 1.0);
    assert!(value(&scrape, "user_events_breaker_trips_total", &[of_email, "dependency=\"smtp\""]) >= 1.0);
    assert_eq!(value(&scrape, "user_events_breaker_open", &[]), 0.0);
    assert_eq!(value(&scrape, "user_events_slots", &[of_email]), 10.0);
    assert_eq!(value(&scrape, "user_events_deliveries_active", &[]), 0.0);
    for private in [world.id.as_str(), "@"] {
        let told: Vec<&str> = scrape.lines().filter(|line| line.contains(private)).collect();
        let own = |line: &&str| line.contains("messaging_destination_name") && !line.contains('@');
        assert!(told.iter().all(own), "a label holds {private}: {told:?}");
    }
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn readyz_names_what_each_reaction_waits_for_and_livez_does_not_ask() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(SOON).await;
    let upstream = world.env["AWS_ENDPOINT_URL"].rsplit(':').next().unwrap().parse().unwrap();
    let sqs = Proxy::start(upstream).await;
    let mut env: BTreeMap<String, String> = both(&world, &smtp, &email, &profile);
    env.insert("AWS_ENDPOINT_URL".to_owned(), format!("http://127.0.0.1:{}", sqs.port()));
    env.insert("REDIS_PREFIX".to_owned(), world.id.clone());
    let port = smtp.port();
    smtp.stop().await;

    let worker = Worker::start(&env);
    let at = worker.address().await;
    let ready = async |status: u16, told: &str| {
        let look = || async { (get(&at, "/readyz").await == (status, told.to_owned())).then_some(()) };
        eventually(&format!("{status}: {told}"), SOON, look).await;
        assert_eq!(get(&at, "/livez").await, (200, "ok\n".to_owned()));
    };
    let paused = || async {
        let (status, told) = get(&at, "/readyz").await;
        let is_told = told.starts_with("email: paused: waiting for smtp (") && told.ends_with("Z\nprofile: ready\n");
        (status == 503 && is_told && told.contains(") since 20")).then_some(())
    };
    eventually("503, with what is waited for, why and since when", SOON, paused).await;
    assert_eq!(get(&at, "/livez").await, (200, "ok\n".to_owned()));
    let _smtp = SmtpServer::start_on(port).await;
    ready(200, "email: ready\nprofile: ready\n").await;

    sqs.set(Mode::Refuse);
    sqs.reset();
    let look = || async {
        let (status, told) = get(&at, "/readyz").await;
        (status == 503 && told.matches(": waiting for sqs (receiving fails: ").count() == 2).then_some(())
    };
    eventually("both say that receiving fails", SOON, look).await;
    sqs.set(Mode::Pass);
    ready(200, "email: ready\nprofile: ready\n").await;
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn a_disabled_sdk_measures_nothing_and_sends_nothing() {
    let (world, smtp, collector) = (World::start().await, SmtpServer::start().await, Collector::start().await);
    let (email, profile) = world.email_and_profile(SOON).await;
    let mut env = both(&world, &smtp, &email, &profile);
    env.insert("OTEL_SDK_DISABLED".to_owned(), "true".to_owned());
    env.insert("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), collector.url.clone());
    world.send(&email, &event(&world.id)).await;
    let worker = Worker::start(&env);
    smtp.wait_for(1, SOON).await;
    assert_eq!(get(&worker.address().await, "/metrics").await, (200, String::new()));
    assert_eq!(worker.terminate().await, Some(0));
    assert!(collector.look(|received| received.spans.is_empty() && received.metrics.is_empty()));
}

#[tokio::test]
async fn the_log_tells_no_address_no_password_and_no_body_at_its_highest_level_either() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    smtp.require_auth("someone", "hunter2-Zx9");
    let (email, profile) = world.email_and_profile(SOON).await;
    let mut env = both(&world, &smtp, &email, &profile);
    env.insert("SMTP_URL".to_owned(), smtp.url().replace("//", "//someone:hunter2-Zx9@"));
    env.insert("RUST_LOG".to_owned(), "trace".to_owned());
    let refused = format!("{}-refused", world.id);
    smtp.script_for(&address(&refused), vec![Reaction::Reply { at: Phase::Rcpt, code: 550, text: "no such user" }]);
    for queue in [&email, &profile] {
        world.send(queue, &event(&world.id)).await;
        world.send(queue, &event(&world.id).replace("pro", "other plan")).await;
        world.send(queue, &event(&refused)).await;
        world.send(queue, &event(&world.id).replace("\"plan\"", "plan")).await;
    }
    // Dropped at its end: that is where every worker's log is searched.
    let worker = Worker::start(&env);
    smtp.wait_for(1, SOON).await;
    tokio::join!(world.drained(&email, SOON), world.drained(&profile, SOON));
    worker.says("\"level\":\"TRACE\"", SOON).await;
    assert_eq!(worker.terminate().await, Some(0));
}

#[test]
fn what_no_log_may_tell_is_found_in_a_line() {
    let secrets = ["hunter2-Zx9".to_owned()];
    assert_eq!(indiscretion("sent to anna@example.com", &secrets), Some("an address"));
    assert_eq!(indiscretion("AUTH PLAIN hunter2-Zx9", &secrets), Some("a secret"));
    assert_eq!(indiscretion(r#"body={\"userId\":\"1\"}"#, &secrets), Some("a body"));
    assert_eq!(indiscretion("sent to a***@***", &secrets), None);
}
