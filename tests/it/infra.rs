//! The templates as they deploy: a worker runs on their outputs alone, another reaction changes nothing,
//! twice is once, and what holds events outlives its stack.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;
use user_events::profiles::redis::RedisProfiles;

use crate::interop;
use crate::world::patience::patience;
use crate::world::processes::{Worker, execute};
use crate::world::smtp::SmtpServer;
use crate::world::{World, address, eventually, redis};

const SOON: Duration = Duration::from_secs(30);

/// What `deploy` of these reactions says.
pub async fn deploy(world: &World, reactions: &[&str]) -> Value {
    let told = interop::run(world, "infra.py", &[&["deploy"], reactions].concat()).await;
    serde_json::from_slice(&told.stdout).unwrap()
}

/// The environment of a reaction's container, and where AWS is: what ECS gives a task by itself.
pub fn container(world: &World, deployed: &Value, reaction: &str) -> BTreeMap<String, String> {
    let of_the_task = ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let mut env: BTreeMap<_, _> =
        of_the_task.iter().map(|name| ((*name).to_owned(), world.env[*name].clone())).collect();
    let resolved = deployed["containers"][reaction]["environment"].as_object().expect("an environment");
    env.extend(resolved.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())));
    // Tests share one network, tasks do not.
    env.insert("HTTP_ADDR".to_owned(), "127.0.0.1:0".to_owned());
    env
}

/// Starts what that container starts.
pub fn run(env: &BTreeMap<String, String>, deployed: &Value, reaction: &str) -> Worker {
    let command = deployed["containers"][reaction]["command"].as_array().expect("a command");
    Worker::of(env, &command.iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>())
}

/// After how many SQS itself moves an event.
async fn receives(world: &World, url: &str) -> u64 {
    let call = world.sqs.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::RedrivePolicy);
    let attributes = call.send().await.unwrap().attributes.unwrap();
    let policy: Value = serde_json::from_str(&attributes[&QueueAttributeName::RedrivePolicy]).unwrap();
    let count = &policy["maxReceiveCount"];
    count.as_u64().or_else(|| count.as_str()?.parse().ok()).unwrap()
}

#[tokio::test]
async fn the_template_names_a_queues_variable_as_the_worker_reads_it_whatever_the_reaction_is_called() {
    let world = World::in_an_account_of_its_own().await;
    let reactions =
        ["email", "profile", "crm", "order-notify", "the-quick-brown-fox-jumps-over", "a-lazy-dog-0123456789"];
    let told = interop::run(&world, "infra.py", &[&["names"][..], &reactions].concat()).await;
    let made: BTreeMap<String, String> = serde_json::from_slice(&told.stdout).unwrap();
    for name in reactions {
        assert_eq!(made[name], user_events::config::prefix(name));
    }
}

#[tokio::test]
async fn the_stacks_make_a_worker_run_and_another_reaction_or_the_same_again_changes_none() {
    let mut world = World::in_an_account_of_its_own().await;
    let smtp = SmtpServer::start().await;
    world.env.insert("SMTP_URL".to_owned(), smtp.url());
    let first = deploy(&world, &["email", "profile"]).await;
    let stacks = first["stacks"].as_object().unwrap();
    assert!(stacks.len() == 5 && stacks.values().all(|stack| stack["status"] == "created"), "{first}");

    // A mail server may say "not now" for a day; of a profile nobody but the queue counts who was killed.
    for (name, wanted) in [("email", 100), ("profile", 5)] {
        let url = first["stacks"][format!("user-events-{name}")]["outputs"]["QueueUrl"].as_str().unwrap();
        assert_eq!(receives(&world, url).await, wanted, "{name}");
    }

    let (email, profile) = (container(&world, &first, "email"), container(&world, &first, "profile"));
    let _workers = [run(&email, &first, "email"), run(&profile, &first, "profile")];
    let user = world.id.clone();
    let arguments = ["publish", "--user-id", &user, "--email", &address(&user), "--plan", "pro"];
    assert!(execute(&email, &arguments).await.status.success());
    smtp.wait_for(1, SOON).await;
    assert_eq!(smtp.accepted_to(&address(&user)), 1);
    let (link, key) = (redis(), RedisProfiles::key(&user.parse().unwrap()));
    let written = async || (!link.hash(&key).await.unwrap().is_empty()).then_some(());
    eventually("the profile", SOON, written).await;

    // A third reaction and a fourth by the same files, and the first two again: nothing of theirs is touched.
    let second = deploy(&world, &["email", "profile", "crm", "order-notify"]).await;
    for (name, before) in stacks {
        let now = &second["stacks"][name];
        assert_eq!(now["status"], "unchanged", "{name}");
        assert_eq!((&now["outputs"], &now["resources"]), (&before["outputs"], &before["resources"]), "{name}");
    }
    for name in ["email", "profile"] {
        assert_eq!(second["containers"][name], first["containers"][name]);
    }
    let made = |stack: &str| &second["stacks"][stack]["status"] == "created";
    assert!(made("user-events-crm") && made("user-events-crm-worker"), "{second}");
    // Each image is asked for its health by the program that it has.
    for (name, program) in [("email", "/user-events"), ("crm", "/crm_notifier")] {
        assert_eq!(second["containers"][name]["health"], serde_json::json!(["CMD", program, "healthcheck"]));
    }
    for (name, variable) in [("crm", "CRM_QUEUE_URL"), ("order-notify", "ORDER_NOTIFY_QUEUE_URL")] {
        let url = &second["stacks"][format!("user-events-{name}")]["outputs"]["QueueUrl"];
        assert_eq!(&second["containers"][name]["environment"][variable], url);
    }
    // A webhook by its parameters: what the worker reads, and the way out on its port.
    let webhook = &second["containers"]["order-notify"]["environment"];
    assert_eq!(webhook["ORDER_NOTIFY_WEBHOOK_URL"], "https://orders.internal:8443/hooks");
    assert_eq!(webhook["ORDER_NOTIFY_WEBHOOK_SECRET"], "whsec_bmV3");
    assert_eq!(webhook["ORDER_NOTIFY_WEBHOOK_SECRET_PREVIOUS"], "whsec_b2xk");
    for (name, opens) in [("crm", false), ("order-notify", true)] {
        let resources = &second["stacks"][format!("user-events-{name}-worker")]["resources"];
        assert_eq!(resources.get("WebhookEgress").is_some(), opens, "{name}");
        let of_a_webhook = |variable: &String| variable.contains("WEBHOOK");
        assert_eq!(container(&world, &second, name).keys().any(of_a_webhook), opens, "{name}");
    }
    let subscriptions = world.sns.list_subscriptions_by_topic().topic_arn(&email["USER_EVENTS_TOPIC_ARN"]);
    assert_eq!(subscriptions.send().await.unwrap().subscriptions().len(), 4);

    // What holds events stays, and is named with the way to be rid of it.
    let told = undo(&world, &["user-events-crm-worker", "user-events-crm"]).await;
    let kept = second["stacks"]["user-events-crm"]["resources"].clone();
    for queue in ["Queue", "DeadLetterQueue"] {
        let url = kept[queue].as_str().unwrap();
        assert!(told.contains(&format!("aws sqs delete-queue --queue-url {url}\n")), "{url} is not named:\n{told}");
    }
    let log = second["stacks"]["user-events-crm-worker"]["outputs"]["LogGroupName"].as_str().unwrap();
    assert!(told.contains(&format!("aws logs delete-log-group --log-group-name {log}\n")), "{told}");
    assert_eq!(told.lines().filter(|line| line.starts_with("  aws ")).count(), 3, "{told}");
    let again = undo(&world, &["user-events-crm-worker", "user-events-crm"]).await;
    assert_eq!(again, "user-events-crm-worker: not there\nuser-events-crm: not there\n");
}

