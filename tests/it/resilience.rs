//! What is down for a while loses nothing, and holds up nobody else.

use std::time::Duration;

use tokio::time::{Instant, interval};
use user_events::profiles::redis::RedisProfiles;

use crate::world::http::get;
use crate::world::patience::at_this_pace;
use crate::world::processes::{Worker, both, environment};
use crate::world::smtp::{Phase, Reaction, SmtpServer};
use crate::world::{EMPTY, TestQueue, World, address, event, eventually, redis};

#[tokio::test]
async fn a_mail_server_down_for_20_s_delays_fifty_mails_and_nothing_else() {
    const EVENTS: usize = 50;
    const OUTAGE: Duration = Duration::from_secs(20);
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (port, env_smtp) = (smtp.port(), smtp);
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    let worker = Worker::start(&both(&world, &env_smtp, &email, &profile));
    worker.says("\"running\"", Duration::from_secs(10)).await;

    env_smtp.stop().await;
    let down_since = Instant::now();
    let users: Vec<String> = (0..EVENTS).map(|n| format!("{}-{n}", world.id)).collect();
    let bodies: Vec<String> = users.iter().map(|user| event(user)).collect();
    tokio::join!(world.send_all(&email, &bodies), world.send_all(&profile, &bodies));

    // However long they take: the mail server does not come back before them.
    world.drained(&profile, OUTAGE).await;
    let link = redis();
    for user in &users {
        let stored = link.hash(&RedisProfiles::key(&user.parse().unwrap())).await.unwrap();
        assert_eq!(stored["email"], address(user), "a profile made while no mail could go out");
    }
    let mut ticks = interval(Duration::from_secs(1));
    while down_since.elapsed() < OUTAGE {
        ticks.tick().await;
        assert_eq!(world.depth(&email.dlq_url).await, EMPTY, "an outage must not fill the DLQ");
    }

    let back = SmtpServer::start_on(port).await;
    let back_at = Instant::now();
    back.wait_for(EVENTS, Duration::from_secs(30)).await;
    println!("{EVENTS} mails within {:?} of the mail server's return", back_at.elapsed());
    world.drained(&email, Duration::from_secs(10)).await;
    assert!(users.iter().all(|user| back.accepted_to(&address(user)) == 1), "one mail each");
    assert_eq!((world.depth(&email.dlq_url).await, world.depth(&profile.dlq_url).await), (EMPTY, EMPTY));
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn a_worker_started_before_its_mail_server_waits_for_it_and_burns_no_attempt() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let port = smtp.port();
    smtp.stop().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    let user = format!("{}-u", world.id);
    world.send(&email, &event(&user)).await;
    let worker = Worker::start(&both(&world, &smtp, &email, &profile));
    worker.says("waiting", Duration::from_secs(10)).await;

    let back = SmtpServer::start_on(port).await;
    back.wait_for(1, Duration::from_secs(20)).await;
    let line = worker.says("\"outcome\":\"done\"", Duration::from_secs(5)).await;
    assert!(line.contains("\"attempt\":1"), "{line}");
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn a_mail_refused_for_its_recipient_is_quarantined_and_its_neighbours_are_sent() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    let users: Vec<String> = (0..5).map(|n| format!("{}-{n}", world.id)).collect();
    let refused = Reaction::Reply { at: Phase::Rcpt, code: 550, text: "no such user" };
    smtp.script_for(&address(&users[2]), vec![refused]);
    world.send_all(&email, &users.iter().map(|user| event(user)).collect::<Vec<_>>()).await;
    let worker = Worker::start(&both(&world, &smtp, &email, &profile));

    smtp.wait_for(4, Duration::from_secs(30)).await;
    world.drained(&email, Duration::from_secs(10)).await;
    let letters = eventually("a dead letter", Duration::from_secs(10), || async {
        let letters = world.dead_letters(&email).await;
        (!letters.is_empty()).then_some(letters)
    })
    .await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].1["failure.reason"], "mail_refused");
    assert_eq!(letters[0].1["failure.attempts"], "1");
    assert_eq!(smtp.accepted_to(&address(&users[2])), 0);
    let log = worker.log().join("\n");
    assert!(!log.contains("@example.com"), "an address in the log:\n{log}");
    assert_eq!(worker.terminate().await, Some(0));
}

