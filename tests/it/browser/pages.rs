//! The pages beside overview and letters: each shows what it is for, and its deed is done.

use super::{SOON, console, end, on};
use crate::world::browser::Browser;
use crate::world::processes::Worker;
use crate::world::smtp::SmtpServer;
use crate::world::{World, event};

#[tokio::test]
async fn a_users_record_is_shown_and_forgotten_once_a_person_says_so() {
    let (world, smtp) = tokio::join!(World::start(), SmtpServer::start());
    let (email, profile) = world.email_and_profile(SOON).await;
    let mut env = on(&world, &[("email", &email), ("profile", &profile)]);
    env.insert("SMTP_URL".to_owned(), smtp.url());
    let worker = Worker::start(&env);
    let user = world.id.clone();
    world.send(&email, &event(&user)).await;
    smtp.wait_for(1, SOON).await;
    world.drained(&email, SOON).await;
    assert_eq!(worker.terminate().await, Some(0));

    let (console, mut browser) = console(&env, &["--write"]).await;
    browser.click("Record").await;
    browser.fill("User’s id", &user).await;
    browser.click("Look").await;
    browser.sees("done").await;
    browser.looks_well("record").await;
    browser.click("Forget it…").await;
    browser.sees("Forgetting it lets the next event").await;
    browser.looks_well("forget").await;
    browser.tick("I mean it").await;
    browser.click("Forget it").await;
    browser.sees("forgotten").await;
    browser.click("Record").await;
    browser.fill("User’s id", &user).await;
    browser.click("Look").await;
    browser.sees("has not begun").await;
    browser.click("Deeds").await;
    browser.sees("forget").await;
    browser.looks_well("deeds").await;
    end((console, browser)).await;
}

#[tokio::test]
async fn each_page_of_a_console_that_may_publish_looks_well_and_an_event_goes_to_its_topic() {
    let world = World::start().await;
    let (email, profile) = world.email_and_profile(SOON).await;
    let mut env = on(&world, &[("email", &email), ("profile", &profile)]);
    env.insert("USER_EVENTS_TOPIC_ARN".to_owned(), world.topic(&[&email]).await);
    let (console, mut browser) = console(&env, &["--write", "--allow-publish"]).await;
    browser.click("Mail").await;
    browser.sees("Subject:").await;
    assert_eq!(browser.count("main iframe[sandbox]").await, 1);
    browser.looks_well("mail").await;
    browser.click("Doctor").await;
    browser.click("Look now").await;
    browser.sees("Look again").await;
    browser.looks_well("doctor").await;
    browser.open("/retrying").await;
    browser.looks_well("retrying").await;
    browser.click("Event").await;
    browser.fill("Type", "user.signed_up").await;
    browser.fill("Its fields", r#"{"userId": "u-1"}"#).await;
    let publish = async |browser: &mut Browser| {
        browser.click("Publish").await;
        browser.confirm("Publish").await;
    };
    publish(&mut browser).await;
    browser.sees("the event has no field").await;
    browser.looks_well("event").await;
    browser.fill("Its fields", r#"{"userId": "u-1", "email": "u-1@example.com"}"#).await;
    publish(&mut browser).await;
    browser.sees("Published event").await;
    crate::world::eventually("the event", SOON, async || (world.depth(&email.url).await.visible == 1).then_some(()))
        .await;
    end((console, browser)).await;
}

#[tokio::test]
async fn a_password_is_asked_for_where_one_is_set_and_a_wrong_one_is_refused_in_words() {
    let world = World::start().await;
    let (email, profile) = world.email_and_profile(SOON).await;
    let mut env = on(&world, &[("email", &email), ("profile", &profile)]);
    env.insert("CONSOLE_PASSWORD".to_owned(), "correct-horse-battery".to_owned());
    let (console, mut browser) = console(&env, &[]).await;
    browser.sees("Log in").await;
    browser.looks_well("login").await;
    browser.fill("Password", "incorrect").await;
    browser.click("Log in").await;
    browser.sees("That is not the password.").await;
    browser.looks_well("login-refused").await;
    browser.fill("Password", "correct-horse-battery").await;
    browser.click("Log in").await;
    browser.sees("Overview").await;
    end((console, browser)).await;
}
