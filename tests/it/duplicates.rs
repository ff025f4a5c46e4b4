//! Copies: whatever arrives how often, each user has one mail and one profile.

use std::time::Duration;

use user_events::profiles::redis::RedisProfiles;

use crate::world::processes::{Worker, both};
use crate::world::smtp::SmtpServer;
use crate::world::{EMPTY, World, address, event, eventually, redis};

#[tokio::test]
async fn two_hundred_events_published_three_times_and_shuffled_make_two_hundred_mails_and_profiles() {
    const USERS: usize = 200;
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(30)).await;
    let users: Vec<String> = (0..USERS).map(|n| format!("{}-{n}", world.id)).collect();
    let mut bodies: Vec<String> = users.iter().flat_map(|user| vec![event(user); 3]).collect();
    fastrand::shuffle(&mut bodies);
    tokio::join!(world.send_all(&email, &bodies), world.send_all(&profile, &bodies));

    let env = both(&world, &smtp, &email, &profile);
    let workers = [Worker::start(&env), Worker::start(&env)];
    smtp.wait_for(USERS, Duration::from_secs(90)).await;
    tokio::join!(world.drained(&email, Duration::from_secs(60)), world.drained(&profile, Duration::from_secs(60)));

    for worker in workers {
        assert_eq!(worker.terminate().await, Some(0));
    }
    assert_eq!(smtp.accepted().len(), USERS);
    for user in &users {
        assert_eq!(smtp.accepted_to(&address(user)), 1, "mails to {user}");
        let stored = redis().hash(&RedisProfiles::key(&user.parse().unwrap())).await.unwrap();
        assert_eq!((stored["email"].as_str(), stored["plan"].as_str()), (address(user).as_str(), "pro"));
    }
    assert_eq!((world.depth(&email.dlq_url).await, world.depth(&profile.dlq_url).await), (EMPTY, EMPTY));
}

#[tokio::test]
async fn one_user_in_all_spellings_of_an_address_gets_one_mail_and_no_dead_letter() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(10)).await;
    let worker = Worker::start(&both(&world, &smtp, &email, &profile));
    let user = format!("{}-spelled", world.id);
    let (domains, shouted) = (["bücher.example", "xn--bcher-kva.example", "BÜCHER.Example"], user.to_uppercase());
    for spelling in domains.iter().flat_map(|domain| [&shouted, &user].map(|local| format!("{local}@{domain}"))) {
        let event = event(&user).replace(&address(&user), &spelling);
        tokio::join!(world.send(&email, &event), world.send(&profile, &event));
    }
    smtp.wait_for(1, Duration::from_secs(30)).await;
    tokio::join!(world.drained(&email, Duration::from_secs(30)), world.drained(&profile, Duration::from_secs(30)));

    assert_eq!(worker.terminate().await, Some(0));
    assert_eq!(smtp.accepted().len(), 1);
    assert_eq!((world.depth(&email.dlq_url).await, world.depth(&profile.dlq_url).await), (EMPTY, EMPTY));
}

#[tokio::test]
async fn the_same_user_with_another_address_is_quarantined_as_a_conflict_and_gets_one_mail() {
    let world = World::start().await;
    let smtp = SmtpServer::start().await;
    let (email, profile) = world.email_and_profile(Duration::from_secs(10)).await;
    let worker = Worker::start(&both(&world, &smtp, &email, &profile));
    let user = format!("{}-u", world.id);
    world.send(&email, &event(&user)).await;
    smtp.wait_for(1, Duration::from_secs(30)).await;
    world.drained(&email, Duration::from_secs(10)).await;

    world.send(&email, &event(&user).replace("@example.com", "@example.org")).await;
    let letters = eventually("a dead letter", Duration::from_secs(20), || async {
        let letters = world.dead_letters(&email).await;
        (!letters.is_empty()).then_some(letters)
    })
    .await;

    assert_eq!(letters[0].1["failure.reason"], "conflict");
    assert_eq!(smtp.accepted().len(), 1);
    assert_eq!(worker.terminate().await, Some(0));
}