/// A worker on a queue of some seconds' visibility, and one event for a user whose mails go as scripted.
async fn scripted(reactions: Vec<Reaction>) -> (World, SmtpServer, TestQueue, Worker, String) {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let queue = world.queue("email", at_this_pace(Duration::from_secs(4))).await;
    let user = format!("{}-u", world.id);
    smtp.script_for(&address(&user), reactions);
    let mut env = environment(&world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());
    // Before the fence a run is cut, behind it a reply is given up.
    for (name, seconds) in [("HANDLER_TIMEOUT", 2), ("SMTP_REPLY_TIMEOUT", 3)] {
        env.insert(name.to_owned(), format!("{}s", at_this_pace(Duration::from_secs(seconds)).as_secs()));
    }
    world.send(&queue, &event(&user)).await;
    let worker = Worker::start(&env);
    (world, smtp, queue, worker, user)
}

#[tokio::test]
async fn a_mail_server_silent_before_the_dot_sends_one_mail_and_no_doubt_about_it() {
    let silent = |at| async move {
        let (world, smtp, queue, worker, user) = scripted(vec![Reaction::Silent { at }]).await;
        smtp.wait_for(1, Duration::from_secs(40)).await;
        world.drained(&queue, Duration::from_secs(20)).await;
        let log = worker.log().join("\n");
        assert!(!log.contains("may be a duplicate"), "{at:?}: {log}");
        assert_eq!((smtp.accepted_to(&address(&user)), world.depth(&queue.dlq_url).await), (1, EMPTY), "{at:?}");
        assert_eq!(worker.terminate().await, Some(0));
    };
    tokio::join!(silent(Phase::Rcpt), silent(Phase::Data));
}

#[tokio::test]
async fn a_reply_lost_after_the_dot_sends_a_second_mail_with_the_same_message_id_and_no_third() {
    for lost in [Reaction::AcceptThenClose, Reaction::AcceptButNeverReply] {
        let (world, smtp, queue, worker, _user) = scripted(vec![lost]).await;
        smtp.wait_for(2, Duration::from_secs(40)).await;
        world.drained(&queue, Duration::from_secs(20)).await;
        let mails = smtp.accepted();
        assert_eq!(mails.len(), 2, "{lost:?}");
        assert_eq!(mails[0].message_id, mails[1].message_id, "{lost:?}");
        assert!(worker.log().join("\n").contains("may be a duplicate"), "{lost:?}: told of");
        assert_eq!(world.depth(&queue.dlq_url).await, EMPTY);
        assert_eq!(worker.terminate().await, Some(0));
    }
}

#[tokio::test]
async fn a_mail_server_that_throttles_pauses_the_queue_and_fills_no_dlq() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    smtp.script(Reaction::Reply { at: Phase::Dot, code: 454, text: "Throttling failure: rate exceeded" });
    let queue = world.queue("email", Duration::from_secs(30)).await;
    let users: Vec<String> = (0..20).map(|n| format!("{}-{n}", world.id)).collect();
    world.send_all(&queue, &users.iter().map(|user| event(user)).collect::<Vec<_>>()).await;
    let mut env = environment(&world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());
    let worker = Worker::start(&env);

    // The third wait in a row is of 20 s, less its jitter: by then it is clear that the tries grow rarer.
    worker.says("\"tries\":3", Duration::from_secs(60)).await;
    let tries = smtp.commands().iter().filter(|verb| *verb == "DATA").count();
    assert!(tries <= 12, "ten that were in flight and two alone, not {tries}");
    assert_eq!(world.depth(&queue.dlq_url).await, EMPTY);
    smtp.script(Reaction::Accept);
    smtp.wait_for(users.len(), Duration::from_secs(60)).await;
    world.drained(&queue, Duration::from_secs(20)).await;
    assert!(users.iter().all(|user| smtp.accepted_to(&address(user)) == 1), "one mail each");
    assert_eq!(world.depth(&queue.dlq_url).await, EMPTY);
    assert_eq!(worker.terminate().await, Some(0));
}

