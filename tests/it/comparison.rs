//! The page that sets us beside others says where each word about them was read.
//!
//! Enters: `docs/comparison.md`. Leaves: each cell about a project without a source, and each source that can change under it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/comparison.md")).unwrap()
}

/// The rows of the table under this heading, cell by cell; the first is its head.
fn table<'p>(page: &'p str, heading: &str) -> Vec<Vec<&'p str>> {
    let section = page.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |row: &'p str| row.trim_matches('|').split('|').map(str::trim).collect();
    rows.filter(|row| !row.starts_with("|---")).map(cells).collect()
}

/// Where each name of a link leads, as the end of the page has it.
fn sources(page: &str) -> BTreeMap<&str, &str> {
    page.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ")).collect()
}

#[test]
fn each_word_about_another_project_links_to_where_it_was_read() {
    let page = page();
    let (sources, mut missing, mut used) = (sources(&page), Vec::new(), Vec::new());
    let ours = table(&page, "What is compared");
    for heading in ["Made for SQS", "Made for several brokers"] {
        let rows = table(&page, heading);
        assert_eq!(rows[0].len(), 6, "{heading}: five projects");
        let subjects = |rows: &[Vec<&str>]| rows[1..].iter().map(|row| row[0].to_owned()).collect::<Vec<_>>();
        assert_eq!(subjects(&rows), subjects(&ours), "{heading}");
        for row in &rows[1..] {
            for (project, cell) in rows[0][1..].iter().zip(&row[1..]) {
                let source = cell.strip_prefix('[').and_then(|cell| cell.strip_suffix(']')?.split_once("]["));
                match source.filter(|(word, name)| !word.is_empty() && sources.contains_key(name)) {
                    Some((_, name)) => used.push(name.to_owned()),
                    None => missing.push(format!("{project}, {}: {cell}", row[0])),
                }
            }
        }
    }
    assert!(missing.is_empty(), "without a source:\n{}", missing.join("\n"));
    let idle: Vec<_> = sources.keys().filter(|name| !used.iter().any(|it| it == *name)).collect();
    assert!(idle.is_empty(), "sources of nothing: {idle:?}");
}

#[test]
fn a_source_file_is_named_in_the_version_that_was_read() {
    let page = page();
    let is_moving = |url: &&&str| ["/blob/main/", "/blob/master/", "/blob/HEAD/"].iter().any(|it| url.contains(it));
    let sources = sources(&page);
    assert!(sources.len() > 60 && sources.values().all(|url| url.starts_with("https://")), "{sources:?}");
    let moving: Vec<_> = sources.values().filter(is_moving).collect();
    assert!(moving.is_empty(), "{moving:?}");
}
