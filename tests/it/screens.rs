//! Every screen as somebody sees it: on 80 columns and on 60, in a locale without UTF-8, without colours, in a pipe, as
//! JSON.

use std::collections::BTreeMap;

use serde_json::Value;
use user_events::queue::{DeadLetter, Failure};

use crate::dlq::{Bench, original};
use crate::world::event;
use crate::world::processes::execute;
use crate::world::tty::at_terminal;

/// What is printed as JSON, too.
const IN_JSON: [&[&str]; 7] = [
    &["doctor"],
    &["status"],
    &["dlq", "list"],
    &["dlq", "list", "--by-reason"],
    &["dlq", "list", "--by-detail"],
    &["dlq", "redrive", "--reason", "invalid_field"],
    &["dlq", "drop", "--all"],
];

fn failed(reason: &'static str, detail: &str, history: &str) -> DeadLetter {
    let failure = Failure { reason, handler: "profile", history: history.to_owned(), detail: detail.to_owned() };
    DeadLetter::new(&original(event("anna"), 3), "q", &failure).unwrap()
}

/// Letters with little and with much to tell, and an environment in which `doctor` finds fault.
async fn bench() -> (Bench, String) {
    let mut bench = Bench::set_up().await;
    let long = "userId: must be 1 to 256 bytes without control characters";
    let history = "transient@1795721586687 timed_out@1795721600000 permanent@1795721700000";
    bench.bury(&[failed("invalid_field", long, ""), failed("attempts_exhausted", "café → 451 4.7.1", history)]).await;
    bench.env.insert("HTTP_ADDR".to_owned(), "127.0.0.1:0".to_owned());
    bench.env.insert("EMAIL_QUEUE_URL".to_owned(), format!("{}-gone", bench.queue.url));
    bench.env.insert("SMTP_URL".to_owned(), "smtp://127.0.0.1:1".to_owned());
    bench.env.insert("MAIL_FROM".to_owned(), "Acme <hello@acme.example>".to_owned());
    let arguments = ["dlq", "list", "--reason", "attempts_exhausted", "--json"];
    let listed = execute(&env_of(&bench, &arguments, &[]), &arguments).await;
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let id = listed["letters"][0]["id"].as_str().unwrap().to_owned();
    (bench, id)
}

/// The commands with a screen.
fn screens<'a>(id: &'a str, folder: &'a str) -> Vec<Vec<&'a str>> {
    let more: [&[&'a str]; 6] = [
        &["dlq", "show", id],
        &["dlq", "redrive", id],
        &["idem", "stats"],
        &["subject", "anna"],
        &["config"],
        &["demo", "--mails", folder],
    ];
    IN_JSON.iter().copied().chain(more).map(<[&str]>::to_vec).collect()
}

/// The environment of this command: that a queue is gone is shown by `doctor` and `status`; `dlq` needs each.
fn env_of(bench: &Bench, arguments: &[&str], more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut env = bench.env.clone();
    if arguments[0] == "dlq" {
        env.remove("EMAIL_QUEUE_URL");
    }
    env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    env
}

#[tokio::test]
async fn every_screen_fits_its_terminal_and_breaks_no_word_that_a_line_could_hold() {
    let (bench, id) = bench().await;
    let folder = tempfile::tempdir().unwrap();
    let mut wide = Vec::new();
    for columns in [80, 60] {
        for arguments in screens(&id, folder.path().to_str().unwrap()) {
            let env = env_of(&bench, &arguments, &[("NO_COLOR", "1")]);
            let (_, shown) = at_terminal(&env, columns, &arguments, "no\n").await;
            assert!(!shown.is_empty(), "{arguments:?}");
            assert!(!shown.contains('\x1b'), "{arguments:?} with colours:\n{shown}");
            // A word alone may be wider than any line: a queue's URL.
            let is_wide = |line: &&str| {
                line.chars().count() > columns
                    && line.split_whitespace().all(|word| word.chars().count() < columns - 20)
            };
            wide.extend(shown.lines().filter(is_wide).map(|line| format!("{columns} {arguments:?}: {line}")));
        }
    }
    assert!(wide.is_empty(), "\n{}", wide.join("\n"));
    let (_, doctor) = at_terminal(&env_of(&bench, &["doctor"], &[]), 60, &["doctor"], "").await;
    assert!(doctor.contains("\x1b[31mfail\x1b[0m") && doctor.contains('→'), "{doctor}");
}

#[tokio::test]
async fn help_and_complaints_fit_a_narrow_terminal_and_are_whole_in_a_pipe() {
    let (bench, id) = bench().await;
    let env = env_of(&bench, &["dlq"], &[]);
    let asked: [&[&str]; 8] = [
        &["--help"],
        &["dlq", "redrive", "--help"],
        &["dlq", "list", "-h"],
        &["run", "--help"],
        &["dlq", "list", "--reason", "conflct"],
        &["dlq", "show", "00000000-0000-0000-0000-000000000000"],
        &["dlq", "drop"],
        &["dlq", "drop", &id, "--reason", "conflict", "--yes"],
    ];
    for columns in [80, 60, 40] {
        for arguments in asked {
            let (_, shown) = at_terminal(&env, columns, arguments, "").await;
            // A word alone may be wider than any line, and so may a usage's brackets.
            let is_wide = |line: &&str| {
                line.chars().count() > columns && line.split_whitespace().all(|word| word.chars().count() < columns / 2)
            };
            let wide: Vec<_> = shown.lines().filter(is_wide).collect();
            assert!(!shown.is_empty() && wide.is_empty(), "{columns} {arguments:?}:\n{}", wide.join("\n"));
        }
    }
    let piped = execute(&env, &["dlq", "redrive", "--help"]).await;
    let piped = String::from_utf8(piped.stdout).unwrap();
    let (_, shown) = at_terminal(&env, 40, &["dlq", "redrive", "--help"], "").await;
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&shown), words(&piped), "a fold changes no word");
    assert!(piped.lines().any(|line| line.chars().count() > 80), "{piped}");
}

