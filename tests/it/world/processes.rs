//! Our own binary, or a team's own program, as a process: a worker that runs, or a command that ends.
//!
//! Enters: an environment and arguments. Leaves: output, log lines, an exit code. Promises: the process has exactly the
//! given environment. A process that still runs is killed when the test drops it. Its standard error can be read, and
//! is searched for addresses, secrets and bodies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::patience::patience;
use super::{TestQueue, World, smtp::SmtpServer};

/// How long a command may take.
const COMMAND: Duration = Duration::from_secs(30);

/// A running worker. On drop its log is searched for addresses, secrets and bodies.
pub struct Worker {
    child: Child,
    secrets: Vec<String>,
    log: watch::Receiver<Vec<String>>,
    out: Option<ChildStdout>,
    /// Its standard input, open as long as this is held.
    _keyboard: Option<ChildStdin>,
}

/// A worker's environment, without queues. The long poll is short, so that tests stop quickly.
pub fn environment(world: &World, smtp_url: &str) -> BTreeMap<String, String> {
    let mut env = world.env.clone();
    let ours = [
        ("SMTP_URL", smtp_url),
        ("MAIL_FROM", "Welcome <welcome@acme.example>"),
        ("HTTP_ADDR", "127.0.0.1:0"),
        ("RECEIVE_WAIT", "1s"),
        ("LOG_FORMAT", "json"),
    ];
    env.extend(ours.map(|(name, value)| (name.to_owned(), value.to_owned())));
    env
}

/// The environment of a worker on these two queues.
pub fn both(world: &World, smtp: &SmtpServer, email: &TestQueue, profile: &TestQueue) -> BTreeMap<String, String> {
    let mut env = environment(world, &smtp.url());
    env.insert("EMAIL_QUEUE_URL".to_owned(), email.url.clone());
    env.insert("PROFILE_QUEUE_URL".to_owned(), profile.url.clone());
    env
}

pub const OURS: &str = env!("CARGO_BIN_EXE_user-events");

/// A team's own program: one of the examples.
pub fn example(name: &str) -> PathBuf {
    let program = Path::new(OURS).with_file_name("examples").join(name);
    assert!(program.exists(), "no example at its place: build it by `cargo build --examples`");
    program
}

fn command(program: impl AsRef<Path>, env: &BTreeMap<String, String>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).env_clear().envs(env).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// The passwords and keys of an environment.
fn secrets(env: &BTreeMap<String, String>) -> Vec<String> {
    let password = |url: &String| url::Url::parse(url).ok()?.password().map(str::to_owned);
    let urls = ["REDIS_URL", "SMTP_URL"].iter().filter_map(|name| env.get(*name)).filter_map(password);
    let keys = env.get("OTEL_EXPORTER_OTLP_HEADERS").and_then(|header| Some(header.split_once('=')?.1.to_owned()));
    urls.chain(keys).filter(|secret| secret.len() > 3).collect()
}

/// What a log line holds that no log may hold: an address, a secret or a body.
pub fn indiscretion(line: &str, secrets: &[String]) -> Option<&'static str> {
    // Our own example addresses are allowed: one shows the form of a setting, one is the default sender.
    let line = &line.replace("name@example.com", "").replace("welcome@example.com", "");
    let domain = |at: usize| line[at + 1..].split(|c: char| !c.is_alphanumeric() && c != '-' && c != '.').next();
    let address = line.match_indices('@').any(|(at, _)| domain(at).is_some_and(|domain| domain.contains('.')));
    let secret = secrets.iter().any(|secret| line.contains(secret));
    // Only as a name in JSON, escaped or not: an error may say that an event has no field `userId`.
    let is_name = |at: usize, word: &str| line[at + word.len()..].trim_start_matches('\\').starts_with('"');
    let names = |word: &'static str| line.match_indices(word).any(|(at, _)| is_name(at, word));
    let body = names("userId") || names("MessageAttributes");
    [(address, "an address"), (secret, "a secret"), (body, "a body")]
        .into_iter()
        .find_map(|(is, what)| is.then_some(what))
}

fn assert_discreet<'l>(lines: impl Iterator<Item = &'l str>, secrets: &[String]) {
    for line in lines {
        assert_eq!(indiscretion(line, secrets), None, "the log tells it: {line}");
    }
}

/// Runs a command to its end. Its standard error is checked like a log.
pub async fn execute(env: &BTreeMap<String, String>, arguments: &[&str]) -> Output {
    execute_by(Path::new(OURS), env, arguments).await
}

/// Like [`execute`], for another program.
pub async fn execute_by(program: &Path, env: &BTreeMap<String, String>, arguments: &[&str]) -> Output {
    let run = command(program, env, arguments).output();
    let ended = timeout(patience(COMMAND), run).await.expect("the command ends");
    let output = ended.expect("the binary runs");
    assert_discreet(String::from_utf8_lossy(&output.stderr).lines(), &secrets(env));
    output
}

