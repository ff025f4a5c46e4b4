//! What each crate offers to others, as a text that a change has to change too: a reviewer sees it in the diff.
//!
//! Enters: both crates' source, as rustfmt leaves it. Leaves: what `pub` says, line by line, held to `fixtures/api`.
//! It lists what stands in the text, so what is `pub` in a private room is there as well.

use std::collections::BTreeSet;
use std::fs;
use std::iter::Peekable;
use std::path::Path;

use super::licences::output;
use super::{CRATES, ROOT, files};

/// Attributes that are a promise to whoever uses the item.
const TOLD: [&str; 6] =
    ["#[derive", "#[non_exhaustive", "#[cfg(feature", "#[macro_export", "#[doc(hidden", "#[deprecated"];

/// What is being read, and the depth at which it stands.
enum Inside {
    Trait(usize),
    Enum(usize),
    Struct(usize),
    Impl(usize),
    /// An `impl` of somebody's trait, or a macro's own body: what is in it is told elsewhere.
    Else(usize),
}

impl Inside {
    fn depth(&self) -> usize {
        match self {
            Self::Trait(depth) | Self::Enum(depth) | Self::Struct(depth) | Self::Impl(depth) | Self::Else(depth) => {
                *depth
            }
        }
    }
}

fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// An item from its first line to where its body or its value begins.
fn head<'t>(first: &str, lines: &mut Peekable<impl Iterator<Item = &'t str>>) -> String {
    let mut text = first.trim().to_owned();
    let is_whole = |text: &str| text.ends_with(';') || !text.starts_with("pub use ") && text.ends_with(['{', '}']);
    while !is_whole(&text) {
        let Some(line) = lines.next() else { break };
        let glue = if text.ends_with(['(', '<', '[']) || line.trim().starts_with([')', '>', ']']) { "" } else { " " };
        text = text + glue + line.trim();
    }
    let is_value = text.contains("const ") && !text.contains(" fn ") || text.contains("static ");
    let end = if is_value { text.find(" = ") } else { None };
    let end = end.or_else(|| if text.starts_with("pub use ") { None } else { text.find(" {") });
    text[..end.unwrap_or(text.len())].trim_end_matches(';').replace(",)", ")").replace(",>", ">")
}

/// The name at the start of a type or a trait: `Reaction` of `&worker::Reaction<H>`.
fn name(path: &str) -> &str {
    let path = path.trim_start_matches(['&', '(']).trim_start_matches("dyn ");
    let path = path.split(['<', ' ', ',', ')']).next().unwrap_or_default();
    path.rsplit("::").next().unwrap_or_default()
}

/// Trait and type of an `impl`, without its generics.
fn parties(header: &str) -> [&str; 2] {
    let mut rest = header.strip_prefix("impl").unwrap_or(header);
    if rest.starts_with('<') {
        let mut open = 0;
        let end = rest.char_indices().find(|(at, c)| {
            open += i32::from(*c == '<') - i32::from(*c == '>' && !rest[..*at].ends_with('-'));
            open == 0
        });
        rest = &rest[end.map_or(0, |(at, _)| at + 1)..];
    }
    rest.split_once(" for ").map_or([name(rest.trim()); 2], |(what, whom)| [name(what.trim()), name(whom.trim())])
}

/// What one file offers.
fn items(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut lines = text.lines().filter(|line| !line.trim_start().starts_with("//")).peekable();
    let (mut found, mut inside, mut told) = (Vec::new(), None::<Inside>, String::new());
    while let Some(line) = lines.next() {
        let (code, at) = (line.trim(), depth(line));
        if code.starts_with("#[") {
            let mut attribute = code.to_owned();
            while !attribute.ends_with(']') {
                attribute.push_str(lines.next().unwrap_or("]").trim());
            }
            if TOLD.iter().any(|it| attribute.starts_with(it)) {
                told = told + &attribute + " ";
            }
            continue;
        }
        if inside.as_ref().is_some_and(|it| it.depth() == at && code.starts_with(['}', ')'])) {
            inside = None;
            continue;
        }
        let told = std::mem::take(&mut told);
        let mut list = |item: String| found.push(format!("{}{told}{item}", " ".repeat(at)));
        match &inside {
            Some(Inside::Enum(_)) => list(code.to_owned()),
            Some(it) if at != it.depth() + 4 => {}
            Some(Inside::Struct(_)) if code.starts_with("pub ") => list(code.trim_end_matches(',').to_owned()),
            Some(Inside::Trait(_)) if !code.is_empty() => list(head(line, &mut lines)),
            Some(Inside::Impl(_)) if code.starts_with("pub ") => list(head(line, &mut lines)),
            Some(_) => {}
            None if code.starts_with("macro_rules!") => {
                if told.contains("macro_export") {
                    list(code.trim_end_matches(" {").to_owned());
                }
                inside = Some(Inside::Else(at));
            }
            None if code.starts_with("impl") => {
                let header = head(line, &mut lines);
                inside = Some(if header.contains(" for ") { Inside::Else(at) } else { Inside::Impl(at) });
                list(header);
            }
            // What this macro writes is told by what it is given.
            None if code == "setters! {" => {
                list(code.to_owned());
                inside = Some(Inside::Enum(at));
            }
            None if code.starts_with("pub ") => {
                let (opens, item) = (code.ends_with('{'), head(line, &mut lines));
                let is = |kind: &str| opens && code.split_whitespace().nth(1) == Some(kind);
                inside = match () {
                    () if code.starts_with("pub trait ") => Some(Inside::Trait(at)),
                    () if is("enum") => Some(Inside::Enum(at)),
                    () if is("struct") => Some(Inside::Struct(at)),
                    () => None,
                };
                list(item);
            }
            None => {}
        }
    }
    found
}

