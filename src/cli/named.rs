//! Puts names into the command line: the name of this program, and the names of its reactions.
//!
//! Enters: how this process was called, and its reactions. Leaves: the argument parser, and a shell's completion
//! script.

use std::ffi::OsStr;
use std::path::Path;

use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, CommandFactory};

use super::{Cli, Shell};
use crate::plain;
use crate::reactions::{Reactions, webhook_url_of};

/// The program's name in the help texts as written in the source.
const OURS: &str = "user-events";

/// This program's name, as it was called: a team's own program has another name than ours.
pub(crate) fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&called).file_name().map(|name| plain::line(&name.to_string_lossy()).into_owned());
    name.unwrap_or_else(|| OURS.to_owned())
}

/// The command line of this program with these reactions.
pub(super) fn command(program: &str, reactions: &Reactions) -> clap::Command {
    let all: Vec<_> = reactions.names().collect();
    let recorded: Vec<_> = reactions.iter().filter(|listed| listed.is_recorded).map(|listed| listed.name).collect();
    let names = [("reactions", &all[..]), ("reaction", &all), ("recorded", &recorded), ("words", &all)];
    naming(Cli::command().bin_name(program), program, &names)
}

/// Limits each argument in `names` to the values given there, and replaces [`OURS`] in the help by `program`.
fn naming(command: clap::Command, program: &str, names: &[(&str, &[&'static str])]) -> clap::Command {
    let command = command.mut_args(|argument| {
        let own = names.iter().find(|(called, _)| argument.get_id() == called);
        match own {
            Some(("words", names)) => argument.value_parser(ReactionOrLetter(names.to_vec())),
            Some((_, names)) => argument.value_parser(PossibleValuesParser::new(*names)),
            None => argument,
        }
    });
    let told = command.get_after_help().map(|text| text.to_string().replace(OURS, program));
    let command = match told {
        Some(told) => command.after_help(told),
        None => command,
    };
    command.mut_subcommands(|below| naming(below, program, names))
}

/// A reaction's name, or the beginning of a message id: hex digits and hyphens, as SQS makes them. A misspelt name is
/// neither.
#[derive(Clone)]
struct ReactionOrLetter(Vec<&'static str>);

impl TypedValueParser for ReactionOrLetter {
    type Value = String;

    fn parse_ref(&self, command: &clap::Command, argument: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        let word = StringValueParser::new().parse_ref(command, argument, value)?;
        let is_id = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if is_id || self.0.contains(&word.as_str()) {
            return Ok(word);
        }
        let mut error = clap::Error::new(ErrorKind::InvalidValue).with_cmd(command);
        let names = self.0.iter().map(|name| (*name).to_owned()).chain(["a letter's id".to_owned()]);
        error.insert(ContextKind::InvalidArg, ContextValue::String("[REACTION|ID]...".to_owned()));
        error.insert(ContextKind::InvalidValue, ContextValue::String(word));
        error.insert(ContextKind::ValidValue, ContextValue::Strings(names.collect()));
        Err(error)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(PossibleValue::new)))
    }
}

/// What to do about a reaction that is not there and is no slip of the pen: one by webhook is made by its URL alone.
pub(super) fn tip(error: &clap::Error) -> Option<String> {
    let told = |kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.as_str()),
        _ => None,
    };
    let (argument, word) = (told(ContextKind::InvalidArg)?, told(ContextKind::InvalidValue)?);
    let is_name = word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let is_slip = error.get(ContextKind::SuggestedValue).is_some();
    (argument.contains("REACTION") && is_name && !is_slip)
        .then(|| format!("\n  tip: a reaction by webhook is there once {} is set\n\n", webhook_url_of(word)))
}

/// The script that completes this command line in a shell.
pub(crate) fn completions(shell: Shell, program: &str, reactions: &Reactions) -> String {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(program, reactions), program, &mut script);
    // The generator writes a name with a hyphen in two ways in one script. Bash then completes nothing after a
    // subcommand (clap-rs/clap#6421).
    let (one, other) = (program.replace('-', "__subcmd__"), program.replace('-', "__"));
    String::from_utf8_lossy(&script).replace(&one, &other)
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;
    use crate::reactions::samples::{Crm, two};

    fn parse(words: &str) -> Result<(), ErrorKind> {
        let reactions = two();
        let words = std::iter::once("shop").chain(words.split_whitespace());
        command("shop", &reactions).try_get_matches_from(words).map(drop).map_err(|error| error.kind())
    }

    #[test]
    fn a_command_line_takes_the_reactions_of_its_list_and_no_other() {
        let ids = "dlq redrive 0f3a 3106f512-15a0-473b-a29a-fdf813c118fe";
        for words in
            ["run", "run crm order-notify", "dlq list order-notify", "idem get --reaction crm u-1", "dlq drop crm", ids]
        {
            assert_eq!(parse(words), Ok(()), "{words}");
        }
        // The last one fails because `order-notify` is atomic, so it has no records.
        for words in [
            "run email",
            "dlq list orders",
            "dlq redrive profile",
            "dlq drop crn",
            "idem get --reaction order-notify o-1",
        ] {
            assert_eq!(parse(words), Err(ErrorKind::InvalidValue), "{words}");
        }
    }

    #[test]
    fn a_webhook_without_its_url_is_told_which_variable_makes_it() {
        let reactions = two();
        let tip_of = |words: &[&str]| tip(&command("shop", &reactions).try_get_matches_from(words).unwrap_err());
        let told = "\n  tip: a reaction by webhook is there once BILLING_LOG_WEBHOOK_URL is set\n\n";
        assert_eq!(tip_of(&["shop", "run", "billing-log"]).as_deref(), Some(told));
        for words in
            [&["shop", "run", "crn"][..], &["shop", "run", "No_name"], &["shop", "rnu"], &["shop", "run", "--x"]]
        {
            assert_eq!(tip_of(words), None, "{words:?}");
        }
    }

    #[test]
    fn help_usage_and_completions_name_the_program_that_was_called() {
        let reactions = Reactions::new().with(Crm);
        let mut line = command("crm-notifier", &reactions);
        assert!(line.render_usage().to_string().starts_with("Usage: crm-notifier "));
        line.build();
        for below in line.get_subcommands_mut() {
            let help = below.render_long_help().to_string();
            assert!(!help.contains(OURS) && help.contains("crm-notifier"), "{help}");
        }
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = completions(shell, "crm-notifier", &reactions);
            assert!(script.contains("crm-notifier") && !script.contains("crm__subcmd__notifier"), "{script}");
        }
    }
}
