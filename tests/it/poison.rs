//! Poison: what is no event is quarantined on its first receive, with its reason; its neighbours are done.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::world::processes::{Worker, both};
use crate::world::smtp::SmtpServer;
use crate::world::{World, address, event};

/// Each kind of poison, with the reason it is quarantined for.
fn poisons(user: &str) -> Vec<(String, &'static str)> {
    let wrapped = |message: &str| {
        json!({
            "Type": "Notification", "MessageId": "6f1a", "TopicArn": "arn:aws:sns:us-east-1:0:t",
            "Message": message, "Timestamp": "2026-01-02T03:04:05.678Z",
        })
        .to_string()
    };
    let with = |field: &str, value: serde_json::Value| {
        let mut event: serde_json::Value = serde_json::from_str(&event(user)).unwrap();
        event[field] = value;
        event.to_string()
    };
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let deep_event = event(user).replacen('{', &format!("{{\"x\":{deep},"), 1);
    let confirmation = include_str!("../fixtures/subscription_confirmation.json");
    vec![
        ("{\"type\":\"user.signed_up\",".to_owned(), "not_json"),
        ("hello".to_owned(), "not_json"),
        (wrapped("hello"), "not_an_event"),
        (with("userId", json!(1.5)), "invalid_field"),
        (with("email", json!("no address")), "invalid_field"),
        (with("email", json!("u@192.0.2.1")), "invalid_field"),
        (with("email", json!("u\u{200b}@example.com")), "invalid_field"),
        (with("version", json!("3")).replace("\"plan\"", "\"tariff\""), "unsupported_version"),
        ("{\"type\":\"user.signed_up\",\"userId\":\"u\"}".to_owned(), "missing_field"),
        ("x".repeat(1_048_576), "too_large"),
        (deep, "too_deep"),
        (wrapped(&deep_event), "too_deep"),
        (confirmation.to_owned(), "not_a_notification"),
        (wrapped(&wrapped(&event(user))), "wrapped_twice"),
    ]
}

