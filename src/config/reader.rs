//! Reads settings one by one and keeps every mistake for the end.
//!
//! Enters: a snapshot of the environment. Leaves: values; also the mistakes found and the settings read (with their
//! source, secrets masked). Knows no variable's meaning.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use secrecy::SecretString;

use super::environment::{Environment, is_given, set};
use super::variables::{self, Variable};
use crate::plain;

/// The problem of a value that cannot be read.
const NO_TEXT: &str = "is not UTF-8";

/// One mistake. Never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Which variable.
    pub variable: String,
    /// What is wrong with it.
    pub problem: String,
}

/// All mistakes of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

/// A setting and its current value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Setting {
    /// The variable that sets it.
    pub name: String,
    /// Its value, masked if secret. `None`: unset, and there is no default.
    pub value: Option<String>,
    /// `environment`, `file`, `default` or `unset`.
    pub source: &'static str,
}

/// Reads settings from a snapshot.
///
/// ```
/// use user_events::config::{self, Environment, SettingsReader};
///
/// let environment: Environment = [("SMTP_RATE", "many"), ("MAIL_FROM", "nobody")].map(|(k, v)| (k.into(), v.into())).into();
/// let mut reader = SettingsReader::new(&environment);
/// let settings = config::send_test(&mut reader, true);
/// let mistakes = reader.finish(settings).expect_err("three mistakes");
/// let named: Vec<_> = mistakes.0.iter().map(|mistake| mistake.variable.as_str()).collect();
/// assert_eq!(named, ["SMTP_URL", "MAIL_FROM", "SMTP_RATE"], "every one at once, and no value repeated");
/// assert!(!mistakes.to_string().contains("nobody"));
/// ```
#[derive(Debug)]
pub struct SettingsReader<'a> {
    environment: &'a Environment,
    mistakes: Vec<Mistake>,
    seen: Vec<Setting>,
}

/// Reads engine settings for one reaction: `EMAIL_RECEIVE_WAIT` before `RECEIVE_WAIT`.
pub(crate) struct ReactionReader<'r, 'a> {
    reader: &'r mut SettingsReader<'a>,
    reaction: &'r str,
}

impl<'a> SettingsReader<'a> {
    /// Reads from this snapshot.
    #[must_use]
    pub fn new(environment: &'a Environment) -> Self {
        Self { environment, mistakes: Vec::new(), seen: Vec::new() }
    }

