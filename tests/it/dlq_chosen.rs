//! Which dead letters: by ids, by what they are like, in which order; and a person's word before anything is done.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use user_events::event::log_hash;
use user_events::queue::{DeadLetter, Failure};

use crate::dlq::{Bench, letter, original, reasons, visible};
use crate::world::processes::Worker;
use crate::world::tty::at_terminal;
use crate::world::{event, eventually};

const WITHIN: Duration = Duration::from_secs(30);

/// The ids of all letters, in the order of the list.
async fn ids(bench: &Bench, arguments: &[&str]) -> Vec<String> {
    let listed = bench.json(&[&["dlq", "list", "--json"], arguments].concat()).await;
    let letters = listed["letters"].as_array().unwrap();
    letters.iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect()
}

fn failed(reason: &'static str, body: String, detail: &str) -> DeadLetter {
    let failure = Failure { reason, handler: "profile", history: String::new(), detail: detail.to_owned() };
    DeadLetter::new(&original(body, 0), "q", &failure).unwrap()
}

#[tokio::test]
async fn one_letter_of_many_goes_back_and_another_is_dropped_by_their_ids() {
    let bench = Bench::set_up().await;
    bench.bury(&(0..30).map(|n| letter("conflict", event(&format!("u{n}")), 0)).collect::<Vec<_>>()).await;
    let all = ids(&bench, &[]).await;
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 30);
    let dry = bench.json(&["dlq", "redrive", &all[3][..13], &all[4], "--json"]).await;
    assert_eq!((&dry["dryRun"], &dry["selected"]), (&true.into(), &2.into()));
    assert_eq!(bench.depths().await, (visible(0), visible(30)), "a dry run changes nothing");
    let done = bench.json(&["dlq", "redrive", &all[3][..13], &all[4], "--yes", "--json"]).await;
    assert_eq!((&done["selected"], &done["moved"]), (&2.into(), &2.into()));
    assert_eq!(bench.depths().await, (visible(2), visible(28)));
    let done = bench.json(&["dlq", "drop", &all[7], "--yes", "--json"]).await;
    assert_eq!(done["moved"], 1);
    let left: BTreeSet<String> = ids(&bench, &[]).await.into_iter().collect();
    let gone: Vec<&String> = all.iter().filter(|id| !left.contains(*id)).collect();
    assert_eq!(gone, [&all[3], &all[4], &all[7]]);

    // What names no letter, several, or two things at once does nothing.
    for (arguments, word) in [
        (&["redrive", "00000000-dead", "--yes"][..], "no letter has an id that begins with 00000000-dead"),
        (&["redrive", &all[0], "00000000-dead", "--yes"], "no letter has an id"),
        (&["drop", "", "--yes"], "a letter's id"),
        (&["drop", &all[0], "--reason", "conflict", "--yes"], "their ids, or a reaction"),
        (&["redrive", &all[0], "--all", "--yes"], "their ids, or a reaction"),
        (&["redrive", "profile", &all[0], "--yes"], "their ids, or a reaction"),
        (&["redrive", "profle", "--yes"], "profile"),
        (&["redrive", "--edit", &all[0], "--reason", "conflict"], "cannot be used with"),
        (&["redrive", "--edit", &all[0], &all[1]], "cannot be used with"),
    ] {
        let (code, stdout, stderr) = bench.run(&[&["dlq"], arguments].concat()).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(word), "{arguments:?}: {stderr}");
    }
    assert_eq!(bench.depths().await, (visible(2), visible(27)));
}

