//! Dead letters on the console's pages: shown as text, chosen by a filter, sent back, dropped and edited as the commands do.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use user_events::queue::{DeadLetter, Failure};

use crate::dlq::{Bench, original, visible};
use crate::world::aws_faults::{DELETE, Fault, SqsProxy};
use crate::world::console::{Console, Reply};
use crate::world::processes::{Worker, environment};
use crate::world::smtp::SmtpServer;
use crate::world::{event, eventually};

const WITHIN: Duration = Duration::from_secs(30);
const LIST: &str = "/letters/profile";
const WRITES: &[&str] = &["--write", "--as", "anna"];
/// How many letters the long redrives have. `CONSOLE_LETTERS=5000` is the long form.
const LETTERS: usize = 400;

fn letters() -> usize {
    std::env::var("CONSOLE_LETTERS").map_or(LETTERS, |count| count.parse().expect("a number"))
}

fn failed(reason: &'static str, body: String, detail: &str, history: &str) -> DeadLetter {
    let failure = Failure { reason, handler: "profile", history: history.to_owned(), detail: detail.to_owned() };
    DeadLetter::new(&original(body, 0), "q", &failure).unwrap()
}

/// The only letter's page.
async fn only(console: &Console) -> Reply {
    let list = console.until(LIST, &format!("href=\"{LIST}/")).await;
    let rest = list.body.split(&format!("href=\"{LIST}/")).find(|rest| rest.as_bytes()[8] == b'-').expect("a letter");
    console.visit(&format!("{LIST}/{}", &rest[..36])).await
}

/// Confirms a deed on what the filter selects, and waits for the job's end.
async fn confirm(console: &Console, deed: &str, query: &str, number: &str, more: &[(&str, &str)]) -> Reply {
    let asks = console.visit(&format!("{LIST}/{deed}?{query}")).await;
    console.fill(&asks, &format!("{LIST}/{deed}"), &[&[("letters", number)], more].concat()).await
}

async fn ended(console: &Console, job: &Reply) -> Reply {
    assert!(job.path.starts_with("/jobs/"), "{}: {}", job.path, job.body);
    console.until(&job.path, ">Back</a>").await
}

#[tokio::test]
async fn of_three_hundred_letters_those_that_match_go_back_once_a_person_has_written_their_number() {
    let bench = Bench::set_up().await;
    bench.bury_mixed(&[("conflict", 120), ("not_json", 180)]).await;
    let console = Console::open(&bench.env, WRITES).await;
    let list = console.until(LIST, "300 letters.").await;
    assert!(list.says("Page 1 of 6") && list.says("Redrive 300"), "{}", list.body);
    assert_eq!(bench.depths().await, (visible(0), visible(300)), "a look leaves all of them visible");
    let some = console.visit(&format!("{LIST}?reason=conflict&page=3")).await;
    assert!(some.says("120 of 300 letters match.") && some.says("Page 3 of 3"), "{}", some.body);
    assert_eq!(some.body.matches(">conflict</td>").count(), 20);
    assert!(!some.says(">not_json</td>"));

    for wrong in ["", "12", "300", "yes"] {
        let refused = confirm(&console, "redrive", "reason=conflict", wrong, &[]).await;
        assert_eq!(refused.status, 422, "{}", refused.body);
        assert!(refused.says("nothing was done"), "{}", refused.body);
    }
    let asks = console.visit(&format!("{LIST}/redrive?reason=conflict")).await;
    assert!(asks.says("<strong>120</strong> of 300 letters would go back"), "{}", asks.body);
    let looked = console.until(&format!("{LIST}?look=1"), "300 letters.").await;
    assert!(!looked.path.contains("look="), "{}", looked.path);
    let late = console.fill(&asks, &format!("{LIST}/redrive"), &[("letters", "120")]).await;
    assert!(late.status == 422 && late.says("The letters have changed"), "{}", late.body);
    assert_eq!(bench.depths().await, (visible(0), visible(300)));

    let job = confirm(&console, "redrive", "reason=conflict", "120", &[]).await;
    let end = ended(&console, &job).await;
    assert!(end.says("120 letters went back to"), "{}", end.body);
    assert_eq!(bench.depths().await, (visible(120), visible(180)));
    let list = console.visit(LIST).await;
    assert!(list.says("180 letters.") && !list.says("conflict"), "{}", list.body);
    let told = console.process.says("by hand", WITHIN).await;
    assert!(["redrive", "anna", "profile", "reason=conflict", "120"].iter().all(|word| told.contains(word)), "{told}");
}

