//! A document in its parts: the code that it shows, and its prose.
//!
//! Enters: Markdown, or a script or example, of which its comments count. Leaves: [`Document`]s.

use std::fs;
use std::path::{Path, PathBuf};

pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Markdown beside that in `docs/`.
const PAGES: &[&str] = &[
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "engine/README.md",
    "infra/README.md",
    "tests/fixtures/README.md",
];
/// Folders whose files tell in comments how they are used.
const SCRIPTS: &[&str] = &["localstack", "examples", "examples/webhook", "infra", "infra/kubernetes"];

/// A text between backticks.
pub struct Span {
    pub text: String,
    /// What stands before it, in its paragraph.
    pub before: String,
}

pub struct Document {
    /// Its path below [`ROOT`].
    pub name: String,
    pub path: PathBuf,
    pub blocks: Vec<String>,
    pub spans: Vec<Span>,
    pub prose: String,
}

pub fn documents() -> Vec<Document> {
    let named = PAGES.iter().map(|name| Path::new(ROOT).join(name));
    let pages = named.chain(files("docs").into_iter().filter(|path| ends(path, &["md"]))).map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        parts(path, &text)
    });
    let scripts = SCRIPTS.iter().flat_map(|folder| files(folder)).filter(|path| !ends(path, &["md", "txt", "json"]));
    pages.chain(scripts.filter_map(|path| comments(&path).map(|text| parts(path, &text)))).collect()
}

fn ends(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|extension| extensions.iter().any(|one| extension == *one))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(ROOT).join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let is_ours = |path: &PathBuf| path.is_file() && !path.file_name().unwrap().to_string_lossy().starts_with('.');
    entries.filter(is_ours).collect()
}

/// The comments of a script, line by line, without what makes them comments; and as code the commands that it tells.
fn comments(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let comment = |line: &str| {
        let line = line.trim_start();
        let rest = ["//!", "///", "//", "#"].iter().find_map(|sign| line.strip_prefix(sign))?;
        // What is indented there is no block: it goes on from the line above.
        Some(format!("{}\n", rest.trim_start()))
    };
    let told = text.lines().filter(|line| line.trim_start().starts_with("cargo run -- "));
    let told = told.map(|line| format!("    {}\n", line.trim_start()));
    Some(text.lines().filter_map(comment).chain(told).collect())
}

fn parts(path: PathBuf, text: &str) -> Document {
    let (mut blocks, mut spans, mut prose) = (Vec::new(), Vec::new(), String::new());
    for (n, part) in text.split("\n```").enumerate() {
        if n % 2 == 1 {
            blocks.push(part.split_once('\n').unwrap().1.to_owned());
            continue;
        }
        let (indented, text): (Vec<&str>, Vec<&str>) = part.lines().partition(|line| line.starts_with("    "));
        blocks.extend(indented.into_iter().map(str::to_owned));
        // Paragraph by paragraph: a backtick without its other one spoils no more than its own.
        for paragraph in text.join("\n").split("\n\n") {
            let mut before = String::new();
            for (n, piece) in paragraph.split('`').enumerate() {
                if n % 2 == 1 {
                    spans.push(Span { text: piece.replace('\n', " "), before: before.clone() });
                } else {
                    prose.push_str(piece);
                }
                before.push_str(piece);
            }
            prose.push('\n');
        }
    }
    let name = path.strip_prefix(ROOT).unwrap().display().to_string();
    Document { name, path, blocks, spans, prose }
}

impl Document {
    /// The lines of all code, continued ones in one, without what a screen shows beside a command.
    pub fn lines(&self) -> Vec<String> {
        let spans = self.spans.iter().map(|span| &span.text);
        let code = self.blocks.iter().chain(spans).map(|code| code.replace("\\\n", " "));
        let lines = code.flat_map(|code| code.lines().map(str::to_owned).collect::<Vec<_>>());
        lines.map(|line| line.trim().trim_start_matches("$ ").to_owned()).collect()
    }
}

/// The words of a line of code, without its comment and whatever it is piped into.
pub fn words(line: &str) -> Vec<&str> {
    let line = line.split(" | ").next().unwrap().split("  ").next().unwrap();
    let apart = |c: char| c.is_whitespace() || "()[]<>,".contains(c);
    line.split(apart).filter(|word| !word.is_empty()).take_while(|word| !word.starts_with('#')).collect()
}
