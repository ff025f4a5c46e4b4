//! Dead letters: what matches goes back, what is not allowed is refused, one is mended, and what a stranger wrote is text.

use serde_json::json;
use user_events::queue::{Attribute, DeadLetter, Failure};

use super::{SOON, console, end};
use crate::dlq::{Bench, original, visible};
use crate::world::event;
use crate::world::processes::{Worker, environment};
use crate::world::smtp::SmtpServer;

const LIST: &str = "/letters/profile";

fn failed(reason: &'static str, body: String, detail: &str, history: &str) -> DeadLetter {
    let failure = Failure { reason, handler: "profile", history: history.to_owned(), detail: detail.to_owned() };
    DeadLetter::new(&original(body, 0), "q", &failure).unwrap()
}

#[tokio::test]
async fn of_three_hundred_letters_a_person_sends_120_back_by_writing_their_number() {
    let bench = Bench::set_up().await;
    bench.bury_mixed(&[("conflict", 120), ("not_json", 94), ("mail_refused", 86)]).await;
    let (console, mut browser) = console(&bench.env, &["--write"]).await;
    browser.open(LIST).await;
    browser.sees("300 letters.").await;
    browser.looks_well("letters").await;
    browser.click("conflict").await;
    browser.sees("120 of 300 letters match.").await;
    browser.looks_well("letters-filtered").await;
    browser.click_like("Redrive 120").await;
    browser.sees("120 of 300 letters would go back").await;
    browser.fill("To do it, write their number, 120", "300").await;
    browser.click("Redrive 120").await;
    browser.sees("That is another number: nothing was done.").await;
    browser.looks_well("letters-confirm").await;
    assert_eq!(bench.depths().await, (visible(0), visible(300)));
    browser.fill("To do it, write their number, 120", "120").await;
    browser.click("Redrive 120").await;
    browser.sees("120 letters went back").await;
    browser.looks_well("job-ended").await;
    browser.click("Back").await;
    browser.sees("180 letters.").await;
    assert_eq!(bench.depths().await, (visible(120), visible(180)));
    end((console, browser)).await;
}

#[tokio::test]
async fn a_read_only_console_shows_letters_offers_no_deed_and_refuses_to_drop() {
    let bench = Bench::set_up().await;
    bench.bury_mixed(&[("conflict", 3)]).await;
    let (console, mut browser) = console(&bench.env, &[]).await;
    browser.open(LIST).await;
    browser.sees("3 letters.").await;
    browser.sees("read-only").await;
    assert_eq!(browser.count("main form[method=post], main a.button").await, 0);
    browser.looks_well("letters-read-only").await;
    browser.open(&format!("{LIST}/drop")).await;
    browser.sees("This console is read-only").await;
    assert_eq!(browser.count("main form[method=post]").await, 0);
    assert_eq!(browser.send(&format!("{LIST}/drop"), "letters=3").await, 403);
    assert_eq!(bench.depths().await, (visible(0), visible(3)));
    end((console, browser)).await;
}

#[tokio::test]
async fn a_letter_that_lacks_a_field_is_mended_on_its_page_without_a_script_and_becomes_a_mail() {
    let mut bench = Bench::set_up().await;
    let (smtp, user) = (SmtpServer::start().await, bench.world.id.clone());
    let lacking = json!({ "type": "user.signed_up", "userId": user, "eventId": "e-1" }).to_string();
    let history = "timeout@1795798683000 failed@1795798743000";
    bench.bury(&[failed("missing_field", lacking, "email: must be there", history)]).await;
    let queue = bench.env.remove("PROFILE_QUEUE_URL").unwrap();
    bench.env.insert("EMAIL_QUEUE_URL".to_owned(), queue.clone());
    let (console, mut browser) = console(&bench.env, &["--write"]).await;
    let label = "The event as JSON";
    for scripts in [true, false] {
        browser.scripts(scripts).await;
        browser.open("/letters/email").await;
        browser.sees("1 letter.").await;
        browser.click_in("#list tbody").await;
        browser.sees("email: must be there").await;
        browser.looks_well("letter").await;
        browser.click("Show addresses, and edit").await;
        let draft = browser.value(label).await;
        browser.fill(label, &draft.replacen('{', "{\"email\": \"nobody\",", 1)).await;
        browser.click("Send the edited event").await;
        if scripts {
            assert_eq!(browser.focus().await, "Leave it", "the key that is nearest does no harm");
            browser.press("Enter").await;
            assert_eq!(browser.count("dialog").await, 0);
            browser.click("Send the edited event").await;
            browser.confirm("Send the edited event").await;
        }
        browser.sees("email: must be an address").await;
        browser.looks_well("letter-edited").await;
    }
    let kept = browser.value(label).await;
    browser.fill(label, &kept.replace("nobody", &format!("{user}@example.com"))).await;
    browser.click("Send the edited event").await;
    browser.sees("1 letter went back").await;
    let mut env = environment(&bench.world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue);
    let worker = Worker::start(&env);
    smtp.wait_for(1, SOON).await;
    assert_eq!(smtp.accepted_to(&format!("{user}@example.com")), 1);
    assert_eq!(worker.terminate().await, Some(0));
    end((console, browser)).await;
}

#[tokio::test]
async fn what_a_stranger_wrote_is_text_and_neither_runs_nor_turns_nor_moves_the_page() {
    let bench = Bench::set_up().await;
    let script = "<script>document.title='taken'</script><img src=x onerror=alert(1)>";
    let odd = "\u{1b}[2J\u{202e}turned\u{2066}\u{200b}";
    let hostile = event("u").replacen('{', &format!("{{\"x\":{},", json!(format!("{script}{odd}"))), 1);
    let large = event("v").replacen('{', &format!("{{\"x\":\"{}\",", "<b>&".repeat(250_000)), 1);
    let mut named = failed("conflict", event("w"), script, "");
    named.attributes.insert("strange".to_owned(), Attribute::string(format!("{script}\u{202e}turned")));
    bench.bury(&[failed("not_json", hostile, "", ""), failed("too_large", large, "", ""), named]).await;
    let (console, mut browser) = console(&bench.env, &["--write"]).await;
    for reason in ["not_json", "too_large", "conflict"] {
        browser.open(&format!("{LIST}?reason={reason}")).await;
        browser.sees("1 of 3 letters match.").await;
        browser.click_in("#list tbody").await;
        browser.sees("Show addresses, and edit").await;
        let shown = browser.text("body").await;
        assert_eq!(shown.chars().find(|c| "\u{1b}\u{202e}\u{2066}\u{200b}".contains(*c)), None, "{reason}");
        assert_eq!(browser.count("main script, main img, main b b").await, 0, "{reason}");
        if reason != "too_large" {
            assert!(shown.contains("<script>document.title") && shown.contains("turned"), "{shown}");
            browser.looks_well(&format!("letter-{reason}")).await;
        }
    }
    end((console, browser)).await;
}