#[tokio::test]
async fn letters_are_dropped_only_where_writing_is_allowed() {
    let bench = Bench::set_up().await;
    bench.bury_mixed(&[("conflict", 3), ("not_json", 4)]).await;
    let reader = Console::open(&bench.env, &[]).await;
    let list = reader.until(LIST, "7 letters.").await;
    let asks = reader.visit(&format!("{LIST}/drop?reason=conflict")).await;
    assert!(asks.says("read-only") && !asks.has_form(&format!("{LIST}/drop")), "{}", asks.body);
    assert!(!list.says("Drop 7") && !list.says("Redrive 7"), "{}", list.body);
    let forced = reader.post(&format!("{LIST}/drop"), &[("reason", "conflict"), ("letters", "3"), ("look", "1")]).await;
    assert!(forced.status == 403 && forced.says("read-only"), "{}: {}", forced.status, forced.body);
    assert_eq!(bench.depths().await, (visible(0), visible(7)));

    let writer = Console::open(&bench.env, WRITES).await;
    writer.until(LIST, "7 letters.").await;
    let job = confirm(&writer, "drop", "reason=conflict", "3", &[]).await;
    assert!(ended(&writer, &job).await.says("3 letters were dropped"));
    assert_eq!(bench.depths().await, (visible(0), visible(4)));
}

#[tokio::test]
async fn an_edited_letter_becomes_a_mail_and_an_edit_that_breaks_a_rule_is_refused_by_field_and_rule() {
    let mut bench = Bench::set_up().await;
    let (smtp, user) = (SmtpServer::start().await, bench.world.id.clone());
    let lacking = json!({ "type": "user.signed_up", "userId": user, "eventId": "e-1" });
    bench.bury(&[failed("missing_field", lacking.to_string(), "email: must be there", "")]).await;
    let queue = bench.env.remove("PROFILE_QUEUE_URL").unwrap();
    bench.env.insert("EMAIL_QUEUE_URL".to_owned(), queue.clone());
    let console = Console::open(&bench.env, WRITES).await;
    let list = console.until("/letters/email", "1 letter.").await;
    let id =
        &list.body.split("href=\"/letters/email/").find(|rest| rest.as_bytes()[8] == b'-').expect("a letter")[..36];
    let here = format!("/letters/email/{id}");
    let page = console.visit(&here).await;
    assert!(
        page.says("missing_field") && page.says("email: must be there") && !page.says("<textarea"),
        "{}",
        page.body
    );
    let open = console.fill(&page, &format!("{here}/reveal"), &[]).await;
    let draft = open.field("event");
    assert!(draft.contains(&user), "{draft}");
    console.process.says("reveal", WITHIN).await;

    let edit = format!("{here}/edit");
    let text = draft.replacen('{', "{\n  \"email\": \"nobody\",", 1);
    let refused = console.fill(&open, &edit, &[("event", &text)]).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.says("email: must be an address"), "{}", refused.body);
    assert_eq!(refused.field("event"), text, "what was written stays");
    let unchanged = console.fill(&open, &edit, &[("event", &draft.replace('\n', "\r\n"))]).await;
    assert!(unchanged.says("Nothing was edited"), "{}", unchanged.body);
    assert_eq!(bench.depths().await, (visible(0), visible(1)));

    let text = text.replace("nobody", &format!("{user}@example.com")).replace('\n', "\r\n");
    let job = console.fill(&refused, &edit, &[("event", &text)]).await;
    let end = ended(&console, &job).await;
    assert!(end.says("1 letter went back") && end.says("it is the event"), "{}", end.body);
    let mut env = environment(&bench.world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), queue);
    let worker = Worker::start(&env);
    smtp.wait_for(1, WITHIN).await;
    assert_eq!(smtp.accepted_to(&format!("{user}@example.com")), 1);
    assert_eq!(worker.terminate().await, Some(0));
}