#[tokio::test]
async fn in_a_pipe_no_screen_has_colours_and_in_a_locale_without_utf_8_no_letter_beyond_ascii() {
    let (bench, id) = bench().await;
    let folder = tempfile::tempdir().unwrap();
    for locale in [("LC_ALL", "C"), ("LANG", "de_DE.ISO-8859-1"), ("LC_CTYPE", "en_US.UTF-8")] {
        for arguments in screens(&id, folder.path().to_str().unwrap()) {
            let output = execute(&env_of(&bench, &arguments, &[locale]), &arguments).await;
            let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(!shown.contains('\x1b'), "{arguments:?} with colours:\n{shown}");
            assert!(locale.0 == "LC_CTYPE" || shown.is_ascii(), "{arguments:?} by {locale:?}:\n{shown}");
        }
    }
    let of = async |locale| {
        let output = execute(&env_of(&bench, &["dlq"], &[("LC_ALL", locale)]), &["dlq", "show", &id]).await;
        String::from_utf8(output.stdout).unwrap()
    };
    let (plain, whole) = (of("C").await, of("C.UTF-8").await);
    assert!(plain.contains(r"caf\u{e9} -> 451") && whole.contains("café → 451"), "{plain}{whole}");
}

#[tokio::test]
async fn what_is_printed_for_machines_is_one_object_that_means_the_same_in_every_locale() {
    let (bench, _) = bench().await;
    for arguments in IN_JSON {
        let arguments = [arguments, &["--json"]].concat();
        let of = async |locale| {
            let output = execute(&env_of(&bench, &arguments, &[("LC_ALL", locale)]), &arguments).await;
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
            (
                text.is_ascii(),
                serde_json::from_str::<Value>(&text).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {text}")),
            )
        };
        let ((is_ascii, plain), (_, whole)) = (of("C").await, of("C.UTF-8").await);
        assert!(is_ascii && plain.is_object(), "{plain}");
        if arguments.starts_with(&["dlq", "list"]) && arguments.len() == 3 {
            let details = |list: &Value| -> Vec<String> {
                list["letters"].as_array().unwrap().iter().map(|letter| letter["detail"].to_string()).collect()
            };
            assert_eq!(details(&plain), details(&whole));
            assert!(details(&plain).join("").contains("café"), "{plain}");
        }
    }
}
