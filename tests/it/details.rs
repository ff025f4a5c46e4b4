//! Why a letter is dead, as `dlq` tells it: by reason, by field and rule, and by reasons that there are.

use user_events::queue::{DeadLetter, Failure};

use crate::dlq::{Bench, original};
use crate::world::event;

#[tokio::test]
async fn letters_are_counted_by_what_was_wrong_and_a_reason_that_does_not_exist_is_a_usage_fault() {
    let bench = Bench::set_up().await;
    let of = |reason, detail: &str, history: &str| {
        let (history, detail) = (history.to_owned(), detail.to_owned());
        let failure = Failure { reason, handler: "profile", history, detail };
        DeadLetter::new(&original(event("anna"), 0), "q", &failure).unwrap()
    };
    let (user, email) = ("userId: must be 1 to 256 bytes without control characters", "email: must be there");
    let missing = of("missing_field", email, "transient@1795721586687");
    bench.bury(&[missing.clone(), missing, of("invalid_field", user, "")]).await;
    let told = bench.json(&["dlq", "list", "--by-detail", "--json"]).await;
    let counts =
        told["details"].as_array().unwrap().iter().map(|line| (line["detail"].as_str(), line["count"].as_u64()));
    assert_eq!(counts.collect::<Vec<_>>(), [(Some(user), Some(1)), (Some(email), Some(2))]);

    let (code, table, stderr) = bench.run(&["dlq", "list", "--by-detail"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let is_whole = user.split(' ').all(|word| table.contains(word));
    assert!(is_whole && table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let only = bench.json(&["dlq", "list", "--reason", "missing_field", "--json"]).await;
    let letters = only["letters"].as_array().unwrap();
    assert_eq!((letters.len(), letters[0]["detail"].as_str()), (2, Some(email)));
    let (_, rows, _) = bench.run(&["dlq", "list", "--reason", "missing_field"]).await;
    assert_eq!(rows.matches(email).count(), 2, "{rows}");
    let (_, shown, _) = bench.run(&["dlq", "show", letters[0]["id"].as_str().unwrap()]).await;
    assert!(shown.contains(email) && shown.contains("2026-11-26T19:33:06.687Z transient"), "{shown}");

    for arguments in [&["list"][..], &["export"], &["redrive", "--yes"], &["drop", "--yes"]] {
        let (code, stdout, stderr) = bench.run(&[&["dlq"], arguments, &["--reason", "conflct"]].concat()).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains("conflct") && stderr.contains("conflict,") && stderr.contains("unknown"), "{stderr}");
    }
    let (code, stdout, _) = bench.run(&["dlq", "redrive", "--reason", "invalid_field", "--yes"]).await;
    assert!(code == Some(0) && stdout.contains("1 letter went back"), "{stdout}");
}
