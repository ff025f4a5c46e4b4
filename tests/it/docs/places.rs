//! Where documents lead: links with their anchors, and paths.
//!
//! Enters: a document. Leaves: the places that it names, and what is wrong with one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::document::{Document, ROOT, documents};

/// A path in backticks begins with one of these, or is all of it.
const FOLDERS: &[&str] =
    &["engine/", "src/", "tests/", "infra/", "localstack/", "docs/", "examples/", "benches/", "fuzz/", "pgo/", ".ci/"];

pub fn links(document: &Document) -> Vec<String> {
    let inline = document.prose.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    // `[name]: target`, at the end of a page.
    let named = document.prose.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ").map(|(_, to)| to));
    inline.chain(named).filter(|target| !target.starts_with("https://")).map(str::to_owned).collect()
}

pub fn dead_link(document: &Document, target: &str) -> Option<String> {
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { document.path.clone() } else { document.path.with_file_name("").join(file) };
    if !path.exists() {
        return Some(format!("{target}: no such file"));
    }
    anchor.is_some_and(|anchor| !anchors(&path).contains(anchor)).then(|| format!("{target}: no such heading"))
}

fn anchors(path: &Path) -> BTreeSet<String> {
    // As GitHub makes it of a heading.
    let anchor = |heading: &str| -> String {
        let is_kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
        heading.trim().to_lowercase().chars().filter(is_kept).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    let text = fs::read_to_string(path).unwrap();
    let outside = text.split("\n```").step_by(2).flat_map(str::lines).filter(|line| line.starts_with('#'));
    outside.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

pub fn paths(document: &Document) -> Vec<String> {
    let first = |span: &str| span.split([' ', ':']).next().unwrap_or_default().to_owned();
    let is_path = |word: &String| FOLDERS.iter().any(|folder| word.starts_with(folder));
    // Made by `make up` and `make fuzz`, or standing for several.
    let made = ["localstack/.", "fuzz/corpus", "fuzz/artifacts"];
    let stands = |word: &String| made.iter().any(|made| word.starts_with(made)) || word.contains(['*', '<', '…', '{']);
    let words = document.spans.iter().map(|span| first(&span.text));
    words.filter(is_path).filter(|word| !stands(word)).collect()
}

pub fn no_path(_: &Document, path: &str) -> Option<String> {
    (!Path::new(ROOT).join(path).exists()).then(|| path.to_owned())
}

/// A page that no other leads to is a page that nobody reads.
#[test]
fn each_page_is_reached_from_the_readme() {
    let documents = documents();
    let leads = |name: &String| -> Vec<String> {
        let page = documents.iter().find(|document| document.name == *name);
        let folder = Path::new(name).parent().unwrap_or(Path::new(""));
        let to = |link: &String| folder.join(link.split('#').next().unwrap_or_default()).display().to_string();
        page.map(|page| links(page).iter().map(to).collect()).unwrap_or_default()
    };
    let mut reached = vec!["README.md".to_owned()];
    let mut next = 0;
    while let Some(name) = reached.get(next) {
        let new: Vec<String> = leads(name).into_iter().filter(|name| !reached.contains(name)).collect();
        reached.extend(new);
        next += 1;
    }
    let pages = documents.iter().map(|document| &document.name).filter(|name| name.starts_with("docs/"));
    let lost: Vec<_> = pages.filter(|name| !reached.contains(name)).collect();
    assert!(lost.is_empty(), "no page leads to {lost:?}");
}
