//! The overview: what it says stays true while it changes, with a script and without; a reaction is paused and goes on.

use super::{SOON, console, end, on};
use crate::world::World;
use crate::world::processes::execute;

const VISIBLE: &str = "#reactions tr:has(th:text-is('email')) td[data-label=Visible]";
const DEAD: &str = "#reactions tr:has(th:text-is('email')) td[data-label=Dead]";

#[tokio::test]
async fn the_overview_stays_true_while_queues_fill_and_others_pause_and_resume() {
    let world = World::start().await;
    let (email, profile) = world.email_and_profile(SOON).await;
    let env = on(&world, &[("email", &email), ("profile", &profile)]);
    let (console, mut browser) = console(&env, &["--write"]).await;
    assert_eq!(browser.path().await, "/", "the token is gone from the address");
    browser.shows(VISIBLE, "0").await;
    browser.looks_well("overview-quiet").await;
    world.send_all(&email, &vec!["{}".to_owned(); 7]).await;
    world.sqs.send_message().queue_url(&email.dlq_url).message_body("{}").send().await.unwrap();
    browser.shows(VISIBLE, "7").await;
    browser.shows(DEAD, "1").await;

    let paused = execute(&env, &["pause", "email", "--why", "the provider is down", "--as", "jonas"]).await;
    assert_eq!(paused.status.code(), Some(0));
    browser.sees("paused by jonas: the provider is down").await;
    browser.looks_well("overview").await;
    assert_eq!(execute(&env, &["resume", "email"]).await.status.code(), Some(0));
    browser.misses("paused by jonas").await;
    end((console, browser)).await;
}

#[tokio::test]
async fn a_reaction_is_paused_and_resumed_from_its_page_with_a_script_and_without() {
    let world = World::start().await;
    let (email, profile) = world.email_and_profile(SOON).await;
    let (console, mut browser) = console(&on(&world, &[("email", &email), ("profile", &profile)]), &["--write"]).await;
    for (scripts, why) in [(true, "with a script"), (false, "without one")] {
        browser.scripts(scripts).await;
        browser.click("Pause email…").await;
        browser.sees("begin no receive later than 6 s").await;
        browser.looks_well("pause").await;
        browser.fill("For how long", "90d").await;
        browser.fill("Why", why).await;
        browser.click("Pause email").await;
        browser.sees("at most").await;
        browser.looks_well("pause-refused").await;
        browser.fill("For how long", "30m").await;
        browser.click("Pause email").await;
        browser.sees(&format!("paused by maria: {why}")).await;
        browser.click("Resume email").await;
        browser.misses("paused by maria").await;
    }
    end((console, browser)).await;
}

#[tokio::test]
async fn a_console_that_has_gone_is_told_on_the_page_that_is_still_open() {
    let world = World::start().await;
    let (email, profile) = world.email_and_profile(SOON).await;
    let (console, mut browser) = console(&on(&world, &[("email", &email), ("profile", &profile)]), &[]).await;
    assert_eq!(console.terminate().await, Some(0));
    browser.sees("since then the console does not answer").await;
}

#[tokio::test]
async fn who_has_no_session_or_looks_for_what_is_not_there_is_told_so_in_words() {
    let world = World::start().await;
    let (email, profile) = world.email_and_profile(SOON).await;
    let (console, mut browser) = console(&on(&world, &[("email", &email), ("profile", &profile)]), &[]).await;
    browser.press("Tab").await;
    assert_eq!(browser.focus().await, "To the content");
    assert_eq!(browser.open("/nowhere").await, 404);
    browser.looks_well("nowhere").await;
    browser.click("Log out").await;
    browser.sees("open the link that the console printed").await;
    browser.looks_well("logged-out").await;
    end((console, browser)).await;
}
