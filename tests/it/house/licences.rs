//! Under which licences everything we link stands.

use std::process::Command;

use super::{ROOT, assert_none};

/// A licence expression that can be met without the GPL.
fn is_free_of_gpl(expression: &str) -> bool {
    let or = expression.replace('/', " OR ");
    or.split(" AND ").all(|part| part.split(" OR ").any(|choice| !choice.contains("GPL")))
}

pub(super) fn output(program: &str, arguments: &[&str]) -> String {
    let answer = Command::new(program).args(arguments).current_dir(ROOT).output().expect("it runs");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).expect("UTF-8")
}

#[test]
fn everything_we_link_has_a_licence_and_none_is_gpl_only() {
    assert!(is_free_of_gpl("MIT OR Apache-2.0 OR LGPL-2.1-or-later") && !is_free_of_gpl("MIT AND AGPL-3.0"));
    let version = output("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    // Without the filter cargo wants what only other platforms link, which offline is not there.
    let filter = ["--filter-platform", host];
    let metadata =
        output(env!("CARGO"), &[&["metadata", "--locked", "--offline", "--format-version=1"], &filter[..]].concat());
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("JSON");
    let mut breaches = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        match (package["license"].as_str(), package["license_file"].as_str()) {
            (Some(licence), _) if !is_free_of_gpl(licence) => breaches.push(format!("{}: {licence}", package["name"])),
            (None, None) => breaches.push(format!("{}: no licence", package["name"])),
            _ => {}
        }
    }
    assert_none(&breaches);
}
