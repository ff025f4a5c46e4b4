//! The console, as a browser meets it: the real binary, asked by HTTP with a cookie and the forms' own tokens.

mod attacks;
mod entry;
mod pages;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::form_urlencoded;

use crate::world::patience::patience;
use crate::world::processes::Worker;

const SOON: Duration = Duration::from_secs(20);

/// A console that runs, and the session of the one browser that it let in.
pub struct Console {
    pub process: Worker,
    /// Host and port.
    pub at: String,
    /// The link that it printed.
    pub link: String,
    pub cookie: String,
}

/// An answer, as text.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// The environment of a console whose servers nobody runs: for what it does without them.
pub fn alone() -> BTreeMap<String, String> {
    let ours = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "000000000000"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_MAX_ATTEMPTS", "1"),
        ("EMAIL_QUEUE_URL", "http://127.0.0.1:1/000000000000/email"),
        ("USER_EVENTS_TOPIC_ARN", "arn:aws:sns:eu-central-1:000000000000:user-events"),
        ("LOG_FORMAT", "json"),
        ("USER", "anna"),
    ];
    ours.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

impl Console {
    /// Starts it on a free port, and opens the link that it prints.
    pub async fn open(env: &BTreeMap<String, String>, arguments: &[&str]) -> Self {
        let mut console = Self::closed(env, arguments).await;
        let reply = console.get(console.link.split_once(&console.at).expect("its own link").1).await;
        assert_eq!((reply.status, reply.headers["location"].as_str()), (303, "/"), "{}", reply.body);
        console.cookie = reply.cookie();
        console
    }

    /// Starts it, and opens nothing.
    pub async fn closed(env: &BTreeMap<String, String>, arguments: &[&str]) -> Self {
        let arguments = [&["console", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut process = Worker::of(env, &arguments);
        let printed = process.prints(2, SOON).await;
        let at = printed[1].strip_prefix("listening on ").and_then(|rest| rest.split(';').next()).expect("an address");
        let (link, at) = (printed[0].clone(), at.to_owned());
        Self { process, at, link, cookie: String::new() }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], "").await
    }

    /// Sends the form that the page `on` shows for `action`, with these fields in place of its own.
    pub async fn send(&self, on: &str, action: &str, fields: &[(&str, &str)]) -> Reply {
        let page = self.get(on).await;
        let token = page.token(action).unwrap_or_else(|| panic!("no form for {action} on {on}:\n{}", page.body));
        self.post(action, &[&[("token", token.as_str())], fields].concat()).await
    }

    /// Posts from a page of its own.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post_with(path, &[("origin", &format!("http://{}", self.at)), ("sec-fetch-site", "same-origin")], fields)
            .await
    }

    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Reply {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask("POST", path, headers, &body).await
    }

    /// Asks with these headers, and with the session's cookie.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let cookie = format!("cookie: {}\r\n", self.cookie);
        let own = if self.cookie.is_empty() { "" } else { &cookie };
        let host = format!("host: {}\r\n", self.at);
        let host = if headers.iter().any(|(name, _)| *name == "host") { "" } else { &host };
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let kind = "content-type: application/x-www-form-urlencoded";
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{host}{own}{headers}{kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        raw(&self.at, &request).await
    }
}

impl Reply {
    /// The cookie that it sets, as a browser sends it back.
    pub fn cookie(&self) -> String {
        self.headers["set-cookie"].split(';').next().expect("a cookie").to_owned()
    }

    /// The token of the form for this action.
    pub fn token(&self, action: &str) -> Option<String> {
        let form = self.body.split("<form").find(|form| form.contains(&format!("action=\"{action}\"")))?;
        let field = form.split("name=\"token\" value=\"").nth(1)?;
        Some(field.split('"').next()?.to_owned())
    }

    pub fn says(&self, words: &str) -> bool {
        self.body.contains(words)
    }
}

/// Sends a request as it is, and reads the answer to its end.
pub async fn raw(at: &str, request: &str) -> Reply {
    let ask = async {
        let mut stream = TcpStream::connect(at).await.expect("somebody listens");
        // A refused form may not be read to its end.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).expect("it answers text")
    };
    let answer = timeout(patience(SOON), ask).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Reply { status, headers, body: body.to_owned() }
}
