//! A set of templates: the built-in one, or a team's folder.
//!
//! Enters: files. Leaves: [`Templates`], or every [`TemplateFault`] there is. Promises: whatever is in the set has been read and
//! parsed, each language has its subject and its text, and each image that the HTML names is there. No template reads a file
//! or runs for ever: what it includes lies in the set, and its work is counted. Knows no event.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use minijinja::{Environment, UndefinedBehavior, Value};

use super::faults::TemplateFault;
use super::image::{self, Image};
use super::{locale, shown};
use crate::plain;

/// How all files of the mail's templates begin.
const NAME: &str = "welcome";
const SUBJECT: &str = "subject";
const TEXT: &str = "txt";
const HTML: &str = "html";
/// A longer text is no mail: Gmail shows only the first 102 KB of one.
const MAX_TEMPLATE: u64 = 256 * 1024;
/// minijinja counts its work: one for each instruction and one for each 64 bytes that it makes. The built-in mail takes about
/// 300; a million and more instructions take about a tenth of a second.
const FUEL: u64 = 100_000;

/// The built-in folder, which `render --export` writes.
pub const BUILTIN: &[(&str, &[u8])] = &[
    ("logo.png", include_bytes!("builtin/logo.png")),
    ("welcome.de.html", include_bytes!("builtin/welcome.de.html")),
    ("welcome.de.subject", include_bytes!("builtin/welcome.de.subject")),
    ("welcome.de.txt", include_bytes!("builtin/welcome.de.txt")),
    ("welcome.html", include_bytes!("builtin/welcome.html")),
    ("welcome.subject", include_bytes!("builtin/welcome.subject")),
    ("welcome.txt", include_bytes!("builtin/welcome.txt")),
];

/// Templates in one language or several.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// For events that ask for none of the other languages.
    plain: Language,
    /// By their tags.
    languages: BTreeMap<String, Language>,
    images: Vec<Image>,
}

/// The files of one language, by name.
#[derive(Debug)]
pub(super) struct Language {
    subject: String,
    text: String,
    html: Option<String>,
    /// Which of the images its HTML shows.
    images: Vec<usize>,
}

/// A mail's text in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bodies {
    /// One line.
    pub subject: String,
    /// Plain text: for a terminal and for readers without HTML.
    pub text: String,
    /// HTML for a mail client, if there is a template for it.
    pub html: Option<String>,
}

impl Templates {
    /// The templates that ship with this program.
    ///
    /// # Errors
    /// Never, unless one of them is broken: then its faults.
    pub fn builtin() -> Result<Self, Vec<TemplateFault>> {
        let files = BUILTIN.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
        match Self::of_files(files.collect()) {
            (Some(templates), faults) if faults.is_empty() => Ok(templates),
            (_, faults) => Err(faults),
        }
    }

    /// The templates in a folder, and every fault that can be found without an event. If there is a fault, use them only
    /// to look for more. Files whose names begin with a dot, and folders in it, are not looked at.
    #[must_use]
    pub fn read(folder: &Path) -> (Option<Self>, Vec<TemplateFault>) {
        let unread = |name: &str, error: &std::io::Error| {
            TemplateFault::new(name, format!("cannot be read: {}", plain::said(error)))
        };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return (None, vec![unread(&folder.display().to_string(), &error)]),
        };
        let (mut files, mut faults) = (Vec::new(), Vec::new());
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|name| !name.starts_with('.') && is_of_interest(name)) else { continue };
            let most = Self::most(name);
            match fs::metadata(&path) {
                Ok(facts) if facts.is_dir() => {}
                Ok(facts) if facts.len() > most => {
                    faults.push(TemplateFault::new(name, format!("must have at most {} KiB", most / 1024)));
                }
                Ok(_) => match fs::read(&path) {
                    Ok(bytes) => files.push((name.to_owned(), bytes)),
                    Err(error) => faults.push(unread(name, &error)),
                },
                Err(error) => faults.push(unread(name, &error)),
            }
        }
        files.sort();
        let (templates, more) = Self::of_files(files);
        faults.extend(more);
        (templates, faults)
    }

    fn most(name: &str) -> u64 {
        if Image::is_one(name) { Image::MOST } else { MAX_TEMPLATE }
    }

    pub(crate) fn of_files(files: Vec<(String, Vec<u8>)>) -> (Option<Self>, Vec<TemplateFault>) {
        let (images, templates): (Vec<_>, Vec<_>) = files.into_iter().partition(|(name, _)| Image::is_one(name));
        let mut faults = Image::faults(&images);
        let images: Vec<Image> = images.into_iter().map(|(name, bytes)| Image::new(name, &bytes)).collect();
        let (mut drafts, mut environment) = (BTreeMap::from([(String::new(), Draft::default())]), environment());
        let mut shown_by_all = Vec::new();
        for (name, bytes) in templates {
            let Ok(source) = String::from_utf8(bytes) else {
                faults.push(TemplateFault::new(&name, "must be UTF-8"));
                continue;
            };
            let source = source.trim_start_matches('\u{feff}').to_owned();
            let (source, shows) = if name.ends_with(".html") {
                faults.extend(unescaped(&name, &source));
                image::named_in(&name, &source, &images, &mut faults)
            } else {
                (source, Vec::new())
            };
            match part(&name) {
                Some((tag, part)) => drafts.entry(tag).or_default().take(part, &name, shows),
                // Some other file, for an `{% include %}`.
                None => shown_by_all.extend(shows),
            }
            if let Err(error) = environment.add_template_owned(name.clone(), source) {
                faults.push(TemplateFault::of(&name, &error));
            }
        }
        let mut languages = BTreeMap::new();
        for (tag, draft) in drafts {
            match draft.whole(&tag, &shown_by_all) {
                Ok(language) => drop(languages.insert(tag, language)),
                Err(lacking) => faults.extend(lacking),
            }
        }
        let plain = languages.remove("");
        (plain.map(|plain| Self { environment, plain, languages, images }), faults)
    }

    /// The tags of all languages but the plain one.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.languages.keys().map(String::as_str)
    }

    /// The language for this tag: its own, or a shorter one's, or the plain one.
    pub(super) fn language(&self, wanted: Option<&str>) -> &Language {
        let own = wanted.and_then(locale::tag);
        let mut tags = own.iter().flat_map(|tag| locale::from_longest(tag));
        tags.find_map(|tag| self.languages.get(tag)).unwrap_or(&self.plain)
    }

    /// Renders all of one language.
    ///
    /// # Errors
    /// What is wrong, with file and line, and without a value.
    pub(super) fn render(&self, language: &Language, values: &Value) -> Result<Bodies, TemplateFault> {
        let Language { subject, text, html, .. } = language;
        let html = html.as_deref().map(|html| self.file(html, values)).transpose()?;
        Ok(Bodies { subject: self.subject(subject, values)?, text: self.file(text, values)?, html })
    }

    /// Renders each file of each language, and says what is wrong with it. One that could not be parsed was named before.
    pub(super) fn check(&self, values: &Value) -> Vec<TemplateFault> {
        let mut faults = Vec::new();
        for Language { subject, text, html, .. } in self.languages.values().chain([&self.plain]) {
            let is_parsed = |file: &&String| self.environment.get_template(file).is_ok();
            faults.extend(Some(subject).filter(is_parsed).and_then(|file| self.subject(file, values).err()));
            faults.extend(
                [Some(text), html.as_ref()]
                    .into_iter()
                    .flatten()
                    .filter(is_parsed)
                    .filter_map(|file| self.file(file, values).err()),
            );
        }
        faults
    }

    pub(super) fn images<'t>(&'t self, language: &'t Language) -> impl ExactSizeIterator<Item = &'t Image> {
        language.images.iter().map(|n| &self.images[*n])
    }

    fn file(&self, name: &str, values: &Value) -> Result<String, TemplateFault> {
        let rendered = self.environment.get_template(name).and_then(|template| template.render(values));
        rendered.map_err(|error| TemplateFault::of(name, &error))
    }

    fn subject(&self, name: &str, values: &Value) -> Result<String, TemplateFault> {
        let line = self.file(name, values)?;
        let line = line.trim();
        if line.is_empty() || line.contains(char::is_control) {
            return Err(TemplateFault::new(name, "must become one line, and not an empty one"));
        }
        Ok(line.to_owned())
    }
}

