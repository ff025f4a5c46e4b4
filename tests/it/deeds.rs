//! What people do by hand is told: who, what, to which and how many, how it ended; in the log and in Redis.

use user_events::audit::{Audit, Deed, KEPT};
use user_events::event::log_hash;
use user_events::redis_link::RedisLink;

use crate::dlq::{Bench, letter, visible};
use crate::world::event;
use crate::world::redis_server::{Keep, RedisServer};

fn audit(redis: &RedisServer) -> Audit {
    Audit::new(Some(RedisLink::new(&redis.url().into()).unwrap().under("staging:")))
}

/// Without its moment.
fn in_short(Deed { who, what, reaction, filter, many, outcome, .. }: &Deed) -> String {
    let many = many.map_or("-".to_owned(), |many| many.to_string());
    format!("{who} {what} {reaction} [{filter}] {many} {outcome}")
}

#[tokio::test]
async fn each_deed_is_told_by_whom_to_what_and_how_many_and_a_look_or_a_dry_run_is_none() {
    let (mut bench, redis) = tokio::join!(Bench::set_up(), RedisServer::start(Keep::Nothing));
    bench.bury(&(0..6).map(|n| letter("conflict", event(&format!("u{n}")), 0)).collect::<Vec<_>>()).await;
    bench.bury(&[letter("invalid_field", event("u7"), 0)]).await;
    let topic = bench.world.topic(&[]).await;
    for (name, value) in [
        ("REDIS_URL", redis.url().as_str()),
        ("REDIS_PREFIX", "staging:"),
        ("USER", "anna"),
        ("USER_EVENTS_TOPIC_ARN", &topic),
        ("EDITOR", "sed -i s/example.com/example.org/"),
        ("PATH", &std::env::var("PATH").unwrap()),
    ] {
        bench.env.insert(name.to_owned(), value.to_owned());
    }
    let listed = bench.json(&["dlq", "list", "--reason", "invalid_field", "--json"]).await;
    let id = listed["letters"][0]["id"].as_str().unwrap();
    let _: () = redis.command(&["HSET", "staging:idem:v1:{u9}:welcome_email", "st", "D"]).await;
    let mut logged = Vec::new();
    for (arguments, deed) in [
        (&["dlq", "redrive", "--user", "u1"][..], None),
        (&["dlq", "redrive", "--user", "u1", "--yes"], Some("redrive")),
        (&["dlq", "drop", "--reason", "conflict", "--limit", "2", "--as", "bert", "--yes"], Some("drop")),
        (&["dlq", "list"], None),
        (&["dlq", "redrive", "--reason", "conflict", "--yes"], Some("redrive")),
        (&["pause", "profile", "--for", "5m", "--why", "mail to a@b.example"], Some("pause")),
        (&["resume", "profile", "--as", "carla@acme.example"], Some("resume")),
        (&["resume", "profile"], None),
        (&["dlq", "redrive", "--edit", id], Some("edit")),
        (&["publish", "--type", "order.paid", "--data", "{}"], Some("publish")),
        (&["idem", "forget", "--reaction", "email", "u8", "--yes"], None),
        (&["idem", "forget", "--reaction", "email", "u9"], None),
        (&["idem", "forget", "--reaction", "email", "u9", "--yes"], Some("forget")),
    ] {
        let (code, stdout, stderr) = bench.run(arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
        assert!(!stdout.contains("by hand"), "{stdout}");
        assert_eq!(stderr.matches("by hand").count(), deed.iter().count(), "{arguments:?}: {stderr}");
        logged.extend(deed);
    }
    let told = audit(&redis).last(100).await.unwrap();
    assert_eq!(told.iter().rev().map(|deed| &*deed.what).collect::<Vec<_>>(), logged);
    let of = |n: usize| in_short(&told[told.len() - 1 - n]);
    assert_eq!(of(0), format!("anna redrive profile [subject={}] 1 done", log_hash("u1")));
    assert_eq!(of(1), "bert drop profile [reason=conflict limit=2] 2 done");
    assert_eq!(of(2), "anna redrive profile [reason=conflict] 3 done");
    assert!(of(3).starts_with("anna pause profile [5m: mail to ***] - until 2"), "{}", of(3));
    assert_eq!(of(4), "carla resume profile [] - done");
    assert_eq!(of(5), format!("anna edit profile [ids={id}] 1 done"));
    assert!(of(6).starts_with("anna publish  [topic=") && of(6).ends_with(" type=order.paid] 1 done"), "{}", of(6));
    assert_eq!(of(7), format!("anna forget email [subject={}] 1 it was done", log_hash("u9")));
    assert_eq!(bench.depths().await, (visible(5), visible(0)));

    // What SQS moves itself is a deed like any other.
    bench.bury(&[letter("conflict", event("u8"), 0)]).await;
    assert_eq!(bench.run(&["dlq", "redrive", "--all", "--yes"]).await.0, Some(0));
    assert_eq!(in_short(&audit(&redis).last(1).await.unwrap()[0]), "anna redrive profile [all] 1 done");
}

#[tokio::test]
async fn a_deed_is_done_though_redis_is_away_and_without_one_the_log_alone_tells_it() {
    let mut bench = Bench::set_up().await;
    bench.bury(&(0..2).map(|n| letter("conflict", event(&format!("u{n}")), 0)).collect::<Vec<_>>()).await;
    let drop = ["dlq", "drop", "--limit", "1", "--yes", "--json"];
    let (code, stdout, stderr) = bench.run(&drop).await;
    assert!(code == Some(0) && stdout.contains("\"moved\":1"), "{stdout}{stderr}");
    assert!(stderr.contains("by hand") && !stderr.contains("WARN"), "{stderr}");
    bench.env.insert("REDIS_URL".to_owned(), "redis://127.0.0.1:9".to_owned());
    let (code, stdout, stderr) = bench.run(&drop).await;
    assert!(code == Some(0) && stdout.contains("\"moved\":1"), "{stdout}{stderr}");
    assert!(stderr.contains("by hand") && stderr.contains("only this log tells of it: redis at"), "{stderr}");
    assert_eq!(bench.depths().await, (visible(0), visible(0)));
}

#[tokio::test]
async fn redis_keeps_the_last_thousand_deeds_and_tells_the_newest_first() {
    let redis = RedisServer::start(Keep::Nothing).await;
    let audit = audit(&redis);
    assert_eq!(audit.last(3).await.unwrap(), []);
    for n in 0..KEPT + 3 {
        audit.say(&Deed::new("anna", "drop", "email").of(n as u64)).await;
    }
    let told = audit.last(usize::MAX).await.unwrap();
    assert_eq!((told.len(), told[0].many, told[KEPT - 1].many), (KEPT, Some(KEPT as u64 + 2), Some(3)));
    assert_eq!(audit.last(1).await.unwrap(), told[..1]);
    let fields: usize = redis.command(&["HLEN", "staging:deeds"]).await;
    assert_eq!(fields, KEPT + 1, "the deeds, and the last one's number");
}