#[tokio::test]
async fn every_kind_of_poison_is_quarantined_on_its_first_receive_and_its_neighbours_are_done() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(60)).await;
    let poisons = poisons(&format!("{}-poison", world.id));
    let neighbours: Vec<String> = (0..poisons.len()).map(|n| format!("{}-{n}", world.id)).collect();
    for ((poison, _), neighbour) in poisons.iter().zip(&neighbours) {
        for queue in [&email, &profile] {
            world.send(queue, poison).await;
            world.send(queue, &event(neighbour)).await;
        }
    }
    let worker = Worker::start(&both(&world, &smtp, &email, &profile));
    smtp.wait_for(neighbours.len(), Duration::from_secs(60)).await;
    tokio::join!(world.drained(&email, Duration::from_secs(30)), world.drained(&profile, Duration::from_secs(30)));

    assert!(neighbours.iter().all(|user| smtp.accepted_to(&address(user)) == 1), "a neighbour went without its mail");
    let mut expected: BTreeMap<&str, usize> = BTreeMap::new();
    poisons.iter().for_each(|(_, reason)| *expected.entry(reason).or_default() += 1);
    for (queue, handler) in [(&email, "welcome_email"), (&profile, "profile")] {
        let letters = world.dead_letters(queue).await;
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for (body, attributes) in &letters {
            assert_eq!(attributes["failure.attempts"], "1", "quarantined on the first receive");
            assert_eq!(attributes["failure.handler"], handler);
            assert!(attributes["failure.detail"].contains(": must "), "{}", attributes["failure.detail"]);
            assert!(queue.url.ends_with(&attributes["failure.source_queue"]));
            let packed = attributes.contains_key("failure.body_encoding");
            assert!(packed || poisons.iter().any(|(poison, _)| poison == body), "a body that was never sent");
            *reasons.entry(&attributes["failure.reason"]).or_default() += 1;
        }
        assert_eq!(reasons, expected, "{handler}");
    }
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn a_notification_of_another_topic_is_quarantined_with_its_arn_and_a_raw_body_is_read() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(60)).await;
    let mut env = both(&world, &smtp, &email, &profile);
    let (own, strange) = ("arn:aws:sns:us-east-1:000000000000:own", "arn:aws:sns:us-east-1:000000000000:strange");
    env.insert("EMAIL_TOPIC_ARNS".to_owned(), format!("{own}, {own}.fifo"));
    let from = |arn: &str, user: &str| {
        let message = event(&format!("{}-{user}", world.id));
        json!({ "Type": "Notification", "MessageId": user, "TopicArn": arn, "Message": message }).to_string()
    };
    let raw = event(&format!("{}-raw", world.id));
    let bodies = [from(own, "own"), from(&format!("{own}.fifo"), "fifo"), from(strange, "strange"), raw];
    world.send_all(&email, &bodies).await;
    world.send(&email, &from("\u{1b}[2J mallory@example.com", "odd")).await;
    world.send(&profile, &from(strange, "other")).await;
    let worker = Worker::start(&env);
    tokio::join!(world.drained(&email, Duration::from_secs(30)), world.drained(&profile, Duration::from_secs(30)));

    let sent = |user: &str| smtp.accepted_to(&address(&format!("{}-{user}", world.id)));
    assert_eq!(["own", "fifo", "raw", "strange", "odd"].map(sent), [1, 1, 1, 0, 0]);
    let letters = world.dead_letters(&email).await.into_iter().map(|(_, mut all)| {
        assert_eq!(all["failure.reason"], "wrong_topic");
        all.remove("failure.detail").expect("a detail")
    });
    let rule = "TopicArn: must be one of TOPIC_ARNS";
    let said: std::collections::BTreeSet<String> = letters.collect();
    assert_eq!(said, [format!("{rule}, and is {strange}"), format!("{rule}, and is no ARN of a topic")].into());
    assert_eq!(world.dead_letters(&profile).await, [], "unset, any topic's are read");
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn another_teams_event_is_ignored_or_quarantined_as_the_setting_says() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(60)).await;
    let mut env = both(&world, &smtp, &email, &profile);
    env.insert("PROFILE_UNKNOWN_EVENTS".to_owned(), "quarantine".to_owned());
    let foreign = json!({ "type": "order.placed", "orderId": 7 }).to_string();
    tokio::join!(world.send(&email, &foreign), world.send(&profile, &foreign));
    let worker = Worker::start(&env);
    tokio::join!(world.drained(&email, Duration::from_secs(30)), world.drained(&profile, Duration::from_secs(30)));

    assert_eq!(world.dead_letters(&email).await, []);
    let letters = world.dead_letters(&profile).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].1["failure.reason"], "unknown_type");
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn a_body_without_a_type_that_is_not_ours_is_ignored_too_and_a_type_that_is_nearly_ours_is_named() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(60)).await;
    let mut env = both(&world, &smtp, &email, &profile);
    env.insert("PROFILE_UNKNOWN_EVENTS".to_owned(), "quarantine".to_owned());
    let ours: serde_json::Value = serde_json::from_str(&event(&world.id)).unwrap();
    let with_type = |kind: serde_json::Value| {
        let mut event = ours.clone();
        event["type"] = kind;
        event.to_string()
    };
    let foreign = [json!({ "orderId": 7 }), json!({ "type": 7, "userId": "u" }), json!({ "type": null })];
    let mut bodies: Vec<String> = foreign.iter().map(ToString::to_string).collect();
    bodies.extend([with_type(json!(" User.Signed_Up")), with_type(json!(null))]);
    tokio::join!(world.send_all(&email, &bodies), world.send_all(&profile, &bodies));
    let worker = Worker::start(&env);
    tokio::join!(world.drained(&email, Duration::from_secs(30)), world.drained(&profile, Duration::from_secs(30)));

    let reasons = |letters: Vec<(String, BTreeMap<String, String>)>| {
        let mut reasons: Vec<_> =
            letters.into_iter().map(|(_, mut all)| all.remove("failure.reason").unwrap()).collect();
        reasons.sort();
        reasons
    };
    // By its fields the last one is ours, and broken: never lost in silence.
    assert_eq!(reasons(world.dead_letters(&email).await), ["missing_field"]);
    let all = ["invalid_field", "missing_field", "missing_field", "missing_field", "unknown_type"];
    assert_eq!(reasons(world.dead_letters(&profile).await), all);
    assert_eq!(smtp.accepted().len(), 0);
    let named: Vec<_> = worker.log().into_iter().filter(|line| line.contains("only by case or spaces")).collect();
    assert_eq!(named.len(), 1, "{named:?}");
    assert!(named[0].contains("User.Signed_Up"), "{named:?}");
    assert_eq!(worker.terminate().await, Some(0));
}
