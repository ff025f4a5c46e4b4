//! Each page shows what is so, and each deed on it is the command's.

use std::collections::BTreeMap;
use std::time::Duration;

use super::alone;
use crate::world::console::{Console, SOON};
use crate::world::processes::{Worker, environment, execute};
use crate::world::redis_server::{Keep, RedisServer};
use crate::world::smtp::SmtpServer;
use crate::world::{World, address, event, eventually};
use user_events::event::log_hash;

const HIDDEN: Duration = Duration::from_secs(30);

/// What a command prints.
async fn says(env: &BTreeMap<String, String>, arguments: &[&str]) -> String {
    let output = execute(env, arguments).await;
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[tokio::test]
async fn a_pause_from_the_page_is_the_commands_and_both_tell_who_asked_for_it() {
    let (world, redis) = tokio::join!(World::start(), RedisServer::start(Keep::Nothing));
    let queue = world.queue("email", HIDDEN).await;
    let mut env = environment(&world, "smtp://127.0.0.1:1");
    env.extend([("EMAIL_QUEUE_URL".to_owned(), queue.url.clone()), ("REDIS_URL".to_owned(), redis.url())]);
    let console = Console::open(&env, &["--write", "--as", "night shift"]).await;
    let (ask, end) = ("/reactions/email/pause", "/reactions/email/resume");
    let refused = console.send(ask, ask, &[("why", "the CRM is moved"), ("for", "100d")]).await;
    assert!(refused.status == 400 && refused.says("How long must be at most 2days"), "{}", refused.body);
    assert!(refused.says("value=\"the CRM is moved\""), "what was typed is kept: {}", refused.body);
    let refused = console.send(ask, ask, &[("why", " "), ("for", "30m")]).await;
    assert!(refused.status == 400 && refused.says("Why must have 1 to 200 characters"), "{}", refused.body);

    let reply = console.send(ask, ask, &[("why", "the CRM is moved"), ("for", "30m")]).await;
    assert_eq!((reply.status, reply.headers["location"].as_str()), (303, "/"), "{}", reply.body);
    let page = console.get("/").await;
    assert!(page.says("email: paused by night shift: the CRM is moved (since "), "{}", page.body);
    assert!(!console.get("/deeds").await.says("class=\"flash"), "it is said once");
    assert!(console.get("/").await.says("paused by night shift"), "and stays on the row");

    let reply = console.send("/", end, &[]).await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    assert!(console.get("/").await.says("email: its workers receive within 6 s."));
    assert!(says(&env, &["resume", "email"]).await.contains("email was not paused by anybody"));
    let deeds = console.get("/deeds").await;
    for told in ["night shift", "pause", "resume", "30m: the CRM is moved"] {
        assert!(deeds.says(told), "{told}: {}", deeds.body);
    }
    assert!(console.process.log().iter().any(|line| line.contains("\"deed\":\"pause\"")), "and the log tells it");
}

#[tokio::test]
async fn a_users_record_is_shown_with_its_hash_and_forgotten_only_by_whoever_means_it() {
    let (world, smtp, redis) = tokio::join!(World::start(), SmtpServer::start(), RedisServer::start(Keep::Nothing));
    let queue = world.queue("email", HIDDEN).await;
    let mut env = environment(&world, &smtp.url());
    env.extend([("EMAIL_QUEUE_URL".to_owned(), queue.url.clone()), ("REDIS_URL".to_owned(), redis.url())]);
    let user = &world.id;
    let worker = Worker::start(&env);
    world.send(&queue, &event(user)).await;
    smtp.wait_for(1, SOON).await;
    world.drained(&queue, SOON).await;
    assert_eq!(worker.terminate().await, Some(0));

    let console = Console::open(&env, &["--write"]).await;
    assert!(console.get("/record?subject=nobody").await.says("no record: it has not begun this effect"));
    let page = console.get(&format!("/record?subject={user}")).await;
    for told in ["done</strong>: sent", &log_hash(user).to_string(), "profile", "keeps no record"] {
        assert!(page.says(told), "{told}: {}", page.body);
    }
    let ask = format!("/record/forget?reaction=email&subject={user}");
    assert!(page.says(&format!("forget?reaction=email&amp;subject={user}")), "{}", page.body);
    let confirm = console.get(&ask).await;
    assert!(confirm.says("lets the next event cause the effect AGAIN"), "{}", confirm.body);
    let named = [("reaction", "email"), ("subject", user.as_str())];
    let reply = console.send(&ask, "/record/forget", &named).await;
    assert!(reply.status == 400 && reply.says("nothing was changed"), "{}", reply.body);
    let reply = console.send(&ask, "/record/forget", &[&named[..], &[("sure", "yes")]].concat()).await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    assert!(console.get("/record").await.says("Forgotten; it was done."));
    assert!(says(&env, &["idem", "get", "--reaction", "email", user]).await.contains("no record"));
    let deeds = console.get("/deeds").await;
    assert!(deeds.says("forget") && deeds.says(&log_hash(user).to_string()) && !deeds.says(user), "{}", deeds.body);
}

#[tokio::test]
async fn an_event_is_published_by_the_rules_of_its_type_and_told_as_a_deed() {
    let world = World::start().await;
    let queue = world.queue("email", HIDDEN).await;
    let mut env = environment(&world, "smtp://127.0.0.1:1");
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());
    env.insert("USER_EVENTS_TOPIC_ARN".to_owned(), world.topic(&[&queue]).await);
    let closed = Console::open(&env, &["--write"]).await;
    assert!(closed.get("/event").await.says("This console publishes nothing."));
    let console = Console::open(&env, &["--write", "--allow-publish"]).await;
    let refused =
        console.send("/event", "/event", &[("type", "user.signed_up"), ("fields", r#"{"userId":"7"}"#)]).await;
    assert!(refused.status == 400 && refused.says("email"), "{}", refused.body);
    assert!(refused.says("userId"), "what was typed is kept: {}", refused.body);
    let fields = format!(r#"{{"userId":"{id}","email":"{}"}}"#, address(&world.id), id = world.id);
    let reply = console.send("/event", "/event", &[("type", "user.signed_up"), ("fields", &fields)]).await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    assert!(console.get("/event").await.says("Published event "));
    let arrived = async || (world.depth(&queue.url).await.visible == 1).then_some(());
    eventually("the event is in the queue", SOON, arrived).await;
    console.process.says("\"deed\":\"publish\"", SOON).await;
}

#[tokio::test]
async fn a_mail_is_previewed_in_every_language_and_its_frame_can_run_nothing() {
    let console = Console::open(&alone(), &[]).await;
    let page = console.get("/mail").await;
    for told in ["Welcome", "value=\"de\"", "sandbox", "/mail/html?language="] {
        assert!(page.says(told), "{told}: {}", page.body);
    }
    assert!(console.get("/mail?language=de&look=narrow").await.says("Willkommen"));
    let [light, dark] = ["light", "dark"].map(|look| format!("/mail/html?language=de&look={look}&example=2"));
    let (light, dark) = (console.get(&light).await, console.get(&dark).await);
    for reply in [&light, &dark] {
        let policy = &reply.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline'; img-src data:;"), "{policy}");
        assert!(policy.contains("frame-ancestors 'self'") && policy.ends_with("sandbox"), "{policy}");
        assert_eq!(reply.headers["x-frame-options"], "SAMEORIGIN");
        assert!(reply.says("src=\"data:image/png;base64,") && !reply.says("cid:"), "{}", reply.body);
    }
    assert_ne!(light.body, dark.body);
    let mut env = alone();
    env.insert("MAIL_TEMPLATES".to_owned(), "/nowhere".to_owned());
    let console = Console::open(&env, &[]).await;
    assert!(console.get("/mail").await.says("MAIL_TEMPLATES /nowhere"), "{}", console.get("/mail").await.body);
}

#[tokio::test]
async fn the_doctors_findings_come_with_their_remedies_when_somebody_asks() {
    let console = Console::open(&alone(), &[]).await;
    let page = console.get("/doctor").await;
    assert!(page.says("Look now") && !page.says("REDIS_URL"), "{}", page.body);
    let page = console.get("/doctor?look=now").await;
    assert!(page.says("REDIS_URL must be set") && page.says("SMTP_URL must be set"), "{}", page.body);

    let (world, smtp, redis) = tokio::join!(World::start(), SmtpServer::start(), RedisServer::start(Keep::Nothing));
    let queue = world.queue("email", HIDDEN).await;
    let mut env = environment(&world, &smtp.url());
    env.extend([("EMAIL_QUEUE_URL".to_owned(), queue.url.clone()), ("REDIS_URL".to_owned(), redis.url())]);
    let console = Console::open(&env, &[]).await;
    let page = console.get("/doctor?look=now").await;
    assert!(page.says("level-ok") && page.says("<h2>email</h2>") && page.says(" ok, "), "{}", page.body);
    assert!(page.says("→"), "a queue without a subscription or a Redis that forgets has a remedy: {}", page.body);
}

#[tokio::test]
async fn a_console_whose_servers_are_away_says_so_on_each_page() {
    let console = Console::open(&alone(), &["--write"]).await;
    let page = console.get("/").await;
    assert!(page.status == 200 && page.says("email") && page.says("class=\"problem\""), "{}", page.body);
    assert!(console.get("/deeds").await.says("REDIS_URL is not set"));
    let page = console.get("/record?subject=7").await;
    assert!(page.status == 409 && page.says("REDIS_URL is not set for this console"), "{}", page.body);
    assert_eq!(console.get("/reactions/nobody/pause").await.status, 404);
    assert_eq!(console.get("/jobs/7").await.status, 404);
    assert_eq!(console.get("/jobs/seven").await.status, 400);
}
