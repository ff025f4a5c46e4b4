//! What documents tell to run: make targets, and the commands of `user-events` with their flags.
//!
//! Enters: a document, the Makefile, and the command line's own definition. Leaves: what is told, and what of it
//! does not exist.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use user_events::cli::Cli;

use super::document::{Document, ROOT, words};

pub fn targets(document: &Document) -> Vec<String> {
    let named = |line: &String| match words(line).as_slice() {
        ["make", targets @ ..] => targets.iter().map(|word| (*word).to_owned()).collect(),
        _ => Vec::new(),
    };
    document.lines().iter().flat_map(named).filter(|word| !word.contains('=')).collect()
}

pub fn no_target(_: &Document, target: &str) -> Option<String> {
    let makefile = fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    let mut targets = makefile.lines().filter_map(|line| line.split_once(": ##").map(|(name, _)| name));
    (!targets.any(|name| name == target)).then(|| target.to_owned())
}

pub fn commands(document: &Document) -> Vec<String> {
    let cli = Cli::command();
    let known = |word: &str| cli.find_subcommand(word).is_some();
    let lines = document.lines();
    let words = lines.iter().map(|line| words(line));
    // The program's name alone is no command.
    let told = words.filter_map(|words| command(&words, known).map(|words| words.join(" ")));
    told.filter(|words| !words.is_empty()).collect()
}

/// The words of a command of ours in this line, without the program's name.
fn command<'l>(words: &'l [&'l str], known: impl Fn(&str) -> bool) -> Option<&'l [&'l str]> {
    match words {
        // A line of a manifest.
        ["user-events", "=", ..] => None,
        ["user-events" | "/user-events" | "crm_notifier", rest @ ..] => Some(rest),
        ["cargo", "run", "--", rest @ ..] | ["operate", _, rest @ ..] => Some(rest),
        // In a table, or in a sentence: it begins with the command.
        [first, ..] if known(first) && words.iter().any(|word| word.starts_with("--")) => Some(words),
        _ => {
            let at = words.windows(2).position(|pair| pair[0] == "user-events" && known(pair[1]))?;
            Some(&words[at + 1..])
        }
    }
}

pub fn no_command(_: &Document, line: &str) -> Option<String> {
    let words: Vec<&str> = line.split(' ').collect();
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
            Err(name) => return Some(format!("`{line}`: no command {name}")),
        }
    }
    let flags = words.iter().flat_map(|word| word.split("\\|")).filter_map(|word| word.strip_prefix("--"));
    let names = flags.map(|flag| flag.split(['=', '`']).next().unwrap());
    let takes =
        |command: &clap::Command, name: &str| command.get_arguments().any(|argument| argument.get_long() == Some(name));
    let mut strange = names.filter(|name| !commands.iter().any(|command| takes(command, name)));
    strange.next().map(|flag| format!("`{line}`: no --{flag}"))
}