/// What has been found of a language.
#[derive(Default)]
struct Draft {
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
    images: Vec<usize>,
}

impl Draft {
    fn take(&mut self, part: &str, file: &str, shows: Vec<usize>) {
        let own = match part {
            SUBJECT => &mut self.subject,
            TEXT => &mut self.text,
            _ => &mut self.html,
        };
        *own = Some(file.to_owned());
        self.images.extend(shows);
    }

    fn whole(self, tag: &str, shown_by_all: &[usize]) -> Result<Language, Vec<TemplateFault>> {
        let Self { subject, text, html, mut images } = self;
        images.extend(shown_by_all.iter().filter(|_| html.is_some()));
        images.sort_unstable();
        images.dedup();
        let lacks = |part: &str| {
            let dot = if tag.is_empty() { "" } else { "." };
            TemplateFault::new(
                &format!("{NAME}{dot}{tag}.{part}"),
                "is missing; each language has a subject and a text",
            )
        };
        match (subject, text) {
            (Some(subject), Some(text)) => Ok(Language { subject, text, html, images }),
            (subject, text) => {
                let missing = [(subject, SUBJECT), (text, TEXT)].into_iter().filter(|(file, _)| file.is_none());
                Err(missing.map(|(_, part)| lacks(part)).collect())
            }
        }
    }
}

/// Language and kind of a file: `welcome.de-AT.txt`. `None`: it is some other file.
fn part(file: &str) -> Option<(String, &'static str)> {
    let (name, ending) = file.rsplit_once('.')?;
    let part = [SUBJECT, TEXT, HTML].into_iter().find(|part| *part == ending)?;
    match name.strip_prefix(NAME)?.strip_prefix('.') {
        None => (name == NAME).then(|| (String::new(), part)),
        Some(tag) => Some((locale::tag(tag)?, part)),
    }
}

/// The places where HTML takes in a file in which values are not escaped.
fn unescaped(file: &str, source: &str) -> Vec<TemplateFault> {
    let lines = source.lines().enumerate().filter(|(_, line)| {
        let tags = line.split("{%").skip(1).filter_map(|rest| rest.split("%}").next());
        let takes = |tag: &str| {
            ["include", "extends", "import", "from"]
                .iter()
                .any(|word| tag.trim_start_matches(['-', '+', ' ']).starts_with(word))
        };
        tags.filter(|tag| takes(tag)).any(|tag| tag.contains(".txt") || tag.contains(".subject"))
    });
    let problem = "HTML must take in .html files alone: in others, what a user typed is not escaped";
    lines.map(|(n, _)| TemplateFault::at(file, n + 1, problem)).collect()
}

/// Editors leave other files in a folder: these are not looked at.
fn is_of_interest(file: &str) -> bool {
    Image::is_one(file) || [SUBJECT, TEXT, HTML].iter().any(|ending| file.ends_with(&format!(".{ending}")))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_debug(true);
    environment.set_formatter(shown::write);
    environment.add_filter("link", |value: Value| shown::link(&value));
    environment
}
