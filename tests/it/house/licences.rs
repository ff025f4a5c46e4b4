//! Under which licences everything we link stands, and where it comes from: what cargo-deny looks at, for whoever has none.
//!
//! Enters: `deny.toml`, cargo's word on each package, the lock file. Leaves: every package that breaks them.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{ROOT, assert_none};

/// The words in quotes of a list in `deny.toml`, `key = [ … ]`; of a table in it, its first.
fn listed(key: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(ROOT).join("deny.toml")).expect("deny.toml");
    let list = text.split(&format!("\n{key} = [\n")).nth(1).unwrap_or_else(|| panic!("deny.toml has no {key}"));
    let rows = list.lines().take_while(|line| *line != "]");
    rows.map(|row| row.split('"').nth(1).expect("a word in quotes").to_owned()).collect()
}

/// Can this licence expression be met by the licences of `allowed` alone?
fn is_met(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    any(&mut words, allowed)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &[String]) -> bool {
    let mut met = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all(words, allowed);
    }
    met
}

fn all(words: &mut Words<'_>, allowed: &[String]) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &[String]) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let met = any(words, allowed);
        return words.next() == Some(")") && met;
    }
    let name = words.next().unwrap_or_default();
    // An exception gives more rights than the licence alone.
    if words.next_if_eq(&"WITH").is_some() {
        words.next();
    }
    allowed.iter().any(|it| it == name)
}

pub(super) fn output(program: &str, arguments: &[&str]) -> String {
    let answer = Command::new(program).args(arguments).current_dir(ROOT).output().expect("it runs");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).expect("UTF-8")
}

#[test]
fn a_licence_is_met_by_each_of_its_parts_or_by_one_of_its_choices() {
    let allowed = ["MIT", "ISC", "Apache-2.0"].map(str::to_owned);
    for met in ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-2.0", "ISC AND (GPL-2.0 OR MIT)", "Apache-2.0 WITH LLVM-exception"] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for unmet in ["GPL-3.0", "MIT AND AGPL-3.0", "ISC AND (GPL-2.0 OR AGPL-3.0)", "LGPL-2.1 OR GPL-2.0 AND MIT", ""] {
        assert!(!is_met(unmet, &allowed), "{unmet}");
    }
}

#[test]
fn everything_we_link_stands_under_a_licence_of_the_list() {
    let allowed = listed("allow");
    let version = output("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    // Without the filter cargo wants what only other platforms link, which offline is not there.
    let filter = ["--filter-platform", host];
    let metadata =
        output(env!("CARGO"), &[&["metadata", "--locked", "--offline", "--format-version=1"], &filter[..]].concat());
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 200, "{} packages", packages.len());
    let breaks = |package: &&serde_json::Value| !is_met(package["license"].as_str().unwrap_or_default(), &allowed);
    let breaches = packages.iter().filter(breaks);
    assert_none(&breaches.map(|it| format!("{}: {}", it["name"], it["license"])).collect::<Vec<_>>());
}

#[test]
fn everything_we_link_comes_from_one_registry_with_its_checksum() {
    let lock = fs::read_to_string(Path::new(ROOT).join("Cargo.lock")).expect("Cargo.lock");
    let ours = ["ours", "user-events", "user-events-engine"];
    let mut breaches = Vec::new();
    for package in lock.split("[[package]]\n").skip(1) {
        let value = |key: &str| {
            let start = format!("{key} = \"");
            package.lines().find_map(|line| line.strip_prefix(start.as_str())?.strip_suffix('"'))
        };
        let name = value("name").expect("a name");
        let from = "registry+https://github.com/rust-lang/crates.io-index";
        let is_pinned = value("source") == Some(from) && value("checksum").is_some_and(|sum| sum.len() == 64);
        if !is_pinned && !ours.contains(&name) {
            breaches.push(name.to_owned());
        }
    }
    assert_none(&breaches);
}

#[test]
fn no_crate_that_is_banned_is_linked() {
    let banned = listed("deny");
    assert!(banned.len() > 3, "{banned:?}");
    let tree = ["tree", "--offline", "--locked", "--workspace", "--edges=normal", "--prefix=none", "--format={p}"];
    let linked = output(env!("CARGO"), &tree);
    let names = linked.lines().filter_map(|line| line.split(' ').next());
    assert_none(&names.filter(|name| banned.iter().any(|it| it == name)).map(str::to_owned).collect::<Vec<_>>());
}
