//! How many crates the engine brings into a program that embeds it.

use std::collections::BTreeSet;

use super::licences::output;

/// The crates that this selection links on this machine, itself among them.
fn linked(features: &[&str]) -> BTreeSet<String> {
    let tree = ["tree", "--offline", "--locked", "--edges=normal", "--prefix=none", "--package=user-events-engine"];
    let told = output(env!("CARGO"), &[&tree[..], &["--no-default-features"], features].concat());
    told.lines().filter_map(|line| line.split(" (").next()).map(str::to_owned).collect()
}

#[test]
fn the_engine_links_few_crates_and_no_client_that_was_not_asked_for() {
    let (bare, with_servers) = (linked(&[]), linked(&["--features=sqs,sns,redis"]));
    assert!((20..=65).contains(&bare.len()), "{} crates: {bare:?}", bare.len());
    assert!((100..=180).contains(&with_servers.len()), "{} crates: {with_servers:?}", with_servers.len());
    let has = |crates: &BTreeSet<String>, name: &str| crates.iter().any(|it| it.split(' ').next() == Some(name));
    for client in ["aws-sdk-sqs", "aws-sdk-sns", "redis"] {
        assert!(has(&with_servers, client) && !has(&bare, client), "{client}");
    }
    for of_the_service in ["clap", "axum", "lettre", "opentelemetry"] {
        assert!(!has(&with_servers, of_the_service), "{of_the_service}");
    }
}