#[tokio::test]
async fn an_edit_whose_console_was_killed_between_send_and_delete_and_that_is_made_again_has_one_effect() {
    if cfg!(not(feature = "failpoints")) {
        panic!("built without failpoints: run the tests by `make test` or `tests/run FILTER`");
    }
    let mut bench = Bench::set_up().await;
    let user = bench.world.id.clone();
    bench.bury(&[failed("invalid_field", event(&user).replace("example.com", "nowhere"), "", "")]).await;
    let mend = async |console: &Console| {
        let page = only(console).await;
        let here = page.path.clone();
        let open = console.fill(&page, &format!("{here}/reveal"), &[]).await;
        let text = open.field("event").replace("nowhere", "example.com");
        console.fill(&open, &format!("{here}/edit"), &[("event", &text)]).await
    };
    // The first time it is sent and cannot be deleted, the second time the console is killed after it was sent.
    let proxy = SqsProxy::start(&bench.world).await;
    proxy.set(DELETE, Fault::Reset);
    let direct = bench.env.insert("AWS_ENDPOINT_URL".to_owned(), proxy.url());
    let console = Console::open(&bench.env, WRITES).await;
    let job = mend(&console).await;
    let end = ended(&console, &job).await;
    assert!(end.says("could not be deleted"), "{}", end.body);
    bench.env.extend(direct.map(|url| ("AWS_ENDPOINT_URL".to_owned(), url)));
    bench.env.insert("FAILPOINTS".to_owned(), "redriven=kill".to_owned());
    let mut console = Console::open(&bench.env, WRITES).await;
    // It may die before it answers.
    let _ = mend(&console).await;
    assert_eq!(console.process.exit(WITHIN).await, None, "it was killed");
    let (source, dlq) = bench.depths().await;
    assert_eq!((source, dlq.visible + dlq.in_flight), (visible(2), 1), "the same event twice, and its letter");

    bench.has_one_effect_of_two().await;
}

#[tokio::test]
async fn whatever_a_letter_holds_is_shown_as_text_and_its_addresses_only_where_asked_for() {
    let bench = Bench::set_up().await;
    let marker = "<script>alert(1)</script>";
    let hostile = json!({
        "type": format!("\u{1b}[31m{marker} bert@example.com"), "userId": "\u{202e}drow", "email": "anna@example.com",
        "other": "Anna <anna@example.com>", "filler": "x".repeat(1_000_000),
    });
    let detail = format!("{marker} \u{1b}]0;title\u{7}");
    bench.bury(&[failed("conflict", hostile.to_string(), &detail, &format!("{marker}@1795721586687 odd"))]).await;
    let console = Console::open(&bench.env, WRITES).await;
    let list = console.until(LIST, "1 letter.").await;
    let page = only(&console).await;
    let open = console.fill(&page, &format!("{}/reveal", page.path), &[]).await;
    for (page, asked_for) in [(&list, false), (&page, false), (&open, true)] {
        assert_eq!(page.status, 200, "{}", page.path);
        assert!(!page.says(marker) && !page.says('\u{1b}'.encode_utf8(&mut [0; 4])), "{}", page.path);
        assert_eq!(page.says("anna@example.com"), asked_for, "{}", page.path);
        assert_eq!(page.says("bert@example.com"), asked_for, "a type is foreign, too: {}", page.path);
    }
    assert!(page.says("&lt;script&gt;") && page.says("***@***") && !page.says("\u{202e}"), "it is shown as text");
    assert!(page.body.len() > 1_000_000, "all of it");
    let draft: Value = serde_json::from_str(&open.field("event")).expect("JSON, as it came");
    assert_eq!(draft, hostile);
    let odd = format!("{LIST}/%3Cscript%3E%0d%0aset-cookie:%20a=b");
    let odd = console.visit(&odd).await;
    assert!(odd.status == 404 && !odd.headers.contains_key("set-cookie") && !odd.says("<script>a"), "{}", odd.body);
    let filtered = console.visit(&format!("{LIST}?reason=%3Cscript%3E&detail=%22%3E%3Cb%3E&age=%22%3E")).await;
    assert!(filtered.says("age must be like") && !filtered.says("\"><b>"), "{}", filtered.body);
}