    /// The value, or all mistakes that this reader has found.
    ///
    /// # Errors
    /// [`Mistakes`], all of them.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Mistakes> {
        match value {
            Some(value) if self.mistakes.is_empty() => Ok(value),
            _ => Err(Mistakes(self.mistakes)),
        }
    }

    /// The snapshot it reads from: for variables whose names are not known beforehand.
    #[must_use]
    pub fn environment(&self) -> &'a Environment {
        self.environment
    }

    /// No mistake so far?
    #[must_use]
    pub(crate) fn is_sound(&self) -> bool {
        self.mistakes.is_empty()
    }

    /// The settings read so far.
    #[must_use]
    pub fn seen(&self) -> &[Setting] {
        &self.seen
    }

    /// Reads a variable by `parse`. `None` if unset or wrong.
    pub fn parsed<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, &'static str>) -> Option<T> {
        if !self.is_text(name) {
            return None;
        }
        let value = set(self.environment, name);
        self.note(name, value.map(masked), "environment");
        self.checked(name, parse(value?))
    }

    /// Notes a mistake for each variable whose name starts with `beginning` and whose value is not UTF-8. For variables
    /// that a library reads itself: the library would say nothing.
    pub fn texts(&mut self, beginning: &str) {
        let environment = self.environment;
        for name in environment.unreadable().filter(|name| name.starts_with(beginning)) {
            self.is_text(name);
        }
    }

    /// Reads a duration with its unit, within a range.
    pub fn duration(&mut self, name: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let parsed = self.parsed(name, |text| {
            humantime::parse_duration(text).map_err(|_| "must be a duration with its unit, like 30s or 15m")
        })?;
        if range.contains(&parsed) {
            return Some(parsed);
        }
        let (from, to) = (humantime::format_duration(*range.start()), humantime::format_duration(*range.end()));
        self.mistake(name, &format!("must lie between {from} and {to}"));
        None
    }

    /// Reads a secret from `NAME` or from the file that `NAME_FILE` names. `None` if unset or wrong.
    pub fn secret<T>(&mut self, name: &str, parse: impl FnOnce(&SecretString) -> Result<T, &'static str>) -> Option<T> {
        let file_name = format!("{name}_FILE");
        if ![name, &file_name].map(|name| self.is_text(name)).iter().all(|is_text| *is_text) {
            return None;
        }
        let (value, file) = (set(self.environment, name), set(self.environment, &file_name));
        let (secret, source) = match (value, file) {
            (Some(_), Some(_)) => {
                self.mistake(name, &format!("is set twice: here and by {file_name}"));
                return None;
            }
            (Some(value), None) => (Some(value.to_owned()), "environment"),
            (None, Some(path)) => match std::fs::read_to_string(path) {
                Ok(text) => (Some(text.trim_start_matches('\u{feff}').trim().to_owned()), "file"),
                Err(error) => {
                    self.mistake(&file_name, &format!("cannot be read: {}", plain::said(&error)));
                    return None;
                }
            },
            (None, None) => (None, "unset"),
        };
        self.note(name, secret.as_ref().map(|_| "****".to_owned()), source);
        self.checked(name, parse(&SecretString::from(secret?)))
    }

    /// Notes that a variable must be set, unless the variable has a mistake already.
    pub fn missing(&mut self, name: &str, why: &str) {
        let mistaken = |mistake: &Mistake| mistake.variable == name || mistake.variable == format!("{name}_FILE");
        if !self.mistakes.iter().any(mistaken) {
            self.mistake(name, &format!("must be set: {why}"));
        }
    }

    /// A reader for the settings of one reaction.
    pub(crate) fn for_reaction<'r>(&'r mut self, reaction: &'r str) -> ReactionReader<'r, 'a> {
        ReactionReader { reader: self, reaction }
    }

    /// Notes a mistake.
    pub fn mistake(&mut self, name: &str, problem: &str) {
        let mistake = Mistake { variable: name.to_owned(), problem: problem.to_owned() };
        // Two reactions may read the same shared variable: its mistake is listed once.
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }

    /// Notes a mistake if the value is not UTF-8. Such a value is shown masked, like a secret.
    fn is_text(&mut self, name: &str) -> bool {
        let unreadable = self.environment.is_unreadable(name);
        if unreadable {
            self.mistake(name, NO_TEXT);
            self.note(name, Some("****".to_owned()), "environment");
        }
        !unreadable
    }

    fn checked<T>(&mut self, name: &str, result: Result<T, &'static str>) -> Option<T> {
        result.map_err(|problem| self.mistake(name, problem)).ok()
    }

    fn note(&mut self, name: &str, value: Option<String>, source: &'static str) {
        let default = || variables::known(name).and_then(|variable: &Variable| variable.default);
        let setting = match (value, default()) {
            (Some(value), _) => Setting { name: name.to_owned(), value: Some(value), source },
            (None, Some(value)) => Setting { name: name.to_owned(), value: Some(value.to_owned()), source: "default" },
            (None, None) => Setting { name: name.to_owned(), value: None, source: "unset" },
        };
        if !self.seen.contains(&setting) {
            self.seen.push(setting);
        }
    }
}

impl ReactionReader<'_, '_> {
    /// Reads the reaction's own variable, else the shared one.
    pub fn parsed<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, &'static str>) -> Option<T> {
        let name = self.name(name);
        self.reader.parsed(&name, parse)
    }

    /// Reads a duration with its unit, within a range.
    pub fn duration(&mut self, name: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let name = self.name(name);
        self.reader.duration(&name, range)
    }

    /// Notes a mistake that two settings have only together.
    pub fn mistake(&mut self, name: &str, problem: &str) {
        let name = self.name(name);
        self.reader.mistake(&name, problem);
    }

    fn name(&self, shared: &str) -> String {
        let own = variables::of_reaction(self.reaction, shared);
        if is_given(self.reader.environment, &own) { own } else { shared.to_owned() }
    }
}

impl Mistakes {
    /// One line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.iter().map(|mistake| format!("{} {}", mistake.variable, mistake.problem)).collect()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mistakes = if self.0.len() == 1 { "mistake" } else { "mistakes" };
        writeln!(f, "the configuration has {} {mistakes}:", self.0.len())?;
        self.0.iter().try_for_each(|mistake| writeln!(f, "  {} {}", mistake.variable, mistake.problem))
    }
}

/// A value as it may be shown. In a URL the user, the password, the query and the fragment are masked. If a URL is malformed,
/// this hides too much rather than too little.
#[must_use]
pub fn masked(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (credentials, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("****@", rest));
    let (rest, more) = match rest.find(['?', '#']) {
        Some(at) => (&rest[..at], format!("{}****", &rest[at..=at])),
        None => (rest, String::new()),
    };
    format!("{scheme}://{credentials}{rest}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_that_is_shown_no_credentials_are() {
        for (url, shown) in [
            ("http://localhost:4566/x", "http://localhost:4566/x"),
            ("http://key:hunter2@h:1/api", "http://****@h:1/api"),
            ("https://hunter2@h", "https://****@h"),
            ("http://a:hunter2/@b@h/x", "http://****@h/x"),
            ("http://a:hunter2?b@h/", "http://****@h/"),
            ("http://h/x?token=hunter2", "http://h/x?****"),
            ("http://h/x#hunter2?x", "http://h/x#****"),
            ("odd://:hunter2@", "odd://****@"),
            ("Name <name@example.com>", "Name <name@example.com>"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }
}
