//! Crates of other people, made of the lines of docs/embed.md alone: a program with the service's commands, and a
//! handler on the engine.
//!
//! Enters: the manifests and code of docs/embed.md. Leaves: what they build and do. Promises: nothing is downloaded,
//! since each crate goes by our own lock file; and little is built twice, since they share our `target`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use crate::world::World;
use crate::world::processes::execute_by;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const OURS: &str = env!("CARGO_BIN_EXE_user-events");
const SOON: Duration = Duration::from_secs(30);

/// The block of docs/embed.md in this language that holds `text`.
fn shown(language: &str, text: &str) -> String {
    let embed = fs::read_to_string(Path::new(ROOT).join("docs/embed.md")).unwrap();
    let start = format!("```{language}\n");
    let blocks = embed.split(start.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap());
    let found: Vec<_> = blocks.filter(|block| block.contains(text)).collect();
    let [block] = found[..] else { panic!("{} blocks of {language} with {text}", found.len()) };
    block.replace("../user-events", ROOT)
}

/// The folder in which cargo has built us.
fn target() -> &'static Path {
    Path::new(OURS).ancestors().nth(2).unwrap()
}

/// Writes what is new. What is the same stays untouched, or cargo would build it anew.
fn write(file: &Path, text: &str) {
    if fs::read_to_string(file).ok().as_deref() != Some(text) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        // At once: another test's cargo may be reading it.
        let new = file.with_extension(format!("new-{}", std::process::id()));
        fs::write(&new, text).unwrap();
        fs::rename(new, file).unwrap();
    }
}

/// A crate in a folder of its own, with a workspace of its own.
fn made(name: &str, manifest: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = target().join("outside").join(name);
    write(&folder.join("Cargo.toml"), &format!("{manifest}\n[workspace]\n\n{}", tables("profile.dev")));
    files.iter().for_each(|(file, text)| write(&folder.join(file), text));
    fs::copy(Path::new(ROOT).join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    folder
}

/// The lines of our own manifest in the tables whose names begin so.
fn tables(name: &str) -> String {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let tables = manifest.split("\n[").filter(|table| table.starts_with(name)).map(|table| format!("[{table}\n"));
    tables.collect()
}

/// A crate without code, with every feature of every crate that this test was built with: whoever depends on it finds
/// all of these built.
fn alike() -> String {
    let needs = tables("dev-dependencies").replace("[dev-dependencies]", "[dependencies]");
    // Ours are named by where they are.
    let needs =
        needs.replace("\nengine = ", "\nuser-events-engine = ").replace("path = \"", &format!("path = \"{ROOT}/"));
    let service = format!("user-events = {{ path = \"{ROOT}\", features = [\"failpoints\"] }}");
    let manifest = format!("[package]\nname = \"alike\"\nedition = \"2024\"\n\n{needs}{service}\n");
    let folder = made("alike", &manifest, &[("src/lib.rs", "")]);
    format!("\n[dev-dependencies.alike]\npath = \"{}\"\n", folder.display())
}

/// Runs cargo there. Answers what it wrote.
async fn cargo(folder: &Path, words: &[&str], env: &BTreeMap<String, String>) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.args(words).arg("--offline").current_dir(folder).envs(env).env("CARGO_TARGET_DIR", target());
    let ended = command.kill_on_drop(true).output().await.unwrap();
    let told = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(ended.status.success(), "{}: cargo {}:\n{told}", folder.display(), words.join(" "));
    told
}

#[tokio::test]
async fn the_shown_handler_is_tested_on_the_engine_alone_in_memory() {
    let (manifest, code) = (shown("toml", "name = \"receipts\""), shown("rust", "pub struct Receipts"));
    let folder = made("receipts", &manifest, &[("src/lib.rs", &code)]);
    let told = cargo(&folder, &["test", "--lib"], &BTreeMap::new()).await;
    assert!(told.contains("test result: ok. 1 passed"), "{told}");
}

#[tokio::test]
async fn the_shown_handler_runs_on_the_engine_with_sqs_and_redis() {
    let (world, order) = (World::start().await, format!("o-{}", crate::world::unique()));
    let queue = world.queue("receipts", SOON).await;
    let body = format!(r#"{{"type":"order.paid","orderId":"{order}"}}"#);
    for _copy in 0..2 {
        world.sqs.send_message().queue_url(&queue.url).message_body(&body).send().await.unwrap();
    }
    let (manifest, code) = (shown("toml", "name = \"receipts\""), shown("rust", "pub struct Receipts"));
    // As its comment says.
    let (bare, on_servers) =
        ("default-features = false }", "default-features = false, features = [\"sqs\", \"redis\"] }");
    let manifest = manifest.replacen(bare, on_servers, 1);
    let also = "aws-config = { version = \"*\", default-features = false }\ntokio-util = \"*\"\n";
    let test = fs::read_to_string(Path::new(ROOT).join("tests/outside/on_sqs.rs")).unwrap();
    let files = [("src/lib.rs", code.as_str()), ("tests/on_sqs.rs", &test)];
    let folder = made("receipts_on_sqs", &format!("{manifest}{also}{}", alike()), &files);
    let mut env = world.env.clone();
    env.extend([("QUEUE_URL".to_owned(), queue.url), ("ORDER".to_owned(), order)]);
    let told = cargo(&folder, &["test", "--test", "on_sqs"], &env).await;
    assert!(told.contains("test result: ok. 1 passed"), "{told}");
}

#[tokio::test]
async fn the_shown_program_is_built_from_its_manifest_and_has_every_command() {
    let (manifest, code) = (shown("toml", "name = \"crm\""), shown("rust", "struct CrmNotifier"));
    let folder = made("crm", &(manifest + &alike()), &[("src/main.rs", &code)]);
    // It has no examples: where they are asked for, cargo takes `alike`, which nothing else here needs.
    cargo(&folder, &["build", "--bins", "--examples"], &BTreeMap::new()).await;
    let program = Path::new(OURS).with_file_name("crm");

    let world = World::start().await;
    let queue = world.queue("crm", SOON).await;
    let topic = world.topic(&[&queue]).await;
    let mut env = world.env.clone();
    let own = [("CRM_QUEUE_URL", queue.url.as_str()), ("USER_EVENTS_TOPIC_ARN", &topic), ("HTTP_ADDR", "127.0.0.1:0")];
    env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let ask = async |env: &BTreeMap<String, String>, words: &[&str]| {
        let ended = execute_by(&program, env, words).await;
        let told = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        (ended.status.code(), told)
    };
    for (words, code, says) in [
        // The queue is a test's: it has no policy, which `doctor` finds.
        (&["doctor"][..], 69, "queue policy"),
        (&["status"], 0, "crm"),
        (&["config"], 0, "CRM_QUEUE_URL"),
        (&["dlq", "list"], 0, "no dead letters"),
        (&["idem", "get", "--reaction", "crm", "123"], 0, "no record"),
        (&["--help"], 0, "crm"),
        (&["consume"], 2, "consume"),
    ] {
        let (ended, told) = ask(&env, words).await;
        assert!(ended == Some(code) && told.contains(says), "{words:?}: {ended:?} {told}");
    }
    let (code, told) = ask(&BTreeMap::new(), &["run"]).await;
    assert!(code == Some(78) && ["CRM_QUEUE_URL", "REDIS_URL"].iter().all(|name| told.contains(name)), "{told}");
}