/// The AWS CLI, but for what LocalStack leaves out: it deletes what a template says to retain, where AWS
/// passes over it and tells so in the stack's events.
const CLI: &str = r#"#!/bin/bash
set -o pipefail; python -m awscli "$@" | case "$*" in
  *describe-stack-events*) sed -E '/AWS::(SQS::Queue|SNS::Topic|Logs::LogGroup)\t/s/^DELETE_COMPLETE/DELETE_SKIPPED/' ;;
  *) cat ;;
esac
"#;

/// Deletes stacks as infra/README.md does; answers what it said.
async fn undo(world: &World, stacks: &[&str]) -> String {
    let python = std::env::var("TEST_PYTHON").expect("no Python with awscli: run the tests by `make test`");
    let folder = tempfile::tempdir().unwrap();
    let cli = folder.path().join("aws");
    std::fs::write(&cli, CLI).unwrap();
    std::fs::set_permissions(&cli, std::fs::Permissions::from_mode(0o755)).unwrap();
    let rest = (Path::new(&python).parent().unwrap().display(), std::env::var("PATH").unwrap());
    let path = format!("{}:{}:{}", folder.path().display(), rest.0, rest.1);
    let mut undo = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("infra/undo"));
    undo.args(stacks).env_clear().envs(&world.env).env("PATH", path).kill_on_drop(true);
    undo.env("AWS_DEFAULT_REGION", &world.env["AWS_REGION"]); // what version 1 of the CLI reads
    let ended = timeout(patience(4 * SOON), undo.output()).await.expect("it ends").expect("it runs");
    let told = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{told}{}", String::from_utf8_lossy(&ended.stderr));
    told
}

/// `aws` that notes what it is asked for, and `docker` and `kubectl` that do nothing.
const DRY: &str = r#"
aws() {
  local word
  for word in "$@"; do
    case $word in file://*) word=secret ;; esac # what it names is gone when the word is looked at
    printf '%s\0' "$word" >>"$asked"
  done
  printf '\n\0' >>"$asked"
  echo "$1-$2"
}
docker() { :; }
kubectl() { :; }
read() { smtp_url=smtp://localhost; }
"#;

#[tokio::test]
async fn each_command_of_the_readme_of_infra_is_one_that_the_aws_cli_takes() {
    let (world, root) = (World::start().await, Path::new(env!("CARGO_MANIFEST_DIR")));
    let readme = std::fs::read_to_string(root.join("infra/README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let script = format!("{DRY}{}", blocks.concat().replace("infra/undo ", "printf '%s ' "));
    let folder = tempfile::tempdir().unwrap();
    let asked = folder.path().join("asked");
    let mut bash = Command::new("bash");
    bash.args(["-euc", &script]).env("asked", &asked).stdin(Stdio::null()).kill_on_drop(true);
    let ended = timeout(patience(SOON), bash.output()).await.expect("it ends").expect("bash runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let told = interop::run(&world, "aws_words.py", &[asked.to_str().unwrap()]).await;
    let taken: usize = String::from_utf8(told.stdout).unwrap().trim().parse().unwrap();
    assert!(taken > 20, "only {taken} commands were found");
}
