//! A person at the console, with a browser that runs no script.
//!
//! Enters: an environment, the console's arguments. Leaves: pages, with their forms. Promises: a form is sent as a browser
//! sends it, with its hidden fields and the headers of a page of the same site.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::form_urlencoded::Serializer;

use super::eventually;
use super::patience::patience;
use super::processes::Worker;

const WITHIN: Duration = Duration::from_secs(30);

/// Somebody whom the console has let in.
pub struct Visitor {
    pub console: Worker,
    address: String,
    cookie: String,
}

/// A page, as it was answered.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    /// Where it is, after every redirect.
    pub path: String,
    pub text: String,
    headers: String,
}

impl Visitor {
    /// Starts a console and opens its link.
    pub async fn at(env: &BTreeMap<String, String>, arguments: &[&str]) -> Self {
        let arguments = [&["console", "--listen", "127.0.0.1:0", "--as", "anna"], arguments].concat();
        let mut console = Worker::of(env, &arguments);
        let link = console.prints(1, WITHIN).await.remove(0);
        let (address, path) =
            link.trim().strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a link");
        let mut visitor = Self { console, address: address.to_owned(), cookie: String::new() };
        let page = visitor.ask("GET", &format!("/{path}"), None).await;
        let cookie = page.header("set-cookie").expect("a cookie");
        visitor.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        visitor
    }

    /// Opens a page.
    pub async fn open(&self, path: &str) -> Page {
        let page = self.ask("GET", path, None).await;
        self.followed(page).await
    }

    /// Sends the form of this action as the page holds it, with these fields filled in.
    pub async fn send(&self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let mut body = Serializer::new(String::new());
        body.extend_pairs(page.hidden(action)).extend_pairs(fields);
        let page = self.ask("POST", action, Some(&body.finish())).await;
        self.followed(page).await
    }

    /// Sends a form that no page has shown.
    pub async fn force(&self, action: &str, fields: &[(&str, &str)]) -> Page {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask("POST", action, Some(&body)).await
    }

    /// Opens a page until it holds this text.
    pub async fn until(&self, path: &str, text: &str) -> Page {
        eventually(&format!("{path} says {text:?}"), WITHIN, || async {
            Some(self.open(path).await).filter(|page| page.text.contains(text))
        })
        .await
    }

    async fn followed(&self, mut page: Page) -> Page {
        for _ in 0..5 {
            let Some(to) = page.header("location") else { return page };
            page = self.ask("GET", &to, None).await;
        }
        panic!("it leads in circles: {}", page.path);
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Page {
        let (host, cookie, body) = (&self.address, &self.cookie, body.unwrap_or_default());
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\nconnection: close\r\n");
        if method == "POST" {
            let length = body.len();
            request.push_str(&format!(
                "origin: http://{host}\r\nsec-fetch-site: same-origin\r\ncontent-length: {length}\r\n\
                 content-type: application/x-www-form-urlencoded\r\n"
            ));
        }
        let exchange = async {
            let mut stream = TcpStream::connect(host).await.expect("the console listens");
            stream.write_all(format!("{request}\r\n{body}").as_bytes()).await.expect("it takes a request");
            let mut answer = Vec::new();
            // A console that dies amid an answer closes the connection.
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8(answer).expect("UTF-8")
        };
        let answer = timeout(patience(WITHIN), exchange).await.expect("an answer");
        let (headers, text) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Page { status, path: path.to_owned(), text: text.replace("&#x2f;", "/"), headers: headers.to_owned() }
    }
}

impl Page {
    pub fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    }

    pub fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// Is there a form of this action?
    pub fn has_form(&self, action: &str) -> bool {
        self.text.contains(&format!("method=\"post\" action=\"{action}\""))
    }

    /// The text of the page's field of this name, as a browser shows it.
    pub fn field(&self, name: &str) -> String {
        let (_, field) = self.text.split_once(&format!("<textarea id=\"edited\" name=\"{name}\"")).expect("a field");
        let text = field.split_once(">\n").and_then(|(_, rest)| rest.split_once("</textarea>")).expect("its text").0;
        plain(text)
    }

    fn hidden(&self, action: &str) -> Vec<(String, String)> {
        let form = self.text.split("<form").find(|form| form.contains(&format!("action=\"{action}\"")));
        let form = form.unwrap_or_else(|| panic!("no form for {action} in {}:\n{}", self.path, self.text));
        let form = form.split("</form>").next().unwrap_or_default();
        let field = |input: &str| {
            let of = |name: &str| Some(plain(input.split_once(&format!("{name}=\""))?.1.split('"').next()?));
            Some((of("name")?, of("value")?))
        };
        form.split("<input type=\"hidden\"").skip(1).filter_map(field).collect()
    }
}

fn plain(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}