/// Like [`execute`], with this text on its standard input. Its standard error is not checked.
pub async fn execute_with_input(env: &BTreeMap<String, String>, arguments: &[&str], input: &str) -> Output {
    let mut command = command(OURS, env, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    // The result is ignored: a command that refuses its settings closes the pipe without reading.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    timeout(patience(COMMAND), child.wait_with_output()).await.expect("the command ends").expect("its output")
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A second panic would hide the first.
        if !std::thread::panicking() {
            assert_discreet(self.log().iter().map(String::as_str), &self.secrets);
        }
    }
}

impl Worker {
    pub fn start(env: &BTreeMap<String, String>) -> Self {
        Self::of(env, &["run"])
    }

    /// A worker that may have only `files` files and connections open.
    pub fn limited(env: &BTreeMap<String, String>, files: u32) -> Self {
        let mut shell = Command::new("/bin/sh");
        let script = format!("ulimit -n {files}; exec \"$0\" run");
        shell.args(["-c", &script, OURS]);
        shell.env_clear().envs(env).stdin(Stdio::null()).kill_on_drop(true);
        Self::spawned(shell, env)
    }

    /// Another command that runs until it is stopped, or for a long time.
    pub fn of(env: &BTreeMap<String, String>, arguments: &[&str]) -> Self {
        Self::spawned(command(OURS, env, arguments), env)
    }

    /// Another program that runs until it is stopped, in a folder that it may write to.
    pub fn by(program: &Path, env: &BTreeMap<String, String>, folder: &Path, arguments: &[&str]) -> Self {
        let mut worker = command(program, env, arguments);
        worker.current_dir(folder);
        Self::spawned(worker, env)
    }

    /// Like [`Worker::of`], with a standard input that stays open and silent.
    pub fn listening(env: &BTreeMap<String, String>, arguments: &[&str]) -> Self {
        let mut command = command(OURS, env, arguments);
        command.stdin(Stdio::piped());
        Self::spawned(command, env)
    }

    fn spawned(mut command: Command, env: &BTreeMap<String, String>) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let (sender, log) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|log: &mut Vec<String>| log.push(line));
            }
        });
        Self { out: child.stdout.take(), _keyboard: child.stdin.take(), child, log, secrets: secrets(env) }
    }

    /// Waits for a line of the log that holds `text`.
    pub async fn says(&self, text: &str, within: Duration) -> String {
        let (mut log, within) = (self.log.clone(), patience(within));
        let found = |lines: &Vec<String>| lines.iter().any(|line| line.contains(text));
        match timeout(within, log.wait_for(found)).await {
            Ok(Ok(lines)) => lines.iter().find(|line| line.contains(text)).cloned().unwrap_or_default(),
            _ => panic!("no line with {text:?} within {within:?} in:\n{}", self.log().join("\n")),
        }
    }

    /// Waits for its next `count` lines on standard output.
    pub async fn prints(&mut self, count: usize, within: Duration) -> Vec<String> {
        let within = patience(within);
        let mut lines = BufReader::new(self.out.as_mut().expect("a pipe")).lines();
        let read = async {
            let mut read = Vec::new();
            while read.len() < count
                && let Ok(Some(line)) = lines.next_line().await
            {
                read.push(line);
            }
            read
        };
        let read = timeout(within, read).await.unwrap_or_default();
        assert_eq!(read.len(), count, "not so many lines within {within:?}");
        read
    }

    /// The unread rest of its standard output. Waits for the process's end.
    pub async fn printed(&mut self) -> String {
        let mut text = String::new();
        self.out.as_mut().expect("a pipe").read_to_string(&mut text).await.expect("UTF-8");
        text
    }

    /// The address at which it listens.
    pub async fn address(&self) -> String {
        let line = self.says("\"message\":\"running\"", Duration::from_secs(20)).await;
        let line: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
        line["address"].as_str().expect("an address").to_owned()
    }

    pub fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Its process id. `None` once [`Worker::exit`] has seen its end.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The most memory that it has held so far, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid().expect("it runs"))).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
        line.split_whitespace().next().and_then(|figure| figure.parse().ok()).expect("a figure")
    }

    /// Sends a signal. Does nothing if the process has ended.
    pub fn signal(&self, name: &str) {
        let Some(pid) = self.child.id() else { return };
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// The exit code. `None`: a signal ended it. By then its log has been read to the end.
    pub async fn exit(&mut self, within: Duration) -> Option<i32> {
        let within = patience(within);
        let ended = async {
            let status = self.child.wait().await;
            while self.log.changed().await.is_ok() {}
            status
        };
        match timeout(within, ended).await {
            Ok(status) => status.expect("it was ours to wait for").code(),
            Err(_) => panic!("still running after {within:?}:\n{}", self.log().join("\n")),
        }
    }

    pub async fn terminate(mut self) -> Option<i32> {
        self.signal("TERM");
        self.exit(COMMAND).await
    }
}