#[tokio::test]
async fn a_long_redrive_says_how_far_it_is_and_stops_when_it_is_told_to() {
    let bench = Bench::set_up().await;
    let all = letters();
    bench.bury_mixed(&[("conflict", all)]).await;
    let mut console = Console::open(&bench.env, WRITES).await;
    console.until(LIST, &format!("{all} letters.")).await;
    let rate = (all / 10).min(500).to_string();
    let job = confirm(&console, "redrive", "", &all.to_string(), &[("rate", &rate)]).await;
    let begun = async || {
        let page = console.visit(&job.path).await;
        let done = page.body.split("<progress value=\"").nth(1)?.split('"').next()?.parse::<usize>().ok()?;
        assert!(page.says(&format!("of {all}")), "{}", page.body);
        (done > 0).then_some(page)
    };
    let page = eventually("the page tells of letters that went back", WITHIN, begun).await;
    // Only one thing at a time is done to a reaction's letters.
    let other = confirm(&console, "drop", "", &all.to_string(), &[]).await;
    assert!(other.status == 409 && other.says("another job is at work"), "{}: {}", other.status, other.body);
    console.fill(&page, &format!("{}/stop", job.path), &[]).await;
    let end = ended(&console, &job).await;
    assert!(end.says("stopped, "), "{}", end.body);
    let (source, dlq) = bench.depths().await;
    assert_eq!((source.visible + dlq.visible, dlq.in_flight), (u32::try_from(all).unwrap(), 0));
    assert!(source.visible > 0 && dlq.visible > 0, "{source:?} {dlq:?}");

    // Told to end, the console first gives back what it holds.
    let left = dlq.visible.to_string();
    console.until(LIST, &format!("{left} letters.")).await;
    confirm(&console, "redrive", "", &left, &[("rate", "5")]).await;
    console.process.signal("INT");
    assert_eq!(console.process.exit(WITHIN).await, Some(0));
    let (source, dlq) = bench.depths().await;
    assert_eq!((source.visible + dlq.visible, dlq.in_flight), (u32::try_from(all).unwrap(), 0));
}

#[tokio::test]
async fn a_redrive_whose_console_was_killed_midway_loses_no_letter() {
    if cfg!(not(feature = "failpoints")) {
        panic!("built without failpoints: run the tests by `make test` or `tests/run FILTER`");
    }
    let mut bench = Bench::set_up().await;
    let all = letters();
    bench.bury_mixed(&[("conflict", all)]).await;
    bench.env.insert("FAILPOINTS".to_owned(), "redriven=kill:0.2".to_owned());
    let mut console = Console::open(&bench.env, WRITES).await;
    console.until(LIST, &format!("{all} letters.")).await;
    let _ = confirm(&console, "redrive", "", &all.to_string(), &[]).await;
    assert_eq!(console.process.exit(WITHIN).await, None, "it was killed");
    let (source, dlq) = (bench.peek(&bench.queue.url).await, bench.peek(&bench.queue.dlq_url).await);
    let is_in = |text: &str, n: usize| text.contains(&format!("event-conflict-{n}\\\""));
    let lost: Vec<usize> = (0..all).filter(|n| !is_in(&source, *n) && !is_in(&dlq, *n)).collect();
    assert_eq!(lost, [0; 0], "in neither of the two");
}

#[tokio::test]
async fn a_look_that_cannot_be_made_is_said_in_words() {
    let bench = Bench::set_up().await;
    let mut env: BTreeMap<String, String> = bench.env.clone();
    env.insert("PROFILE_QUEUE_URL".to_owned(), format!("{}-gone", bench.queue.url));
    let console = Console::open(&env, WRITES).await;
    let page = console.visit(LIST).await;
    assert_eq!(page.status, 503, "{}", page.body);
    assert!(page.says("the queue of `profile`"), "{}", page.body);
    let whose = console.visit("/letters").await;
    assert!(whose.status == 503 && whose.path == LIST, "of one reaction there is no choice: {}", whose.path);
    let nobody = console.visit("/letters/nobody").await;
    assert_eq!(nobody.status, 404, "{}", nobody.body);
}
