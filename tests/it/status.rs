//! How deep each reaction's queues are, once and while it changes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::processes::{Worker, execute};
use crate::world::{World, event};

/// Where no worker answers.
fn alone(world: &World) -> BTreeMap<String, String> {
    let mut env = world.env.clone();
    env.insert("HTTP_ADDR".to_owned(), "127.0.0.1:0".to_owned());
    env
}

#[tokio::test]
async fn status_tells_each_reactions_depth_within_80_columns_and_as_json() {
    let world = World::start().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(90)).await;
    for n in 0..3 {
        world.send(&email, &event(&format!("u{n}"))).await;
    }
    let taken = world.sqs.receive_message().queue_url(&email.url).send().await.unwrap();
    assert_eq!(taken.messages().len(), 1);
    world.sqs.send_message().queue_url(&profile.url).message_body("x").delay_seconds(900).send().await.unwrap();
    world.sqs.send_message().queue_url(&profile.dlq_url).message_body("x").send().await.unwrap();
    let mut env = alone(&world);
    env.insert("EMAIL_QUEUE_URL".to_owned(), email.url.clone());
    env.insert("PROFILE_QUEUE_URL".to_owned(), profile.url.clone());

    let output = execute(&env, &["status", "--json"]).await;
    assert_eq!(output.status.code(), Some(0));
    let row = |name: &str, [visible, in_flight, delayed, dead]: [u64; 4]| {
        json!({ "reaction": name, "visible": visible, "inFlight": in_flight, "delayed": delayed, "dead": dead,
            "oldestSeconds": null, "perSecond": null, "visibilitySeconds": 90, "maxReceiveCount": 5,
            "worker": null, "workers": {}, "pause": null, "retrying": 0, "bill": null })
    };
    let expected = json!({ "reactions": [row("email", [2, 1, 0, 0]), row("profile", [0, 0, 1, 1])] });
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), expected);

    let output = execute(&env, &["status"]).await;
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 80), "wider than a terminal:\n{table}");
    assert!(table.contains("1m 30s") && !table.contains('\x1b'), "{table}");
    assert!(table.trim_end().ends_with(" email: no worker reports\n profile: no worker reports"), "{table}");
    env.remove("REDIS_URL");
    let output = execute(&env, &["status"]).await;
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.trim_end().ends_with(" workers: nobody was asked (HTTP_ADDR does not answer for them)"), "{table}");
}

#[tokio::test]
async fn a_watch_goes_on_until_it_is_told_to_stop_and_a_missing_queue_costs_only_its_own_row() {
    let world = World::start().await;
    let profile = world.queue("profile", Duration::from_secs(90)).await;
    let mut env = alone(&world);
    env.insert("EMAIL_QUEUE_URL".to_owned(), format!("{}-gone", profile.url));
    env.insert("PROFILE_QUEUE_URL".to_owned(), profile.url.clone());
    let output = execute(&env, &["status"]).await;
    let (table, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(69));
    assert!(stderr.contains("the queue of `email`: the queue refused"), "{stderr}");
    assert!(table.lines().any(|line| line.contains("email") && line.contains('?')), "{table}");
    assert!(table.lines().any(|line| line.contains("profile") && line.contains("1m 30s")), "{table}");

    // Watched, the reason stands below the table, and the time above it.
    let mut watch = Worker::of(&env, &["status", "--watch"]);
    let screen = watch.prints(8, Duration::from_secs(20)).await;
    watch.signal("INT");
    assert_eq!(watch.exit(Duration::from_secs(10)).await, Some(130));
    assert!(humantime::parse_rfc3339(&screen[0]).is_ok(), "{screen:?}");
    let foot = screen[4..].join(" ");
    assert!(foot.contains("the queue of `email`: the queue refused"), "{screen:?}");
    assert!(foot.contains(" profile: ▁ 0 messages at most within 5 min"), "{screen:?}");

    env.remove("EMAIL_QUEUE_URL");
    let mut watch = Worker::of(&env, &["status", "--watch", "--json"]);
    let rows = watch.prints(2, Duration::from_secs(20)).await;
    watch.signal("INT");
    assert_eq!(watch.exit(Duration::from_secs(10)).await, Some(130));
    assert!(rows.iter().all(|row| row.contains("\"visible\":0")), "{rows:?}");
}
