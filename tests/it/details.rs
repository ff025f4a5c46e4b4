//! Why a letter is dead, as `dlq` and the log tell it: by reason, by field and rule, and by reasons that there are.

use std::time::Duration;

use serde_json::{Value, json};
use user_events::queue::{DeadLetter, Failure};

use crate::dlq::{Bench, original};
use crate::world::processes::{Worker, environment};
use crate::world::{World, event};

#[tokio::test]
async fn letters_are_counted_by_what_was_wrong_and_a_reason_that_does_not_exist_is_a_usage_fault() {
    let bench = Bench::set_up().await;
    let of = |reason, detail: &str, history: &str| {
        let (history, detail) = (history.to_owned(), detail.to_owned());
        let failure = Failure { reason, handler: "profile", history, detail };
        DeadLetter::new(&original(event("anna"), 0), "q", &failure).unwrap()
    };
    let (user, email) = ("userId: must be 1 to 256 bytes without control characters", "email: must be there");
    let missing = of("missing_field", email, "transient@1795721586687");
    bench.bury(&[missing.clone(), missing, of("invalid_field", user, "")]).await;
    let told = bench.json(&["dlq", "list", "--by-detail", "--json"]).await;
    let counts =
        told["details"].as_array().unwrap().iter().map(|line| (line["detail"].as_str(), line["count"].as_u64()));
    assert_eq!(counts.collect::<Vec<_>>(), [(Some(user), Some(1)), (Some(email), Some(2))]);

    let (code, table, stderr) = bench.run(&["dlq", "list", "--by-detail"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let is_whole = user.split(' ').all(|word| table.contains(word));
    assert!(is_whole && table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let only = bench.json(&["dlq", "list", "--reason", "missing_field", "--json"]).await;
    let letters = only["letters"].as_array().unwrap();
    assert_eq!((letters.len(), letters[0]["detail"].as_str()), (2, Some(email)));
    let (_, rows, _) = bench.run(&["dlq", "list", "--reason", "missing_field"]).await;
    assert_eq!(rows.matches(email).count(), 2, "{rows}");
    let (_, shown, _) = bench.run(&["dlq", "show", letters[0]["id"].as_str().unwrap()]).await;
    assert!(shown.contains(email) && shown.contains("2026-11-26T19:33:06.687Z transient"), "{shown}");

    for arguments in [&["list"][..], &["export"], &["redrive", "--yes"], &["drop", "--yes"]] {
        let (code, stdout, stderr) = bench.run(&[&["dlq"], arguments, &["--reason", "conflct"]].concat()).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains("conflct") && stderr.contains("conflict,") && stderr.contains("unknown"), "{stderr}");
    }
    let (code, stdout, _) = bench.run(&["dlq", "redrive", "--reason", "invalid_field", "--yes"]).await;
    assert!(code == Some(0) && stdout.contains("1 letter went back"), "{stdout}");
}

#[tokio::test]
async fn the_closing_line_of_a_quarantined_delivery_names_field_and_rule_and_never_the_value() {
    const VALUE: &str = "grandmothers-maiden-name";
    let world = World::start().await;
    let profile = world.queue("profile", Duration::from_secs(60)).await;
    let with = |field: &str, value: Value| {
        let mut event: Value = serde_json::from_str(&event(&format!("{}-bad", world.id))).unwrap();
        event[field] = value;
        event.to_string()
    };
    let refused = [
        (with("email", json!(VALUE)), "email: must be an address like name@example.com"),
        (with("userId", json!({ VALUE: VALUE })), "userId: must be a string"),
        (with("plan", json!([VALUE])), "plan: must be a string"),
        (format!("{VALUE}{{"), "body: must be a JSON object with each field once"),
        (json!({ "type": "user.signed_up", "email": VALUE }).to_string(), "userId: must be there"),
    ];
    let bodies: Vec<String> = refused.iter().map(|(body, _)| body.clone()).collect();
    world.send_all(&profile, &[bodies, vec![event(&world.id)]].concat()).await;
    let mut env = environment(&world, "smtp://127.0.0.1:1");
    env.insert("PROFILE_QUEUE_URL".to_owned(), profile.url.clone());
    let mut worker = Worker::start(&env);
    world.drained(&profile, Duration::from_secs(30)).await;
    worker.signal("TERM");
    assert_eq!(worker.exit(Duration::from_secs(30)).await, Some(0));

    let log = worker.log();
    let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    let closing: Vec<Value> = lines.filter(|line| line["message"] == "delivery").collect();
    let (bad, good): (Vec<_>, Vec<_>) = closing.iter().partition(|line| line["outcome"] != "done");
    let mut details: Vec<&str> = bad.iter().map(|line| line["detail"].as_str().expect("a detail")).collect();
    let mut expected: Vec<&str> = refused.iter().map(|(_, detail)| *detail).collect();
    details.sort_unstable();
    expected.sort_unstable();
    assert_eq!(details, expected);
    assert!(bad.iter().all(|line| line["verdict"].as_str().is_some_and(|v| v.starts_with("quarantine"))), "{bad:?}");
    assert!(good.len() == 1 && good[0].get("detail").is_none(), "{good:?}");
    assert!(!log.join("\n").contains(VALUE), "{}", log.join("\n"));
}