#[tokio::test]
async fn letters_are_chosen_by_reason_detail_type_age_and_user_and_listed_in_the_order_asked_for() {
    let bench = Bench::set_up().await;
    let paid = json!({ "type": "order.paid", "userId": "anna", "eventId": "e-1" }).to_string();
    bench
        .bury(&[
            failed("missing_field", event("anna"), "email: must be there"),
            failed("invalid_field", event("bert"), "plan: must be a string"),
            failed("conflict", event("anna"), ""),
            failed("conflict", paid, ""),
        ])
        .await;
    let count = async |filter: &[&str]| ids(&bench, filter).await.len();
    assert_eq!(count(&["--user", "anna", "--type", "user.signed_up"]).await, 2);
    assert_eq!(count(&["--user", "anna", "--reason", "conflict"]).await, 1, "an order.paid is not of this reaction");
    assert_eq!(count(&["--type", "order.paid"]).await, 1);
    assert_eq!(count(&["--detail", "EMAIL:"]).await, 1);
    assert_eq!((count(&["--since", "1h"]).await, count(&["--since", "2100-01-01T00:00:00Z"]).await), (4, 0));
    assert_eq!(count(&["--limit", "2"]).await, 2);
    let by_reason = bench.json(&["dlq", "list", "--sort", "reason", "--json"]).await;
    let told = by_reason["letters"].as_array().unwrap().iter().map(|letter| letter["reason"].as_str().unwrap());
    assert_eq!(told.collect::<Vec<_>>(), ["conflict", "conflict", "invalid_field", "missing_field"]);
    let (mut oldest, newest) = (ids(&bench, &["--sort", "oldest"]).await, ids(&bench, &[]).await);
    assert_eq!(ids(&bench, &["--sort", "oldest", "--limit", "1"]).await, oldest[..1]);
    oldest.sort();
    let mut both = newest.clone();
    both.sort();
    assert_eq!(oldest, both);
    let listed = bench.json(&["dlq", "list", "--user", "bert", "--json"]).await;
    assert_eq!(listed["letters"][0]["user"], log_hash("bert").to_string());
    let (code, hash, _) = bench.run(&["subject", "bert"]).await;
    assert_eq!((code, hash.trim()), (Some(0), log_hash("bert").to_string().as_str()));

    let done = bench.json(&["dlq", "redrive", "--user", "anna", "--detail", "email", "--yes", "--json"]).await;
    assert_eq!((&done["moved"], &done["left"]), (&1.into(), &3.into()));
    let done = bench.json(&["dlq", "drop", "--type", "order.paid", "--yes", "--json"]).await;
    assert_eq!(done["moved"], 1);
    assert_eq!(bench.by_reason().await, reasons(&[("conflict", 1), ("invalid_field", 1)]));
}

#[tokio::test]
async fn at_a_terminal_nothing_is_done_before_a_person_has_written_the_number_of_letters() {
    let bench = Bench::set_up().await;
    let letters: Vec<_> = (0..12).map(|n| letter("conflict", event(&format!("u{n}")), 0)).collect();
    bench.bury(&letters).await;
    let drop = ["dlq", "drop", "--reason", "conflict"];
    for typed in ["yes\n", "1\n", "\n", "y\n"] {
        let (code, shown) = at_terminal(&bench.env, 80, &drop, typed).await;
        assert_eq!(code, Some(0), "{shown}");
        assert!(shown.contains("write their number, 12: ") && shown.contains("nothing was changed"), "{shown}");
    }
    assert_eq!(bench.depths().await, (visible(0), visible(12)));
    let (code, shown) = at_terminal(&bench.env, 80, &["dlq", "redrive", "--limit", "5"], "5\n").await;
    assert!(code == Some(0) && shown.contains("5 letters went back"), "{shown}");
    assert_eq!(bench.depths().await, (visible(5), visible(7)));
    let (code, shown) = at_terminal(&bench.env, 80, &["dlq", "redrive", "--all"], "7\n").await;
    assert!(code == Some(0) && shown.contains("SQS moved 7 letters"), "{shown}");
    assert_eq!(bench.depths().await, (visible(12), visible(0)));
}

#[tokio::test]
async fn a_list_that_is_interrupted_says_how_many_were_looked_at_and_shows_no_part_of_them() {
    let bench = Bench::set_up().await;
    let letters: Vec<_> = (0..300).map(|n| letter("conflict", event(&format!("u{n}")), 0)).collect();
    bench.bury(&letters).await;
    for arguments in [&["dlq", "list"][..], &["dlq", "redrive"]] {
        let mut looking = Worker::of(&bench.env, arguments);
        let begun = || async { (bench.depths().await.1.in_flight > 0).then_some(()) };
        eventually("it holds letters", WITHIN, begun).await;
        looking.signal("INT");
        assert_eq!(looking.exit(WITHIN).await, Some(130));
        let (told, shown) = (looking.log().join("\n"), looking.printed().await);
        assert!(told.ends_with("interrupted"), "{told}");
        let is_list = arguments[1] == "list";
        assert_eq!(is_list, shown.is_empty(), "{shown}");
        assert!(told.contains("looked at and left as they were") == is_list, "{told}");
        assert!(is_list || shown.contains("; not all were looked at"), "{shown}");
        assert_eq!(bench.depths().await, (visible(0), visible(300)));
    }
}
