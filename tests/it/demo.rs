//! `demo`: the story in one process, as the README shows it, and at a pace for an audience.

use std::collections::BTreeMap;
use std::path::Path;

use crate::world::processes::execute;

/// What it says, with the mails in a folder of the test's own, named as the README has it.
async fn demo(by_cargo: bool, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mails = folder.path().join("mails").display().to_string();
    let env = by_cargo.then(|| ("CARGO_MANIFEST_DIR".to_owned(), String::new()));
    let output = execute(&BTreeMap::from_iter(env), &[&["demo", "--mails", &mails], arguments].concat()).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_dir(&mails).unwrap().count(), 30, "mails");
    text.replace(&mails, "demo-mails")
}

/// How often a mail server with bad moments is asked is chance.
fn without_counts(text: &str) -> String {
    let counted = |line: &str| line.contains("deliveries were received");
    let plain = |line: &str| line.replace(|c: char| c.is_ascii_digit(), "");
    text.lines().map(|line| if counted(line) { plain(line) } else { line.to_owned() } + "\n").collect()
}

#[tokio::test]
async fn the_demo_prints_what_the_readme_shows() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let shown = readme.split("    cargo run -- demo\n\n```text\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(without_counts(&demo(true, &[]).await), without_counts(shown));
}

#[tokio::test]
async fn a_slow_demo_tells_each_step_and_each_scene_and_ends_with_the_same_table() {
    let (fast, slow) = tokio::join!(demo(false, &[]), demo(false, &["--slow=1ms"]));
    let (_, table) = fast.split_once("\n\n").unwrap();
    let (_, table_of_slow) = slow.rsplit_once("\n\n  what was published").unwrap();
    let rows = |text: &str| without_counts(text).lines().filter(|line| line.contains("ok")).count();
    assert_eq!((rows(table), rows(table_of_slow)), (10, 10), "{slow}");
    let words = ["open ", "claim ", "handle ", "record ", "settle ", " 1 of 10 ", "10 of 10 ", "3 ignored", "Next:"];
    let mut rest = slow.as_str();
    for word in words {
        rest = rest.split_once(word).unwrap_or_else(|| panic!("no {word} in its place in {slow}")).1;
    }
    // At 0.8 s each it stays below a minute, with what the scenes themselves take.
    let told = slow.split("  what was published").next().unwrap().lines().filter(|line| !line.is_empty()).count();
    assert!((35..=45).contains(&told), "{told} lines");
}

#[tokio::test]
async fn the_demo_ends_with_commands_that_exist() {
    let told = demo(false, &[]).await;
    let next: Vec<&str> = told.split("Next:\n").nth(1).unwrap().lines().collect();
    assert_eq!(next.len(), 3, "{told}");
    for line in next {
        let command = line.trim().split("  ").next().unwrap();
        let words: Vec<&str> = command.split(' ').skip(1).chain(["--help"]).collect();
        let help = execute(&BTreeMap::new(), &words).await;
        assert_eq!(help.status.code(), Some(0), "{command}: {}", String::from_utf8_lossy(&help.stderr));
    }
}
