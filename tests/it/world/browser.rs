//! A browser that a test looks and clicks with: Chromium, by `tests/browser/driver.mjs`.
//!
//! Enters: what a person would do. Leaves: what is on the page. Promises: each deed waits for the page's own state, within this
//! machine's patience; a test that ends well was complained of by nothing: no error in a script, no breach of the
//! Content-Security-Policy, no file that is missing.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::patience::patience;

/// How long a page may take to become what a command needs.
const PAGE: Duration = Duration::from_secs(10);
/// How long a command may take; one that cannot succeed says so after [`PAGE`].
const ANSWER: Duration = Duration::from_secs(30);

/// The widths and the schemes in which each page is looked at.
pub const LOOKS: [(u32, &str); 4] = [(400, "light"), (400, "dark"), (1400, "light"), (1400, "dark")];

pub struct Browser {
    /// What paths are relative to.
    origin: String,
    /// axe is a script, too.
    has_scripts: bool,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _driver: Child,
}

impl Browser {
    /// Opens this link in a new browser.
    pub async fn start(link: &str) -> Self {
        let needs =
            |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("no {name}: run the tests by `make test`"));
        let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/driver.mjs");
        let mut command = Command::new(needs("TEST_NODE"));
        command.arg(driver).env("CHROMIUM", needs("TEST_CHROMIUM")).kill_on_drop(true);
        command.env("TEST_PATIENCE", patience(PAGE).as_millis().to_string());
        let mut driver = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Node");
        let (stdin, stdout) = (driver.stdin.take().expect("a pipe"), driver.stdout.take().expect("a pipe"));
        let origin = url::Url::parse(link).expect("a link").origin().ascii_serialization();
        let mut browser =
            Self { origin, has_scripts: true, stdin, answers: BufReader::new(stdout).lines(), _driver: driver };
        browser.does("open", json!({ "url": link })).await;
        browser
    }

    async fn tries(&mut self, name: &str, told: Value) -> Result<Value, String> {
        let mut command = told;
        command["do"] = name.into();
        self.stdin.write_all(format!("{command}\n").as_bytes()).await.expect("the driver reads");
        let line = timeout(patience(ANSWER), self.answers.next_line()).await.expect("the driver answers");
        let mut answer: Value = serde_json::from_str(&line.expect("text").expect("the driver runs")).expect("JSON");
        match answer["fault"].take() {
            Value::Null => Ok(answer["is"].take()),
            fault => Err(format!("{command}: {}", fault.as_str().unwrap_or_default())),
        }
    }

    async fn does(&mut self, name: &str, told: Value) -> Value {
        self.tries(name, told).await.unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Opens a path of the console; the answer's status.
    pub async fn open(&mut self, path: &str) -> u64 {
        let url = format!("{}{path}", self.origin);
        self.does("open", json!({ "url": url })).await.as_u64().expect("a status")
    }

    /// Clicks a button or a link of exactly this name.
    pub async fn click(&mut self, name: &str) {
        self.does("click", json!({ "name": name })).await;
    }

    /// Answers the question that the page's script asks by the button of this name.
    pub async fn confirm(&mut self, name: &str) {
        self.does("confirm", json!({ "name": name })).await;
    }

    /// Clicks the first button or link whose name begins like this.
    pub async fn click_like(&mut self, name: &str) {
        self.does("click", json!({ "name": name, "like": true })).await;
    }

    /// Clicks the first link in what the selector finds.
    pub async fn click_in(&mut self, of: &str) {
        self.does("follow", json!({ "of": of })).await;
    }

    /// Sends a form that no page has shown, from the page that is open; the answer's status.
    pub async fn send(&mut self, path: &str, fields: &str) -> u64 {
        self.does("send", json!({ "path": path, "fields": fields })).await.as_u64().expect("a status")
    }

    pub async fn fill(&mut self, label: &str, text: &str) {
        self.does("fill", json!({ "label": label, "text": text })).await;
    }

    pub async fn choose(&mut self, label: &str, option: &str) {
        self.does("choose", json!({ "label": label, "option": option })).await;
    }

    pub async fn tick(&mut self, label: &str) {
        self.does("tick", json!({ "label": label })).await;
    }

    pub async fn press(&mut self, key: &str) {
        self.does("press", json!({ "key": key })).await;
    }

    /// Waits until the page shows this text.
    pub async fn sees(&mut self, text: &str) {
        self.does("sees", json!({ "text": text })).await;
    }

    /// Waits until what the selector finds holds exactly this text.
    pub async fn shows(&mut self, of: &str, text: &str) {
        self.does("shows", json!({ "of": of, "text": text })).await;
    }

    /// Waits until the page shows this text nowhere.
    pub async fn misses(&mut self, text: &str) {
        self.does("misses", json!({ "text": text })).await;
    }

    /// The text of what the selector finds first.
    pub async fn text(&mut self, of: &str) -> String {
        self.does("text", json!({ "of": of })).await.as_str().expect("text").to_owned()
    }

    /// What a field holds.
    pub async fn value(&mut self, label: &str) -> String {
        self.does("value", json!({ "label": label })).await.as_str().expect("text").to_owned()
    }

    /// How many elements the selector finds.
    pub async fn count(&mut self, of: &str) -> u64 {
        self.does("count", json!({ "of": of })).await.as_u64().expect("a number")
    }

    /// Path and query of the page.
    pub async fn path(&mut self) -> String {
        let url = self.does("url", json!({})).await.as_str().expect("text").to_owned();
        url.strip_prefix(&self.origin).unwrap_or_else(|| panic!("left for {url}")).to_owned()
    }

    /// What has the focus. It must be seen to have it.
    pub async fn focus(&mut self) -> String {
        let focus = self.does("focus", json!({})).await;
        assert_eq!(focus["outlined"], true, "nobody sees that {} has the focus", focus["name"]);
        focus["name"].as_str().expect("text").to_owned()
    }

    /// From now on without scripts, or with them.
    pub async fn scripts(&mut self, on: bool) {
        self.does("script", json!({ "on": on })).await;
        self.has_scripts = on;
    }

    /// The page, in every scheme, narrow and wide: axe finds nothing serious, unless scripts are off, and nothing reaches beyond
    /// the window. Leaves a picture of each in the folder `TEST_SCREENSHOTS`, if that is set.
    pub async fn looks_well(&mut self, name: &str) {
        for (width, scheme) in LOOKS {
            self.does("look", json!({ "width": width, "scheme": scheme })).await;
            let at = format!("{name}, {width} px, {scheme}");
            if self.has_scripts {
                assert_eq!(self.does("axe", json!({})).await, json!([]), "{at}");
            }
            assert_eq!(self.does("overhang", json!({})).await, 0, "{at}: pixels beyond the window");
            if let (true, Ok(folder)) = (self.has_scripts, std::env::var("TEST_SCREENSHOTS")) {
                let path = format!("{folder}/{name}-{width}-{scheme}.png");
                self.does("shot", json!({ "path": path })).await;
            }
        }
    }

    /// Ends it: nothing has been complained of.
    pub async fn close(mut self) {
        assert_eq!(self.does("complaints", json!({})).await, json!([]));
    }
}