/// What the files of one crate offer, file by file.
fn listing(folder: &str) -> String {
    let is_test = |name: &str| name.ends_with("tests.rs") || name.contains("/tests/") || name == "main.rs";
    // No release has it.
    let is_test = |name: &str| is_test(name) || name.starts_with("fuzzing/");
    let all = files(folder, &[".rs"]).into_iter().filter(|(name, _)| !is_test(name));
    let all: Vec<_> = all.map(|(name, text)| (name, items(&text))).collect();
    let lines = all.iter().flat_map(|(_, items)| items);
    let types: BTreeSet<&str> = lines
        .filter_map(|item| {
            ["struct ", "enum ", "trait ", "type "].iter().find_map(|it| item.split_once(&format!("pub {it}")))
        })
        .map(|(_, rest)| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
        .collect();
    let mut text = String::new();
    for (file, items) in &all {
        let (mut shown, mut is_ours) = (Vec::new(), true);
        for item in items {
            if item.starts_with("impl") {
                is_ours = parties(item).iter().any(|party| types.contains(party));
            } else if !item.starts_with(' ') {
                is_ours = true;
            }
            shown.extend(is_ours.then_some(item.as_str()));
        }
        if !shown.is_empty() {
            text = text + "# " + folder + "/" + file + "\n" + &shown.join("\n") + "\n\n";
        }
    }
    text
}

#[test]
fn what_the_crates_offer_to_others_changes_in_the_diff_or_not_at_all() {
    let mut changed = Vec::new();
    for (folder, name) in CRATES.iter().zip(["engine", "service"]) {
        let (kept, found) = (format!("tests/fixtures/api/{name}.txt"), listing(folder));
        assert!(found.lines().count() > 200, "{folder}: not found");
        let before = fs::read_to_string(Path::new(ROOT).join(&kept)).unwrap_or_default();
        if before == found {
            continue;
        }
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.txt"));
        fs::write(&new, &found).expect("written");
        let (was, is): (BTreeSet<&str>, BTreeSet<&str>) = (before.lines().collect(), found.lines().collect());
        changed.extend(was.difference(&is).map(|line| format!("- {line}")));
        changed.extend(is.difference(&was).map(|line| format!("+ {line}")));
        changed.push(format!("if it is meant, and in CHANGELOG.md: cp {} {kept}", new.display()));
    }
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}

#[test]
fn both_crates_can_be_packaged_with_their_licence_and_a_page_to_begin_with() {
    let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
    let target = format!("--target-dir={}", packages.display());
    let both = ["--package=user-events", "--package=user-events-engine"];
    let how = ["package", "--offline", "--no-verify", "--allow-dirty", "--quiet", target.as_str()];
    output(env!("CARGO"), &[&how[..], &both[..]].concat());
    for package in both {
        let listed = output(env!("CARGO"), &["package", "--offline", "--allow-dirty", "--list", package]);
        for file in ["Cargo.lock", "LICENSE", "README.md", "src/lib.rs"] {
            assert!(listed.lines().any(|line| line == file), "{package}: {file} is not in it");
        }
    }
}

#[test]
fn an_item_is_listed_to_its_body_with_what_it_promises() {
    let text = "
/// Told.
#[derive(Debug)]
#[non_exhaustive]
pub struct Held<T> {
    pub name: String,
    pub(crate) own: T,
}

impl<T: Fn() -> bool> Held<T> {
    pub async fn wait(
        &self,
        long: Duration,
    ) -> Result<(), Error>
    where
        T: Send,
    {
        self.inner().await
    }

    fn inner(&self) {}
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {}
}

pub const LONG: &[u8] = &[
    1,
];
pub use held::{Held, Hold};
fn none() {}
";
    let expected = [
        "#[derive(Debug)] #[non_exhaustive] pub struct Held<T>",
        "    pub name: String",
        "impl<T: Fn() -> bool> Held<T>",
        "    pub async fn wait(&self, long: Duration) -> Result<(), Error> where T: Send,",
        "impl<T> Drop for Held<T>",
        "pub const LONG: &[u8]",
        "pub use held::{Held, Hold}",
    ];
    assert_eq!(items(text), expected);
    assert_eq!(parties("impl<T: Fn() -> bool> Drop for &held::Held<T>"), ["Drop", "Held"]);
}
