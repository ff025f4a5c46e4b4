//! What the mail server says late or never: one mail, and every letter of a real worker has its reason.

use std::time::Duration;

use crate::world::patience::at_this_pace;
use crate::world::processes::{Worker, environment};
use crate::world::smtp::{Phase, Reaction, SmtpServer};
use crate::world::{EMPTY, World, address, event, eventually};

#[tokio::test]
async fn an_event_that_comes_twice_while_its_dot_is_answered_after_50_s_is_one_mail_and_no_letter() {
    let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
    smtp.script_for(&address(&world.id), vec![Reaction::Late { at: Phase::Dot, after: Duration::from_secs(50) }]);
    let queue = world.queue_with("email", at_this_pace(Duration::from_secs(6)), 5).await;
    let mut env = environment(&world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());
    let workers = [Worker::start(&env), Worker::start(&env)];
    world.send_all(&queue, &[event(&world.id), event(&world.id)]).await;
    smtp.wait_for(1, Duration::from_secs(60)).await;
    world.drained(&queue, Duration::from_secs(150)).await;
    assert_eq!((smtp.accepted_to(&address(&world.id)), world.depth(&queue.dlq_url).await), (1, EMPTY));
    for worker in workers {
        assert_eq!(worker.terminate().await, Some(0));
    }
}

#[tokio::test]
async fn where_every_reply_after_the_dot_is_lost_the_letter_says_outcome_unknown_on_the_last_receive() {
    let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
    smtp.script(Reaction::AcceptButNeverReply);
    let queue = world.queue_with("email", at_this_pace(Duration::from_secs(4)), 2).await;
    let mut env = environment(&world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue.url.clone());
    let reply = at_this_pace(Duration::from_secs(2));
    env.insert("SMTP_REPLY_TIMEOUT".to_owned(), format!("{}s", reply.as_secs()));
    let worker = Worker::start(&env);
    world.send(&queue, &event(&world.id)).await;
    let letter = || async { (world.depth(&queue.dlq_url).await.visible == 1).then_some(()) };
    eventually("a letter", Duration::from_secs(90), letter).await;
    let letters = world.dead_letters(&queue).await;
    assert_eq!(letters[0].1["failure.reason"], "outcome_unknown");
    assert_eq!((letters.len(), smtp.accepted_to(&address(&world.id))), (1, 2));
    assert_eq!(worker.terminate().await, Some(0));
}
