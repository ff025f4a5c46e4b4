//! The contracts that `schema` prints: no change goes unnoticed, and they say what the parser does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};
use user_events::envelope::{self, open};
use user_events::event::{Arrival, Event, Opened, Published, Timestamp, read, to_be_published};
use user_events::events::{EmailAddress, UserSignedUp, schema};

use crate::world::processes::execute;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn validator(schema: &Value) -> Validator {
    assert!(jsonschema::meta::is_valid(schema), "no JSON Schema: {schema:#}");
    jsonschema::validator_for(schema).unwrap()
}

fn end_of_time() -> Timestamp {
    "9999-12-31T23:59:59.999Z".parse().unwrap()
}

fn arrival() -> Arrival<'static> {
    Arrival::wrapped("m-1", end_of_time())
}

/// Each known field for what it says, its `timestamp` too.
fn is_read(text: &str) -> bool {
    matches!(to_be_published::<UserSignedUp>(text, &arrival(), UserSignedUp::TYPES), Ok(Opened::Ours(_)))
}

async fn printed(arguments: &[&str]) -> String {
    let output = execute(&BTreeMap::new(), arguments).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_contract_changes_only_together_with_its_golden_file() {
    for name in ["event", "envelope", "asyncapi"] {
        let path = root().join(format!("tests/fixtures/schema/{name}.json"));
        let golden = fs::read_to_string(&path).unwrap_or_default();
        let now = printed(&["schema", name]).await;
        let remedy = format!("meant so? cargo run -- schema {name} > tests/fixtures/schema/{name}.json");
        assert!(golden == now, "the contract `{name}` changed; {remedy}");
    }
}

/// Any user id, plan and address of ours: letters, blanks, emoji, the odd spaces of Unicode.
fn events() -> impl Strategy<Value = UserSignedUp> {
    let text = |most| prop::string::string_regex(&format!("[ -~é🎉\u{feff}\u{2003}\u{a0}]{{1,{most}}}")).unwrap();
    let address = "[a-z0-9._+-]{1,20}@[a-z0-9-]{1,10}(\\.(org|example\\.com|köln))?";
    let addresses = address.prop_filter_map("an address", |text| text.parse::<EmailAddress>().ok());
    let plans = prop::option::of(text(16).prop_filter_map("a plan", |text| text.parse().ok()));
    let users = text(60).prop_filter_map("a user id", |text| text.parse().ok());
    let moments = 0..253_402_300_799_999_i64;
    (users, addresses, plans, prop_oneof![Just(2), 2..=u32::MAX], moments).prop_map(
        |(user, email, plan, version, millis)| {
            let event = UserSignedUp::new(user, email, plan);
            let version = if event.plan.is_some() { version } else { event.head.version };
            let mut event = event;
            event.head.version = version;
            event.head.occurred_at = Timestamp::from_unix_millis(millis).unwrap();
            event
        },
    )
}

const FIELDS: [&str; 7] = ["type", "version", "eventId", "userId", "email", "plan", "timestamp"];

/// What a field may become: absent, or of another type.
fn spoilt() -> impl Strategy<Value = Option<Value>> {
    let numbers = [json!(7), json!(1), json!(2), json!(2.0), json!(-1), json!(-1.0), json!(2.5), json!(1e300)];
    let rest = [json!(null), json!(true), json!([]), json!({}), json!(""), json!("1.0"), json!("2.0"), json!("2.5")];
    prop::option::of(prop::sample::select([numbers, rest].concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_an_event_encodes_is_valid(event in events()) {
        let text = event.to_json();
        let value = serde_json::from_str(&text).unwrap();
        prop_assert!(validator(&schema::schema()).is_valid(&value), "{text}");
        let alone = if event.plan.is_some() { schema::version_2() } else { schema::version_1() };
        prop_assert!(validator(&alone).is_valid(&value), "{text}");
    }

    #[test]
    fn an_event_with_a_field_absent_or_of_another_type_is_valid_just_if_it_is_read(
        event in events(), field in prop::sample::select(FIELDS.to_vec()), spoilt in spoilt(),
    ) {
        let mut value: Value = serde_json::from_str(&event.to_json()).unwrap();
        let object = value.as_object_mut().unwrap();
        match spoilt {
            Some(spoilt) => drop(object.insert(field.to_owned(), spoilt)),
            None => drop(object.remove(field)),
        }
        let text = value.to_string();
        let is_valid = validator(&schema::schema()).is_valid(&value);
        // Two texts that only the reader takes for a moment: an epoch's digits.
        if !(field == "timestamp" && matches!(value[field].as_str(), Some("1.0" | "2.0" | "2.5"))) {
            prop_assert_eq!(is_valid, is_read(&text), "{}", value);
        }
        let once_carried = read::<UserSignedUp>(&text, &arrival(), UserSignedUp::TYPES);
        prop_assert!(!is_valid || once_carried.is_ok(), "{}", value);
        prop_assert!(field != "timestamp" || once_carried.is_ok(), "a timestamp costs no event: {}", value);
    }
}

#[test]
fn bodies_captured_from_the_real_thing_are_valid_just_if_they_are_read() {
    let (wrapped, event) = (validator(&envelope::schema(&schema::schema())), validator(&schema::schema()));
    let mut seen = (0, 0);
    for entry in fs::read_dir(root().join("tests/fixtures")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let body = fs::read_to_string(&entry).unwrap();
        let value: Value = serde_json::from_str(&body).unwrap();
        let valid = match value["Message"].as_str() {
            Some(message) => {
                let message = serde_json::from_str(message).unwrap_or(Value::Null);
                wrapped.is_valid(&value) && event.is_valid(&message)
            }
            None => event.is_valid(&value),
        };
        let read = matches!(open::<UserSignedUp>(&body, end_of_time()), Ok(Opened::Ours(_)));
        assert_eq!(valid, read, "{}", entry.display());
        if read { seen.0 += 1 } else { seen.1 += 1 }
    }
    assert!(seen.0 >= 5 && seen.1 >= 2, "the fixtures were not found: {seen:?}");
}

#[tokio::test]
async fn the_asyncapi_documents_names_are_those_that_are_deployed_and_its_references_lead_somewhere() {
    let text = printed(&["schema", "asyncapi"]).await;
    let document: Value = serde_json::from_str(&text).unwrap();
    let infra = |file: &str| fs::read_to_string(Path::new(&root()).join("infra").join(file)).unwrap();
    assert!(
        infra("topic.yaml")
            .contains(&format!("Default: {}\n", document["channels"]["topic"]["address"].as_str().unwrap()))
    );
    for reaction in ["email", "profile"] {
        let bindings = &document["channels"][reaction]["bindings"]["sqs"];
        for (kind, suffix) in [("queue", ""), ("deadLetterQueue", "-dlq")] {
            let name = bindings[kind]["name"].as_str().unwrap().replace(reaction, "${ReactionName}");
            assert!(
                name.ends_with(suffix)
                    && infra("reaction.yaml").contains(&format!("QueueName: !Sub [\"${{Before}}{name}\",")),
                "{name}"
            );
        }
    }
    let references: Vec<_> = text.split("\"$ref\": \"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(references.len() > 10, "{references:?}");
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference} leads nowhere");
    }
}

#[tokio::test]
async fn each_shells_completions_know_each_command() {
    let help = printed(&["--help"]).await;
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands: Vec<_> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"send-test") && commands.contains(&"idem"), "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]).await;
        for command in &commands {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    let script = printed(&["completions", "bash"]).await;
    let function = script.split("complete -F ").nth(1).unwrap().split(' ').next().unwrap();
    let asked = "COMP_WORDS=(user-events idem fo); COMP_CWORD=2";
    let complete = format!("{script}\n{asked}; {function} user-events fo idem; echo \"${{COMPREPLY[@]}}\"");
    let output = std::process::Command::new("bash").args(["--norc", "-c", &complete]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "forget", "{}", String::from_utf8_lossy(&output.stderr));
}
