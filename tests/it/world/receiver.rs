//! The receivers of `examples/webhook`, each with its language's own package to verify signatures.
//!
//! Enters: a language, `node` or `python`, and a secret. Leaves: the process, its URL, the ids of what it accepted.
//! Promises: it listens when it is handed out, and ends when the test drops it.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::patience::patience;

/// The languages of the receivers.
pub const LANGUAGES: [&str; 2] = ["node", "python"];

/// The ids of the events whose work a receiver did, in order.
#[derive(Debug, Clone, Default)]
pub struct Accepted(Arc<Mutex<Vec<String>>>);

impl Accepted {
    pub fn ids(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// The text of a receiver.
pub fn source(language: &str) -> String {
    std::fs::read_to_string(file(language)).unwrap()
}

fn file(language: &str) -> std::path::PathBuf {
    let name = if language == "node" { "receiver.mjs" } else { "receiver.py" };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/webhook").join(name)
}

/// Starts a receiver on a free port.
pub async fn start_receiver(language: &str, secret: &str) -> (Child, String, Accepted) {
    let program = std::env::var(format!("TEST_{}", language.to_uppercase()));
    let mut command = Command::new(program.expect("no Node or Python with `standardwebhooks`: run by `make test`"));
    if language == "node" {
        // Read from standard input, it finds the packages of the folder that it runs in.
        command.args(["--input-type=module", "-"]);
    }
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")).env_clear();
    command.envs([("SECRET", secret), ("PORT", "0")]).stdin(File::open(file(language)).unwrap());
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("it starts");

    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = timeout(patience(Duration::from_secs(20)), lines.next_line()).await.expect("it listens").unwrap();
    let port = first.as_deref().and_then(|line| line.strip_prefix("listening on port ")).expect("a port").to_owned();
    let accepted = Accepted::default();
    let log = accepted.clone();
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let id = line.strip_prefix("accepted ").and_then(|rest| rest.split(' ').next());
            log.0.lock().unwrap().extend(id.map(str::to_owned));
        }
    });
    (child, format!("http://127.0.0.1:{port}/"), accepted)
}
