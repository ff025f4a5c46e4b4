//! Every document leads where it says: links, anchors and paths exist, and so does each command and variable.
//!
//! Enters: the README, those beside it, and the command line's own definition. Leaves: all that is not there, at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory;
use user_events::cli::Cli;
use user_events::config::VARIABLES;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Variables that are named and not read by the crate, and words that look like one.
const FOREIGN: &[&str] = &["ON_SUCCESS", "RUST_BACKTRACE", "X86_64"];
/// Reactions that the documents speak of, in capitals.
const REACTIONS: &[&str] = &["NAME", "EMAIL", "PROFILE", "CRM", "ORDER_NOTIFY"];
/// A path in backticks begins with one of these.
const FOLDERS: &[&str] =
    &["engine/", "src/", "tests/", "infra/", "localstack/", "docs/", "examples/", "benches/", ".ci/"];

/// A document in two parts: the code it shows, block by block and span by span, and the rest.
struct Document {
    path: PathBuf,
    blocks: Vec<String>,
    spans: Vec<String>,
    prose: String,
}

fn documents() -> Vec<Document> {
    let named = ["README.md", "CONTRIBUTING.md", "infra/README.md"].map(|name| Path::new(ROOT).join(name));
    let docs = fs::read_dir(Path::new(ROOT).join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    named.into_iter().chain(docs).map(|path| read(&path)).collect()
}

fn read(path: &Path) -> Document {
    let (mut blocks, mut spans, mut prose) = (Vec::new(), Vec::new(), String::new());
    for (n, part) in fs::read_to_string(path).unwrap().split("\n```").enumerate() {
        if n % 2 == 1 {
            blocks.push(part.split_once('\n').unwrap().1.to_owned());
            continue;
        }
        let (indented, text): (Vec<&str>, Vec<&str>) = part.lines().partition(|line| line.starts_with("    "));
        blocks.extend(indented.into_iter().map(str::to_owned));
        for (n, piece) in text.join("\n").split('`').enumerate() {
            if n % 2 == 1 { spans.push(piece.to_owned()) } else { prose.push_str(piece) }
        }
        prose.push('\n');
    }
    Document { path: path.to_owned(), blocks, spans, prose }
}

/// The lines of all code, continued ones in one, without what a screen shows beside a command.
fn lines(document: &Document) -> Vec<String> {
    let code = document.blocks.iter().chain(&document.spans).map(|code| code.replace("\\\n", " "));
    let lines = code.flat_map(|code| code.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.map(|line| line.trim().trim_start_matches("$ ").to_owned()).collect()
}

fn words(line: &str) -> Vec<&str> {
    let line = line.split(" | ").next().unwrap().split("  ").next().unwrap();
    let apart = |c: char| c.is_whitespace() || "()[]<>,".contains(c);
    line.split(apart).filter(|word| !word.is_empty()).take_while(|word| !word.starts_with('#')).collect()
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let is_kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    heading.trim().to_lowercase().chars().filter(is_kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let outside = text.split("\n```").step_by(2).flat_map(str::lines).filter(|line| line.starts_with('#'));
    outside.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// What each document lacks, as `look` finds it, in one list.
fn assert_nothing_missing(look: impl Fn(&Document) -> Vec<String>) {
    let name = |document: &Document| document.path.strip_prefix(ROOT).unwrap().display().to_string();
    let missing = |document| look(&document).into_iter().map(move |what| format!("{}: {what}", name(&document)));
    let missing: Vec<String> =
        documents().into_iter().flat_map(|document| missing(document).collect::<Vec<_>>()).collect();
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn each_link_and_each_anchor_leads_somewhere() {
    assert_nothing_missing(|document| {
        let targets = document.prose.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        let is_dead = |target: &&str| {
            let (file, anchor) = target.split_once('#').map_or((*target, None), |(file, anchor)| (file, Some(anchor)));
            let path =
                if file.is_empty() { document.path.clone() } else { document.path.with_file_name("").join(file) };
            !path.exists() || anchor.is_some_and(|anchor| !anchors(&path).contains(anchor))
        };
        targets.filter(|target| !target.starts_with("https://")).filter(is_dead).map(str::to_owned).collect()
    });
}

#[test]
fn each_path_that_is_named_exists() {
    assert_nothing_missing(|document| {
        let first = |span: &String| span.split([' ', ':']).next().unwrap_or_default().to_owned();
        let is_path = |word: &String| FOLDERS.iter().any(|folder| word.starts_with(folder));
        // Made by `make up`, or standing for several.
        let is_there = |word: &String| {
            word.starts_with("localstack/.") || word.contains(['*', '<', '…']) || Path::new(ROOT).join(word).exists()
        };
        document.spans.iter().map(first).filter(is_path).filter(|word| !is_there(word)).collect()
    });
}

#[test]
fn each_make_target_exists() {
    let makefile = fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.split_once(": ##").map(|(name, _)| name)).collect();
    assert!(targets.contains("test"), "{targets:?}");
    assert_nothing_missing(|document| {
        let named = |line: &String| match words(line).as_slice() {
            ["make", targets @ ..] => targets.iter().map(|word| (*word).to_owned()).collect(),
            _ => Vec::new(),
        };
        let made = |word: &String| word.contains('=') || targets.contains(word.as_str());
        lines(document).iter().flat_map(named).filter(|word| !made(word)).map(|word| format!("make {word}")).collect()
    });
}

/// The words of a command of ours in this line, without the program's name.
fn command<'l>(words: &'l [&'l str], known: impl Fn(&str) -> bool) -> Option<&'l [&'l str]> {
    match words {
        // A line of a manifest.
        ["user-events", "=", ..] => None,
        ["user-events" | "/user-events", rest @ ..] | ["cargo", "run", "--", rest @ ..] | ["operate", _, rest @ ..] => {
            Some(rest)
        }
        // In a table, or in a sentence: it begins with the command.
        [first, ..] if known(first) && words.iter().any(|word| word.starts_with("--")) => Some(words),
        _ => {
            let at = words.windows(2).position(|pair| pair[0] == "user-events" && known(pair[1]))?;
            Some(&words[at + 1..])
        }
    }
}

/// What this command line names that is not there.
fn unknown(words: &[&str]) -> Option<String> {
    let mut cli = Cli::command();
    cli.build();
    let mut commands = vec![&cli];
    for word in words.iter().take_while(|word| !word.starts_with("--")) {
        if !commands[0].has_subcommands() {
            break;
        }
        let named = |name| commands[0].find_subcommand(name).ok_or(name);
        match word.split("\\|").map(named).collect::<Result<Vec<_>, _>>() {
            Ok(found) => commands = found,
            Err(name) => return Some(format!("`{}`: no command {name}", words.join(" "))),
        }
    }
    let flags = words.iter().flat_map(|word| word.split("\\|")).filter_map(|word| word.strip_prefix("--"));
    let names = flags.map(|flag| flag.split(['=', '`']).next().unwrap());
    let takes =
        |command: &clap::Command, name: &str| command.get_arguments().any(|argument| argument.get_long() == Some(name));
    let mut strange = names.filter(|name| !commands.iter().any(|command| takes(command, name)));
    strange.next().map(|flag| format!("`{}`: no --{flag}", words.join(" ")))
}

#[test]
fn each_command_that_is_shown_exists_with_its_flags() {
    let cli = Cli::command();
    let (known, mut seen) = (|word: &str| cli.find_subcommand(word).is_some(), BTreeSet::new());
    for document in documents() {
        let lines = lines(&document);
        let words: Vec<_> = lines.iter().map(|line| words(line)).collect();
        seen.extend(words.iter().filter_map(|words| command(words, known)).map(|words| words.join(" ")));
    }
    seen.remove(""); // the program's name alone
    assert!(seen.len() > 20, "the commands were not found: {seen:?}");
    let missing: Vec<_> = seen.iter().filter_map(|line| unknown(&line.split(' ').collect::<Vec<_>>())).collect();
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

/// Is it in the table, as it stands, with a reaction's name, or as a secret's file?
fn is_ours(name: &str) -> bool {
    VARIABLES.iter().any(|variable| {
        let of_reaction = REACTIONS.iter().filter_map(|reaction| name.strip_prefix(reaction));
        let is_own = |rest: &str| {
            variable.name.strip_prefix("<NAME>") == Some(rest)
                || variable.per_reaction && rest.strip_prefix('_') == Some(variable.name)
        };
        let is_file = name.ends_with("_FILE") && variable.meaning.contains(&format!("`{name}`"));
        variable.name == name || is_file || of_reaction.into_iter().any(is_own)
    })
}

#[test]
fn each_variable_that_is_named_is_read() {
    let named = |document: &Document| -> BTreeSet<String> {
        let spans = document.spans.iter().map(|span| span.replace("<NAME>", "NAME"));
        let words = spans.flat_map(|span| {
            span.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect::<Vec<_>>()
        });
        let is_variable = |word: &String| word.trim_matches('_').contains('_') && !word.contains(char::is_lowercase);
        words.filter(is_variable).filter(|word| word.starts_with(char::is_alphabetic)).collect()
    };
    let strange = |word: &String| !is_ours(word) && !FOREIGN.contains(&word.as_str());
    assert_nothing_missing(|document| named(document).into_iter().filter(strange).collect());
    let all: BTreeSet<String> = documents().iter().flat_map(named).collect();
    assert!(all.len() > 30, "the variables were not found: {all:?}");
    let idle: Vec<_> = FOREIGN.iter().filter(|name| !all.contains(**name)).collect();
    assert!(idle.is_empty(), "named nowhere any more: {idle:?}");
}

#[test]
fn the_page_on_performance_says_what_was_measured_and_nothing_else() {
    let python = std::env::var("TEST_PYTHON").expect("no Python: run the tests by `make test`");
    let report =
        Command::new(python).args(["benches/report.py", "--check"]).current_dir(ROOT).output().expect("Python");
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stderr));
}