/// What the worker's `/readyz` says.
async fn ready(worker: &Worker) -> (u16, String) {
    get(&worker.address().await, "/readyz").await
}

#[tokio::test]
async fn a_server_that_refuses_every_mail_costs_three_letters_and_the_rest_go_out_once_it_takes_them() {
    const MAILS: usize = 30;
    let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
    let text = "Message rejected: Sending paused for this account.";
    smtp.script(Reaction::Reply { at: Phase::Dot, code: 554, text });
    let queue = world.queue_with("email", Duration::from_secs(30), 100).await;
    let users: Vec<String> = (0..MAILS).map(|n| format!("{}-{n}", world.id)).collect();
    world.send_all(&queue, &users.iter().map(|user| event(user)).collect::<Vec<_>>()).await;
    let mut env = environment(&world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());
    env.insert("REDIS_PREFIX".to_owned(), world.id.clone());
    let worker = Worker::start(&env);
    let red = || async {
        let (status, told) = ready(&worker).await;
        (status == 503 && told.contains("every event is refused: 554 at dot")).then_some(())
    };
    eventually("/readyz is red, with the code", Duration::from_secs(10), red).await;

    smtp.script(Reaction::Accept);
    // The next try is a quarter of a minute after the pause began; who was doubted waits for a whole one.
    let taken =
        || async { (smtp.accepted().len() >= MAILS - 3 && world.depth(&queue.url).await == EMPTY).then_some(()) };
    eventually("the rest is sent", Duration::from_secs(120), taken).await;
    let letters = world.dead_letters(&queue).await;
    assert!(letters.len() <= 3, "{} letters", letters.len());
    for (_, said) in &letters {
        assert_eq!((said["failure.reason"].as_str(), said["failure.detail"].as_str()), ("mail_refused", "554 at dot"));
    }
    assert_eq!(smtp.accepted().len(), MAILS - letters.len());
    assert!(users.iter().all(|user| smtp.accepted_to(&address(user)) <= 1), "each once");
    assert_eq!(ready(&worker).await, (200, "email: ready\n".to_owned()));
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn nine_refused_mails_hold_up_no_good_one_and_each_letter_says_the_code() {
    let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
    let queue = world.queue_with("email", Duration::from_secs(30), 100).await;
    let users: Vec<String> = (0..14).map(|n| format!("{}-{n}", world.id)).collect();
    for user in &users[..8] {
        smtp.script_for(
            &address(user),
            vec![Reaction::Reply { at: Phase::Rcpt, code: 501, text: "5.1.3 bad address" }],
        );
    }
    smtp.script_for(&address(&users[8]), vec![Reaction::Reply { at: Phase::Dot, code: 554, text: "5.7.1 spam" }]);
    let mut env = environment(&world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());
    let worker = Worker::start(&env);
    let bodies: Vec<String> = users.iter().map(|user| event(user)).collect();
    world.send_all(&queue, &bodies[..9]).await;
    let dead = || async { (world.depth(&queue.dlq_url).await.visible == 9).then_some(()) };
    eventually("nine are dead", Duration::from_secs(20), dead).await;

    let arrived = Instant::now();
    world.send_all(&queue, &bodies[9..]).await;
    smtp.wait_for(5, Duration::from_secs(20)).await;
    println!("five good mails within {:?} of their arrival", arrived.elapsed());
    let letters = world.dead_letters(&queue).await;
    let said = |detail: &str| letters.iter().filter(|(_, said)| said["failure.detail"] == detail).count();
    assert_eq!((said("501 5.1.3 at RCPT"), said("554 5.7.1 at dot")), (8, 1), "{letters:?}");
    assert!(letters.iter().all(|(_, said)| said["failure.reason"] == "mail_refused"));
    assert_eq!(ready(&worker).await.0, 200);
    assert_eq!(worker.terminate().await, Some(0));
}
