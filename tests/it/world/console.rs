//! The console, as a browser meets it: the real binary, asked by HTTP with a cookie and the forms' own fields. Runs no script.
//!
//! Enters: an environment, the console's arguments. Leaves: its answers, with their forms. Promises: a form is sent as a
//! browser sends it, with its hidden fields and the headers of a page of the same site, unless a test says otherwise.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::form_urlencoded::Serializer;

use super::eventually;
use super::patience::patience;
use super::processes::Worker;

pub const SOON: Duration = Duration::from_secs(30);

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
    /// Where it is: behind every redirect that was followed.
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
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

    /// Opens a page as a browser does: a redirect is followed.
    pub async fn visit(&self, path: &str) -> Reply {
        self.followed(self.get(path).await).await
    }

    /// Visits a page until it says this.
    pub async fn until(&self, path: &str, words: &str) -> Reply {
        eventually(&format!("{path} says {words:?}"), SOON, || async {
            Some(self.visit(path).await).filter(|page| page.says(words))
        })
        .await
    }

    /// Sends the form that this page shows for `action`, with these fields filled in, and follows where it leads.
    pub async fn fill(&self, page: &Reply, action: &str, fields: &[(&str, &str)]) -> Reply {
        let sent = self.submit(page, action, fields).await;
        self.followed(sent).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], "").await
    }

    /// Sends the form that the page at `on` shows for `action`, with these fields filled in.
    pub async fn send(&self, on: &str, action: &str, fields: &[(&str, &str)]) -> Reply {
        self.submit(&self.get(on).await, action, fields).await
    }

    /// Posts from a page of its own.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post_with(path, &[("origin", &format!("http://{}", self.at)), ("sec-fetch-site", "same-origin")], fields)
            .await
    }

    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Reply {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
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
        Reply { path: path.to_owned(), ..raw(&self.at, &request).await }
    }

    async fn submit(&self, page: &Reply, action: &str, fields: &[(&str, &str)]) -> Reply {
        let hidden = page.hidden(action).unwrap_or_else(|| panic!("no form for {action} on {page:?}"));
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let hidden = hidden.filter(|(name, _)| fields.iter().all(|(filled, _)| filled != name));
        self.post(action, &hidden.chain(fields.iter().copied()).collect::<Vec<_>>()).await
    }

    async fn followed(&self, mut reply: Reply) -> Reply {
        for _ in 0..5 {
            let Some(to) = reply.headers.get("location") else { return reply };
            reply = self.get(to).await;
        }
        panic!("it leads in circles: {}", reply.path);
    }
}

impl Reply {
    /// The cookie that it sets, as a browser sends it back.
    pub fn cookie(&self) -> String {
        self.headers["set-cookie"].split(';').next().expect("a cookie").to_owned()
    }

    pub fn says(&self, words: &str) -> bool {
        self.body.contains(words)
    }

    /// Is there a form of this action?
    pub fn has_form(&self, action: &str) -> bool {
        self.says(&format!("method=\"post\" action=\"{action}\""))
    }

    /// The token of the form for this action.
    pub fn token(&self, action: &str) -> Option<String> {
        self.hidden(action)?.into_iter().find_map(|(name, value)| (name == "token").then_some(value))
    }

    /// The text of the page's field of this name, as a browser shows it.
    pub fn field(&self, name: &str) -> String {
        let (_, field) = self.body.split_once(&format!("<textarea id=\"edited\" name=\"{name}\"")).expect("a field");
        let text = field.split_once(">\n").and_then(|(_, rest)| rest.split_once("</textarea>")).expect("its text").0;
        plain(text)
    }

    fn hidden(&self, action: &str) -> Option<Vec<(String, String)>> {
        let form = self.body.split("<form").find(|form| form.contains(&format!("action=\"{action}\"")))?;
        let form = form.split("</form>").next().unwrap_or_default();
        let field = |input: &str| {
            let of = |name: &str| Some(plain(input.split_once(&format!("{name}=\""))?.1.split('"').next()?));
            Some((of("name")?, of("value")?))
        };
        Some(form.split("<input type=\"hidden\"").skip(1).filter_map(field).collect())
    }
}

/// Sends a request as it is, and reads the answer to its end. A console that dies before it answers: status 0.
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
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Reply { status, path: String::new(), headers, body: body.replace("&#x2f;", "/") }
}

fn plain(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}
